/**
 * The transcript on the screen: what was recorded, what is being written, and where the reader looks.
 *
 * Contract: events are shown in their order, once a frame as many as fit in a few milliseconds. At most MOST entries
 * are kept; what goes at the top can be loaded again. It scrolls by itself only for a reader who is at the end. A
 * reader who has gone so far up that the end no longer fits is `detached`: live entries are only counted until
 * `onlatest`.
 */

import { several } from "../format.js";
import { fill, h, perFrame, show } from "./dom.js";
import { icon } from "./icons.js";
import { Writing } from "./writing.js";

const MOST = 2000;
const FRAME_MS = 10;
const NEAR_PX = 80;

export class Transcript {
  #entries;
  #waiting = [];
  #oldest = Infinity;
  #isDetached = false;
  #isFollowing = true;
  #unseen = 0;
  #loading = false;
  #load;
  #onlatest;
  #scroller;
  #log = h("div.log", { role: "log", "aria-label": "Transcript", "aria-live": "off" });
  #writing = new Writing();
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
    scroller.append(h("div.column", {}, this.#older, this.#start, this.#empty, this.#log, this.#writing.element));
    place.append(this.#latest);
    scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    new ResizeObserver(() => this.#isFollowing && this.#toEnd()).observe(scroller);
    document.addEventListener("visibilitychange", () => this.#frame());
  }

  /** Begin anew; what comes was recorded after `seq`, or is all that there is if that is 0. */
  reset(seq) {
    this.#waiting = [];
    this.#entries.clear();
    this.#log.setAttribute("aria-live", "off");
    this.#log.replaceChildren();
    this.#writing.clear();
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

  /** Whether there is a connection, by which what is being written would come. */
  setLive(isLive) {
    this.#writing.still(!isLive);
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
    if (this.#isFollowing && this.#waiting.length > MOST) this.#skip();
    let done = 0;
    while (done < this.#waiting.length && performance.now() - began < FRAME_MS) {
      this.#show(this.#waiting[done]);
      done += 1;
    }
    this.#waiting.splice(0, done);
    const isBehind = this.#writing.render(began) || this.#waiting.length > 0;
    this.#trim();
    if (this.#isFollowing) this.#toEnd();
    this.#tell();
    if (isBehind) this.#frame();
    // Only what comes from now on is news to somebody who listens.
    else if (this.#log.getAttribute("aria-live") === "off")
      setTimeout(() => this.#log.setAttribute("aria-live", "polite"), 500);
  }

  /* What would go again before anybody saw it is not shown at all. */
  #skip() {
    this.#waiting.splice(0, this.#waiting.length - MOST);
    this.#oldest = this.#waiting.find((event) => event.seq)?.seq ?? this.#oldest;
    this.#entries.clear();
    this.#log.replaceChildren();
    this.#writing.clear();
  }

  /* One event that is not as it should be must not hold up those behind it. */
  #entryOf(event) {
    let entry;
    try {
      entry = this.#entries.entryOf(event);
    } catch (error) {
      console.error("an event could not be shown", event.type, event.seq, error);
      entry = this.#entries.note(event, ["Something that happened here could not be shown."], "warn");
    }
    if (entry !== null && event.seq) entry.dataset.seq = event.seq;
    return entry;
  }

  #show(event) {
    if (event.type === "agent.delta") {
      if (!this.#isDetached) this.#writing.take(event);
      return;
    }
    this.#writing.settle(event);
    if (this.#isDetached) {
      this.#unseen += 1;
      return;
    }
    const isOwn = event.type === "page";
    const entry = isOwn ? this.#entries.note(event, event.parts, event.kind) : this.#entryOf(event);
    if (entry === null) return;
    this.#log.append(entry);
    if (!this.#isFollowing) this.#unseen += 1;
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
    return Number(this.#log.querySelector(":scope > [data-seq]")?.dataset.seq ?? this.#oldest);
  }

  #detach() {
    while (this.#log.childElementCount > MOST) this.#log.lastElementChild.remove();
    this.#isDetached = true;
    this.#writing.clear();
  }

  async #loadOlder() {
    if (this.#loading || this.#oldest <= 1) return;
    this.#loading = true;
    this.#older.disabled = true;
    try {
      // A page with nothing to show in it moves nothing, so nobody would ask for the one before it.
      for (let [before, shown] = [0, 0]; shown === 0 && this.#oldest > 1;) {
        before = this.#oldest;
        const events = await this.#load(before);
        if (this.#oldest !== before) break;
        shown = this.#prepend(events);
      }
    } catch {
      // The connection went; the button is still there.
    } finally {
      this.#loading = false;
      this.#older.disabled = false;
    }
  }

  #prepend(events) {
    const entries = events.map((event) => this.#entryOf(event)).filter((entry) => entry !== null);
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
    return entries.length;
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
    show(this.#empty, this.#log.childElementCount + this.#waiting.length === 0 && this.#writing.isEmpty);
  }
}
