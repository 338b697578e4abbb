/** The frame around every page: where one can go, who is signed in, light or dark. */

import { ActionIcon, Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Link } from "react-router";

import { type Schemas, api, take } from "../api/client";
import { changeSession } from "../api/queries";
import { forgetDrafts } from "../draft";
import { Icon, Logo } from "../elements/icons";
import { ADMINISTER, type Place, USE, useMay } from "../places";
import { ColorScheme } from "./ColorScheme";

export function Frame({
  path,
  session,
  children,
}: {
  path: string;
  session: Schemas["Session"] | null;
  children: ReactNode;
}) {
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
    <div className="hg-shell">
      <a className="hg-skip" href="#main">
        Skip to the page
      </a>
      <header className="hg-side" onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
        <div className="hg-top">
          <Link to="/" className="hg-brand" aria-label="Headgate, start">
            <Logo />
            Headgate
          </Link>
          <ActionIcon
            className="hg-burger"
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
        <div className="hg-menu" id="menu" data-open={isOpen || undefined}>
          <nav aria-label="Pages">
            <Places places={USE} path={path} />
            <div className="hg-rule" />
            <Places places={ADMINISTER} path={path} />
          </nav>
          <div className="hg-foot">
            <ColorScheme />
            {session && <SignedIn session={session} />}
          </div>
        </div>
      </header>
      <main className="hg-main" id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Places({ places, path }: { places: readonly Place[]; path: string }) {
  const may = useMay();
  return (
    <ul>
      {places
        .filter(({ needs }) => !needs || may(needs))
        .map(({ path: to, icon, text, below }) => (
          <li key={to}>
            <Link to={to} aria-current={path === to || path.startsWith(below ?? "//") ? "page" : undefined}>
              <Icon name={icon} />
              {text}
            </Link>
          </li>
        ))}
    </ul>
  );
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
      <div className="hg-quiet" style={{ fontSize: "0.75rem", marginBottom: 4 }}>
        {session.principal} · {session.tenant}
        <br />
        {session.roles.join(", ")}
      </div>
      <Button
        size="compact-sm"
        variant="default"
        fullWidth
        leftSection={<Icon name="out" size={14} />}
        onClick={() => leave.mutate()}
        loading={leave.isPending}
      >
        Sign out
      </Button>
    </div>
  );
}
