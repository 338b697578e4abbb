/** What every page is made of: its head, and what stands in for content that is not there. */

import { Group, Paper, Skeleton, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "react-router";

import { ApiError } from "../api/client";
import { formatWait, sentence } from "../format";
import { useMayOpen } from "../page";
import { Icon, type IconName } from "./icons";
import { RecordLink } from "./RecordLink";
import styles from "./page.module.css";
import prose from "./prose.module.css";

/** The page's heading, which names the document too. */
export function PageHead({ title, children, actions }: { title: string; children?: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Headgate`;
  }, [title]);
  return (
    <Group justify="space-between" align="flex-end" mb="lg" gap="sm">
      <div>
        <Title order={1}>{title}</Title>
        {children && (
          <Text className={prose.quiet} size="sm" maw="72ch" mt={2}>
            {children}
          </Text>
        )}
      </div>
      {actions}
    </Group>
  );
}

/** A part of a page under its own heading. */
export function Section({ title, children, aside }: { title: string; children: ReactNode; aside?: ReactNode }) {
  return (
    <Paper component="section" aria-label={title}>
      <Group justify="space-between" mb="sm" gap="xs">
        <Title order={2}>{title}</Title>
        {aside}
      </Group>
      {children}
    </Paper>
  );
}

/** A part that is read only when it is opened. */
export function Folded({ title, children }: { title: string; children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className={styles.folded} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen && children}
    </details>
  );
}

/** Stands in for an empty list: what will be here, and how to get it. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Stack align="flex-start" gap="xs" py="lg" maw="60ch">
      <Text fw={600}>{title}</Text>
      {children && (
        <Text className={prose.quiet} size="sm" component="div">
          {children}
        </Text>
      )}
      {action}
    </Stack>
  );
}

/** The shape of rows that are on their way. */
export function Rows({ count = 6, height = 22 }: { count?: number; height?: number }) {
  return (
    <Stack gap="sm" role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, at) => (
        <Skeleton key={at} height={height} width={`${100 - ((at * 7) % 24)}%`} />
      ))}
    </Stack>
  );
}

/** A rule's id with a link to its text. Ids that begin with `lattice.` are checks of labels, which have no text. */
export function RuleName({ id }: { id: string }) {
  const mayOpen = useMayOpen();
  if (id.startsWith("lattice.")) return <span title="The content labels do not fit the clearance of this destination">{id}</span>;
  const address = `/rules#${id}`;
  return mayOpen(address) ? <Link to={address}>{id}</Link> : <span>{id}</span>;
}

/** Good news, a warning or an error inside a page. */
export function Notice({ tone, icon, children }: { tone: "good" | "warn" | "bad"; icon: IconName; children: ReactNode }) {
  return (
    <div className={styles.failure} data-tone={tone} role={tone === "bad" ? "alert" : undefined}>
      <Icon name={icon} />
      <div>{children}</div>
    </div>
  );
}

/** An error with its code, the rules that refused, and a link to its record. */
export function Failure({ error, title }: { error: unknown; title?: string }) {
  const detail = error instanceof ApiError ? error.detail : null;
  const message = error instanceof Error ? error.message : String(error);
  return (
    <Notice tone="bad" icon="bad">
      {title && (
        <Text fw={600} size="sm">
          {title}
        </Text>
      )}
      <Text size="sm">{sentence(message)}</Text>
      {detail && (
        <Group gap="md" mt={6} fz="xs" className={prose.quiet}>
          <span>
            Code <span className={prose.mono}>{detail.code}</span>
          </span>
          {detail.param && (
            <span>
              Field <span className={prose.mono}>{detail.param}</span>
            </span>
          )}
          {detail.rules.length > 0 && (
            <span>
              Refused by{" "}
              {detail.rules.map((rule, at) => (
                <span key={rule}>
                  {at > 0 && ", "}
                  <RuleName id={rule} />
                </span>
              ))}
            </span>
          )}
          {detail.retry_after_s != null && <span>Try again in {formatWait(detail.retry_after_s)}</span>}
          {detail.approval && (
            <Link to={`/approvals/${encodeURIComponent(detail.approval)}`}>View request</Link>
          )}
          {detail.record && <RecordLink id={detail.record} text="View record" />}
        </Group>
      )}
    </Notice>
  );
}
