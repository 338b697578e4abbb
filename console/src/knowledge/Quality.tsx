/** How good a collection is: the age of its documents, what people say about its answers, and its questions. */

import { Skeleton, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { ApiError } from "../api/client";
import { sessionQuery } from "../api/queries";
import { Failure, Section } from "../elements/page";
import { formatCount, plural } from "../format";
import { useMay } from "../session";
import { collectionPath } from "./links";
import type { Collection } from "./queries";
import { type Quality as Numbers, qualityQuery } from "./questions";
import { useChangeOf } from "./standing";
import styles from "./quality.module.css";

const FORBIDDEN = 403;

/** The section of a collection's page. It is not there for a person who may not see it. */
export function Quality({ collection }: { collection: Collection }) {
  const may = useMay();
  const maySee = collection.can_keep || may("knowledge.access");
  const { data, error, refetch } = useQuery({ ...qualityQuery(collection.id), enabled: maySee, retry: false });
  useChangeOf(collection, () => maySee && refetch());
  if (!maySee || (error instanceof ApiError && error.status === FORBIDDEN)) return null;
  return (
    <Section title="Quality">
      {error ? (
        <Failure error={error} title="Headgate could not read the quality" />
      ) : data ? (
        <Shown collection={collection} numbers={data} />
      ) : (
        <Skeleton height={84} animate={false} role="status" aria-label="Loading" />
      )}
    </Section>
  );
}

function Shown({ collection, numbers }: { collection: Collection; numbers: Numbers }) {
  const { documents, stale, failed } = numbers;
  const list = collectionPath(collection.id);
  return (
    <dl className={styles.quality}>
      <Figure name="Ready documents" value={formatCount(documents)}>
        {failed > 0 ? <Link to={`${list}?state=failed`}>{plural(failed, "document")} failed</Link> : "none failed"}
      </Figure>
      <Figure name="Past their shelf life" value={numbers.shelf_life_days === null ? "–" : formatCount(stale)}>
        {numbers.shelf_life_days === null
          ? "no shelf life is set"
          : stale > 0
            ? <Link to={list}>older than {plural(numbers.shelf_life_days, "day")}</Link>
            : `none is older than ${plural(numbers.shelf_life_days, "day")}`}
      </Figure>
      <Figure name="Answers called right" value={shareWords(numbers)}>
        <Ratings {...numbers} />
      </Figure>
      <Figure name="Open questions" value={formatCount(numbers.open_questions)}>
        <Questions collection={collection} numbers={numbers} />
      </Figure>
    </dl>
  );
}

function Figure({ name, value, children }: { name: string; value: string; children: ReactNode }) {
  return (
    <div className={styles.qualityFigure}>
      <dt>{name}</dt>
      <dd className={styles.qualityValue}>{value}</dd>
      <dd className={styles.qualityNote}>{children}</dd>
    </div>
  );
}

function shareWords({ right, wrong }: Numbers): string {
  return right + wrong === 0 ? "–" : `${Math.round((100 * right) / (right + wrong))} %`;
}

/** A bar with the answers that were called right in its first part, and the numbers in words. */
function Ratings({ right, wrong }: Numbers) {
  if (right + wrong === 0) return <>nobody rated an answer in 30 days</>;
  return (
    <>
      <span className={styles.ratings} aria-hidden="true">
        {right > 0 && <span style={{ flexGrow: right }} data-part="right" />}
        {wrong > 0 && <span style={{ flexGrow: wrong }} data-part="wrong" />}
      </span>
      {formatCount(right)} right, {formatCount(wrong)} wrong in 30 days
    </>
  );
}

function Questions({ collection, numbers }: { collection: Collection; numbers: Numbers }) {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const answers = session != null && [collection.owner, ...collection.experts].includes(session.principal);
  return (
    <>
      {formatCount(numbers.answered_questions)} answered in 30 days
      {numbers.open_questions > 0 && answers && (
        <Text span inherit>
          ; <Link to="/knowledge/questions">answer open ones</Link>
        </Text>
      )}
    </>
  );
}
