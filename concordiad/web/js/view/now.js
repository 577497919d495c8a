/**
 * What goes on right now: who asked, for how long, what waits behind it; and the way to stop it.
 *
 * Contract: the button stops the very turn that it was shown with, never the one after it. The clock is for eyes only.
 * Without a connection nothing is claimed, and nothing moves.
 */

import { clock, count, ordinal } from "../format.js";
import { mayInterrupt } from "../rights.js";
import { fill, h, show } from "./dom.js";
import { icon } from "./icons.js";
import { namesOf } from "./who.js";

export class Now {
  element = h("div.now", { hidden: true });
  #words = h("p.words");
  #clock = h("span.clock", { "aria-hidden": "true" });
  #stop = h("button.stop", { type: "button", onclick: () => this.#interrupt() }, icon("stop"), "Stop");
  #queue = h("button.quiet.waiting", { type: "button" });
  #problem = h("p.problem", { role: "alert" });
  #turn = null;
  #isLive = false;
  #interruptTurn;

  /** @param {function(string): Promise} interruptTurn @param {function(HTMLElement)} openQueue */
  constructor(interruptTurn, openQueue) {
    this.#interruptTurn = interruptTurn;
    this.#queue.addEventListener("click", () => openQueue(this.#queue));
    this.element.append(h("span.pulse"), this.#words, this.#clock, this.#queue, this.#stop, this.#problem);
  }

  show(room, me, isLive) {
    const { turn } = room;
    if (turn?.id !== this.#turn?.id) {
      this.#stop.disabled = false;
      this.#problem.textContent = "";
    }
    this.#turn = turn;
    this.#isLive = isLive;
    this.element.classList.toggle("running", turn !== null && isLive);
    const authors = turn?.authors ?? [];
    if (!isLive) fill(this.#words, "What goes on is not known");
    else if (turn === null) fill(this.#words, "Nothing runs");
    else if (room.approvals.size > 0) fill(this.#words, "On hold");
    else if (authors.length === 0) fill(this.#words, "At work by itself");
    else
      fill(
        this.#words,
        "At work for ",
        authors.every((author) => author.id === me.id) ? "you" : namesOf(authors, me.id),
      );
    show(this.#stop, turn !== null && isLive && mayInterrupt(me, turn));
    const mine = room.placeOf(me.id);
    show(this.#queue, isLive && room.queue.length > 0);
    fill(this.#queue, `${count(room.queue.length)} waiting`, mine === null ? "" : ` · you are ${ordinal(mine)}`);
    this.tick(Date.now());
  }

  tick(now) {
    const isRunning = this.#isLive && this.#turn !== null;
    this.#clock.textContent = isRunning ? clock((now - Date.parse(this.#turn.started_at)) / 1000) : "";
  }

  async #interrupt() {
    this.#stop.disabled = true;
    try {
      await this.#interruptTurn(this.#turn.id);
    } catch (error) {
      fill(this.#problem, error.message);
      this.#stop.disabled = false;
    }
  }
}
