/** What a page says of itself, and who may open it. Every `pages/<name>/page.tsx` exports one as `page`. */

import { type ComponentType, type ReactNode, createContext, use } from "react";
import { matchPath } from "react-router";

import { useMay } from "./session";

/** The groups of the navigation, in order, and the words above them. */
export const GROUPS = { use: "Use", observe: "Observe", govern: "Govern", administer: "Administer" } as const;

export type Group = keyof typeof GROUPS;

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
  /** A hook: how many things wait there, as text for the navigation; null for none. */
  readonly useBadge?: () => string | null;
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

/** Whether a person may open a page. */
export function isOpenTo(page: Page, may: (verb: string) => boolean): boolean {
  return page.may === "everyone" || page.may.some(may);
}
