/** The command palette: finds pages and their things by some words, and opens them. */

import { Kbd, Modal, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, use, useEffect, useId, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { Drawn } from "../elements/icons";
import { type Found, Pages, type Place, isOpenTo, matching } from "../page";
import { useMay } from "../session";
import styles from "./Palette.module.css";

const MOST_OF_A_PLACE = 5;
const WAIT_MS = 120;

interface Section {
  readonly place: Place | null;
  readonly found: readonly Found[];
}

export default function Palette({ onClose }: { onClose: () => void }) {
  return (
    <Modal.Root opened onClose={onClose} size={560} yOffset="12vh" transitionProps={{ duration: 0 }}>
      <Modal.Overlay />
      <Modal.Content aria-label="Search" p={0}>
        <Modal.Body p={0}>
          <Search onClose={onClose} />
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

function Search({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [marked, setMarked] = useState(0);
  const { sections, isSearching } = useFound(typed.trim());
  const choices = sections.flatMap(({ place, found }) => found.map((one) => ({ place, one })));
  const shown = Math.min(marked, choices.length - 1);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [shown]);
  const open = (to: string): void => {
    onClose();
    void navigate(to);
  };
  const press = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && choices.length > 0) {
      event.preventDefault();
      setMarked((shown + step + choices.length) % choices.length);
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      const choice = choices[shown];
      if (choice) open(choice.one.to);
    }
  };
  return (
    <>
      <TextInput
        data-autofocus
        variant="unstyled"
        className={styles.paletteInput}
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={choices.length > 0 ? `${id}-${shown}` : undefined}
        aria-label="Search pages, use cases, models, keys, people and records"
        placeholder="Search pages, use cases, models, keys, people, records"
        value={typed}
        maxLength={200}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setMarked(0);
        }}
        onKeyDown={press}
      />
      <div className={styles.paletteList} id={id} role="listbox" aria-label="Found" ref={list}>
        {sections.map(({ place, found }) => (
          <div key={place?.path ?? ""} role="group" aria-label={place?.title ?? "Pages"}>
            <div className={styles.paletteHead} aria-hidden="true">
              {place?.title ?? "Pages"}
            </div>
            {found.map((one) => {
              const at = choices.findIndex((choice) => choice.one === one);
              return (
                <div
                  key={one.to}
                  id={`${id}-${at}`}
                  role="option"
                  aria-selected={at === shown}
                  className={styles.paletteChoice}
                  onPointerMove={() => setMarked(at)}
                  onClick={() => open(one.to)}
                >
                  {place && <Drawn path={place.icon} />}
                  <span>{one.title}</span>
                  {one.detail && <small>{one.detail}</small>}
                </div>
              );
            })}
          </div>
        ))}
      </div>
      {choices.length === 0 && (
        <Text size="sm" c="dimmed" p="md" role="status">
          {isSearching ? "Searching …" : "Nothing that you may open has these words."}
        </Text>
      )}
      <div className={styles.paletteFoot} aria-hidden="true">
        <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> choose <Kbd size="xs">Enter</Kbd> open <Kbd size="xs">Esc</Kbd> close
      </div>
    </>
  );
}

/** The pages, and the things of every place that the person may open. Without words, the pages alone. */
function useFound(typed: string): { readonly sections: readonly Section[]; readonly isSearching: boolean } {
  const client = useQueryClient();
  const may = useMay();
  const places = use(Pages)
    .map(({ page }) => page)
    .filter((page): page is Place => page.group !== undefined && isOpenTo(page, may));
  const [words] = useDebouncedValue(typed, WAIT_MS);
  const things = useQuery({
    queryKey: ["palette", words],
    queryFn: async (): Promise<readonly Section[]> => {
      const found = await Promise.all(
        // One place that cannot answer must not hide what the others found.
        places.map(async (place) => ({ place, found: (await place.find?.(words, { client, may }).catch(() => [])) ?? [] })),
      );
      return found.map((one) => ({ ...one, found: one.found.slice(0, MOST_OF_A_PLACE) }));
    },
    enabled: words !== "",
    placeholderData: (before) => before,
  });
  const pages = places.map((place) => ({ title: place.title, to: place.path }));
  const sections: Section[] = [
    { place: null, found: typed === "" ? pages : matching(typed, pages) },
    ...(typed === "" ? [] : (things.data ?? [])),
  ];
  return {
    sections: sections.filter((one) => one.found.length > 0),
    isSearching: words !== typed || things.isFetching,
  };
}
