import { expect, test } from "vitest";

import { citedIn, copyOf, fromQuotation, piecesOf } from "./citing";
import { entryOf, fieldsOf, idOf } from "./entry";
import type { FoundPassage } from "./queries";
import { partsOf } from "./texts";
import { ageWords, placeWords, standingOf } from "./words";

const NOW = new Date("2026-11-30T12:00:00Z");

test("an age is told in the unit that people count in", () => {
  expect(ageWords("2026-11-30T01:00:00Z", NOW)).toBe("from today");
  expect(ageWords("2026-11-29T01:00:00Z", NOW)).toBe("1 day old");
  expect(ageWords("2026-08-25T00:00:00Z", NOW)).toBe("3 months old");
  expect(ageWords("2023-11-01T00:00:00Z", NOW)).toBe("3 years old");
});

test("a passage stands on its pages, or in the part of a format without pages", () => {
  const box = { left: 0, top: 0, right: 1, bottom: 1 };
  expect(placeWords({ boxes: [{ ...box, page: 4 }, { ...box, page: 3 }], part: "" })).toBe("pages 3 to 4");
  expect(placeWords({ boxes: [{ ...box, page: 3 }, { ...box, page: 3 }], part: "" })).toBe("page 3");
  expect(placeWords({ boxes: [], part: "Prices, rows 2-9" })).toBe("Prices, rows 2-9");
  expect(placeWords({ boxes: [], part: "" })).toBeNull();
});

test("a document that is read tells its stage, and how far it is", () => {
  expect(standingOf({ state: "reading", stage: "embedding" })).toMatchObject({ text: "Embedding", done: 0.6 });
  expect(standingOf({ state: "waiting", stage: "" })).toMatchObject({ text: "Waiting", done: 0 });
});

test("sources are numbered in the order in which an answer names them", () => {
  const passages = ["a", "b", "c"].map((document) => ({ document }) as FoundPassage);
  const cited = citedIn({
    is_quoted: true,
    passages,
    sentences: [
      { text: "First.", cites: [2] },
      { text: "Second.", cites: [2, 0] },
    ],
  });
  expect(cited.sentences.map((one) => one.sources)).toEqual([[1], [1, 2]]);
  expect(cited.sources.map((one) => one.found.document)).toEqual(["c", "a"]);
  expect(cited.sources[0]!.quotations).toEqual(["First.", "Second."]);
  expect(cited.others.map((one) => one.document)).toEqual(["b"]);
  expect(copyOf(cited, (one) => one.found.document)).toBe("First. [1]\nSecond. [1] [2]\n\n[1] c\n[2] a");
});

test("a quotation is found where its lines break elsewhere, and as text rather than as a pattern", () => {
  expect(piecesOf("Pay (at most)\n10.00 a day. Ask.", ["Pay (at most) 10.00 a day."])).toEqual([
    { text: "Pay (at most)\n10.00 a day.", isQuoted: true },
    { text: " Ask.", isQuoted: false },
  ]);
});

test("a passage is taken apart into paragraphs, tables and code", () => {
  expect(partsOf("Fees:\n\nPlan | Price\nSmall | 10\n\ndef fee():\n    return 10\n\n- one\n  - two")).toEqual([
    { kind: "text", text: "Fees:" },
    {
      kind: "table",
      rows: [
        ["Plan", "Price"],
        ["Small", "10"],
      ],
    },
    { kind: "code", text: "def fee():\n    return 10" },
    { kind: "text", text: "- one\n  - two" },
  ]);
});

test("a quotation far within a passage is shown with a little of what stands before it", () => {
  const text = `${"Before it. ".repeat(40)}Here it is. And after.`;
  expect(fromQuotation(text, ["Here it is."])).toMatch(/^… (Before it\. |it\. )+Here it is\. And after\.$/);
  expect(fromQuotation(text, ["Here it is."]).length).toBeLessThan(140);
  expect(fromQuotation("Short. Here.", ["Here."])).toBe("Short. Here.");
});

test("an id follows the title until somebody types one, and what a form does not show stays in the entry", () => {
  expect(idOf({ id: "", title: " Prüfung & Café 2026! " })).toBe("prufung-cafe-2026");
  expect(idOf({ id: "own", title: "Other" })).toBe("own");
  const stored = { id: "a", owner: "ana", categories: ["pii"], shelf_life_days: 30, model: "smart" };
  const fields = { ...fieldsOf(stored, "me"), shelfLife: "", model: "" };
  expect(entryOf(fields, stored)).toEqual({
    ...{ title: "a", purpose: "", owner: "ana", readers: [], experts: [], confidentiality: "internal" },
    categories: ["pii"],
  });
});
