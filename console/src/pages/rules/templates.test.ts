import { expect, it } from "vitest";

import { TEMPLATES, policyName, written } from "./templates";

it("fills every blank of every template, and names the policy after the rule", () => {
  for (const template of TEMPLATES) {
    const values = Object.fromEntries(template.blanks.map(({ name, isNumber }) => [name, isNumber ? "500" : `My ${name}`]));
    const text = written(template, values, true);
    expect(text).toContain('@mode("observe")');
    expect(text).not.toContain("undefined");
    for (const value of Object.values(values)) expect(text).toContain(value);
    expect(policyName(text)).toMatch(/^[a-z0-9][a-z0-9._-]{0,62}$/);
  }
});

it("lets no value leave its string", () => {
  const [template] = TEMPLATES;
  const text = written(template!, { group: 'a") permit(principal', model: "m\\" }, false);
  expect(text).toContain('Group::"a) permit(principal"');
  expect(text).toContain('"m"');
  expect(text).not.toContain("@mode");
});
