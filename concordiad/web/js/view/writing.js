/**
 * The place below the transcript where blocks stand that are not finished.
 *
 * Contract: a block comes with its first piece, and goes once it is finished, withdrawn or too large, or its turn is
 * over. It is no part of what a screen reader is read out: that are finished blocks only.
 */

import { Deltas, blockName } from "../deltas.js";
import { h } from "./dom.js";
import { LiveText } from "./live.js";

const ENDS_BLOCK = new Set(["agent.text", "agent.thinking", "agent.withdrawn", "agent.oversize"]);
const ENDS_TURN = new Set(["turn.finished", "turn.returned"]);

export class Writing {
  element = h("div.writing", { "aria-live": "off" });
  #deltas = new Deltas();
  #live = new Map();
  #isStill = false;

  /** Take a piece of a block. */
  take(delta) {
    const block = this.#deltas.take(delta);
    if (this.#live.has(block.name)) return;
    const live = new LiveText(block);
    live.still(this.#isStill);
    this.#live.set(block.name, live);
    this.element.append(live.element);
  }

  /** Show that nothing comes now, or that it may again. */
  still(isStill) {
    if (isStill === this.#isStill) return;
    this.#isStill = isStill;
    for (const live of this.#live.values()) live.still(isStill);
  }

  /** Let go what a recorded event ends. */
  settle(event) {
    if (ENDS_BLOCK.has(event.type)) {
      this.#deltas.forget(event.turn, event.block);
      this.#drop(blockName(event.turn, event.block));
    } else if (ENDS_TURN.has(event.type)) {
      const { id } = event.turn;
      this.#deltas.forgetTurn(id);
      for (const name of [...this.#live.keys()]) if (name.startsWith(`${id}/`)) this.#drop(name);
    }
  }

  /** Show what has come; tells whether there is more to show later. */
  render(now) {
    return [...this.#live.values()].filter((live) => live.render(now)).length > 0;
  }

  clear() {
    this.#deltas.clear();
    this.#live.clear();
    this.element.replaceChildren();
  }

  get isEmpty() {
    return this.#live.size === 0;
  }

  #drop(name) {
    this.#live.get(name)?.element.remove();
    this.#live.delete(name);
  }
}
