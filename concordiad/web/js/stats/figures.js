/**
 * The daemon's figures as a reader wants them: every day of the time, the largest few people, scales that are round.
 *
 * Contract: pure. Takes the result of `stats.get`, and changes nothing of it.
 */

/** People who have a colour of their own; the others are one. */
export const NAMED = 6;
export const OUTCOMES = ["completed", "failed", "interrupted", "timed_out", "uncertain"];
const DAY_MS = 86_400_000;
const OTHERS = "others";

/** The dates from `since` to `until`, "YYYY-MM-DD", as the daemon has counted them. */
export function datesOf({ since, until, utc_offset_s: offset }) {
  const day = (time, less) => Math.floor((Date.parse(time) + offset * 1000 - less) / DAY_MS);
  // What ends at a midnight has nothing of the day that begins there.
  const [first, last] = [day(since, 0), Math.max(day(until, 1), day(since, 0))];
  return Array.from({ length: last - first + 1 }, (_, index) =>
    new Date((first + index) * DAY_MS).toISOString().slice(0, 10),
  );
}

/** One value a date of what `read` finds in its day; null where there was no turn. */
export function byDay(found, dates, read) {
  const days = new Map(found.days.map((day) => [day.day, day]));
  return dates.map((date) => (days.has(date) ? read(days.get(date)) : null));
}

/**
 * What people came to by day: the first few by themselves, then all others together.
 * @returns {Array<{name: string|null, mark: string, values: number[]}>} name null: nobody's
 */
export function byPerson(found, dates, read) {
  const places = new Map(dates.map((date, index) => [date, index]));
  const largest = found.people.slice(0, found.people.length > NAMED + 1 ? NAMED : NAMED + 1);
  const series = largest.map(({ author }, index) => ({
    name: author === null ? null : author.name,
    mark: index < NAMED ? String(index) : OTHERS,
    values: dates.map(() => 0),
  }));
  const known = new Map(largest.map(({ author }, index) => [author?.id ?? null, series[index]]));
  const others = { name: OTHERS, mark: OTHERS, values: dates.map(() => 0) };
  for (const share of found.shares) {
    const line = known.get(share.author_id) ?? others;
    line.values[places.get(share.day)] += read(share);
  }
  return largest.length < found.people.length ? [...series, others] : series;
}

/**
 * A round step, and how many of it reach over a value.
 * @returns {{step: number, top: number}} top is 0 only for 0
 */
export function scaleOf(largest, steps = 4) {
  if (!(largest > 0)) return { step: 1, top: 0 };
  const rough = largest / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough * (1 - 1e-9)) ?? 10 * power;
  return { step, top: Math.ceil(largest / step - 1e-9) * step };
}
