/** Days as date fields have them, and the moments at which they end. */

/** The last second of a day in UTC, or null where no day is given. */
export function endOfDay(day: string): string | null {
  return day ? `${day}T23:59:59Z` : null;
}
