import { expect, it } from "vitest";

import { maskedPieces } from "./masked";

it("cuts text at masked values and says what they were", () => {
  expect(maskedPieces("To HGX_EMAIL_BCDFGHJKLMNPQRS and HGX_odd")).toEqual([
    { text: "To ", kind: null },
    { text: "HGX_EMAIL_BCDFGHJKLMNPQRS", kind: "e-mail address" },
    { text: " and HGX_odd", kind: null },
  ]);
});
