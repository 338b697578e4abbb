/** Chooses the period of a page; the address bar keeps it. */

import { Button, Group, Popover, SegmentedControl, Switch, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";

import { type Period, SPANS, type Span } from "./period";
import styles from "./usage.module.css";

const CUSTOM = "custom";

interface Props {
  readonly period: Period;
  readonly onChange: (period: Period) => void;
  /** Whether the page can compare a period with the one before. */
  readonly hasCompare?: boolean;
}

export function PeriodPicker({ period, onChange, hasCompare = true }: Props) {
  const [isOpen, setOpen] = useState(false);
  const choose = (value: string) => {
    if (value === CUSTOM) setOpen(true);
    else onChange({ span: value as Span, compares: period.compares });
  };
  const spans = Object.entries(SPANS).map(([value, label]) => ({ value, label }));
  return (
    <Group gap="sm">
      <Popover opened={isOpen} onChange={setOpen} position="bottom-end" trapFocus returnFocus>
        <Popover.Target>
          <SegmentedControl
            aria-label="Period"
            value={period.span ?? CUSTOM}
            onChange={choose}
            data={[...spans, { value: CUSTOM, label: "Custom" }]}
          />
        </Popover.Target>
        <Popover.Dropdown>
          <Custom
            period={period}
            onChange={(chosen) => {
              setOpen(false);
              onChange(chosen);
            }}
          />
        </Popover.Dropdown>
      </Popover>
      {hasCompare && (
        <Switch
          size="xs"
          label="Compare"
          checked={period.compares}
          onChange={(event) => onChange({ ...period, compares: event.currentTarget.checked })}
        />
      )}
    </Group>
  );
}

function Custom({ period, onChange }: { period: Period; onChange: (period: Period) => void }) {
  const now = new Date();
  const [since, setSince] = useState(local(period.since ?? new Date(now.getTime() - 86_400_000).toISOString()));
  // The input has whole minutes: the minute that has begun belongs to the period.
  const [until, setUntil] = useState(local(period.until ?? new Date(now.getTime() + 60_000).toISOString()));
  const isValid = since !== "" && until !== "" && since < until;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
    onChange({ ...times, compares: period.compares });
  };
  return (
    <form className={styles.custom} onSubmit={submit}>
      <TextInput
        type="datetime-local"
        label="From"
        value={since}
        onChange={(event) => setSince(event.currentTarget.value)}
      />
      <TextInput
        type="datetime-local"
        label="Until"
        value={until}
        error={isValid ? null : "The end must be after the beginning"}
        onChange={(event) => setUntil(event.currentTarget.value)}
      />
      <Button type="submit" disabled={!isValid}>
        Show period
      </Button>
    </form>
  );
}

/** A time as the input of a form takes it: local, to the minute. */
function local(iso: string): string {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
