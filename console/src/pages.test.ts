import { expect, it } from "vitest";

import { GROUPS } from "./page";
import { PAGES } from "./pages";

it("finds pages of which no two have one address or one place in the navigation", () => {
  const pages = PAGES.map(({ page }) => page);
  const paths = pages.map((page) => page.path.replaceAll(/:[^/]+/g, ":"));
  expect(paths).toContain("/");
  expect(new Set(paths).size).toBe(pages.length);
  const places = pages.flatMap((page) => (page.group === undefined ? [] : [page]));
  expect(new Set(places.map((page) => `${page.group} ${page.order}`)).size).toBe(places.length);
  expect(places.every((page) => Object.hasOwn(GROUPS, page.group))).toBe(true);
});
