/** The content that may be shown to a person: how confidential, and which kinds of sensitive data. */

import { Checkbox, Group, NativeSelect, Stack, Text } from "@mantine/core";

import { CATEGORIES, capitalised } from "../record/words";
import prose from "../elements/prose.module.css";
import type { Person } from "./queries";
import { LEVELS, MASKED, clearanceWords } from "./words";

export type Clearance = Pick<Person, "confidentiality" | "categories">;

/** Work inside the organisation, with sensitive values as placeholders. */
export const USUAL: Clearance = { confidentiality: "internal", categories: [...MASKED] };

const KINDS = Object.keys(CATEGORIES);

export function MaySee({ value, onChange }: { value: Clearance; onChange: (value: Clearance) => void }) {
  const { confidentiality, categories } = value;
  const set = (chosen: string[]): void => {
    const others = (categories ?? []).filter((one) => !KINDS.includes(one) && !MASKED.includes(one));
    const isAll = KINDS.every((one) => chosen.includes(one));
    onChange({ confidentiality, categories: isAll ? null : [...MASKED, ...others, ...chosen] });
  };
  return (
    <Stack gap="xs">
      <NativeSelect
        label="May see content up to"
        data={[...LEVELS]}
        value={confidentiality}
        onChange={(event) =>
          onChange({ categories, confidentiality: event.currentTarget.value as Clearance["confidentiality"] })
        }
      />
      <Checkbox.Group
        label="May see in it"
        value={categories ? categories.filter((one) => KINDS.includes(one)) : KINDS}
        onChange={set}
      >
        <Group gap="md" mt={4}>
          {KINDS.map((kind) => (
            <Checkbox key={kind} size="xs" value={kind} label={capitalised(CATEGORIES[kind]!)} />
          ))}
        </Group>
      </Checkbox.Group>
      <Text size="xs" className={prose.quiet} role="status">
        {clearanceWords({ ...value, access: null })}.
      </Text>
    </Stack>
  );
}
