/** One's own usage. */

import { lazy } from "react";

import type { Page } from "../../page";

// Loaded apart from what this page says of itself: the home page shows it too.
const MyUsage = lazy(() => import("./MyUsage"));

export const page: Page = {
  path: "/my-usage",
  title: "My usage",
  group: "use",
  order: 80,
  may: "everyone",
  icon: "M2.500 13.500h11M4 11V8M8 11V3.500M12 11V6",
};

export default function Shown() {
  return <MyUsage />;
}
