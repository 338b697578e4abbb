/** The button that opens the command palette, as Ctrl K or ⌘ K does. */

import { ActionIcon, Kbd } from "@mantine/core";
import { Suspense, lazy, useEffect, useState } from "react";

import { Icon } from "../elements/icons";
import styles from "./Frame.module.css";

const Palette = lazy(() => import("./Palette"));

const IS_MAC = navigator.platform.startsWith("Mac");

export function SearchButton() {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(IS_MAC ? event.metaKey : event.ctrlKey) || event.shiftKey) return;
      event.preventDefault();
      setOpen(true);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  return (
    <>
      <button type="button" className={styles.search} onClick={() => setOpen(true)}>
        <Icon name="search" size={14} />
        Search
        <Kbd size="xs">{IS_MAC ? "⌘ K" : "Ctrl K"}</Kbd>
      </button>
      <ActionIcon
        className={styles.searchIcon}
        variant="subtle"
        color="gray"
        size="xl"
        aria-label="Search"
        onClick={() => setOpen(true)}
      >
        <Icon name="search" size={20} />
      </ActionIcon>
      {isOpen && (
        <Suspense fallback={null}>
          <Palette onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
