/**
 * The transcript on the screen: what was recorded, what is being written, and where the reader looks.
 *
 * Contract: events are shown in their order, once a frame as many as fit in a few milliseconds. At most MOST entries are
 * kept; what goes at the top can be loaded again. It scrolls by itself only for a reader who is at the end. A reader who
 * has gone so far up that the end no longer fits is `detached`: live entries are only counted until `onlatest`.
 */

import { Deltas, blockName } from "../deltas.js";
import { several } from "../format.js";
import { fill, h, perFrame, show } from "./dom.js";
import { icon } from "./icons.js";
import { LiveText } from "./live.js";

const MOST = 2000;
const FRAME_MS = 10;
const NEAR_PX = 80;

export class Transcript {
  #entries;
  #waiting = [];
  #deltas = new Deltas();
  #live = new Map();
  #seq = new WeakMap();
  #oldest = Infinity;
  #isDetached = false;
  #isFollowing = true;
  #unseen = 0;
  #loading = false;
  #load;
  #onlatest;
  #scroller;
  #log = h("div.log", { role: "log", "aria-label": "Transcript", "aria-live": "off" });
  #writing = h("div.writing", { "aria-live": "off" });
  #older = h("button.quiet.older", { type: "button", hidden: true }, "Show what was before");
  #start = h("p.start", { hidden: true }, "This is as far back as you can see.");
  #empty = h("p.empty", { hidden: true }, "Nothing has been said yet.");
  #latest = h("button.latest", { type: "button", hidden: true });
  #frame = perFrame(() => this.#work());

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} place where the button to the latest goes
   * @param {Entries} entries
   * @param {{load: function(number): Promise<object[]>, onlatest: function()}} source `load` gives the recorded events
   *   right before a number, none if there are none
   */
  constructor(scroller, place, entries, { load, onlatest }) {
    this.#scroller = scroller;
    this.#entries = entries;
    this.#load = load;
    this.#onlatest = onlatest;
    this.#older.addEventListener("click", () => this.#loadOlder());
    this.#latest.addEventListener("click", () => this.toLatest());
    scroller.append(h("div.column", {}, this.#older, this.#start, this.#empty, this.#log, this.#writing));
    place.append(this.#latest);
    scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    new ResizeObserver(() => this.#isFollowing && this.#toEnd()).observe(scroller);
    document.addEventListener("visibilitychange", () => this.#frame());
  }

  /** Begin anew; what comes was recorded after `seq`, or is all that there is if that is 0. */
  reset(seq) {
    this.#waiting = [];
    this.#deltas.clear();
    this.#live.clear();
    this.#entries.clear();
    this.#log.setAttribute("aria-live", "off");
    for (const part of [this.#log, this.#writing]) part.replaceChildren();
    this.#oldest = seq + 1;
    this.#isDetached = false;
    this.#isFollowing = true;
    this.#unseen = 0;
    this.#frame();
  }

  /** Show an event, recorded or live, that is the next one. */
  take(event) {
    this.#waiting.push(event);
    this.#frame();
  }

  /** Show something of one's own at the end, that no event says. */
  say(parts, kind) {
    this.#waiting.push({ type: "page", parts, kind, at: null });
    this.#frame();
  }

  /** Go to the end and stay there. */
  follow() {
    this.#isFollowing = true;
    this.#frame();
  }

  toLatest() {
    if (this.#isDetached) this.#onlatest();
    this.follow();
    this.#scroller.focus({ preventScroll: true });
  }

  #work() {
    const began = performance.now();
    let done = 0;
    while (done < this.#waiting.length && performance.now() - began < FRAME_MS) {
      this.#show(this.#waiting[done]);
      done += 1;
    }
    this.#waiting.splice(0, done);
    let isBehind = this.#waiting.length > 0;
    for (const live of this.#live.values()) isBehind = live.render(began) || isBehind;
    this.#trim();
    if (this.#isFollowing) this.#toEnd();
    this.#tell();
    if (isBehind) this.#frame();
    // Only what comes from now on is news to somebody who listens.
    else if (this.#log.getAttribute("aria-live") === "off") setTimeout(() => this.#log.setAttribute("aria-live", "polite"), 500);
  }

  #show(event) {
    if (event.type === "agent.delta") {
      this.#showDelta(event);
      return;
    }
    if (event.type === "agent.text" || event.type === "agent.thinking" || event.type === "agent.withdrawn" || event.type === "agent.oversize") {
      this.#deltas.forget(event.turn, event.block);
      this.#endLive(blockName(event.turn, event.block));
    } else if (event.type === "turn.finished" || event.type === "turn.returned") {
      this.#deltas.forgetTurn(event.turn.id);
      for (const name of [...this.#live.keys()]) if (name.startsWith(`${event.turn.id}/`)) this.#endLive(name);
    }
    if (this.#isDetached) {
      this.#unseen += 1;
      return;
    }
    const entry = event.type === "page" ? this.#entries.note(event, event.parts, event.kind) : this.#entries.entryOf(event);
    if (entry === null) return;
    this.#seq.set(entry, event.seq ?? null);
    this.#log.append(entry);
    if (!this.#isFollowing) this.#unseen += 1;
  }

  #showDelta(event) {
    if (this.#isDetached) return;
    const block = this.#deltas.take(event);
    let live = this.#live.get(block.name);
    if (live === undefined) {
      live = new LiveText(block);
      this.#live.set(block.name, live);
      this.#writing.append(live.element);
    }
  }

  #endLive(name) {
    this.#live.get(name)?.element.remove();
    this.#live.delete(name);
  }

  #trim() {
    const over = this.#log.childElementCount - MOST;
    if (over <= 0) return;
    if (!this.#isFollowing) {
      this.#detach();
      return;
    }
    for (let count = 0; count < over; count += 1) this.#log.firstElementChild.remove();
    this.#oldest = this.#firstSeq();
    show(this.#start, false);
  }

  #firstSeq() {
    for (const entry of this.#log.children) if (this.#seq.get(entry)) return this.#seq.get(entry);
    return this.#oldest;
  }

  #detach() {
    while (this.#log.childElementCount > MOST) this.#log.lastElementChild.remove();
    this.#isDetached = true;
    this.#deltas.clear();
    this.#live.clear();
    this.#writing.replaceChildren();
  }

  async #loadOlder() {
    if (this.#loading || this.#oldest <= 1) return;
    this.#loading = true;
    this.#older.disabled = true;
    const before = this.#oldest;
    try {
      const events = await this.#load(before);
      if (this.#oldest === before) this.#prepend(events);
    } catch {
      // The connection went; the button is still there.
    } finally {
      this.#loading = false;
      this.#older.disabled = false;
    }
  }

  #prepend(events) {
    const entries = [];
    for (const event of events) {
      const entry = this.#entries.entryOf(event, true);
      if (entry === null) continue;
      this.#seq.set(entry, event.seq);
      entries.push(entry);
    }
    const live = this.#log.getAttribute("aria-live");
    this.#log.setAttribute("aria-live", "off");
    const fromEnd = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    this.#log.prepend(...entries);
    this.#oldest = events.length > 0 ? events[0].seq : 1;
    this.#isFollowing = false;
    this.#trim();
    show(this.#start, this.#oldest <= 1);
    this.#tell();
    this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
    setTimeout(() => this.#log.setAttribute("aria-live", live), 500);
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#isFollowing && !this.#isDetached) this.#unseen = 0;
    if (scrollTop < 2 * NEAR_PX && !this.#isFollowing) this.#loadOlder();
    this.#tell();
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #tell() {
    const isAway = this.#isDetached || !this.#isFollowing;
    show(this.#latest, isAway);
    const words = this.#unseen > 0 ? several(this.#unseen, "new message") : "To the latest";
    if (isAway && this.#latest.textContent !== words) fill(this.#latest, icon("down"), words);
    show(this.#older, this.#oldest > 1 && Number.isFinite(this.#oldest));
    show(this.#empty, this.#log.childElementCount + this.#writing.childElementCount + this.#waiting.length === 0);
  }
}
