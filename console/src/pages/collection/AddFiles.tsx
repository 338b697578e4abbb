/** The two ways to add files: a button that opens the file picker, and dropping them anywhere on the page. */

import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import { Icon } from "../../elements/icons";
import styles from "./collection.module.css";

type Adds = (files: readonly File[]) => void;

export function AddFiles({ onAdd }: { onAdd: Adds }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label="Files to add"
        onChange={(event) => {
          onAdd([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
      <Button leftSection={<Icon name="add" size={13} />} onClick={() => picker.current?.click()}>
        Add files
      </Button>
    </>
  );
}

/** Takes files that are dropped anywhere, and says so while they are dragged over the page. */
export function DropAnywhere({ title, onAdd }: { title: string; onAdd: Adds }) {
  const [isOver, setOver] = useState(false);
  const add = useRef(onAdd);
  add.current = onAdd;
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      void filesOf(event.dataTransfer!).then((files) => add.current(files));
    };
    window.addEventListener("dragover", over);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragover", over);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
    };
  }, []);
  if (!isOver) return null;
  return (
    <div className={styles.over} role="status">
      <span>Drop the files to add them to {title}</span>
    </div>
  );
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** The dropped files, those of dropped folders too. */
async function filesOf(dropped: DataTransfer): Promise<readonly File[]> {
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...dropped.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry: FileSystemEntry): Promise<readonly File[]> {
  if (entry.isFile) return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) break;
    found.push(...batch.filter((one) => !one.name.startsWith(".")));
  }
  return (await Promise.all(found.map(filesIn))).flat();
}
