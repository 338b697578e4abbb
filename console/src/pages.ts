/**
 * Finds the pages: every folder under `pages` with a `page.tsx`, which exports `page` and, as its default, the component.
 * Without its folder nothing of a page is left.
 */

import { type ComponentType, lazy } from "react";

import type { Page, Shown } from "./page";

const FOUND = import.meta.glob<Page>("./pages/*/page.tsx", { eager: true, import: "page" });

// The query makes a module of its own of the same file: the first load holds what a page says of itself, not the page.
const COMPONENTS = import.meta.glob<ComponentType>("./pages/*/page.tsx", { import: "default", query: "?component" });

/** Every page of the console. */
export const PAGES: readonly Shown[] = Object.entries(FOUND).map(([file, page]) => {
  const load = COMPONENTS[file]!;
  return { page, Component: lazy(async () => ({ default: await load() })) };
});
