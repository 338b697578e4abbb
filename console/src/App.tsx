/** Shows the page at the current address, inside the frame, to a person who is signed in. */

import { useQuery } from "@tanstack/react-query";
import { type ReactNode, Suspense, lazy, use, useEffect } from "react";
import { Link, Route, Routes, useLocation } from "react-router";

import { sessionQuery } from "./api/queries";
import { type Verb, useVerbs } from "./api/vocabulary";
import { forgetDrafts } from "./draft";
import { Empty, Failure, PageHead, Rows } from "./elements/page";
import { type Page, Pages, type Shown, isOpenTo } from "./page";
import { useMay } from "./session";
import { Boundary } from "./shell/Boundary";
import { Frame } from "./shell/Frame";

const SignIn = lazy(() => import("./shell/SignIn"));

export function App() {
  const { pathname } = useLocation();
  const session = useQuery(sessionQuery);
  const principal = session.data?.principal;
  useEffect(() => {
    if (principal !== undefined) forgetDrafts(principal);
  }, [principal]);
  if (pathname === "/sign-in" || session.data === null) {
    return (
      <Suspense fallback={null}>
        <SignIn />
      </Suspense>
    );
  }
  return (
    <Providers key={principal}>
      <Frame session={session.data ?? null}>
        <Boundary key={pathname}>
          {session.error ? (
            <Failure error={session.error} title="The console could not start" />
          ) : (
            <Suspense fallback={<Rows />}>{session.data ? <Addressed /> : <Rows />}</Suspense>
          )}
        </Boundary>
      </Frame>
    </Providers>
  );
}

/** Everything that pages keep while a person is signed in. */
function Providers({ children }: { children: ReactNode }) {
  return use(Pages).reduceRight<ReactNode>(
    (inner, { page: { Provider } }) => (Provider ? <Provider>{inner}</Provider> : inner),
    children,
  );
}

function Addressed() {
  return (
    <Routes>
      {use(Pages).map((shown) => (
        <Route key={shown.page.path} path={shown.page.path} caseSensitive element={<Allowed shown={shown} />} />
      ))}
      <Route path="*" element={<NotHere />} />
    </Routes>
  );
}

function Allowed({ shown: { page, Component } }: { shown: Shown }) {
  const verbs = useVerbs();
  if (isOpenTo(page, useMay())) return <Component />;
  return hasFeature(page, verbs) ? <NotYours title={page.title} /> : <NotHere />;
}

/** Whether this Headgate has the feature of a page; true until its verbs are read. */
function hasFeature(page: Page, verbs: readonly Verb[]): boolean {
  if (page.may === "everyone" || verbs.length === 0) return true;
  return page.may.some((name) => verbs.some((verb) => verb.name === name));
}

function NotYours({ title }: { title: string }) {
  return (
    <>
      <PageHead title={title} />
      <Empty title="Your role does not allow this." action={<Link to="/">Go to the start</Link>}>
        Ask an administrator for a role that opens {title}.
      </Empty>
    </>
  );
}

function NotHere() {
  return (
    <>
      <PageHead title="Page not found" />
      <Empty title="No page has this address" action={<Link to="/">Go to the start</Link>} />
    </>
  );
}
