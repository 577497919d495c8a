/**
 * One room on the screen: the session hands in what happens, and every part of the page is shown as the room is now.
 *
 * Contract: events change the room and the transcript at once, the rest of the page once a frame. Nothing of the room
 * is shown before it let the reader in.
 */

import { Outbox } from "./outbox.js";
import { mayAnswer, mayAskAgain, maySubmit } from "./rights.js";
import { Room } from "./room.js";
import { LATEST } from "./session.js";
import { Activity } from "./view/activity.js";
import { Again } from "./view/again.js";
import { Approvals } from "./view/approvals.js";
import { Aside } from "./view/aside.js";
import { Banner, wordsFor } from "./view/banner.js";
import { Composer, Underway, viewerSentence } from "./view/composer.js";
import { perFrame, show } from "./view/dom.js";
import { Entries } from "./view/entries.js";
import { Header } from "./view/header.js";
import { fitKeyboard } from "./view/keyboard.js";
import { Now } from "./view/now.js";
import { Queue } from "./view/queue.js";
import { Transcript } from "./view/transcript.js";

const PAGE = 200;

export class App {
  #session;
  #name;
  #room = new Room();
  #me = { id: null, name: "", role: "viewer", mayApprove: false };
  #status = { kind: "connecting" };
  #wasLive = false;
  #greeting = null;
  #parts;
  #refresh = perFrame(() => this.#show());

  /**
   * @param {string} name the room's
   * @param {Session} session not started yet
   * @param {Store} store
   */
  constructor(name, session, store) {
    this.#name = name;
    this.#session = session;
    const call = (method, params) => session.call(method, { room: name, ...params });
    const place = (id) => document.getElementById(id);
    const again = new Again({
      ask: (id, key) => call("prompt.retry", { id, key }),
      may: (author) => mayAskAgain(this.#me, author),
    });
    const entries = new Entries(this.#room, again);
    const outbox = new Outbox(name, store, call, this.#refresh);
    const composer = new Composer({
      submit: (text) => {
        outbox.add(text);
        this.#parts.transcript.follow();
      },
      load: () => store.draft(name),
      save: (text) => store.setDraft(name, text),
    });
    const queue = new Queue({
      cancel: (id) => call("prompt.cancel", { id }),
      split: (id) => call("prompt.split", { id }),
    });
    const aside = new Aside(place("aside"), place("shade"), queue);
    this.#parts = {
      entries,
      outbox,
      composer,
      aside,
      header: new Header(place("header"), (opener) => aside.toggle(opener)),
      banner: new Banner(() => session.nudge()),
      approvals: new Approvals({
        answer: (params) => call("approval.answer", params),
        whole: async (id) => (await call("approval.list")).approvals.find((approval) => approval.id === id),
      }),
      now: new Now(
        (turn) => call("turn.interrupt", { turn }),
        (opener) => aside.toggle(opener),
      ),
      underway: new Underway(outbox, (text) => composer.putBack(text)),
      activity: new Activity(document.querySelector("link[rel=icon]")),
      transcript: new Transcript(place("scroller"), place("latest"), entries, {
        load: (seq) => this.#load(call, seq),
        onlatest: () => session.renew(),
      }),
      viewer: viewerSentence(),
    };
    const { banner, approvals, now, underway, viewer } = this.#parts;
    place("banner").append(banner.element);
    place("dock").append(approvals.element, now.element, underway.element, composer.element, viewer);
    place("skip").addEventListener("click", () => composer.focus());
    fitKeyboard();
    setInterval(() => this.#tick(), 1000);
    for (const type of ["online", "offline"]) window.addEventListener(type, () => this.#nudge());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#nudge());
    // A page that the browser keeps for "back" would keep its connection, and its reader would seem to be here.
    window.addEventListener("pagehide", () => this.#session.leave());
    window.addEventListener("pageshow", (event) => event.persisted && this.#session.start());
  }

  /** The room let the reader in, or back in. */
  welcome(result, isFresh) {
    const { guest, role, may_approve: mayApprove, snapshot, cursor } = result;
    const isFirst = this.#me.id === null;
    this.#me = { ...guest, role, mayApprove };
    this.#parts.entries.me = guest.id;
    if (isFresh) {
      this.#room.reset(snapshot);
      const shownAfter = (snapshot.events[0]?.seq ?? cursor.seq + 1) - 1;
      // Whoever sees the room from joining on, and got far less than was asked for, has all that there is. (Not just
      // less: events may come while a snapshot is taken.)
      const isAll = result.history === "joining" && snapshot.room.cursor.seq - shownAfter < LATEST / 2;
      const hasMore = snapshot.events.length > 0 || !isAll;
      this.#parts.transcript.reset(hasMore ? shownAfter : 0);
      for (const event of snapshot.events) this.#parts.transcript.take(event);
    }
    show(document.getElementById("join"), false);
    show(document.getElementById("room"), true);
    show(this.#parts.composer.element, maySubmit(this.#me));
    show(this.#parts.viewer, !maySubmit(this.#me));
    if (isFirst) this.#parts.composer.begin();
    this.#parts.outbox.flush();
  }

  /** Tell a newcomer what being here means. */
  greet({ role, may_approve: mayApprove, history, cursor }) {
    const rights =
      role === "viewer"
        ? "you can watch"
        : `you can write prompts${mayApprove ? " and decide what the agent may do" : ""}`;
    const care = role === "viewer" ? "" : " What you ask for, the agent does on the host's machine.";
    const past = history === "joining" ? " You see what happens from now on." : "";
    const words = `You are here as ${role}: ${rights}.${care}${past}`;
    this.#greeting = () => this.#parts.transcript.say([words], "welcome");
    this.#greetIfCaughtUp(cursor.seq);
  }

  event(event) {
    const { outbox, transcript, activity } = this.#parts;
    if (event.type === "hosts.here") {
      // It says how it is now, and is no entry of the transcript.
      this.#room.apply(event);
      this.#refresh();
      return;
    }
    if (Number.isInteger(event.seq)) {
      this.#room.apply(event);
      if (event.type === "prompt.accepted" && event.prompt.author.id === this.#me.id && event.prompt.key) {
        outbox.remove(event.prompt.key);
      }
      if (event.type === "turn.finished" && !this.#room.isPast(event)) activity.finished();
      this.#refresh();
    }
    transcript.take(event);
    this.#greetIfCaughtUp(event.seq);
  }

  /* What it says is new; so it stands behind what was there before. */
  #greetIfCaughtUp(seq) {
    if (this.#greeting === null || !(seq >= this.#room.end)) return;
    this.#greeting();
    this.#greeting = null;
  }

  status(status) {
    this.#wasLive ||= status.kind === "live";
    this.#status = { ...status, isAgain: this.#wasLive };
    this.#refresh();
  }

  #nudge() {
    if (this.#status.kind !== "ended") this.#session.nudge();
    this.#refresh();
  }

  async #load(call, seq) {
    const since = Math.max(seq - PAGE, 1);
    const events = [];
    for (let next = since; next !== null && next < seq;) {
      const page = await call("events.list", { since: next, limit: Math.min(seq - next, PAGE) });
      events.push(...page.events.filter((event) => event.seq < seq));
      next = page.next;
    }
    return events;
  }

  #tick() {
    const now = Date.now();
    this.#parts.now.tick(now);
    this.#parts.approvals.tick(now);
  }

  #show() {
    if (this.#me.id === null) return;
    const [room, me, status] = [this.#room, this.#me, this.#status];
    const isLive = status.kind === "live";
    this.#parts.header.show(status, room, me, this.#name);
    this.#parts.banner.show(wordsFor(status, room, navigator.onLine));
    const hasEnded = status.kind === "ended";
    this.#parts.approvals.show(hasEnded ? new Map() : room.approvals, mayAnswer(me));
    this.#parts.now.show(room, me, isLive);
    this.#parts.transcript.setLive(isLive);
    show(this.#parts.now.element, !hasEnded && (room.turn !== null || room.queue.length > 0));
    this.#parts.underway.show(isLive);
    this.#parts.composer.setClosed(hasEnded);
    this.#parts.aside.show(room, me);
    this.#parts.activity.show(status, room, this.#name);
  }
}
