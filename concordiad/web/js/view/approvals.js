/**
 * What the agent waits for people to decide: permissions, and questions with their choices.
 *
 * Contract: one card for each, made once, so that nothing moves or is lost while somebody writes in it. Its buttons
 * work after ARMED_MS, because a card that comes under a finger is no consent. Who may not answer sees who may. What is
 * to be decided is never beside the screen, and where it goes on below, that is said.
 */

import { clock } from "../format.js";
import { visibleLine } from "../text.js";
import { fill, h, show } from "./dom.js";
import { icon } from "./icons.js";
import { Questions } from "./questions.js";
import { showInput } from "./tool.js";

const ARMED_MS = 600;

export class Approvals {
  element = h("section.approvals", { "aria-label": "Waiting for a decision", hidden: true });
  #cards = new Map();
  #actions;

  /** @param {{answer: function(object): Promise, whole: function(string): Promise<object>}} actions */
  constructor(actions) {
    this.#actions = actions;
  }

  /** Show those that wait; `mayAnswer`: the reader may. */
  show(approvals, mayAnswer) {
    for (const [id, card] of this.#cards) {
      if (approvals.has(id) && card.mayAnswer === mayAnswer) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    for (const [id, approval] of approvals) {
      if (this.#cards.has(id)) continue;
      const card = new Card(approval, mayAnswer, this.#actions);
      this.#cards.set(id, card);
      this.element.append(card.element);
    }
    show(this.element, this.#cards.size > 0);
  }

  /** Show how long there is left. */
  tick(now) {
    for (const card of this.#cards.values()) card.tick(now);
  }
}

class Card {
  element;
  mayAnswer;
  #approval;
  #actions;
  #body = h("div.inside");
  #below = h("p.below", { hidden: true, "aria-hidden": "true" }, icon("down"), "It goes on below");
  #left = h("span.left", { title: "Then it is denied", "aria-hidden": "true" });
  #problem = h("p.problem", { role: "alert" });
  #buttons = [];
  #questions = null;

  constructor(approval, mayAnswer, actions) {
    this.#approval = approval;
    this.mayAnswer = mayAnswer;
    this.#actions = actions;
    const isQuestion = approval.kind === "question";
    this.#body.addEventListener("scroll", () => this.#look(), { passive: true });
    this.element = h(
      "article.card",
      {
        role: "group",
        "aria-label": isQuestion ? "A question of the agent" : `Permission: ${visibleLine(approval.tool)}`,
      },
      h(
        "p.title",
        { role: "status" },
        isQuestion ? "The agent asks" : ["The agent wants to use ", h("span.tool", {}, visibleLine(approval.tool))],
        this.#left,
      ),
      this.#body,
      this.#below,
      mayAnswer ? this.#choices(isQuestion) : h("p.dim", {}, "A host decides, or a driver who may."),
    );
    this.#fillBody(this.#body, approval, isQuestion);
    this.tick(Date.now());
  }

  tick(now) {
    const seconds = (Date.parse(this.#approval.expires_at) - now) / 1000;
    this.#left.textContent = seconds > 0 ? `${clock(seconds)} left` : "";
    this.#look();
  }

  /* A phone shows no bar for what can be scrolled, and what is approved is to be read to its end. */
  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#body;
    show(this.#below, scrollHeight - scrollTop - clientHeight > 4);
  }

  async #fillBody(body, approval, isQuestion) {
    let { input } = approval;
    if (input === null) {
      fill(body, h("p.dim", {}, "Loading what it is about…"));
      input = (await this.#actions.whole(approval.id).catch(() => null))?.input ?? null;
    }
    if (isQuestion && Array.isArray(input?.questions)) {
      this.#questions = new Questions(input.questions, approval.id, this.mayAnswer);
      fill(body, this.#questions.element);
      return;
    }
    const { description } = approval;
    const isTold = description && description !== input?.description;
    fill(
      body,
      isTold && h("p", { dir: "auto" }, description),
      input === null ? h("p.dim", {}, "What it is about could not be loaded.") : showInput(input),
    );
  }

  #choices(isQuestion) {
    const reason = h("input", {
      type: "text",
      maxlength: "500",
      placeholder: "Why not? The agent is told.",
      "aria-label": "Reason",
      autocomplete: "off",
      dir: "auto",
      hidden: true,
    });
    const yes = h("button.primary", { type: "submit", disabled: true }, isQuestion ? "Answer" : "Approve");
    const no = h(
      "button",
      { type: "button", disabled: true, onclick: () => this.#answer(false, reason.value) },
      isQuestion ? "Skip" : "Deny",
    );
    const why = h("button.quiet", { type: "button", "aria-expanded": "false" }, "Reason…");
    why.addEventListener("click", () => {
      show(reason, reason.hidden);
      why.setAttribute("aria-expanded", String(!reason.hidden));
      if (!reason.hidden) reason.focus();
    });
    this.#buttons = [yes, no];
    setTimeout(() => this.#enable(true), ARMED_MS);
    const form = h("form.choices", {}, reason, h("div.actions", {}, yes, no, why), this.#problem);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      // Enter in the field for the reason of a denial is no consent.
      if (document.activeElement !== reason) this.#answer(true);
    });
    return form;
  }

  #enable(isEnabled) {
    for (const button of this.#buttons) button.disabled = !isEnabled;
  }

  async #answer(isAllowed, reason = "") {
    const hasQuestions = isAllowed && this.#questions !== null;
    const answers = hasQuestions ? this.#questions.answers() : {};
    if (answers === null) {
      this.#problem.textContent = "Choose an answer to every question.";
      return;
    }
    this.#enable(false);
    this.#problem.textContent = "";
    const why = isAllowed || reason.trim() === "" ? {} : { reason: reason.trim() };
    const answer = hasQuestions ? { answers } : {};
    try {
      await this.#actions.answer({ id: this.#approval.id, allow: isAllowed, ...answer, ...why });
    } catch (error) {
      fill(this.#problem, error.message);
      this.#enable(true);
    }
  }
}
