/**
 * The text that is being written right now.
 *
 * Contract: at most once a frame, and never more than a third of the time, what has come is shown. Blocks of Markdown
 * that can no longer change are made once; only what is behind them is made again.
 */

import { parseBlocks } from "../markdown/blocks.js";
import { fill, h } from "./dom.js";
import { showBlock } from "./markdown.js";

/* Longer, what is written appears as plain text until it is finished. */
const PLAIN = 60_000;

export class LiveText {
  element;
  #block;
  #body = h("div.markdown");
  #label = h("span");
  #shown = 0;
  #stable = 0;
  #tail = h("div.tail");
  #notBefore = 0;

  constructor(block) {
    this.#block = block;
    this.#body.append(this.#tail);
    this.element = h(`div.entry.live.${block.kind}`, {}, h("p.busy", {}, h("span.pulse"), this.#label), this.#body);
    this.still(false);
  }

  /** Say that it is being written, or, while that is not known, that this is how far it came. */
  still(isStill) {
    const [now, before] = this.#block.kind === "thinking" ? ["Thinking…", "Thought so far"] : ["Writing…", "So far"];
    this.#label.textContent = isStill ? before : now;
    this.element.classList.toggle("still", isStill);
  }

  /** Show what has come; tells whether there is more to show later. */
  render(now) {
    const { text, isBroken } = this.#block;
    this.element.classList.toggle("broken", isBroken);
    if (text.length === this.#shown) return false;
    if (now < this.#notBefore) return true;
    const began = performance.now();
    this.#shown = text.length;
    if (this.#block.kind === "thinking" || text.length > PLAIN) fill(this.#tail, h("p.plain", {}, text.slice(-PLAIN)));
    else this.#renderMarkdown(text);
    this.#notBefore = now + 2 * (performance.now() - began);
    return false;
  }

  #renderMarkdown(text) {
    const stable = this.#stable + stableLength(text.slice(this.#stable));
    if (stable > this.#stable) {
      this.#tail.before(...parseBlocks(text.slice(this.#stable, stable)).map(showBlock));
      this.#stable = stable;
    }
    fill(this.#tail, parseBlocks(text.slice(stable)).map(showBlock));
  }
}

/**
 * How much of a text nothing that follows can change: up to the last empty line outside of a fence, behind which a line
 * begins that goes on with no list or quote.
 */
export function stableLength(text) {
  let [stable, at, fence, wasBlank] = [0, 0, null, false];
  for (;;) {
    const end = text.indexOf("\n", at);
    if (end < 0) return stable;
    const line = text.slice(at, end);
    const marks = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (wasBlank && fence === null && /^[^\s>*+\-\d]/.test(line)) stable = at;
    if (marks !== undefined) {
      if (fence === null) fence = marks;
      else if (marks[0] === fence[0] && marks.length >= fence.length && line.trim() === marks) fence = null;
    }
    wasBlank = line.trim() === "";
    at = end + 1;
  }
}
