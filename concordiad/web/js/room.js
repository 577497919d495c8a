/**
 * What is so in the room now: its agent, the running turn, what waits, who is here.
 *
 * Contract: `reset` takes a snapshot, `apply` each recorded event after it; events up to the snapshot's own place are
 * the past and change nothing. Every change is idempotent, because a snapshot is not taken in one moment. Unknown
 * types change nothing. No DOM, no clock.
 */

import { duration } from "./format.js";

export class Room {
  name = "";
  state = "starting";
  /** Prompts are held back, whatever the state. */
  isPaused = false;
  isClosed = false;
  reason = null;
  /** Why the journal cannot record at the moment; null while it can. */
  fault = null;
  agent = null;
  turn = null;
  /** The prompts that wait, as turns in their order: those of one turn were merged, the first one first. */
  waiting = [];
  approvals = new Map();
  people = new Map();
  #at = 0;
  #known = new Map();

  reset(snapshot) {
    const { room } = snapshot;
    Object.assign(this, { name: room.name, isPaused: room.paused, isClosed: false });
    const isFailing = room.state === "journal-failing";
    const underneath = snapshot.turn === null ? "idle" : "busy";
    this.fault = isFailing ? room.reason : null;
    this.state = isFailing ? underneath : room.state === "paused" ? "idle" : room.state;
    this.reason = isFailing ? null : room.reason;
    this.agent = room.agent;
    this.turn = snapshot.turn;
    const turns = new Map();
    for (const prompt of snapshot.queue) turns.set(prompt.place, [...(turns.get(prompt.place) ?? []), prompt]);
    this.waiting = [...turns.keys()].sort((one, other) => one - other).map((place) => turns.get(place));
    this.#known = new Map(snapshot.queue.map((prompt) => [prompt.id, prompt]));
    this.approvals = new Map(snapshot.approvals.map((approval) => [approval.id, approval]));
    this.people = new Map(snapshot.people.map((person) => [person.id, person]));
    this.#at = room.cursor.seq;
  }

  /** The number of the last event that is in the snapshot. */
  get end() {
    return this.#at;
  }

  /** Whether an event was before the snapshot. */
  isPast(event) {
    return event.seq <= this.#at;
  }

  /** The text and author of a prompt that is or was in the queue, as far as it is known. */
  prompt(id) {
    return this.#known.get(id);
  }

  /** Every prompt that waits. */
  get queue() {
    return this.waiting.flat();
  }

  /** Which turn from now on is the first one with a prompt of somebody's, 1 for the next; null if none waits. */
  placeOf(author) {
    const index = this.waiting.findIndex((turn) => turn.some((prompt) => prompt.author.id === author));
    return index < 0 ? null : index + 1;
  }

  /** The state in one word, as the daemon says it. */
  get shown() {
    if (this.fault !== null) return "journal-failing";
    return this.isPaused && ["idle", "asleep", "api-failing"].includes(this.state) ? "paused" : this.state;
  }

  apply(event) {
    if (this.isPast(event)) return;
    if (Object.hasOwn(CHANGES, event.type)) CHANGES[event.type](this, event);
  }

  /** Keep a prompt as it is now, and return it; with all of its text, where that is known from before. */
  remember(prompt) {
    const before = this.#known.get(prompt.id);
    const isShorter = prompt.text_chars !== null && before !== undefined && before.text.length > prompt.text.length;
    const now = isShorter ? { ...prompt, text: before.text, text_chars: before.text_chars } : prompt;
    this.#known.set(prompt.id, now);
    // A prompt is needed until its turn has begun, or was returned; those of long ago are not.
    if (this.#known.size > 500) this.#known.delete(this.#known.keys().next().value);
    return now;
  }

  /** Find a prompt that another one was merged with: no event of its own says that it leads the turn from now on. */
  lead(id, merge) {
    const known = this.prompt(id);
    if (known === undefined || id !== merge?.leader || known.merge?.leader === id) return known;
    const led = { ...known, merge: { ...merge, stage: "first", similarity: null, verbatim: true } };
    this.#known.set(id, led);
    return led;
  }

  /** Let prompts wait for one turn, at its place; where they were before they no longer are. */
  enqueue(prompts, place) {
    this.dequeue(prompts.map((prompt) => prompt.id));
    const turn = prompts.map((prompt) => ({ ...prompt, state: "waiting" }));
    const at = place === null ? this.waiting.length : place - 1;
    this.waiting = [...this.waiting.slice(0, at), turn, ...this.waiting.slice(at)];
  }

  dequeue(ids) {
    const left = this.waiting.map((turn) => turn.filter((waiting) => !ids.includes(waiting.id)));
    this.waiting = left.filter((turn) => turn.length > 0);
  }

  become(state, reason = null) {
    this.state = state;
    this.reason = reason;
  }
}

/* What a room is after its agent ended as it wanted it. */
const AFTER = { asleep: "asleep", restarted: "starting", closed: "draining" };

const CHANGES = {
  "prompt.accepted": (room, { prompt }) => {
    room.enqueue([room.remember(prompt)], prompt.place);
  },
  "prompt.merged": (room, { prompt, with: others }) => {
    const merged = room.remember(prompt);
    const first = others.map(({ id }) => room.lead(id, prompt.merge)).filter((known) => known !== undefined);
    room.enqueue([...first, merged], prompt.place);
  },
  "prompt.split": (room, { prompt }) => {
    room.enqueue([room.remember(prompt)], prompt.place);
  },
  "prompt.cancelled": (room, { prompt }) => room.dequeue([prompt.id]),
  "prompt.expired": (room, { prompt }) => room.dequeue([prompt.id]),
  "turn.started": (room, { turn }) => {
    room.dequeue(turn.prompts);
    room.turn = turn;
    room.become("busy");
  },
  "turn.finished": (room, { turn }) => {
    if (room.turn?.id === turn.id) room.turn = null;
    if (room.state === "busy") room.become("idle");
  },
  "turn.returned": (room, { turn }) => {
    if (room.turn?.id === turn.id) room.turn = null;
    if (room.state === "busy") room.become("idle");
    const returned = turn.prompts.map((id) => room.prompt(id)).filter((known) => known !== undefined);
    if (returned.length > 0) room.enqueue(returned, 1);
  },
  "agent.started": (room, event) => {
    const { agent, kind, version, incarnation } = event;
    room.agent = { ...room.agent, name: agent, kind, version, incarnation, rehearsal: event.rehearsal === true };
    if (room.turn === null) room.become("idle");
  },
  "agent.exited": (room, event) => {
    if (Object.hasOwn(AFTER, event.status)) {
      room.become(AFTER[event.status], event.reason);
    } else if (event.next_attempt_s === null) {
      room.become("draining", event.reason);
    } else {
      room.become(room.state === "agent-failing" ? "agent-failing" : "agent-down", event.reason);
    }
  },
  "approval.requested": (room, { approval }) => room.approvals.set(approval.id, approval),
  "approval.resolved": (room, { approval }) => room.approvals.delete(approval.id),
  "room.changed": (room, { state, reason, next_attempt_s: wait }) => {
    if (state === "paused" || state === "resumed") room.isPaused = state === "paused";
    if (state === "closed") room.isClosed = true;
    if (state === "agent-failing") room.become(state, reason);
    if (state === "api-failing") room.become(state, wait ? `${reason}; the next prompt tries in ${duration(wait)}` : reason);
    if (state === "resumed" && room.state === "api-failing") room.become("idle");
    if (state === "journal-failing") room.fault = reason;
    if (state === "journal-recovered") room.fault = null;
    if (state === "recovered" && room.turn === null) room.become("idle");
  },
  "hosts.here": (room, { hosts }) => {
    const guests = [...room.people.values()].filter((person) => person.kind === "guest");
    room.people = new Map([...hosts, ...guests].map((person) => [person.id, person]));
  },
  "guest.joined": (room, { guest, role, at }) => room.people.set(guest.id, { ...guest, role, here_since: at }),
  "guest.left": (room, { guest }) => room.people.delete(guest.id),
  "guest.kicked": (room, { guest }) => room.people.delete(guest.id),
};
