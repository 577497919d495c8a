/**
 * What other people's text may do in the page: nothing.
 *
 * Contract: `visible` returns text that is shown as it is. Control characters, characters that reorder what is around
 * them, and invisible ones are replaced by something to see; a line stays a line. Whoever copies gets what was shown.
 */

/* C0 but tab and newline, DEL, C1; bidirectional marks, embeddings, overrides and isolates; separators that break
   lines; invisible spaces, tags and shorthand controls. The joiners U+200C and U+200D are part of words and emoji. */
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{1bca0}-\u{1bca3}\u{e0000}-\u{e0fff}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

function named(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

/** Make hidden characters visible; `\r\n` is a line's end like `\n`. */
export function visible(text) {
  return String(text).replaceAll("\r\n", "\n").replace(HIDDEN, named);
}

/** The same for what is on one line: a name, a title. */
export function visibleLine(text) {
  return visible(text).replace(/[\t\n]+/g, " ").trim();
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
