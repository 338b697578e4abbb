/** The frame around every page: navigation, session and colours. */

import { ActionIcon, Button, Group } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, use, useEffect, useId, useRef, useState } from "react";
import { Link, matchPath, useLocation } from "react-router";

import { type Schemas, api, take } from "../api/client";
import { changeSession } from "../api/queries";
import { forgetDrafts } from "../draft";
import { Drawn, Icon, Logo } from "../elements/icons";
import { GROUPS, type Page, Pages, type Place, isOpenTo } from "../page";
import { useMay } from "../session";
import { ColorScheme } from "./ColorScheme";
import { SearchButton } from "./SearchButton";
import prose from "../elements/prose.module.css";
import styles from "./Frame.module.css";
import brand from "./brand.module.css";

/** The tenant of an installation that has one only. Its name tells nobody anything. */
const DEFAULT_TENANT = "default";

export function Frame({ session, children }: { session: Schemas["Session"] | null; children: ReactNode }) {
  const { pathname: path } = useLocation();
  const [isOpen, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const shown = useRef(path);
  useEffect(() => {
    setOpen(false);
    if (shown.current === path) return;
    shown.current = path;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to the page
      </a>
      <header className={styles.side} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
        <div className={styles.top}>
          <Link to="/" className={brand.brand} aria-label="Headgate, start">
            <Logo />
            Headgate
          </Link>
          {session && <SearchButton />}
          <ActionIcon
            className={styles.burger}
            variant="subtle"
            color="gray"
            size="xl"
            aria-label="Menu"
            aria-expanded={isOpen}
            aria-controls="menu"
            onClick={() => setOpen(!isOpen)}
          >
            <Icon name={isOpen ? "close" : "menu"} size={20} />
          </ActionIcon>
        </div>
        <div className={styles.menu} id="menu" data-open={isOpen || undefined}>
          <nav aria-label="Pages">
            <Places path={path} />
          </nav>
          <div className={styles.foot}>
            <ColorScheme />
            {session && <SignedIn session={session} />}
          </div>
        </div>
      </header>
      <main className={styles.main} id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <GroupBar key={path} path={path} />
    </div>
  );
}

interface OpenGroup {
  readonly group: string;
  readonly words: string;
  readonly places: readonly Place[];
}

/** The groups with the places that the person may open, and the page at the current address. */
function useGroups(path: string): { readonly groups: readonly OpenGroup[]; readonly current: Page | undefined } {
  const may = useMay();
  const pages = use(Pages).map(({ page }) => page);
  const places = pages.filter(isPlace).filter((page) => isOpenTo(page, may));
  const groups = Object.entries(GROUPS).map(([group, words]) => ({
    group,
    words,
    places: places.filter((page) => page.group === group).sort((left, right) => left.order - right.order),
  }));
  return {
    groups: groups.filter((one) => one.places.length > 0),
    current: pages.find((page) => matchPath(page.path, path) !== null),
  };
}

function Places({ path }: { path: string }) {
  const { groups, current } = useGroups(path);
  return groups.map(({ group, words, places }) => (
    <Grouped key={group} words={words} places={places} current={current} />
  ));
}

/** The groups at the bottom of a phone's screen; a group opens the list of its places above the bar. */
function GroupBar({ path }: { path: string }) {
  const { groups, current } = useGroups(path);
  const [openGroup, setOpenGroup] = useState<string | null>(null);
  const opened = groups.find((one) => one.group === openGroup);
  return (
    <nav
      className={styles.bar}
      aria-label="Groups"
      onKeyDown={(event) => event.key === "Escape" && setOpenGroup(null)}
    >
      {opened && (
        <div className={`${styles.menu} ${styles.sheet}`} id="group" data-open>
          <Grouped words={opened.words} places={opened.places} current={current} />
        </div>
      )}
      <div className={styles.groups}>
        {groups.flatMap(({ places }) => places.filter((place) => place.isQuick)).map((place) => (
          <Link key={place.path} to={place.path} data-current={isMarked(place, current) || undefined}>
            <Drawn path={place.icon} size={18} />
            <span>{place.title}</span>
          </Link>
        ))}
        {groups.map(({ group, words, places }) => (
          <button
            key={group}
            type="button"
            aria-expanded={group === openGroup}
            aria-controls="group"
            data-current={places.some((place) => !place.isQuick && isMarked(place, current)) || undefined}
            onClick={() => setOpenGroup(group === openGroup ? null : group)}
          >
            <Drawn path={places[0]!.icon} size={18} />
            <span>
              {words}
              {places.map((place) => place.useBadge && <Badge key={place.path} useBadge={place.useBadge} />)}
            </span>
          </button>
        ))}
      </div>
    </nav>
  );
}

function Grouped({ words, places, current }: { words: string; places: readonly Place[]; current: Page | undefined }) {
  const id = useId();
  return (
    <>
      <div className={styles.groupName} id={id}>
        {words}
      </div>
      <ul aria-labelledby={id}>
        {places.map((place) => (
          <li key={place.path}>
            <Link to={place.path} aria-current={isMarked(place, current) ? "page" : undefined}>
              <Drawn path={place.icon} />
              {place.title}
              {place.useBadge && <Badge useBadge={place.useBadge} />}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function Badge({ useBadge }: { useBadge: () => string | null }) {
  const text = useBadge();
  return (
    text !== null && (
      <span className={styles.badge}>
        {text}
        <span className={prose.unseen}> waiting</span>
      </span>
    )
  );
}

function isPlace(page: Page): page is Place {
  return page.group !== undefined;
}

function isMarked(place: Place, current: Page | undefined): boolean {
  return current === place || (current?.group === undefined && current?.below === place.path);
}

function SignedIn({ session }: { session: Schemas["Session"] }) {
  const client = useQueryClient();
  const leave = useMutation({
    mutationFn: () => take(api.DELETE("/api/session")),
    onSettled: () => {
      forgetDrafts(null);
      changeSession(client, null);
    },
  });
  return (
    <div>
      <div className={prose.quiet} style={{ fontSize: "0.75rem", marginBottom: 4 }}>
        {[session.name, ...(session.tenant === DEFAULT_TENANT ? [] : [session.tenant])].join(" · ")}
        {session.roles.length > 0 && ` · ${session.roles.join(", ")}`}
      </div>
      <Group gap={4} grow wrap="nowrap">
        <Button
          component={Link}
          to="/account"
          size="compact-sm"
          variant="default"
          px={6}
        >
          Account
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          px={6}
          onClick={() => leave.mutate()}
          loading={leave.isPending}
        >
          Sign out
        </Button>
      </Group>
    </div>
  );
}
