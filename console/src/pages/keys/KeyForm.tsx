/** The form of a new key. */

import { Button, Group, MultiSelect, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { type Schemas, api, take } from "../../api/client";
import { keysQuery, modelsQuery, overviewQuery, sessionQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { Failure } from "../../elements/page";
import { LimitFields, type TypedLimits, microsIn, numberIn } from "../../people/keys";
import { endOfDay } from "../../record/days";

/** The fields as they are typed; empty is no limit. */
interface Fields extends TypedLimits {
  readonly name: string;
  readonly useCase: string;
  readonly standsFor: "program" | "me";
  readonly aliases: readonly string[];
}

const EMPTY: Fields = {
  name: "",
  useCase: "getting-started",
  standsFor: "program",
  aliases: [],
  perMinute: "",
  perDay: "",
  expires: "",
};

interface Props {
  readonly onMade: (made: Schemas["CreatedKey"]) => void;
  readonly onCancel: () => void;
}

export function KeyForm({ onMade, onCancel }: Props) {
  const client = useQueryClient();
  const overview = useQuery(overviewQuery);
  const models = useQuery(modelsQuery);
  const session = useQuery(sessionQuery);
  const me = session.data?.principal ?? null;
  const [fields, setFields, forget] = useDraft("key", EMPTY);
  const make = useMutation({
    mutationFn: () => take(api.POST("/api/keys", { body: bodyOf(fields, me) })),
    onSuccess: (made) => {
      forget();
      void client.invalidateQueries({ queryKey: keysQuery.queryKey });
      onMade(made);
    },
  });
  const cancel = (): void => {
    forget();
    onCancel();
  };
  const set = (name: Exclude<keyof Fields, "aliases">) => (event: { currentTarget: { value: string } }) =>
    setFields({ ...fields, [name]: event.currentTarget.value });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          label="Name"
          description="To find it in the list."
          required
          maxLength={2000}
          data-autofocus
          value={fields.name}
          onChange={set("name")}
        />
        <NativeSelect
          label="Use case"
          data={overview.data?.use_cases ?? [fields.useCase]}
          value={fields.useCase}
          onChange={set("useCase")}
        />
        <NativeSelect
          label="Principal"
          description="A program gets its own id from the key's name, and your clearance."
          data={[
            { value: "program", label: "A new program" },
            { value: "me", label: me ? `Me (${me})` : "Me" },
          ]}
          value={fields.standsFor}
          onChange={set("standsFor")}
        />
        <MultiSelect
          label="Models"
          placeholder={fields.aliases.length ? undefined : "All models"}
          data={[...new Set([...(models.data ?? []).map((model) => model.id), ...fields.aliases])]}
          value={[...fields.aliases]}
          onChange={(aliases) => setFields({ ...fields, aliases })}
          searchable
          clearable
        />
        <LimitFields fields={fields} currency="USD" onChange={(typed) => setFields({ ...fields, ...typed })} />
        {make.error && <Failure error={make.error} title="The key was not made" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel}>
            Cancel
          </Button>
          <Button type="submit" loading={make.isPending}>
            Make key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function bodyOf(fields: Fields, me: string | null): Schemas["NewKey"] {
  return {
    name: fields.name.trim(),
    use_case: fields.useCase,
    principal: fields.standsFor === "me" ? me : null,
    roles: [],
    aliases: fields.aliases.length ? [...fields.aliases] : null,
    expires_at: endOfDay(fields.expires),
    requests_per_minute: numberIn(fields.perMinute),
    cost_micros_per_day: microsIn(fields.perDay),
    currency: "USD",
  };
}
