/**
 * How each recorded event looks in the transcript.
 *
 * Contract: `entryOf` gives an element, or null for what is shown elsewhere or not at all; types that it does not
 * know are passed over. It keeps nothing but what calls of tools and their results need to find each other, at most
 * KEPT of each.
 */

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { NOTES } from "./notes.js";
import { ToolCall, orphanResult } from "./tool.js";
import { turnFinished, turnStarted } from "./turns.js";
import { timeAt } from "./when.js";
import { nameOf } from "./who.js";

const KEPT = 500;

export class Entries {
  /** The reader's id. */
  me = null;
  #room;
  #again;
  #calls = new Map();
  #results = new Map();
  #over = new Map();

  /** @param {Room} room @param {Again} again */
  constructor(room, again) {
    this.#room = room;
    this.#again = again;
  }

  clear() {
    this.#again.clear();
    this.#calls.clear();
    this.#results.clear();
    this.#over.clear();
  }

  /** Events come in their order, or as a page of older ones, that in itself is in order. */
  entryOf(event) {
    this.#again.take(event);
    const element = this.#show(event);
    if (element !== null && event.parent) {
      element.classList.add("sub");
      element.prepend(h("span.offscreen", {}, "Subagent: "));
    }
    return element;
  }

  /** A line about the room: `parts` are texts and elements. */
  note(event, parts, kind = "plain") {
    return h(`div.entry.note.${kind}`, {}, h("p", {}, parts), event.at ? timeAt(event.at) : null);
  }

  #show(event) {
    switch (event.type) {
      case "turn.started":
        return turnStarted(event, this.#context());
      case "turn.finished":
        return this.#finish(event);
      case "agent.text":
        return prose(event.text, event.partial);
      case "agent.thinking":
        return thinking(event.text);
      case "agent.tool_use":
        return this.#call(event);
      case "agent.tool_result":
        return this.#result(event);
      default:
        return this.#noteOf(event);
    }
  }

  #context() {
    const agentName = this.#room.agent?.rehearsal ? "The rehearsal agent" : "Claude";
    return { me: this.me, agentName, promptOf: (id) => this.#room.prompt(id) };
  }

  #noteOf(event) {
    if (!Object.hasOwn(NOTES, event.type)) return null;
    if (event.type === "turn.returned") this.#settle(event.turn.id);
    const note = NOTES[event.type](event, (author) => nameOf(author, this.me));
    return note === null ? null : this.note(event, note.parts, note.kind);
  }

  #finish(event) {
    const { turn } = event;
    this.#settle(turn.id);
    const end = turnFinished(event, this.#context(), this.#again.button(turn));
    // Found in the agent's own history after a crash: no event has told of its text.
    const isFound = turn.outcome === "completed" && turn.reason && turn.answer;
    return isFound ? h("div", {}, prose(turn.answer), end) : end;
  }

  #call(event) {
    const call = new ToolCall(event);
    const result = this.#results.get(event.id);
    if (result !== undefined) {
      this.#results.delete(event.id);
      result.element.remove();
      call.setResult(result.event);
    } else if (this.#over.has(event.turn)) call.settle();
    else keep(this.#calls, event.id, { call, turn: event.turn });
    return call.element;
  }

  #result(event) {
    const waiting = this.#calls.get(event.id);
    if (waiting !== undefined) {
      this.#calls.delete(event.id);
      waiting.call.setResult(event);
      return null;
    }
    const element = orphanResult(event);
    keep(this.#results, event.id, { event, element });
    return element;
  }

  /** A turn is over: a call of it that has no result gets none any more. */
  #settle(turn) {
    keep(this.#over, turn, true);
    for (const [id, waiting] of this.#calls) {
      if (waiting.turn !== turn) continue;
      waiting.call.settle();
      this.#calls.delete(id);
    }
  }
}

function keep(map, id, value) {
  map.set(id, value);
  if (map.size > KEPT) map.delete(map.keys().next().value);
}

function prose(text, isPartial = false) {
  const rest = isPartial ? h("p.rest", {}, "… as far as it came.") : null;
  return h("div.entry.text.markdown", {}, markdown(text), rest);
}

function thinking(text) {
  const body = h("div.inside");
  const element = h("details.entry.thought", {}, h("summary", {}, icon("chevron"), "Thinking"), body);
  element.addEventListener("toggle", () => {
    if (element.open && body.childElementCount === 0) body.append(h("p.plain", { dir: "auto" }, text));
  });
  return element;
}
