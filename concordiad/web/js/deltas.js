/**
 * Joins the live pieces of blocks that are not finished (docs/protocol.md, agent.delta).
 *
 * Contract: a block's text is exactly the pieces from offset 0 on, each beginning where the last one ended, counted in
 * Unicode code points. A piece that does not join is dropped, and the block is told as broken until one joins again.
 * Whoever finishes, withdraws or ends a turn forgets the block. At most `limit` blocks are kept, the latest ones.
 */

import { countCodePoints } from "./text.js";

/** The name of a block: blocks are numbered in their turn. */
export function blockName(turn, block) {
  return `${turn}/${block}`;
}

export class Deltas {
  #blocks = new Map();
  #limit;

  constructor(limit = 16) {
    this.#limit = limit;
  }

  /** Take a piece; returns the block {name, turn, kind, text, isBroken}, which is the same object each time. */
  take({ turn, block, kind, offset, text }) {
    const name = blockName(turn, block);
    let known = this.#blocks.get(name);
    if (known === undefined) {
      known = { name, turn, kind, text: "", length: 0, isBroken: false };
      this.#blocks.set(name, known);
      if (this.#blocks.size > this.#limit) this.#blocks.delete(this.#blocks.keys().next().value);
    }
    known.isBroken = offset !== known.length;
    if (!known.isBroken) {
      known.text += text;
      known.length += countCodePoints(text);
    }
    return known;
  }

  /** Forget a block, because it is finished or void. */
  forget(turn, block) {
    this.#blocks.delete(blockName(turn, block));
  }

  /** Forget every block of a turn, because it is over; returns their names. */
  forgetTurn(turn) {
    const names = [...this.#blocks.values()].filter((known) => known.turn === turn).map((known) => known.name);
    for (const name of names) this.#blocks.delete(name);
    return names;
  }

  clear() {
    this.#blocks.clear();
  }

  get size() {
    return this.#blocks.size;
  }
}
