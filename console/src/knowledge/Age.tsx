/** How old a text is, and whether it is older than the shelf life of its collection. */

import { State } from "../elements/record";
import { formatUtc } from "../format";
import { ageWords } from "./words";
import styles from "./age.module.css";

export function Age({ iso, isStale = false }: { iso: string; isStale?: boolean }) {
  const words = ageWords(iso, new Date());
  return (
    <time className={styles.age} dateTime={iso} title={formatUtc(iso)}>
      {isStale ? (
        <State tone="warn" icon="warn">
          {`${words}, past its shelf life`}
        </State>
      ) : (
        words
      )}
    </time>
  );
}
