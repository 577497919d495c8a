/**
 * The agent's questions, each with its choices and room for words of one's own.
 *
 * Contract: `answers` gives every question's text and its answer, several choices joined with ", "; null as long as one
 * is open. The choices are the browser's own radio buttons and check boxes.
 */

import { visibleLine } from "../text.js";
import { h } from "./dom.js";

export class Questions {
  element;
  #fields;

  constructor(questions, id, mayAnswer) {
    this.#fields = questions.map((question, index) => new Field(question, `${id}-${index}`, mayAnswer));
    this.element = h(
      "div.questions",
      {},
      this.#fields.map((field) => field.element),
    );
  }

  answers() {
    const given = this.#fields.map((field) => [field.question, field.answer()]);
    return given.some(([, answer]) => answer === "") ? null : Object.fromEntries(given);
  }
}

class Field {
  element;
  question;
  #boxes = [];
  #own;

  constructor({ question, header, options, multiSelect }, name, mayAnswer) {
    this.question = question;
    const type = multiSelect ? "checkbox" : "radio";
    const choice = ({ label, description }) => {
      const box = h("input", { type, name, disabled: !mayAnswer });
      this.#boxes.push([box, label]);
      const words = h(
        "span.words",
        {},
        h("bdi", {}, label),
        description ? h("span.dim", { dir: "auto" }, description) : null,
      );
      return h("label.choice", {}, box, words);
    };
    this.#own = h("input", {
      type: "text",
      placeholder: "Something else",
      "aria-label": "Something else",
      maxlength: "2000",
      autocomplete: "off",
      dir: "auto",
    });
    // Words of one's own are instead of the one choice, and besides several.
    this.#own.addEventListener("input", () => {
      if (!multiSelect && this.#own.value.trim() !== "") for (const [box] of this.#boxes) box.checked = false;
    });
    const choices = Array.isArray(options) ? options.filter((option) => typeof option?.label === "string") : [];
    this.element = h(
      "fieldset",
      { onchange: ({ target }) => target.type === "radio" && (this.#own.value = "") },
      h("legend", { dir: "auto" }, header ? h("span.topic", {}, visibleLine(header)) : null, question),
      choices.map(choice),
      mayAnswer ? this.#own : null,
    );
  }

  answer() {
    const chosen = this.#boxes.filter(([box]) => box.checked).map(([, label]) => label);
    const own = this.#own.value.trim();
    return [...chosen, ...(own === "" ? [] : [own])].join(", ");
  }
}
