/**
 * One sentence at the top where something is not as usual: the connection first, then the room, then the agent.
 *
 * Contract: `wordsFor` is pure and gives null where all is well. A screen reader is told each sentence once; the
 * seconds until the next try are for eyes only.
 */

import { sentenceOf } from "../reason.js";
import { fill, h, show } from "./dom.js";

const ENDED = {
  4401: "You are not admitted here: the link is used up, has expired, or was revoked. Ask a host of the room for an invite.",
  4403: "You are no longer in this room",
  4404: "The room has closed.",
};

/** @returns {{kind: "bad"|"warn"|"calm", text: string, reason: string?, action: string?}|null} */
export function wordsFor(status, room, isOnline) {
  if (status.kind === "ended") {
    const text =
      status.code === 4403 && status.reason
        ? `${ENDED[4403]}: ${status.reason}.`
        : (ENDED[status.code] ?? status.reason);
    return { kind: "bad", text, action: null };
  }
  if (status.kind === "waiting" || (status.kind === "connecting" && status.isAgain)) {
    const text = isOnline ? "The connection was lost. Reconnecting…" : "This device is offline. It goes on by itself.";
    return { kind: "warn", text, action: status.kind === "waiting" ? "Try now" : null };
  }
  if (status.kind !== "live") return null;
  if (room.isClosed) return { kind: "bad", text: ENDED[4404] };
  return AGENT[room.shown]?.(room) ?? null;
}

const AGENT = {
  starting: () => ({ kind: "calm", text: "The agent is starting." }),
  paused: () => ({ kind: "calm", text: "A host has paused the room: prompts wait, and new ones are not taken." }),
  asleep: () => ({ kind: "calm", text: "The agent sleeps. The next prompt wakes it." }),
  "agent-down": (room) => ({
    kind: "warn",
    text: "The agent is down and is being started again.",
    reason: room.reason,
  }),
  "agent-failing": (room) => ({
    kind: "bad",
    text: "The agent fails again and again, and is left alone: a host should look, and restart it.",
    reason: room.reason,
  }),
  "api-failing": (room) => ({
    kind: "warn",
    text: "The agent's API fails: prompts wait until one of them finds that it answers.",
    reason: room.reason,
    isWhole: true,
  }),
  "journal-failing": (room) => ({
    kind: "bad",
    text: "Nothing new can be recorded at the moment, so prompts are refused. It goes on by itself.",
    reason: room.fault,
  }),
  draining: () => ({ kind: "calm", text: "The room is ending: what runs may finish." }),
};

export class Banner {
  element = h("div.banner", { hidden: true });
  #text = h("p", { role: "status" });
  #action = h("button", { type: "button", hidden: true });

  constructor(retry) {
    this.#action.addEventListener("click", retry);
    this.element.append(this.#text, this.#action);
  }

  show(words) {
    show(this.element, words !== null);
    if (words === null) {
      this.#text.replaceChildren();
      return;
    }
    this.element.className = `banner ${words.kind}`;
    // Of an API the word before the sentence is what matters: "overloaded", "rate_limit".
    const reason = words.reason ? (words.isWhole ? words.reason : sentenceOf(words.reason)) : null;
    const whole = `${words.text}${reason ? ` (${reason})` : ""}`;
    if (this.#text.textContent !== whole)
      fill(this.#text, words.text, reason ? [" (", h("bdi", { title: words.reason }, reason), ")"] : null);
    show(this.#action, Boolean(words.action));
    this.#action.textContent = words.action ?? "";
  }
}
