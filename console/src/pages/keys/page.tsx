/** API keys: made, listed, limited, revoked. A secret is shown once. */

import { Badge, Button, Stack, Table, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";

import type { Schemas } from "../../api/client";
import { keysQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { State, Time } from "../../elements/record";
import { formatCost, formatCount, formatUtc } from "../../format";
import { type Page, matching } from "../../page";
import { type KeyName, LimitsDialog, NewSecret, RevokeDialog, RotateDialog } from "../../people/keys";
import { useMay } from "../../session";
import { lastDayOf } from "../../record/days";
import { KeyForm } from "./KeyForm";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/keys",
  title: "Keys",
  group: "administer",
  order: 30,
  may: ["key.list"],
  find: async (words, { client }) => {
    const keys = await client.fetchQuery(keysQuery);
    return matching(words, keys.map(foundKey));
  },
  icon: "M5.500 7.500a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM7.700 8.300 13.500 2.500M11 5l2 2M9.200 6.800l1.500 1.500",
};

type Key = Schemas["KeyView"];

function foundKey({ name, prefix, use_case }: Key) {
  return { title: name, detail: `${prefix}… for ${use_case}`, to: `/keys?search=${encodeURIComponent(prefix)}` };
}

function hasWords({ name, prefix, use_case, principal }: Key, search: string): boolean {
  const text = `${name} ${prefix} ${use_case} ${principal}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export default function Keys() {
  const keys = useQuery(keysQuery);
  const [address, setAddress] = useSearchParams();
  const search = address.get("search") ?? "";
  const may = useMay();
  const [isMaking, setMaking] = useState(false);
  const [secret, setSecret] = useState<Schemas["CreatedKey"] | null>(null);
  const [rotating, setRotating] = useState<KeyName | null>(null);
  const [limiting, setLimiting] = useState<Key | null>(null);
  const [revoking, setRevoking] = useState<KeyName | null>(null);
  const close = (): void => {
    setMaking(false);
    setSecret(null);
  };
  const make = may("key.create") && (
    <Button leftSection={<Icon name="add" size={13} />} onClick={() => setMaking(true)}>
      Make key
    </Button>
  );
  return (
    <>
      <PageHead title="Keys" actions={make}>
        A key lets a program call models for one use case, within its limits. Headgate stores a digest of each secret,
        never the secret.
      </PageHead>
      {keys.error ? (
        <Failure error={keys.error} />
      ) : !keys.data ? (
        <Rows />
      ) : keys.data.length === 0 ? (
        <Empty title="No keys yet" action={make}>
          {may("key.create") ? "Make a key to call models from a program." : "Ask an administrator to make a key."}
        </Empty>
      ) : (
        <Stack gap="sm">
          <TextInput
            aria-label="Filter keys"
            placeholder="Filter by name, use case or person"
            type="search"
            maw={360}
            value={search}
            onChange={(event) => {
              const typed = event.currentTarget.value;
              setAddress(typed ? { search: typed } : {}, { replace: true });
            }}
          />
          <KeyTable
            keys={keys.data.filter((key) => hasWords(key, search))}
            onRotate={may("key.rotate") ? setRotating : null}
            onLimit={may("key.set_limits") ? setLimiting : null}
            onRevoke={may("key.revoke") ? setRevoking : null}
          />
        </Stack>
      )}
      <FormDialog
        title={secret === null ? "Make key" : "Key made"}
        isOpen={isMaking}
        isFinal={secret !== null}
        onClose={close}
      >
        {secret === null ? <KeyForm onMade={setSecret} onCancel={close} /> : <NewSecret made={secret} onDone={close} />}
      </FormDialog>
      <RotateDialog apiKey={rotating} onClose={() => setRotating(null)} />
      <LimitsDialog apiKey={limiting} onClose={() => setLimiting(null)} />
      <RevokeDialog apiKey={revoking} onClose={() => setRevoking(null)} />
    </>
  );
}

interface TableProps {
  readonly keys: readonly Key[];
  readonly onRotate: ((key: KeyName) => void) | null;
  readonly onLimit: ((key: Key) => void) | null;
  readonly onRevoke: ((key: KeyName) => void) | null;
}

function KeyTable({ keys, onRotate, onLimit, onRevoke }: TableProps) {
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>Keys, newest first</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Use case</Table.Th>
            <Table.Th>Principal</Table.Th>
            <Table.Th>Limits</Table.Th>
            <Table.Th>Made</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>
              <span className={prose.unseen}>Actions</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {keys.map((key) => (
            <Table.Tr key={key.id}>
              <Table.Td>
                <b>{key.name}</b>
                <br />
                <span className={`${prose.mono} ${prose.quiet}`}>{key.prefix}…</span>
              </Table.Td>
              <Table.Td data-label="Use case">
                <div>
                  {key.use_case}
                  <br />
                  <span className={prose.quiet}>{key.aliases ? key.aliases.join(", ") : "all models"}</span>
                </div>
              </Table.Td>
              <Table.Td data-label="Principal">
                <div>
                  {key.principal}
                  {key.roles.map((role) => (
                    <Badge key={role} ml={6}>
                      {role}
                    </Badge>
                  ))}
                </div>
              </Table.Td>
              <Table.Td data-label="Limits">{limitsOf(key)}</Table.Td>
              <Table.Td data-label="Made" style={{ whiteSpace: "nowrap" }}>
                {key.created_at ? <Time iso={key.created_at} /> : <span className={prose.quiet}>unknown</span>}
              </Table.Td>
              <Table.Td data-label="State">
                <KeyState apiKey={key} />
              </Table.Td>
              <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                {onRotate && !key.revoked_at && !key.replaced_by && (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    onClick={() => onRotate(key)}
                    aria-label={`Rotate ${key.name}`}
                  >
                    Rotate
                  </Button>
                )}
                {onLimit && !key.revoked_at && !key.replaced_by && (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    onClick={() => onLimit(key)}
                    aria-label={`Change limits of ${key.name}`}
                  >
                    Limits
                  </Button>
                )}
                {onRevoke && !key.revoked_at && (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="red"
                    onClick={() => onRevoke(key)}
                    aria-label={`Revoke ${key.name}`}
                  >
                    Revoke
                  </Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function limitsOf(key: Key): string {
  const limits = [
    key.requests_per_minute === null ? null : `${formatCount(key.requests_per_minute)} a minute`,
    key.cost_micros_per_day === null ? null : `${formatCost(key.cost_micros_per_day, key.currency)} a day`,
  ].filter((limit) => limit !== null);
  return limits.join(", ") || "No limits";
}

function KeyState({ apiKey }: { apiKey: Key }) {
  if (apiKey.revoked_at)
    return (
      <State tone="bad" icon="bad">
        Revoked
      </State>
    );
  if (!apiKey.expires_at)
    return (
      <State tone="good" icon="good">
        Active
      </State>
    );
  if (Date.parse(apiKey.expires_at) < Date.now())
    return (
      <State tone="bad" icon="open">
        Expired
      </State>
    );
  return (
    <span title={formatUtc(apiKey.expires_at)}>
      <State tone="good" icon="good">{`Until ${lastDayOf(apiKey.expires_at)}`}</State>
    </span>
  );
}
