/** Which page is shown for which path, each loaded when it is first needed. */

import { useQuery } from "@tanstack/react-query";
import { type ComponentType, Suspense, lazy, useEffect } from "react";
import { Link, useLocation } from "react-router";

import { sessionQuery } from "./api/queries";
import { forgetDrafts } from "./draft";
import { Empty, Failure, PageHead, Rows } from "./elements/page";
import { ConversationHolder } from "./pages/chat/Conversation";
import { ADMINISTER, USE, useMay } from "./places";
import { Boundary } from "./shell/Boundary";
import { Frame } from "./shell/Frame";

const SignIn = lazy(() => import("./pages/sign-in/SignIn"));
const Approval = lazy(() => import("./pages/approvals/Approval"));
const Record = lazy(() => import("./pages/record/Record"));

const PAGES: { [path: string]: ComponentType } = {
  "/": lazy(() => import("./pages/start/Start")),
  "/preview": lazy(() => import("./pages/preview/Preview")),
  "/chat": lazy(() => import("./pages/chat/Chat")),
  "/activity": lazy(() => import("./pages/activity/Activity")),
  "/approvals": lazy(() => import("./pages/approvals/Approvals")),
  "/models": lazy(() => import("./pages/models/Models")),
  "/policies": lazy(() => import("./pages/policies/Policies")),
  "/keys": lazy(() => import("./pages/keys/Keys")),
  "/configuration": lazy(() => import("./pages/configuration/Configuration")),
};

export function App() {
  const path = useLocation().pathname.replace(/(.)\/+$/, "$1");
  const session = useQuery(sessionQuery);
  const principal = session.data?.principal;
  useEffect(() => {
    if (principal !== undefined) forgetDrafts(principal);
  }, [principal]);
  if (path === "/sign-in" || session.data === null) {
    return (
      <Suspense fallback={null}>
        <SignIn />
      </Suspense>
    );
  }
  return (
    <ConversationHolder key={session.data?.principal}>
      <Frame path={path} session={session.data ?? null}>
        <Boundary key={path}>
          {session.error ? (
            <Failure error={session.error} title="The console could not start" />
          ) : (
            <Suspense fallback={<Rows />}>{session.data ? <Page path={path} /> : <Rows />}</Suspense>
          )}
        </Boundary>
      </Frame>
    </ConversationHolder>
  );
}

function Page({ path }: { path: string }) {
  const may = useMay();
  const place = [...USE, ...ADMINISTER].find((one) => one.path === path);
  if (place?.needs && !may(place.needs)) return <NotYours title={place.text} />;
  const record = /^\/records\/([^/]+)$/.exec(path);
  if (record) return <Record key={record[1]} id={decodeURIComponent(record[1]!)} />;
  const approval = /^\/approvals\/([^/]+)$/.exec(path);
  if (approval) return <Approval key={approval[1]} id={decodeURIComponent(approval[1]!)} />;
  const Shown = Object.hasOwn(PAGES, path) ? PAGES[path]! : NotHere;
  return <Shown />;
}

function NotYours({ title }: { title: string }) {
  return (
    <>
      <PageHead title={title} />
      <Empty title="Your role does not include this page." action={<Link to="/">Go to the start</Link>}>
        Ask an administrator of this Headgate for a role that does.
      </Empty>
    </>
  );
}

function NotHere() {
  return (
    <>
      <PageHead title="Not here" />
      <Empty title="There is no page at this address." action={<Link to="/">Go to the start</Link>} />
    </>
  );
}
