/**
 * Figures and times for people.
 *
 * Contract: pure; null and undefined give "", so that what is not known is not shown.
 */

/** "0.4 s", "12 s", "3:07 min", "1:02 h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [large, small, unit] = whole < 3600 ? [60, 1, "min"] : [3600, 60, "h"];
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)}:${String(rest).padStart(2, "0")} ${unit}`;
}

/** A clock that runs: "0:07", "12:40", "1:02:03". */
export function clock(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function count(number) {
  return number === null || number === undefined ? "" : number.toLocaleString("en");
}

/** "1 prompt", "2 prompts". */
export function several(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** "1st", "2nd", "23rd". */
export function ordinal(number) {
  const isTeen = number % 100 > 10 && number % 100 < 14;
  return `${count(number)}${(!isTeen && ["th", "st", "nd", "rd"][number % 10]) || "th"}`;
}

export function money(dollars) {
  if (dollars === null || dollars === undefined) return "";
  return `$${dollars.toFixed(dollars >= 1 ? 2 : dollars >= 0.01 ? 3 : 4)}`;
}

export function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  if (size < 1e6) return `${(size / 1e3).toFixed(size < 1e4 ? 1 : 0)} kB`;
  return `${(size / 1e6).toFixed(1)} MB`;
}

/** "14:05" of the reader's day. */
export function timeOfDay(rfc3339) {
  return new Date(rfc3339).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export function wholeTime(rfc3339) {
  return new Date(rfc3339).toLocaleString();
}
