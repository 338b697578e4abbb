/** Days as date fields have them, and the moments at which they end. Days are those of UTC, as in the declarative file. */

/** No expiry lies after this day. */
export const LAST_DAY = "2999-12-31";

const DAY_MS = 86_400_000;

/** The moment at which a day is over, or null where no day is given. */
export function endOfDay(day: string): string | null {
  return day ? new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString() : null;
}

/** The last day that something holds which expires at this moment; empty where it never does. */
export function lastDayOf(moment: string | null | undefined): string {
  return moment ? new Date(Date.parse(moment) - 1).toISOString().slice(0, 10) : "";
}
