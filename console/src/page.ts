/** What a page says of itself, and who may open it. Every `pages/<name>/page.tsx` exports one as `page`. */

import type { QueryClient } from "@tanstack/react-query";
import { type ComponentType, type ReactNode, createContext, use } from "react";
import { matchPath } from "react-router";

import { type May, useMay } from "./session";

/** The groups of the navigation, in order, and the words above them. */
export const GROUPS = { use: "Use", observe: "Observe", govern: "Govern", administer: "Administer" } as const;

export type Group = keyof typeof GROUPS;

/** A thing that the command palette leads to. */
export interface Found {
  readonly title: string;
  readonly detail?: string;
  readonly to: string;
}

/** Who finds: the cache of the person, and what they may do. */
export interface Finder {
  readonly client: QueryClient;
  readonly may: May;
}

interface About {
  /** The address, with names for its variable parts: `/records/:record`. The page reads them with `useParams`. */
  readonly path: string;
  readonly title: string;
  /** The verbs of which a person needs one to open the page. A verb without a group never opens a page. */
  readonly may: "everyone" | readonly string[];
  /** Wraps the console while a person is signed in: for state that outlives the page. It is part of the first load. */
  readonly Provider?: ComponentType<{ children: ReactNode }>;
}

/** A page with a place in the navigation. */
export interface Place extends About {
  readonly group: Group;
  /** Where it stands in its group; the lowest first. */
  readonly order: number;
  /** An SVG path on a grid of 16, drawn as a line. */
  readonly icon: string;
  /** Whether it stands in the bar at the bottom of a phone's screen by itself, one tap away. */
  readonly isQuick?: boolean;
  /** A hook: how many things wait there, as text for the navigation; null for none. */
  readonly useBadge?: () => string | null;
  /** Finds things of this place by some words, best first, for the command palette. */
  readonly find?: (words: string, by: Finder) => Promise<readonly Found[]>;
}

/** A page that links lead to. */
interface Reached extends About {
  readonly group?: undefined;
  /** The path of the place that the navigation marks while this page is open. */
  readonly below?: string;
}

export type Page = Place | Reached;

/** A page with its component, which is loaded when it is first shown. */
export interface Shown {
  readonly page: Page;
  readonly Component: ComponentType;
}

/** The pages that there are. */
export const Pages = createContext<readonly Shown[]>([]);

/** Whether there is a page at an address of this site which the person who is signed in may open. */
export function useMayOpen(): (address: string) => boolean {
  const pages = use(Pages);
  const may = useMay();
  return (address) => {
    const { pathname } = new URL(address, location.origin);
    return pages.some(({ page }) => matchPath(page.path, pathname) !== null && isOpenTo(page, may));
  };
}

/** The things that have all the words, those whose title begins with them first. */
export function matching(words: string, things: readonly Found[]): readonly Found[] {
  const typed = words.toLowerCase();
  const wanted = typed.split(/\s+/);
  const isFirst = ({ title }: Found) => title.toLowerCase().startsWith(typed);
  const found = things.filter(({ title, detail = "" }) => {
    const text = `${title} ${detail}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  return [...found.filter(isFirst), ...found.filter((one) => !isFirst(one))];
}

/** Whether a person may open a page. */
export function isOpenTo(page: Page, may: May): boolean {
  return page.may === "everyone" || page.may.some(may);
}
