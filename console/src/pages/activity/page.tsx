/** What happened: calls, and administration apart; filtered, counted over time, searched, followed live. */

import { Button, Drawer, Group, Stack, Switch, Tabs } from "@mantine/core";
import { useIntersection, useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { type MouseEvent, useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { countsQuery, recordPagesQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import type { Page } from "../../page";
import { useLiveRecords } from "../../record/live";
import { RecordDetails } from "../../record/RecordDetails";
import { useMay } from "../../session";
import { PeriodPicker } from "../../usage/PeriodPicker";
import { ContentResults } from "./ContentResults";
import { FilterBar } from "./FilterBar";
import { Histogram } from "./Histogram";
import { type ColumnName, RecordCards, RecordTable, USUAL_COLUMNS } from "./RecordTable";
import { Columns, Export, Views } from "./Tools";
import { type Asked, type Field, KINDS, type Kind, filtersOf, readAsked, writeAsked } from "./filters";

export const page: Page = {
  path: "/activity",
  title: "Activity",
  group: "observe",
  order: 10,
  may: ["record.list"],
  find: async (words) =>
    RECORD_ID.test(words) ? [{ title: "Record", detail: words.toUpperCase(), to: `/records/${words.toUpperCase()}` }] : [],
  icon: "M1.5 8.5h3L6.5 3l3 10 2-4.5h3",
};

const RECORD_ID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/i;
const REFRESH_AT_MOST_MS = 1000;

export default function Activity() {
  const [search, setSearch] = useSearchParams();
  const asked = readAsked(search);
  const change = (next: Asked): void => setSearch(writeAsked(next));
  return (
    <>
      <PageHead title="Activity" actions={<ActivityPeriod asked={asked} onChange={change} />} />
      <Tabs
        value={asked.kind}
        onChange={(kind) => kind && change({ ...asked, kind: kind as Kind })}
        mb="sm"
        keepMounted={false}
      >
        <Tabs.List aria-label="What to show">
          {Object.entries(KINDS).map(([kind, text]) => (
            <Tabs.Tab key={kind} value={kind}>
              {text}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={asked.kind} pt="md">
          <Listed key={search.toString()} asked={asked} onChange={change} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function ActivityPeriod({ asked, onChange }: { asked: Asked; onChange: (asked: Asked) => void }) {
  const { period: span, since } = asked;
  // A zoom from the live end has no end yet.
  const until = asked.until ?? new Date().toISOString();
  return (
    <PeriodPicker
      period={since ? { since, until, compares: false } : { span, compares: false }}
      hasCompare={false}
      onChange={(next) =>
        onChange({ ...asked, period: next.span ?? span, since: next.since ?? null, until: next.until ?? null })
      }
    />
  );
}

function Listed({ asked, onChange }: { asked: Asked; onChange: (asked: Asked) => void }) {
  const may = useMay();
  const [isLive, setLive] = useState(true);
  const [columns, setColumns] = useLocalStorage<ColumnName[]>({ key: "hg-activity-columns", defaultValue: USUAL_COLUMNS });
  const filters = filtersOf(asked);
  const isNarrow = useMediaQuery("(max-width: 62em)") ?? false;
  const isWide = useMediaQuery("(min-width: 75em)") ?? false;
  const pages = useInfiniteQuery({ ...recordPagesQuery(filters), placeholderData: keepPreviousData });
  const counts = useQuery({ ...countsQuery(filters), enabled: !asked.texts.text, placeholderData: keepPreviousData });
  const isUp = useLiveRecords(isLive && !asked.until, useRefresh());
  const [opened, open] = useDrawer();
  const records = pages.data?.pages.flatMap((one) => one.records) ?? [];

  const pick = (field: Field, value: string): void =>
    onChange({ ...asked, texts: { ...asked.texts, [field]: value } });
  const look = (record: string, event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    open(record);
  };
  const list = { records, columns, onPick: pick, onOpen: isWide ? look : undefined };
  return (
    <Stack gap="sm">
      <Group gap="xs" justify="space-between">
        <Views asked={asked} onChange={onChange} />
        <Group gap="xs">
          <Switch
            size="xs"
            label={isUp ? "Live" : "Live refresh"}
            checked={isLive}
            onChange={(event) => setLive(event.currentTarget.checked)}
          />
          {asked.content === null && (
            <Export asked={asked} counts={asked.texts.text ? null : (counts.data ?? null)} />
          )}
          {!isNarrow && <Columns columns={columns} onChange={setColumns} />}
        </Group>
      </Group>
      <FilterBar asked={asked} onChange={onChange} records={records} maySearch={may("record.search")} />
      {!asked.texts.text && asked.content === null && !counts.error && (
        <Histogram counts={counts.data} onZoom={(since, until) => onChange({ ...asked, since, until })} />
      )}
      {asked.content !== null ? (
        <ContentResults asked={asked} text={asked.content} />
      ) : pages.error ? (
        <Failure error={pages.error} title="Headgate could not read the records" />
      ) : !pages.data ? (
        <Rows count={12} height={26} />
      ) : records.length === 0 ? (
        <Nothing asked={asked} onChange={onChange} />
      ) : isNarrow ? (
        <RecordCards {...list} />
      ) : (
        <RecordTable {...list} />
      )}
      {asked.content === null && pages.hasNextPage && (
        <More onReach={() => !pages.isFetchingNextPage && void pages.fetchNextPage()} />
      )}
      <Drawer
        opened={opened !== null}
        onClose={() => open(null)}
        position="right"
        size="min(760px, 60vw)"
        title="Record"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {opened !== null && <RecordDetails id={opened} />}
      </Drawer>
    </Stack>
  );
}

function Nothing({ asked, onChange }: { asked: Asked; onChange: (asked: Asked) => void }) {
  const may = useMay();
  const { text, ...otherTexts } = asked.texts;
  const isFiltered = Object.keys(asked.texts).length > 0;
  return (
    <Empty
      title={isFiltered ? "No matching records" : "Nothing happened in this period"}
      action={
        <Group gap="xs">
          {text && may("record.search") && (
            <Button size="xs" onClick={() => onChange({ ...asked, texts: otherTexts, content: text })}>
              Search in content
            </Button>
          )}
          {(asked.since || asked.period !== "30d") && (
            <Button
              size="xs"
              variant="default"
              onClick={() => onChange({ ...asked, period: "30d", since: null, until: null })}
            >
              Show the last 30 days
            </Button>
          )}
        </Group>
      }
    >
      {text && may("record.search") ? (
        `No name, id or reason has “${text}”. A search in content looks at what was sent and answered.`
      ) : isFiltered ? (
        "Remove a filter, or choose a longer period."
      ) : ( 
        <Link to="/">The start page has a call to copy.</Link>
      )}
    </Empty>
  );
}

/** Reads more when it comes into view; a button too, for those who do not scroll. */
function More({ onReach }: { onReach: () => void }) {
  const { ref, entry } = useIntersection<HTMLDivElement>({ rootMargin: "400px" });
  const reach = useRef(onReach);
  useEffect(() => {
    reach.current = onReach;
  });
  useEffect(() => {
    if (entry?.isIntersecting) reach.current();
  }, [entry]);
  return (
    <div ref={ref}>
      <Button variant="subtle" size="xs" onClick={onReach}>
        Load older records
      </Button>
    </div>
  );
}

/** The record in the drawer. Its address is that of the record's page, so that it can be shared and reloaded. */
function useDrawer(): [string | null, (record: string | null) => void] {
  const [opened, setOpened] = useState<string | null>(null);
  useEffect(() => {
    const close = (): void => setOpened(null);
    window.addEventListener("popstate", close);
    return () => window.removeEventListener("popstate", close);
  }, []);
  const open = (record: string | null): void => {
    if (record === null) window.history.back();
    else {
      window.history.pushState(window.history.state, "", `/records/${record}`);
      setOpened(record);
    }
  };
  return [opened, open];
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
