/**
 * Markdown within a line: code, emphasis, links. A tree comes out, never HTML.
 *
 * Contract: linear in the length whatever comes in; nested at most DEPTH deep. Nodes are {kind: "text", text}, {kind:
 * "code", text}, {kind: "break"}, {kind: "link", href, nodes}, and {kind: "strong" | "em" | "del", nodes}. Only http
 * and https become links. What is not understood is text, so nothing is ever lost; HTML is text.
 */

const DEPTH = 8;
const HREF_LIMIT = 2000;
const TOKEN =
  /\\([!-/:-@[-`{-~])|(`+)|(\*{1,3}|_{1,3}|~~)|(!?\[)|\]|<(https?:\/\/[^\s<>]{1,2000})>|(\bhttps?:\/\/[^\s<>"'`*[\]]{1,2000})|\\?\n/g;
const ADDRESS =
  /^\((?:<([^<>\n]{0,2000})>|((?:[^\s()<>\\]|\\.|\([^\s()<>]{0,200}\)){0,2000}))(?:\s{1,3}"[^"\n]{0,200}")?\)/;
const KINDS = { "*": "em", _: "em", "**": "strong", __: "strong", "***": "both", ___: "both", "~~": "del" };

/** The address if it is one that a link may have, else null. */
export function safeHref(address) {
  if (address.length > HREF_LIMIT) return null;
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

export function parseInline(source) {
  return nest(pair(tokenize(source)));
}

/* Tokens: text, code, break, link (whole), mark (may open or close), bracket, end (of a bracket, with its address). */
function tokenize(source) {
  const tokens = [];
  const closingTicks = findTicks(source);
  let from = 0;
  const flush = (to) => to > from && tokens.push({ kind: "text", text: source.slice(from, to) });
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(source); found !== null; found = TOKEN.exec(source)) {
    const { index } = found;
    const [whole, escaped, ticks, mark, bracket, pointed, bare] = found;
    let end = index + whole.length;
    let token;
    if (escaped !== undefined) token = { kind: "text", text: escaped };
    else if (ticks !== undefined) {
      const close = closingTicks(ticks.length, end);
      if (close < 0) continue;
      token = { kind: "code", text: codeOf(source.slice(end, close)) };
      end = close + ticks.length;
    } else if (mark !== undefined) token = marked(source, mark, index);
    else if (bracket !== undefined) token = { kind: "bracket", text: bracket };
    else if (pointed !== undefined || bare !== undefined) {
      const address = pointed ?? trimmed(bare);
      const href = safeHref(address);
      if (href === null) continue;
      if (pointed === undefined) end = index + address.length;
      token = { kind: "link", href, nodes: [{ kind: "text", text: address }] };
    } else if (whole === "]") {
      const address = source[end] === "(" ? ADDRESS.exec(source.slice(end, end + HREF_LIMIT + 300)) : null;
      const text = `]${address?.[0] ?? ""}`;
      token = { kind: "end", href: address === null ? null : safeHref(address[1] ?? address[2]), text };
      end = index + text.length;
    } else token = { kind: "break" };
    flush(index);
    tokens.push(token);
    from = TOKEN.lastIndex = end;
  }
  flush(source.length);
  return tokens;
}

/* Where the next run of so many backticks is; every run is passed once, or this would be quadratic. */
function findTicks(source) {
  const runs = new Map();
  for (const { 0: run, index } of source.matchAll(/`+/g)) {
    if (!runs.has(run.length)) runs.set(run.length, { places: [], next: 0 });
    runs.get(run.length).places.push(index);
  }
  return (length, from) => {
    const known = runs.get(length);
    while (known.next < known.places.length && known.places[known.next] < from) known.next += 1;
    return known.places[known.next] ?? -1;
  };
}

function codeOf(text) {
  const line = text.replaceAll("\n", " ");
  return line.startsWith(" ") && line.endsWith(" ") && line.trim() !== "" ? line.slice(1, -1) : line;
}

/* What ends a sentence does not belong to the address in it. */
function trimmed(address) {
  let end = address.length;
  while (end > 0 && ".,;:!?)]}…".includes(address[end - 1])) {
    if (address[end - 1] === ")" && address.slice(0, end).includes("(")) break;
    end -= 1;
  }
  return address.slice(0, end);
}

function marked(source, mark, index) {
  const before = source[index - 1] ?? " ";
  const after = source[index + mark.length] ?? " ";
  const isWord = (character) => /[\p{L}\p{N}_]/u.test(character);
  let mayOpen = !/\s/.test(after);
  let mayClose = !/\s/.test(before);
  if (mark[0] === "_") {
    mayOpen &&= !isWord(before);
    mayClose &&= !isWord(after);
  }
  return { kind: "mark", text: mark, mayOpen, mayClose };
}

/* Opens and closes are found with a stack for each mark; whatever opened behind the one that is closed is void. */
function pair(tokens) {
  const open = new Map();
  const brackets = [];
  let floor = 0;
  tokens.forEach((token, place) => {
    if (token.kind === "bracket") brackets.push(place);
    else if (token.kind === "end") {
      const start = brackets.pop();
      if (start === undefined || token.href === null || start < floor) return;
      tokens[start].end = place;
      // A link holds no link, so brackets around it are text.
      floor = place;
      for (const stack of open.values()) dropBehind(stack, start);
    } else if (token.kind === "mark") {
      const stack = open.get(token.text) ?? [];
      open.set(token.text, stack);
      if (token.mayClose && stack.length > 0) {
        const start = stack.pop();
        tokens[start].end = place;
        for (const other of [brackets, ...open.values()]) dropBehind(other, start);
      } else if (token.mayOpen) stack.push(place);
    }
  });
  return tokens;
}

function dropBehind(stack, start) {
  while (stack.length > 0 && stack.at(-1) > start) stack.pop();
}

function nest(tokens) {
  const root = [];
  const stack = [root];
  const closing = [];
  tokens.forEach((token, place) => {
    if (closing.length > 0 && closing.at(-1) === place) {
      closing.pop();
      stack.pop();
      return;
    }
    const into = stack.at(-1);
    if (token.end !== undefined && stack.length <= DEPTH) {
      const nodes = [];
      into.push(opened(token, tokens[token.end], nodes));
      stack.push(nodes);
      closing.push(token.end);
    } else if (token.kind === "mark" || token.kind === "bracket" || token.kind === "end") {
      // Beyond the depth, the marks that belong together are left out or shown; they are shown.
      into.push({ kind: "text", text: token.text });
    } else into.push(token);
  });
  return root;
}

function opened(token, end, nodes) {
  if (token.kind === "bracket") {
    if (token.text === "![") nodes.push({ kind: "text", text: "image: " });
    return { kind: "link", href: end.href, nodes };
  }
  const kind = KINDS[token.text];
  return kind === "both" ? { kind: "strong", nodes: [{ kind: "em", nodes }] } : { kind, nodes };
}
