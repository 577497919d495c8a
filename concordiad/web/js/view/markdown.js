/**
 * Shows a tree of Markdown as elements.
 *
 * Contract: every text becomes a text node, every address of a link is http or https and opens elsewhere, knowing
 * nothing of this page. Headings begin below those of the page itself.
 */

import { parseBlocks } from "../markdown/blocks.js";
import { head } from "../text.js";
import { codeBlock, more } from "./code.js";
import { h } from "./dom.js";

const SHOWN = 60_000;

/** Elements of a whole text. */
export function markdown(source) {
  if (source.length <= SHOWN) return parseBlocks(source).map((block) => showBlock(block));
  const start = head(source, SHOWN);
  const rest = more(source.length - start.length, () => {
    rest.replaceWith(...parseBlocks(source.slice(start.length)).map((block) => showBlock(block)));
  });
  return [...parseBlocks(start).map((block) => showBlock(block)), rest];
}

export function showBlock(block) {
  switch (block.kind) {
    case "heading":
      return h(`h${Math.min(block.level + 2, 6)}`, { dir: "auto" }, inline(block.nodes));
    case "code":
      return codeBlock(block.text, block.language);
    case "quote":
      return h("blockquote", {}, block.blocks.map(showBlock));
    case "rule":
      return h("hr");
    case "list":
      return h(
        block.isOrdered ? "ol" : "ul",
        { start: block.start === 1 ? null : block.start },
        block.items.map(showItem),
      );
    case "table":
      return showTable(block);
    default:
      return h("p", { dir: "auto" }, inline(block.nodes));
  }
}

function showItem({ check, blocks }) {
  const isTight = blocks.length > 0 && blocks[0].kind === "paragraph";
  const [first, rest] = isTight ? [inline(blocks[0].nodes), blocks.slice(1)] : [[], blocks];
  const box =
    check === null
      ? null
      : h("span.check", {}, check ? "\u2611 " : "\u2610 ", h("span.offscreen", {}, check ? "done: " : "open: "));
  return h("li", { dir: "auto" }, box, first, rest.map(showBlock));
}

function showTable({ aligns, header, rows }) {
  const cell = (tag) => (nodes, column) => h(`${tag}.${aligns[column] ?? "left"}`, { dir: "auto" }, inline(nodes));
  return h(
    "div.table",
    { tabindex: "0", role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, header.map(cell("th")))),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, row.map(cell("td")))),
      ),
    ),
  );
}

function inline(nodes, isInLink = false) {
  return nodes.map((node) => {
    switch (node.kind) {
      case "text":
        return node.text;
      case "break":
        return h("br");
      case "code":
        return h("code", {}, node.text);
      case "link":
        return isInLink ? inline(node.nodes, true) : link(node);
      default:
        return h(node.kind, {}, inline(node.nodes, isInLink));
    }
  });
}

function link({ href, nodes }) {
  const props = { href, title: href, target: "_blank", rel: "noopener noreferrer" };
  return h("a", props, h("bdi", {}, inline(nodes, true)));
}
