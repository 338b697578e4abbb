/** The first page. */

import { lazy } from "react";

import type { Page } from "../../page";

const Home = lazy(() => import("./Home"));

export const page: Page = {
  path: "/",
  title: "Home",
  group: "use",
  order: 10,
  may: "everyone",
  icon: "M3 7.5 8 3l5 4.5V13H9.8V9.5H6.2V13H3z",
};

export default function Shown() {
  return <Home />;
}
