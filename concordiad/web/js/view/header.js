/**
 * The line at the top: which room, how it is, who one is in it, and the way to the others.
 */

import { visibleLine } from "../text.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const STATES = {
  idle: "Ready",
  busy: "Working",
  starting: "Starting",
  paused: "Paused",
  asleep: "Asleep",
  "agent-down": "Agent down",
  "agent-failing": "Agent failing",
  "api-failing": "API failing",
  "journal-failing": "Not recording",
  draining: "Ending",
};

const KINDS = {
  idle: "good",
  busy: "busy",
  "agent-down": "warn",
  "api-failing": "warn",
  "agent-failing": "bad",
  "journal-failing": "bad",
};

/** What can be said in two words of a room as it is now. */
export function stateOf(status, room) {
  if (status.kind === "ended") return ["Disconnected", "bad"];
  if (status.kind !== "live") return ["Reconnecting", "warn"];
  if (room.isClosed) return ["Closed", "bad"];
  if (room.approvals.size > 0) return ["Needs a decision", "warn"];
  const { shown } = room;
  const kind = KINDS[shown] ?? "calm";
  return [STATES[shown] ?? visibleLine(shown), kind];
}

export class Header {
  #title = h("h1");
  #state = h("p.state", { role: "status" });
  #me = h("p.me");
  #people = h("button.icon-button.people-button", {
    type: "button",
    "aria-controls": "aside",
    "aria-expanded": "false",
  });

  constructor(place, openPeople) {
    this.#people.addEventListener("click", () => openPeople(this.#people));
    place.append(h("div.titles", {}, this.#title, this.#state), this.#me, this.#people);
  }

  show(status, room, me, roomName) {
    const isRehearsal = room.agent?.rehearsal === true;
    fill(this.#title, h("span", {}, roomName), isRehearsal && h("span.tag", { title: "No model is behind this agent" }, "rehearsal"));
    const [words, kind] = stateOf(status, room);
    if (this.#state.textContent !== words) fill(this.#state, h("span.dot"), h("span", {}, words));
    this.#state.className = `state ${kind}`;
    fill(this.#me, h("bdi", {}, visibleLine(me.name)), h("span.dim", {}, me.role));
    const count = room.people.size;
    fill(
      this.#people,
      icon("people"),
      h("span", {}, String(count)),
      room.queue.length > 0 && h("span.badge", {}, String(room.queue.length)),
    );
    this.#people.setAttribute("aria-label", `People and queue: ${count} here, ${room.queue.length} waiting`);
  }
}
