/**
 * How each recorded event looks in the transcript.
 *
 * Contract: `entryOf` gives an element, or null for what is shown elsewhere or not at all; types that it does not know
 * are passed over. It keeps nothing but the calls of tools that wait for their results, at most KEPT.
 */

import { bytes, count, duration, money, several, timeOfDay, wholeTime } from "../format.js";
import { visibleLine } from "../text.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { ToolCall, orphanResult } from "./tool.js";
import { avatar, nameOf, namesOf } from "./who.js";

const KEPT = 500;
const LONG_CHARS = 1200;
const LONG_LINES = 14;

export class Entries {
  /** The reader's id. */
  me = null;
  #room;
  #calls = new Map();
  #results = new Map();

  constructor(room) {
    this.#room = room;
  }

  clear() {
    this.#calls.clear();
    this.#results.clear();
  }

  /** @param {boolean} isOld further up than all that is shown: no call of it waits any more */
  entryOf(event, isOld = false) {
    const show = SHOWN[event.type];
    const element = show === undefined ? null : show.call(this, event, isOld);
    if (element !== null && event.parent) {
      element.classList.add("sub");
      element.prepend(h("span.offscreen", {}, "Subagent: "));
    }
    return element;
  }

  prompt(id) {
    return this.#room.prompt(id);
  }

  get agentName() {
    return this.#room.agent?.rehearsal ? "Rehearsal agent" : "Claude";
  }

  /** A line about the room: `parts` are texts and elements. */
  note(event, parts, kind = "plain") {
    return h(`div.entry.note.${kind}`, {}, h("p", {}, parts), event.at ? timeAt(event.at) : null);
  }

  call(event, isOld) {
    const call = new ToolCall(event, isOld);
    const result = this.#results.get(event.id);
    if (result !== undefined) {
      this.#results.delete(event.id);
      result.element.remove();
      call.setResult(result.event);
    } else if (!isOld) keep(this.#calls, event.id, { call, turn: event.turn });
    return call.element;
  }

  result(event, isOld) {
    const waiting = this.#calls.get(event.id);
    if (waiting !== undefined && !isOld) {
      this.#calls.delete(event.id);
      waiting.call.setResult(event);
      return null;
    }
    const element = orphanResult(event);
    keep(this.#results, event.id, { event, element });
    return element;
  }

  settle(turn) {
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

function timeAt(at) {
  return h("time", { datetime: at, title: wholeTime(at) }, timeOfDay(at));
}

function said(text) {
  const body = h("div.said", { dir: "auto" }, text);
  if (text.length < LONG_CHARS && text.split("\n", LONG_LINES + 1).length <= LONG_LINES) return body;
  body.classList.add("cut");
  const all = h("button.quiet.more", { type: "button", "aria-expanded": "false" }, "Show all of it");
  all.addEventListener("click", () => {
    const isCut = body.classList.toggle("cut");
    all.setAttribute("aria-expanded", String(!isCut));
    all.textContent = isCut ? "Show all of it" : "Show less";
  });
  return h("div", {}, body, all);
}

function asked(entries, author, text, at) {
  const head = h("p.head", {}, nameOf(author, entries.me), timeAt(at));
  return h("div.asked", {}, avatar(author), h("div.words", {}, head, said(text)));
}

function turnStarted({ turn, at }) {
  if (turn.origin === "agent") {
    return h("div.entry.ask.own", {}, h("p.head", {}, `${this.agentName} goes on by itself`, timeAt(at)), said(turn.text));
  }
  const prompts = turn.prompts.map((id) => this.prompt(id));
  if (prompts.length > 1 && !prompts.includes(undefined)) {
    return h("div.entry.ask", {}, prompts.map(({ author, text }) => asked(this, author, text, at)));
  }
  const authors = turn.authors ?? [];
  if (authors.length === 1) return h("div.entry.ask", {}, asked(this, authors[0], turn.text, at));
  return h("div.entry.ask", {}, h("p.head", {}, namesOf(authors, this.me), timeAt(at)), said(turn.text));
}

const ENDS = {
  completed: ["Done", "good"],
  failed: ["Failed", "bad"],
  interrupted: ["Interrupted", "warn"],
  timed_out: ["Out of time", "bad"],
  uncertain: ["Uncertain", "warn"],
};

function turnFinished({ turn, by, at }) {
  this.settle(turn.id);
  const [word, kind] = ENDS[turn.outcome] ?? [visibleLine(turn.outcome ?? "ended"), "plain"];
  const isTelling = turn.reason && turn.outcome !== "interrupted";
  const figures = [
    duration(turn.duration_s),
    turn.input_tokens === null ? "" : `${count(turn.input_tokens)} tokens in, ${count(turn.output_tokens)} out`,
    money(turn.cost_usd),
  ].filter((figure) => figure !== "");
  return h(
    `div.entry.finish.${kind}`,
    { title: wholeTime(at) },
    h("p", {}, h("span.outcome", {}, word), by ? [" by ", nameOf(by, this.me)] : null, figures.map((figure) => h("span.figure", {}, figure))),
    isTelling ? h("p.reason", { dir: "auto" }, turn.reason) : null,
  );
}

function agentText({ text }) {
  return h("div.entry.text.markdown", {}, markdown(text));
}

function agentThinking({ text }) {
  const body = h("div.inside");
  const element = h("details.entry.thought", {}, h("summary", {}, icon("chevron"), "Thinking"), body);
  element.addEventListener("toggle", () => element.open && body.childElementCount === 0 && body.append(h("p.plain", { dir: "auto" }, text)));
  return element;
}

function agentExited(event) {
  const again = event.next_attempt_s === null ? "" : ` It is started again in ${duration(event.next_attempt_s)}.`;
  const isCalm = event.next_attempt_s === null;
  return this.note(event, [isCalm ? "The agent has ended: " : "The agent went down: ", h("bdi", {}, event.reason), ".", again], isCalm ? "plain" : "warn");
}

function apiRetry(event) {
  const why = visibleLine(event.error ?? "no answer").replaceAll("_", " ");
  const which = event.attempt === null ? "" : `, attempt ${event.attempt}${event.max_retries === null ? "" : ` of ${event.max_retries}`}`;
  const when = event.delay_s === null ? "" : `, again in ${duration(event.delay_s)}`;
  return this.note(event, [`The model's API has trouble: ${why}${event.status === null ? "" : ` (${event.status})`}${which}${when}.`], "warn");
}

const RESOLUTIONS = {
  approved: ["approved", "good"],
  denied: ["denied", "bad"],
  timed_out: ["denied, because nobody answered", "warn"],
  withdrawn: ["withdrawn", "plain"],
};

function approvalResolved(event) {
  const { approval, resolution, by } = event;
  const [word, kind] = RESOLUTIONS[resolution] ?? [visibleLine(resolution), "plain"];
  const isQuestion = approval.kind === "question";
  const what = isQuestion ? "The question" : h("span.tool", {}, visibleLine(approval.tool));
  const shown = isQuestion && resolution === "approved" ? "answered" : word;
  const why = event.reason && resolution === "denied" ? [": ", h("bdi", {}, event.reason)] : null;
  return this.note(event, [what, isQuestion ? " was " : ": ", shown, by ? [" by ", nameOf(by, this.me)] : null, why], kind);
}

const CHANGES = {
  paused: "The room is paused: prompts wait.",
  resumed: "The room goes on.",
  restarted: "The agent is started again.",
  closed: "The room has closed.",
  "agent-failing": "The agent fails again and again.",
  recovered: "The agent answers again.",
};

function roomChanged(event) {
  const words = event.fresh ? "The agent is started again, with a new conversation." : (CHANGES[event.state] ?? `The room: ${visibleLine(event.state)}.`);
  const kind = event.state === "agent-failing" || event.state === "closed" ? "bad" : "plain";
  return this.note(event, [words, event.by ? [" (", nameOf(event.by, this.me), ")"] : null], kind);
}

function withdrawn(word) {
  return function note(event) {
    const gist = visibleLine(event.prompt.text.slice(0, 200));
    return this.note(event, ["A prompt of ", nameOf(event.prompt.author, this.me), ` ${word}: `, h("q", {}, h("bdi", {}, gist.slice(0, 100)))]);
  };
}

const LEFT = { left: "left", kicked: "was removed", revoked: "left: the invite was revoked", expired: "left: the invite has expired" };

const SHOWN = {
  "turn.started": turnStarted,
  "turn.finished": turnFinished,
  "turn.returned"(event) {
    this.settle(event.turn.id);
    return this.note(event, ["The agent was gone before it took this; it is asked again."], "warn");
  },
  "agent.text": agentText,
  "agent.thinking": agentThinking,
  "agent.tool_use"(event, isOld) {
    return this.call(event, isOld);
  },
  "agent.tool_result"(event, isOld) {
    return this.result(event, isOld);
  },
  "agent.oversize"(event) {
    return this.note(event, [`${bytes(event.bytes)} of the agent's output were too much for the transcript, and are left out.`], "warn");
  },
  "agent.withdrawn"(event) {
    return this.note(event, ["The stream broke off. What was being written is void; the agent begins anew."], "warn");
  },
  "agent.started"(event) {
    const version = event.version ? ` ${visibleLine(event.version)}` : "";
    const goesOn = event.session === "resumed" ? ", and goes on with the conversation" : "";
    return this.note(event, [`The agent (${visibleLine(event.kind)}${version}) has started${goesOn}.`]);
  },
  "agent.exited": agentExited,
  "agent.api_retry": apiRetry,
  "approval.resolved": approvalResolved,
  "room.changed": roomChanged,
  notice(event) {
    return this.note(event, [h("bdi", {}, event.message)], "warn");
  },
  "prompt.cancelled": withdrawn("was taken back"),
  "prompt.expired": withdrawn("has expired"),
  "guest.joined"(event) {
    return this.note(event, [nameOf(event.guest, this.me), ` joined as ${visibleLine(event.role)}.`]);
  },
  "guest.left"(event) {
    return this.note(event, [nameOf(event.guest, this.me), ` ${LEFT[event.reason] ?? "left"}.`]);
  },
  "guest.kicked"(event) {
    const why = event.reason ? [": ", h("bdi", {}, event.reason)] : null;
    return this.note(event, [nameOf(event.guest, this.me), " was removed by ", nameOf(event.by, this.me), why], "warn");
  },
  "invite.created"(event) {
    const uses = event.invite.uses === null ? "any number of people" : several(event.invite.uses, "person").replace("persons", "people");
    return this.note(event, [nameOf(event.by, this.me), ` invited ${uses} as ${visibleLine(event.invite.role)}.`]);
  },
  "invite.revoked"(event) {
    return this.note(event, [nameOf(event.by, this.me), " revoked an invite."]);
  },
};
