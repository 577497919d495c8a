/**
 * The beginning and the end of a turn: who asked what, and what became of it at which cost.
 *
 * Contract: a prompt is shown verbatim, under the name of each who asked for it; a long one in part, with a button.
 */

import { count, duration, money, several, wholeTime } from "../format.js";
import { likeness } from "../likeness.js";
import { sentenceOf } from "../reason.js";
import { visibleLine } from "../text.js";
import { h } from "./dom.js";
import { timeAt } from "./when.js";
import { avatar, nameOf, namesOf } from "./who.js";

const LONG_CHARS = 1200;
const LONG_LINES = 14;

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

function asked(author, text, at, me, stage = "first", similarity = null) {
  const why = stage === "first" ? null : h("span.tag", {}, likeness(stage, similarity));
  const head = h("p.head", {}, nameOf(author, me), timeAt(at));
  return h("div.asked", {}, avatar(author), h("div.words", {}, head, said(text), why));
}

/* What each author wrote, where several prompts were merged and that is known. */
function originals(turn, promptOf) {
  if (turn.merged?.length > 0) return turn.merged;
  const prompts = turn.prompts.map(promptOf);
  return prompts.includes(undefined) ? [] : prompts;
}

/**
 * @param {object} event turn.started
 * @param {{me: string, agentName: string, promptOf: function(string): object}} context
 */
export function turnStarted({ turn, at }, { me, agentName, promptOf }) {
  if (turn.origin === "agent") {
    const head = h("p.head", {}, `${agentName} goes on by itself`, timeAt(at));
    return h("div.entry.ask.own", {}, head, said(turn.text));
  }
  const prompts = originals(turn, promptOf);
  if (prompts.length > 1) {
    // Long texts are only begun here, so that they cannot be compared; only a model puts things into other words.
    const isWorded =
      prompts.some(({ stage }) => stage === "meaning") && prompts.every(({ text }) => text !== turn.text);
    return h(
      "div.entry.ask.merged",
      {},
      prompts.map(({ author, text, stage, similarity }) => asked(author, text, at, me, stage, similarity)),
      isWorded && h("div.worded", {}, h("p.head", {}, "Asked as one, in other words"), said(turn.text)),
    );
  }
  const authors = turn.authors ?? [];
  if (authors.length === 1) return h("div.entry.ask", {}, asked(authors[0], turn.text, at, me));
  return h("div.entry.ask", {}, h("p.head", {}, namesOf(authors, me), timeAt(at)), said(turn.text));
}

const ENDS = {
  completed: ["Done", "good"],
  failed: ["Failed", "bad"],
  interrupted: ["Interrupted", "warn"],
  timed_out: ["Out of time", "bad"],
  uncertain: ["Uncertain", "warn"],
};

export function turnFinished({ turn, by, at }, { me }, again) {
  const [word, kind] = ENDS[turn.outcome] ?? [visibleLine(turn.outcome ?? "ended"), "plain"];
  const isTelling = turn.reason && turn.outcome !== "interrupted";
  const figures = [
    duration(turn.duration_s),
    turn.input_tokens === null ? "" : `${several(turn.input_tokens, "token")} in, ${count(turn.output_tokens)} out`,
    money(turn.cost_usd),
  ].filter((figure) => figure !== "");
  const shown = figures.map((figure) => [" ", h("span.figure", {}, figure)]);
  return h(
    `div.entry.finish.${kind}`,
    { title: wholeTime(at) },
    h("p", {}, h("span.outcome", {}, word), by ? [" by ", nameOf(by, me)] : null, shown),
    isTelling ? h("p.reason", { dir: "auto", title: turn.reason }, sentenceOf(turn.reason)) : null,
    again,
  );
}
