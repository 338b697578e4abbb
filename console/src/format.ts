/** Numbers and times as people read them. What is unknown says so; it is never shown as nothing or zero. */

const UNKNOWN = "unknown";
const COUNT = new Intl.NumberFormat("en");

/** Money of micro-units, with as many decimals as it takes to show a cost that is not zero. */
export function formatCost(micros: number | null | undefined, currency: string | null | undefined): string {
  if (micros === 0 && !currency) return "nothing";
  if (micros == null || !currency) return UNKNOWN;
  const decimals = micros % 10_000 === 0 ? 2 : micros >= 1_000_000 ? 4 : 6;
  return new Intl.NumberFormat("en", {
    style: "currency",
    currency,
    minimumFractionDigits: 2,
    maximumFractionDigits: decimals,
  }).format(micros / 1_000_000);
}

/** A price for a million tokens. */
export function formatPrice(micros: number | null | undefined, currency: string): string {
  return micros == null ? UNKNOWN : formatCost(micros, currency);
}

/** A duration of microseconds. */
export function formatDuration(us: number | null | undefined): string {
  if (us == null) return UNKNOWN;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 9_950) return `${(us / 1000).toFixed(1)} ms`;
  if (us < 999_500) return `${Math.round(us / 1000)} ms`;
  if (us < 59_950_000) return `${(us / 1_000_000).toFixed(us < 9_950_000 ? 2 : 1)} s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A time to wait of seconds, in one unit that people count in. */
export function formatWait(seconds: number): string {
  if (seconds <= 120) return `${Math.ceil(seconds)} s`;
  if (seconds <= 2 * 3600) return `${Math.ceil(seconds / 60)} min`;
  if (seconds <= 48 * 3600) return `${Math.ceil(seconds / 3600)} h`;
  return `${Math.ceil(seconds / 86_400)} days`;
}

/** A count with thousands apart. */
export function formatCount(count: number | null | undefined): string {
  return count == null ? UNKNOWN : COUNT.format(count);
}

/** A size in bytes. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** A time of today as hours and minutes, any other with its date; local. */
export function formatTime(iso: string, now: Date): string {
  const at = new Date(iso);
  const isToday = at.toDateString() === now.toDateString();
  const time: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const date: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
  if (at.getFullYear() !== now.getFullYear()) date.year = "numeric";
  return new Intl.DateTimeFormat(undefined, isToday ? time : { ...date, hour: "2-digit", minute: "2-digit" }).format(
    at,
  );
}

/** The same time in UTC, to the millisecond. */
export function formatUtc(iso: string): string {
  return new Date(iso).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** An id cut to its last characters, which are the ones that differ. */
export function shortId(id: string): string {
  return id.length > 10 ? `…${id.slice(-8)}` : id;
}

/** JSON with indentation, or null where the text is not JSON. */
export function prettyJson(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

/** Words of the server as a sentence: it begins its messages in lower case. */
export function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** `1 record`, `2 records`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}
