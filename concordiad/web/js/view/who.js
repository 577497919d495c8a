/**
 * How a person looks: a colour that stays, initials, and always the name.
 *
 * Contract: the colour is one of the SHADES classes `who-N` of the style sheet, each with enough contrast. It stays
 * for as long as the page is open, the first SHADES people have different ones, and it is never the only sign of who
 * somebody is.
 */

import { visibleLine } from "../text.js";
import { h } from "./dom.js";

const SHADES = 10;
const KEPT = 5000;

const taken = new Map();

/** The number of somebody's colour: by the id, or the next one that is free while there are any. */
export function shadeOf(id) {
  if (taken.has(id)) return taken.get(id);
  let hash = 2166136261;
  for (const character of id) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  let shade = (hash >>> 0) % SHADES;
  if (taken.size < SHADES) while ([...taken.values()].includes(shade)) shade = (shade + 3) % SHADES;
  if (taken.size < KEPT) taken.set(id, shade);
  return shade;
}

function initials(name) {
  const words = visibleLine(name)
    .split(/[\s._-]+/)
    .filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0].toUpperCase()).join("") || "?";
}

/** A disc with initials; for eyes only, the name stands beside it. */
export function avatar(author) {
  return h(`span.avatar.who-${shadeOf(author.id)}`, { "aria-hidden": "true" }, initials(author.name));
}

/** A name in its colour; `me` is the reader's id, who is told so. */
export function nameOf(author, me = null) {
  const name = h(`bdi.name.who-${shadeOf(author.id)}`, { title: visibleLine(author.name) }, visibleLine(author.name));
  return author.id === me ? h("span.person", {}, name, h("span.you", {}, " (you)")) : name;
}

/** Names in a row: "ada, ben and cleo". */
export function namesOf(authors, me = null) {
  return authors.flatMap((author, index) => {
    const between = index === 0 ? [] : [index === authors.length - 1 ? " and " : ", "];
    return [...between, nameOf(author, me)];
  });
}
