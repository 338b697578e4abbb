/** All records, newest first: filtered, paged by key, followed live. */

import { Button, Group, Stack, Switch } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { recordsQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import type { Page } from "../../page";
import { useLiveRecords } from "../../record/live";
import { Filters } from "./Filters";
import { RecordCards, RecordTable } from "./RecordTable";
import { type Asked, filtersOf, readAsked, writeAsked } from "./filters";

export const page: Page = {
  path: "/activity",
  title: "Activity",
  group: "observe",
  order: 10,
  may: ["record.list"],
  icon: "M1.5 8.5h3L6.5 3l3 10 2-4.5h3",
};

const REFRESH_AT_MOST_MS = 1000;

export default function Activity() {
  const [search, setSearch] = useSearchParams();
  const asked = readAsked(search);
  const change = (next: Asked): void => setSearch(writeAsked(next), { replace: true });
  return (
    <>
      <PageHead title="Activity">Every action, newest first: done, refused, failed or waiting for approval.</PageHead>
      <Stack gap="md">
        <Filters asked={asked} onChange={change} />
        <Listed key={search.toString()} asked={asked} />
      </Stack>
    </>
  );
}

function Listed({ asked }: { asked: Asked }) {
  // The cursors of the pages before this one: going back is going to the one before.
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const [isLive, setLive] = useState(true);
  const [opened] = useState(() => new Date());
  const filters = useMemo(() => filtersOf(asked, opened), [asked, opened]);
  const isPhone = useMediaQuery("(max-width: 62em)") ?? false;
  const page = useQuery({ ...recordsQuery(filters, cursors.at(-1) ?? null), placeholderData: keepPreviousData });
  const isFirst = cursors.length === 0;
  const isUp = useLiveRecords(isLive && isFirst, useRefresh());
  if (page.error) return <Failure error={page.error} title="Headgate could not read the records" />;
  if (!page.data) return <Rows count={12} />;
  const { records, next } = page.data;
  return (
    <Stack gap="sm">
      <Group justify="flex-end">
        <Switch
          size="xs"
          label={isFirst ? (isUp ? "Live" : "Live refresh") : "Live refresh (first page only)"}
          checked={isLive}
          disabled={!isFirst}
          onChange={(event) => setLive(event.currentTarget.checked)}
        />
      </Group>
      {records.length === 0 ? (
        <Empty title="No matching records" action={<Link to="/activity">Show all records</Link>}>
          Remove a filter, or make a call: the <Link to="/">start page</Link> has one to copy.
        </Empty>
      ) : isPhone ? (
        <RecordCards records={records} />
      ) : (
        <RecordTable records={records} hasAttempts={!asked.roots} />
      )}
      {(next || !isFirst) && (
        <Group component="nav" aria-label="Pages of records" justify="flex-end" gap="xs">
          <Button variant="default" size="xs" disabled={isFirst} onClick={() => setCursors(cursors.slice(0, -1))}>
            Newer records
          </Button>
          <Button variant="default" size="xs" disabled={!next} onClick={() => next && setCursors([...cursors, next])}>
            Older records
          </Button>
        </Group>
      )}
    </Stack>
  );
}

/** Reads the list again after a record arrived, once however many arrive within a second. */
function useRefresh(): () => void {
  const client = useQueryClient();
  const timer = useRef<number | null>(null);
  return () => {
    timer.current ??= window.setTimeout(() => {
      timer.current = null;
      void client.invalidateQueries({ queryKey: ["records"] });
    }, REFRESH_AT_MOST_MS);
  };
}
