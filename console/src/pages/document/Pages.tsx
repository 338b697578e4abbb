/** The pages of a document as images, one at a time, with the cited passage marked and the text of the page beside it. */

import { ActionIcon, Group, Skeleton, Text, TextInput } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type FormEvent, type RefObject, useEffect, useId, useRef, useState } from "react";
import { useSearchParams } from "react-router";

import { Drawn } from "../../elements/icons";
import { Failure, Section } from "../../elements/page";
import { PassageText } from "../../knowledge/PassageText";
import { type Box, type DocumentView, type Passage, pageImageQuery } from "../../knowledge/queries";
import { formatCount } from "../../format";
import prose from "../../elements/prose.module.css";
import styles from "./document.module.css";

const BACK = "M10 3.500 5.500 8 10 12.500";
const FORTH = "M6 3.500 10.500 8 6 12.500";

interface Props {
  readonly document: DocumentView;
  readonly count: number;
  readonly passages: readonly Passage[];
  readonly cited: Passage | null;
}

export function Pages({ document, count, passages, cited }: Props) {
  const { page, show } = usePage(count, cited);
  const beside = useId();
  const mark = useRef<HTMLDivElement>(null);
  useArrowKeys(page, count, show);
  const here = passages.filter((one) => one.boxes.some((box) => box.page === page));
  return (
    <Section title="Pages" aside={<Turn page={page} count={count} onShow={show} />}>
      <div className={styles.sheets}>
        <PageImage
          document={document}
          page={page}
          boxes={cited?.boxes.filter((box) => box.page === page) ?? []}
          mark={mark}
          described={beside}
        />
        <div className={styles.beside} id={beside} role="region" aria-label={`Text of page ${page}`} tabIndex={0}>
          {here.length === 0 && <p className={prose.quiet}>No text was found on this page.</p>}
          {here.map((passage) => (
            <OnPage key={passage.number} title={document.title} passage={passage} isCited={passage.number === cited?.number} />
          ))}
        </div>
      </div>
    </Section>
  );
}

/** The page that is shown: that of the address, or the first one of the cited passage. */
function usePage(count: number, cited: Passage | null) {
  const [search, setSearch] = useSearchParams();
  const typed = Number(search.get("page"));
  const first = cited?.boxes[0]?.page ?? 1;
  const page = Number.isInteger(typed) && typed >= 1 && typed <= count ? typed : first;
  const show = (wanted: number): void => {
    const changed = new URLSearchParams(search);
    changed.set("page", String(Math.max(1, Math.min(count, wanted))));
    setSearch(changed, { replace: true, preventScrollReset: true });
  };
  return { page, show };
}

/** The arrow keys turn pages, except where they move a caret or scroll. */
function useArrowKeys(page: number, count: number, show: (page: number) => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      const at = event.target as Element;
      if (step === 0 || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (at.closest("input, textarea, select, [role=dialog], [role=region] pre, [role=combobox]")) return;
      if (page + step >= 1 && page + step <= count) show(page + step);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });
}

function Turn({ page, count, onShow }: { page: number; count: number; onShow: (page: number) => void }) {
  const [typed, setTyped] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (typed !== null && /^\d+$/.test(typed)) onShow(Number(typed));
    setTyped(null);
  };
  return (
    <Group gap="xs" wrap="nowrap">
      <ActionIcon
        variant="default"
        aria-label="Previous page"
        title="Previous page (←)"
        disabled={page <= 1}
        onClick={() => onShow(page - 1)}
      >
        <Drawn path={BACK} />
      </ActionIcon>
      <form onSubmit={submit} className={styles.turner}>
        <TextInput
          aria-label="Page"
          size="xs"
          w={56}
          inputMode="numeric"
          value={typed ?? String(page)}
          onChange={(event) => setTyped(event.currentTarget.value)}
          onBlur={submit}
        />
        <span>of {formatCount(count)}</span>
      </form>
      <span className={prose.unseen} role="status">
        Page {page} of {formatCount(count)}
      </span>
      <ActionIcon
        variant="default"
        aria-label="Next page"
        title="Next page (→)"
        disabled={page >= count}
        onClick={() => onShow(page + 1)}
      >
        <Drawn path={FORTH} />
      </ActionIcon>
    </Group>
  );
}

/** The widths in which an image is asked for, in pixels of the screen. */
const WIDTHS = [600, 1_000, 1_400, 2_000];

interface ImageProps {
  readonly document: DocumentView;
  readonly page: number;
  readonly boxes: readonly Box[];
  readonly mark: RefObject<HTMLDivElement | null>;
  /** The id of the element with the text of the page. */
  readonly described: string;
}

function PageImage({ document, page, boxes, mark, described }: ImageProps) {
  const { ref, width } = useElementSize();
  const wanted = width * window.devicePixelRatio;
  const size = WIDTHS.find((one) => one >= wanted) ?? WIDTHS.at(-1)!;
  const image = useQuery({
    ...pageImageQuery(document.id, page, size),
    enabled: width > 0,
    placeholderData: keepPreviousData,
  });
  const isHere = image.data !== undefined && !image.isPlaceholderData;
  const show = (): void => mark.current?.scrollIntoView({ block: "center" });
  return (
    <div ref={ref} className={styles.sheet} aria-busy={!isHere && !image.error}>
      {image.error ? (
        <Failure error={image.error} title={`Page ${page} could not be shown`} />
      ) : image.data === undefined ? (
        <Skeleton className={styles.blankSheet} />
      ) : (
        <>
          <img
            src={image.data}
            alt={`Page ${page} of ${document.title}`}
            aria-describedby={described}
            data-old={!isHere || undefined}
            onLoad={show}
          />
          {isHere &&
            boxes.map((box, at) => (
              <div
                key={at}
                ref={at === 0 ? mark : undefined}
                className={styles.pageMark}
                aria-hidden="true"
                style={{
                  left: percent(box.left),
                  top: percent(box.top),
                  width: percent(box.right - box.left),
                  height: percent(box.bottom - box.top),
                }}
              />
            ))}
        </>
      )}
    </div>
  );
}

function percent(part: number): string {
  return `${part * 100}%`;
}

/** A passage in the text beside the page. To choose it marks it on the page. */
function OnPage({ title, passage, isCited }: { title: string; passage: Passage; isCited: boolean }) {
  const [search, setSearch] = useSearchParams();
  const choose = (): void => {
    const changed = new URLSearchParams(search);
    changed.set("passage", String(passage.number));
    setSearch(changed, { replace: true, preventScrollReset: true });
  };
  const headings = passage.headings.filter((one) => one !== title).join(" › ");
  return (
    <div
      className={isCited ? styles.cited : styles.onPage}
      role={isCited ? "group" : undefined}
      aria-label={isCited ? "Cited passage" : undefined}
    >
      {isCited ? (
        <p className={styles.flag}>Marked on the page</p>
      ) : (
        <button type="button" className={styles.choose} onClick={choose}>
          Mark on the page
        </button>
      )}
      {headings && (
        <Text size="xs" fw={600}>
          {headings}
        </Text>
      )}
      <PassageText text={passage.text} />
    </div>
  );
}
