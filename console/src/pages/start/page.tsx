/** The quick start at an address of its own, for when the home page shows figures. */

import { lazy } from "react";

import type { Page } from "../../page";

// Loaded apart from what this page says of itself: the home page shows it too.
const Start = lazy(() => import("./Start"));

export const page: Page = {
  path: "/start",
  title: "Quick start",
  group: "use",
  order: 90,
  may: "everyone",
  icon: "M5 2.5 12.5 8 5 13.500z",
};

export default function Shown() {
  return <Start />;
}
