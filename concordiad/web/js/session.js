/**
 * One's place in a room: comes in, stays in, comes back in, and hands on the transcript without gap or repeat.
 *
 * Contract: `status` is told every change: {kind: "connecting"}, {kind: "live"}, {kind: "waiting", until}
 * (performance.now of the next try), {kind: "ended", code, reason} (it does not try again by itself), {kind: "name",
 * message} (the name will not do: give another and start again). `welcomed(result, isFresh)` comes before the events
 * that it announces; isFresh means to forget all that is shown. A gap in the numbers is met by beginning anew from a
 * snapshot.
 */

import { Backoff } from "./backoff.js";
import { Cursor } from "./cursor.js";
import { Lost, Rpc, RpcError } from "./rpc.js";

/* The daemon means these; to come again at once would only be refused again. */
const FINAL = new Set([4401, 4403, 4404]);
const STEADY_MS = 10_000;
const SILENCE_MS = 30_000;
const PROBE_MS = 5_000;
const CONNECT_MS = 15_000;
/** How many recorded events a fresh page asks for. */
export const LATEST = 200;

export class Session {
  #address;
  #introduce;
  #listener;
  #rpc = null;
  #cursor = null;
  #backoff = new Backoff();
  #timer = null;
  #probe = null;
  #liveSince = null;
  #lapse = null;

  /**
   * @param {string} address the WebSocket's
   * @param {function(): {token, name, room, key?}} introduce who asks to come in
   * @param {{status, welcomed, event}} listener
   */
  constructor(address, introduce, listener) {
    this.#address = address;
    this.#introduce = introduce;
    this.#listener = listener;
  }

  /** Connect now, whatever is going on. */
  start() {
    this.#abandon();
    this.#listener.status({ kind: "connecting" });
    const rpc = new Rpc(this.#address, {
      opened: () => this.#hello(rpc),
      event: (event) => this.#take(event),
      ended: (how) => this.#lost(rpc, how),
    });
    this.#rpc = rpc;
    this.#timer = setTimeout(() => rpc.drop(4000, "no answer"), CONNECT_MS);
  }

  /** Try at once if it waits; make sure of the connection if it seems to be there. */
  nudge() {
    if (this.#liveSince !== null) this.#check();
    else if (this.#rpc === null && this.#timer !== null) this.start();
  }

  /** Forget what is shown and begin from a snapshot. */
  renew() {
    this.#cursor = null;
    this.start();
  }

  /** Hang up because the page is put away; `start` comes back to the same place. */
  leave() {
    this.#abandon();
  }

  #abandon() {
    const rpc = this.#rpc;
    this.#rpc = this.#liveSince = null;
    this.#stopTimers();
    rpc?.drop(1000, "again");
  }

  /** Ask the room; rejects with Lost without a connection. */
  call(method, params = {}) {
    if (this.#liveSince === null) return Promise.reject(new Lost("not connected"));
    return this.#rpc.call(method, params);
  }

  async #hello(rpc) {
    const from = this.#cursor === null ? { last: LATEST } : { after: this.#cursor.after };
    try {
      await rpc.call("hello", { ...this.#introduce(), ...from }, (result) => this.#enter(result));
    } catch (error) {
      if (!(error instanceof RpcError)) return;
      this.#abandon();
      if (error.field === "name") this.#listener.status({ kind: "name", message: error.message });
      else this.#wait();
    }
  }

  #enter(result) {
    this.#stopTimers();
    const isFresh = result.snapshot !== null;
    this.#cursor = new Cursor(result.cursor);
    this.#liveSince = performance.now();
    this.#lapse = setInterval(() => this.#lookForSilence(), SILENCE_MS / 2);
    this.#listener.welcomed(result, isFresh);
    this.#listener.status({ kind: "live" });
  }

  #take(event) {
    if (this.#cursor === null) return;
    const fate = this.#cursor.take(event);
    if (fate === "gap") {
      // Not at once: should every beginning end in a gap, it must not become a flood of beginnings.
      this.#abandon();
      this.#cursor = null;
      this.#wait();
    } else if (fate !== "old") this.#listener.event(event);
  }

  #lost(rpc, { code, reason }) {
    if (rpc !== this.#rpc) return;
    this.#rpc = null;
    this.#stopTimers();
    if (this.#liveSince !== null && performance.now() - this.#liveSince > STEADY_MS) this.#backoff.reset();
    this.#liveSince = null;
    if (FINAL.has(code)) this.#listener.status({ kind: "ended", code, reason });
    else this.#wait();
  }

  #wait() {
    const ms = this.#backoff.next() * 1000;
    this.#timer = setTimeout(() => this.start(), ms);
    this.#listener.status({ kind: "waiting", until: performance.now() + ms });
  }

  /* The daemon's pings are not shown to scripts, so a dead connection would look like a quiet room. */
  #lookForSilence() {
    if (document.visibilityState === "visible" && performance.now() - this.#rpc.heardAt > SILENCE_MS) this.#check();
  }

  #check() {
    if (this.#probe !== null) return;
    const rpc = this.#rpc;
    this.#probe = setTimeout(() => rpc.drop(4000, "no answer"), PROBE_MS);
    const done = () => {
      clearTimeout(this.#probe);
      this.#probe = null;
    };
    rpc.call("events.list", { last: 0, limit: 1 }).then(done, (error) => error instanceof RpcError && done());
  }

  #stopTimers() {
    clearTimeout(this.#timer);
    clearTimeout(this.#probe);
    clearInterval(this.#lapse);
    this.#timer = this.#probe = this.#lapse = null;
  }
}
