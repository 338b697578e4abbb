/** Where a document comes from, who may read it, and its technical details. */

import { Section } from "../../elements/page";
import { Labels, Time } from "../../elements/record";
import { formatCount, formatSize } from "../../format";
import type { DocumentView } from "../../knowledge/queries";
import { readersWords, typeWords } from "../../knowledge/words";
import { Colleague } from "../../people/Colleague";
import prose from "../../elements/prose.module.css";

export function About({ document }: { document: DocumentView }) {
  const { id, name, source, url, media_type: mediaType, size_bytes: size, pages, passages, labels, readers } = document;
  const address = webAddress(url);
  return (
    <Section title="About">
      <dl className={prose.facts}>
        <dt>Name</dt>
        <dd>{name}</dd>
        <dt>Added</dt>
        <dd>
          <Time iso={document.created_at} />{" "}
          {source === null ? (
            <>
              by <Colleague id={document.added_by} />
            </>
          ) : (
            `from the source ${source}`
          )}
        </dd>
        {address !== null && (
          <>
            <dt>At its source</dt>
            <dd>
              <a href={address} target="_blank" rel="noreferrer noopener">
                {address}
              </a>
            </dd>
          </>
        )}
        <dt>Text as of</dt>
        <dd>
          <Time iso={document.as_of} />
        </dd>
        <dt>Labels</dt>
        <dd>
          <Labels text={labels} />
        </dd>
        <dt>Readers</dt>
        <dd>{readersWords(readers)}</dd>
        <dt>Size</dt>
        <dd>
          {[
            typeWords(mediaType),
            formatSize(size),
            ...(pages === null ? [] : [`${formatCount(pages)} pages`]),
            `${formatCount(passages)} passages`,
          ].join(", ")}
        </dd>
        <dt>Id</dt>
        <dd className={prose.mono}>{id}</dd>
      </dl>
    </Section>
  );
}

/** The address of a document at its source, if a browser opens it safely. */
function webAddress(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  return ["http:", "https:"].includes(new URL(url).protocol) ? url : null;
}
