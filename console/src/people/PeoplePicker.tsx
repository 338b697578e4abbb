/** Chooses people and groups by name. Ids can be typed too, and an id that nobody has is shown as such. */

import { Combobox, Pill, PillsInput, Text, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";

import { ApiError } from "../api/client";
import prose from "../elements/prose.module.css";
import { useMay } from "../session";
import { PersonName } from "./PersonName";
import { foundPeopleQuery, personQuery } from "./queries";
import { nameOf } from "./words";

type Names = Readonly<Record<string, string>>;

interface Props {
  readonly label: string;
  readonly description?: string;
  readonly placeholder?: string;
  readonly value: readonly string[];
  readonly onChange: (chosen: string[]) => void;
  /** Names that are known already, by id. */
  readonly names?: Names;
  /** Whether only one may be chosen, which has to be a person. */
  readonly isOne?: boolean;
  readonly required?: boolean;
}

const PAUSE_MS = 200;
const GROUP = "group:";

export function PeoplePicker(props: Props) {
  const { label, description, placeholder, value, onChange, isOne = false, required = false } = props;
  const [typed, setTyped] = useState("");
  const [settled] = useDebouncedValue(typed.trim(), PAUSE_MS);
  const may = useMay();
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const found = useQuery({
    ...foundPeopleQuery(settled),
    enabled: may("person.list"),
    placeholderData: keepPreviousData,
  });
  const names = useNames(value, props.names ?? {});
  const people = (found.data?.people ?? []).filter(
    ({ id, kind, managed_by }) =>
      !value.includes(id) && (kind === "person" || (!isOne && managed_by !== "built_in")),
  );
  const words = typed.trim();
  const others = isOne ? [] : otherOptions(found.data?.groups ?? [], words, value);
  const isKnown = people.some(({ id }) => id === words) || others.includes(words) || value.includes(words);
  const choose = (id: string): void => {
    setTyped("");
    onChange(isOne ? [id] : [...value, id]);
    if (isOne) combobox.closeDropdown();
  };
  /** Chooses the person with the typed name or id. If there is none, the text is the id. */
  const take = (): void => {
    if (!words || value.includes(words)) return;
    const same = (text: string): boolean => text.toLowerCase() === words.toLowerCase();
    const exact = people.filter((one) => same(one.id) || same(one.name));
    choose(exact.length === 1 ? exact[0]!.id : words);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && words && combobox.getSelectedOptionIndex() === -1) {
      event.preventDefault();
      take();
    }
    if (event.key === "Backspace" && !typed && value.length) onChange(value.slice(0, -1));
  };
  const nobody = value.filter((id) => names.get(id) === null);
  return (
    <Combobox store={combobox} onOptionSubmit={choose}>
      <Combobox.DropdownTarget>
        <PillsInput
          label={label}
          description={description}
          required={required}
          size="sm"
          onClick={() => combobox.openDropdown()}
        >
          <Pill.Group>
            {value.map((id) => (
              <Pill
                key={id}
                withRemoveButton
                removeButtonProps={{ "aria-label": `Remove ${id}`, "aria-hidden": false, tabIndex: 0 }}
                onRemove={() => onChange(value.filter((one) => one !== id))}
              >
                <PersonName id={id} name={names.get(id)} />
              </Pill>
            ))}
            <Combobox.EventsTarget>
              <PillsInput.Field
                aria-label={label}
                required={required && value.length === 0}
                maxLength={200}
                placeholder={value.length ? undefined : placeholder}
                value={typed}
                onFocus={() => combobox.openDropdown()}
                onBlur={() => {
                  combobox.closeDropdown();
                  take();
                }}
                onChange={(event) => {
                  setTyped(event.currentTarget.value);
                  combobox.openDropdown();
                  combobox.resetSelectedOption();
                }}
                onKeyDown={press}
              />
            </Combobox.EventsTarget>
          </Pill.Group>
        </PillsInput>
      </Combobox.DropdownTarget>
      {nobody.length > 0 && (
        <Text size="xs" mt={4} role="status">
          {nobody.map((id) => `Nobody has the id ${id} yet.`).join(" ")}
        </Text>
      )}
      <Combobox.Dropdown mah={260} style={{ overflowY: "auto" }}>
        <Combobox.Options>
          {people.map((one) => (
            <Combobox.Option key={one.id} value={one.id}>
              <PersonName id={one.id} name={nameOf(one)} />
            </Combobox.Option>
          ))}
          {others.map((id) => (
            <Combobox.Option key={id} value={id}>
              <PersonName id={id} name={undefined} />
            </Combobox.Option>
          ))}
          {words && !isKnown && (
            <Combobox.Option value={words}>
              Use the id <span className={prose.mono}>{words}</span>
            </Combobox.Option>
          )}
          {!words && !people.length && !others.length && <Combobox.Empty>Type a name or an id</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

/** The options besides people: everyone, and the groups with these words. */
function otherOptions(groups: readonly string[], words: string, chosen: readonly string[]): string[] {
  const matching = groups.filter((group) => `${GROUP}${group}`.toLowerCase().includes(words.toLowerCase()));
  const everyone = "everyone".includes(words.toLowerCase()) || words === "*" ? ["*"] : [];
  return [...everyone, ...matching.slice(0, 20).map((group) => GROUP + group)].filter((id) => !chosen.includes(id));
}

/** The names of ids: null for an id that nobody has, and no entry where the reader may not know. */
function useNames(ids: readonly string[], known: Names): ReadonlyMap<string, string | null> {
  const may = useMay();
  const unknown = ids.filter((id) => id !== "*" && !id.startsWith(GROUP) && !(id in known));
  const answers = useQueries({
    queries: unknown.map((id) => ({ ...personQuery(id), enabled: may("person.list"), retry: false })),
  });
  const names = new Map<string, string | null>(Object.entries(known));
  unknown.forEach((id, at) => {
    const { data, error } = answers[at]!;
    if (data) names.set(id, nameOf(data));
    else if (error instanceof ApiError && error.status === 404) names.set(id, null);
  });
  return names;
}
