/** A line without axes, beside the figure that it belongs to. The figure says the value, so it is drawn for the eye only. */

import { sparklinePath } from "./series";
import styles from "./charts.module.css";

export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  return (
    <svg className={styles.sparkline} viewBox="0 0 100 24" height={24} preserveAspectRatio="none" aria-hidden="true">
      <path d={sparklinePath(values)} />
    </svg>
  );
}
