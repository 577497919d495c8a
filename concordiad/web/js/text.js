/**
 * What other people's text may do in the page: nothing.
 *
 * Contract: `visible` returns text that is shown as it is. Control characters, characters that reorder what is around
 * them, and invisible ones are replaced by something to see; a line stays a line. Whoever copies gets what was shown.
 */

const HIDDEN = new RegExp(
  [
    "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]", // C0 but tab and newline, DEL, C1
    "[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]", // what reorders text
    "[\\u2028\\u2029]", // what breaks lines
    // Invisible; but not the joiners U+200C and U+200D, which are part of words and emoji.
    "[\\u00ad\\u115f\\u1160\\u180e\\u200b\\u2060-\\u2065\\u206a-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb]",
    "[\\u{1bca0}-\\u{1bca3}\\u{e0000}-\\u{e0fff}]", // shorthand controls, tags
    "\\p{Surrogate}", // halves of characters
  ].join("|"),
  "gu",
);

function named(character) {
  // Not the pictures of control characters (U+2400 and on), which the fonts of many phones do not have.
  return `\u27e8U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

/** Make hidden characters visible; `\r\n` is a line's end like `\n`. */
export function visible(text) {
  return String(text).replaceAll("\r\n", "\n").replace(HIDDEN, named);
}

/** The same for what is on one line: a name, a title. */
export function visibleLine(text) {
  return visible(text)
    .replace(/[\t\n]+/g, " ")
    .trim();
}

/** The number of Unicode code points, as the wire counts offsets. */
export function countCodePoints(text) {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit < 0xdc00) {
      const next = text.charCodeAt(index + 1);
      if (next >= 0xdc00 && next < 0xe000) {
        count -= 1;
        index += 1;
      }
    }
  }
  return count;
}

/** Cut to at most `limit` UTF-16 units, at a line's end if one is near, never inside a character. */
export function head(text, limit) {
  if (text.length <= limit) return text;
  const line = text.lastIndexOf("\n", limit);
  let end = line > limit / 2 ? line : limit;
  const unit = text.charCodeAt(end - 1);
  if (unit >= 0xd800 && unit < 0xdc00) end -= 1;
  return text.slice(0, end);
}
