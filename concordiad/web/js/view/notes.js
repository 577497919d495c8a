/**
 * The lines about the room itself: people, decisions, the agent's health.
 *
 * Contract: each of NOTES takes an event and gives {parts, kind}, texts and elements for one line, or null where
 * another event says it already. `name` shows a person. Words of others are set apart in <bdi>.
 */

import { bytes, count, duration, several } from "../format.js";
import { likeness } from "../likeness.js";
import { sentenceOf } from "../reason.js";
import { visibleLine } from "../text.js";
import { h } from "./dom.js";

const plain = (...parts) => ({ parts, kind: "plain" });
const warn = (...parts) => ({ parts, kind: "warn" });
const others = (words) => h("bdi", {}, words);

const RESOLUTIONS = {
  approved: ["approved", "good"],
  denied: ["denied", "bad"],
  timed_out: ["denied, because nobody answered", "warn"],
  withdrawn: ["withdrawn", "plain"],
};

function approvalResolved({ approval, resolution, by, reason }, name) {
  const [word, kind] = RESOLUTIONS[resolution] ?? [visibleLine(resolution), "plain"];
  const isQuestion = approval.kind === "question";
  const what = isQuestion ? "The question was " : [h("span.tool", {}, visibleLine(approval.tool)), ": "];
  const shown = isQuestion && resolution === "approved" ? "answered" : word;
  const why = reason && resolution === "denied" ? [": ", others(reason)] : null;
  return { parts: [what, shown, by ? [" by ", name(by)] : null, why], kind };
}

const CHANGES = {
  paused: "The room is paused: prompts wait.",
  resumed: "The room goes on.",
  restarted: "The agent is started again.",
  closed: "The room has closed.",
  "agent-failing": "The agent fails again and again: it is left alone until a host restarts it.",
  recovered: "The agent answers again.",
  "journal-failing": "Nothing new can be recorded at the moment.",
  "journal-recovered": "Recording goes on.",
};

function roomChanged({ state, fresh, by, next_attempt_s: wait }, name) {
  if (state === "api-failing")
    return plain(`The agent's API fails: prompts wait, and one of them tries ${wait ? `in ${duration(wait)}` : "at once"}.`);
  const words = fresh ? "The agent is started again, with a new conversation." : CHANGES[state];
  const kind = ["agent-failing", "journal-failing", "closed"].includes(state) ? "bad" : "plain";
  return { parts: [words ?? `The room: ${visibleLine(state)}.`, by ? [" (", name(by), ")"] : null], kind };
}

/* The agent ended as the room wanted it: by which signal would only read like a crash. */
const PARTINGS = {
  asleep: "The agent sleeps until the next prompt.",
  restarted: "The agent was ended; another one follows.",
  closed: "The agent was ended, because the room stops.",
};

function apiRetry({ error, status, attempt, max_retries: most, delay_s: delay }) {
  const why = visibleLine(error ?? "no answer").replaceAll("_", " ");
  const code = status === null ? "" : ` (${status})`;
  const which = attempt === null ? "" : `, attempt ${attempt}${most === null ? "" : ` of ${most}`}`;
  const when = delay === null ? "" : `, again in ${duration(delay)}`;
  return warn(`The model's API has trouble: ${why}${code}${which}${when}.`);
}

function merged({ prompt, with: companions, stage, similarity, asked }, name) {
  const people = [...new Map(companions.map(({ author }) => [author.id, author])).values()];
  const names = people.slice(0, 3).flatMap((author, index) => [index === 0 ? "" : ", ", name(author)]);
  const more = people.length > 3 ? ` and ${several(people.length - 3, "other")}` : "";
  const what = !prompt.merge?.verbatim ? [" Asked is: ", h("q", {}, others(gist(asked)))] : null;
  const why = stage === "first" ? [", ", name(prompt.author), " first."] : `: ${likeness(stage, similarity)}.`;
  return plain(name(prompt.author), " and ", names, more, " ask as one", why, what);
}

function split({ prompt, by, reason }, name) {
  const whose = by !== null && by.id !== prompt.author.id ? [" (by ", name(by), ")"] : null;
  const why = reason ? [": ", others(sentenceOf(reason))] : null;
  return plain("The prompt of ", name(prompt.author), " has a turn of its own again", whose, why, ".");
}

function gist(text) {
  return visibleLine(text.slice(0, 200)).slice(0, 100);
}

function takenOut(word) {
  return ({ prompt }, name) => {
    return plain("A prompt of ", name(prompt.author), ` ${word}: `, h("q", {}, others(gist(prompt.text))));
  };
}

const LEFT = { left: "left", revoked: "left: the invite was revoked", expired: "left: the invite has expired" };

export const NOTES = {
  "turn.returned": () => warn("The agent was gone before it took this; it is asked again."),
  "agent.oversize": ({ bytes: size }) =>
    warn(`${bytes(size)} of the agent's output were too much for the transcript, and are left out.`),
  "agent.withdrawn": () => warn("The stream broke off. What was being written is void; the agent begins anew."),
  "agent.started"({ kind, version, session }) {
    const goesOn = session === "resumed" ? ", and goes on with the conversation" : "";
    return plain(`The agent (${visibleLine(`${kind} ${version ?? ""}`)}) has started${goesOn}.`);
  },
  "agent.exited"({ status, reason, next_attempt_s: delay }) {
    if (Object.hasOwn(PARTINGS, status)) return plain(PARTINGS[status]);
    const what = status === "stuck" ? "The agent was stuck and had to be ended: " : "The agent went down: ";
    const when = delay === null ? "" : ` It is started again ${delay < 0.1 ? "at once" : `in ${duration(delay)}`}.`;
    return warn(what, h("bdi", { title: reason }, sentenceOf(reason)), `.${when}`);
  },
  "agent.api_retry": apiRetry,
  "approval.resolved": approvalResolved,
  "room.changed": roomChanged,
  notice: ({ message }) => warn(others(message)),
  "prompt.merged": merged,
  "prompt.split": split,
  "prompt.cancelled": takenOut("was taken back"),
  "prompt.expired": takenOut("has expired"),
  "guest.joined": ({ guest, role }, name) => plain(name(guest), ` joined as ${visibleLine(role)}.`),
  "guest.left"({ guest, reason }, name) {
    // guest.kicked has said it, and by whom.
    return reason === "kicked" ? null : plain(name(guest), ` ${LEFT[reason] ?? "left"}.`);
  },
  "guest.kicked": ({ guest, by, reason }, name) =>
    warn(name(guest), " was removed by ", name(by), reason ? [": ", others(reason)] : null),
  "invite.created"({ invite, by }, name) {
    const { uses, role } = invite;
    const people = uses === null ? "any number of people" : uses === 1 ? "1 person" : `${count(uses)} people`;
    return plain(name(by), ` invited ${people} as ${visibleLine(role)}.`);
  },
  "invite.revoked": ({ by }, name) => plain(name(by), " revoked an invite."),
};
