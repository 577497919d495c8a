/**
 * Markdown's blocks: headings, paragraphs, lists, quotes, fenced code, tables, rules. A tree comes out, never HTML.
 *
 * Contract: linear in the length but for nesting, which is at most DEPTH; a fence that is not closed yet is code, so
 * a text that still grows looks like the whole one. Blocks are {kind: "heading", level, nodes}, {kind: "paragraph",
 * nodes}, {kind: "code", language, text, isOpen}, {kind: "quote", blocks}, {kind: "rule"}, {kind: "list", isOrdered,
 * start, items: [{check, blocks}]} with check null, true or false, and {kind: "table", aligns, header: [nodes], rows:
 * [[nodes]]}.
 */

import { parseInline } from "./inline.js";

const DEPTH = 8;
const CELLS = 50;
/* No two neighbours in these may match the same character, or a line of spaces would take quadratic time. */
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?=\s|$)/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( {1,4})(?! )|( +)|$)/;
const QUOTE = /^ {0,3}> ?/;
const DIVIDER = /^\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$/;
const CHECK = /^\[([ xX])\]\s+/;

export function parseBlocks(source) {
  return parseLines(source.replaceAll("\t", "    ").split("\n"), 0);
}

function parseLines(lines, depth) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (/^\s*$/.test(lines[at])) {
      at += 1;
      continue;
    }
    const read = READERS.find((reader) => starts(reader, lines, at, depth));
    const [block, next] = (read ?? paragraph).read(lines, at, depth);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

function starts(reader, lines, at, depth) {
  return (!reader.nests || depth < DEPTH) && reader.begins(lines[at], lines[at + 1]);
}

const fence = {
  begins: (line) => FENCE.test(line),
  read(lines, at) {
    const [, marks, info] = FENCE.exec(lines[at]);
    const indent = lines[at].search(/\S/);
    const end = new RegExp(`^ {0,3}${marks[0]}{${marks.length},}\\s*$`);
    let next = at + 1;
    while (next < lines.length && !end.test(lines[next])) next += 1;
    const text = lines.slice(at + 1, next).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
    const language = info.trim().split(/\s+/)[0];
    return [{ kind: "code", language, text: text.join("\n"), isOpen: next >= lines.length }, next + 1];
  },
};

const heading = {
  begins: (line) => HEADING.test(line),
  read(lines, at) {
    const [whole, marks] = HEADING.exec(lines[at]);
    const text = lines[at]
      .slice(whole.length)
      .trim()
      .replace(/(?:^|\s)#+$/, "");
    return [{ kind: "heading", level: marks.length, nodes: parseInline(text.trim()) }, at + 1];
  },
};

function isRule(line) {
  return /^[-*_]/.test(line.trimStart()) && /^(?:-{3,}|\*{3,}|_{3,})$/.test(line.replaceAll(" ", ""));
}

const rule = { begins: isRule, read: (_, at) => [{ kind: "rule" }, at + 1] };

const quote = {
  nests: true,
  begins: (line) => QUOTE.test(line),
  read(lines, at, depth) {
    let next = at;
    while (next < lines.length && QUOTE.test(lines[next])) next += 1;
    const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
    return [{ kind: "quote", blocks: parseLines(inner, depth + 1) }, next];
  },
};

const table = {
  begins: (line, following) => line.includes("|") && following?.includes("-") && DIVIDER.test(following.trim()),
  read(lines, at) {
    const aligns = cells(lines[at + 1]).map((cell) => {
      const [isLeft, isRight] = [cell.startsWith(":"), cell.endsWith(":")];
      return isRight ? (isLeft ? "center" : "right") : "left";
    });
    const row = (line) => cells(line).slice(0, aligns.length).map(parseInline);
    let next = at + 2;
    while (next < lines.length && lines[next].includes("|") && !/^\s*$/.test(lines[next])) next += 1;
    return [{ kind: "table", aligns, header: row(lines[at]), rows: lines.slice(at + 2, next).map(row) }, next];
  },
};

function cells(line) {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/, CELLS).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

const list = {
  nests: true,
  begins: (line) => ITEM.test(line) && !isRule(line),
  read(lines, at, depth) {
    const [, , first] = ITEM.exec(lines[at]);
    const isOrdered = /\d/.test(first);
    const kind = first.at(-1);
    const items = [];
    let next = at;
    while (next < lines.length) {
      const found = ITEM.exec(lines[next]);
      if (found === null || isRule(lines[next]) || found[2].at(-1) !== kind) break;
      const [inner, end] = itemLines(lines, next, found);
      const check = CHECK.exec(inner[0]);
      if (check !== null) inner[0] = inner[0].slice(check[0].length);
      items.push({ check: check === null ? null : check[1] !== " ", blocks: parseLines(inner, depth + 1) });
      next = end;
    }
    return [{ kind: "list", isOrdered, start: isOrdered ? parseInt(first, 10) : 1, items }, next];
  },
};

/* An item goes on as long as lines are indented, or go on with its paragraph; blank lines at its end are not its own. */
function itemLines(lines, at, found) {
  const width = found[1].length + found[2].length + (found[3]?.length ?? 1);
  const inner = [lines[at].slice(width)];
  let [next, end] = [at + 1, at + 1];
  while (next < lines.length) {
    const line = lines[next];
    const isBlank = /^\s*$/.test(line);
    if (!isBlank) {
      const indent = line.search(/\S/);
      const isLazy = end === next && !/^\s*$/.test(lines[next - 1]) && !interrupts(line);
      if (indent < Math.min(width, 2) && !isLazy) break;
      if (indent < width && ITEM.test(line) && indent < 2) break;
      end = next + 1;
    }
    inner.push(line.replace(new RegExp(`^ {0,${width}}`), ""));
    next += 1;
  }
  inner.length = end - at;
  return [inner, end];
}

const READERS = [fence, heading, rule, quote, list, table];

function interrupts(line) {
  return FENCE.test(line) || HEADING.test(line) || isRule(line) || QUOTE.test(line) || ITEM.test(line);
}

const paragraph = {
  read(lines, at, depth) {
    let next = at + 1;
    while (next < lines.length && !/^\s*$/.test(lines[next]) && !ends(lines, next, depth)) next += 1;
    const text = lines
      .slice(at, next)
      .map((line) => line.trimStart())
      .join("\n")
      .trimEnd();
    return [{ kind: "paragraph", nodes: parseInline(text) }, next];
  },
};

function ends(lines, at, depth) {
  if (depth >= DEPTH) return false;
  return interrupts(lines[at]) && !/^ {0,3}(?!1[.)])\d/.test(lines[at]);
}
