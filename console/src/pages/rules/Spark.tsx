/** The matches of a rule over 30 days as a small line; the numbers stand beside it. */

const WIDTH = 90;
const HEIGHT = 18;

export function Spark({ days }: { days: readonly number[] }) {
  const highest = Math.max(...days, 1);
  const step = WIDTH / Math.max(days.length - 1, 1);
  const points = days.map((day, at) => `${at * step},${HEIGHT - 1 - (day / highest) * (HEIGHT - 2)}`);
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" focusable="false">
      <polyline points={points.join(" ")} fill="none" stroke="var(--hg-accent)" strokeWidth="1.4" />
    </svg>
  );
}
