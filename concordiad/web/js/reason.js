/**
 * Why something ended, for people: the sentence behind the word by which programs tell it.
 *
 * Contract: "daemon_died: it ended" gives "it ended", "api_error 529: overloaded" gives "overloaded"; a word alone is
 * shown with spaces; everything else as it is. Pure.
 */

const WORD = /^[a-z][a-z0-9_]*(?: \d{3})?(?:: (?=\S)|$)/;

/** @param {string} reason */
export function sentenceOf(reason) {
  const word = WORD.exec(reason)?.[0] ?? "";
  return word === reason ? reason.replaceAll("_", " ") : reason.slice(word.length);
}
