/**
 * The way in: who one wants to be called, or why there is no way in.
 *
 * Contract: nothing is sent before somebody pressed the button. It shows one state at a time and keeps the name.
 */

import { fill, h, show } from "./dom.js";

export class Join {
  #place;
  #title = h("h1");
  #words = h("p");
  #name = h("input", {
    id: "name",
    type: "text",
    maxlength: "40",
    required: true,
    autocomplete: "nickname",
    autocapitalize: "words",
    spellcheck: "false",
    "aria-describedby": "name-help name-problem",
  });
  #problem = h("p.problem", { id: "name-problem", role: "alert" });
  #button = h("button.primary", { type: "submit" }, "Join");
  #form;
  #more = h("div.more");

  /** @param {HTMLElement} place @param {function(string)} submit takes the name */
  constructor(place, submit) {
    this.#place = place;
    const help = h("p.dim", { id: "name-help" }, "The others see it beside what you ask.");
    this.#form = h(
      "form",
      { novalidate: true },
      h("label", { for: "name" }, "Your name"),
      this.#name,
      help,
      this.#problem,
      this.#button,
    );
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.#name.value.trim();
      if (name === "") this.fail("Give a name that the others shall see.");
      else submit(name);
    });
    place.append(h("div.card", {}, h("p.brand", {}, "Concordia"), this.#title, this.#words, this.#form, this.#more));
  }

  /** Ask for the name. */
  ask(room, name) {
    fill(this.#title, "You are invited to ", h("span.room", {}, room));
    fill(
      this.#words,
      "A room where several people work with one coding agent. Whether you can write prompts or only watch, you are told inside.",
    );
    this.#name.value = name;
    this.#open(true);
    this.#name.focus();
  }

  /** Say that it is under way. */
  wait(room) {
    fill(this.#title, "Entering ", h("span.room", {}, room));
    fill(this.#words, "One moment…");
    this.#button.disabled = true;
    this.#button.textContent = "Joining…";
    this.#problem.textContent = "";
  }

  /** Say how it goes. */
  say(words) {
    fill(this.#words, words);
  }

  fail(message) {
    fill(this.#problem, message);
    this.#enable();
    this.#name.focus();
    this.#name.select();
  }

  /** Say that there is no way in; `actions` are [words, function]. */
  refuse(title, words, actions = []) {
    fill(this.#title, title);
    fill(this.#words, words);
    this.#open(false);
    fill(
      this.#more,
      actions.map(([label, act]) => h("button", { type: "button", onclick: act }, label)),
    );
    this.#title.tabIndex = -1;
    this.#title.focus();
  }

  #open(hasForm) {
    show(this.#place, true);
    show(this.#form, hasForm);
    this.#more.replaceChildren();
    this.#enable();
  }

  #enable() {
    this.#button.disabled = false;
    this.#button.textContent = "Join";
  }
}
