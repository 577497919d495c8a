/**
 * The box in which prompts are written.
 *
 * Contract: Ctrl-Enter or Cmd-Enter sends, Enter is a new line. The draft is kept through reloads and lost connections,
 * and goes only when it has become a prompt. Writing and sending work without a connection too: the outbox keeps it.
 */

import { h, show } from "./dom.js";
import { icon } from "./icons.js";

const SAVE_MS = 250;
const PLACEHOLDER = "Ask the agent…";
const IS_MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);

export class Composer {
  element;
  #area;
  #send;
  #submit;
  #save;
  #timer = null;
  #isClosed = false;

  /** @param {{submit: function(string), load: function(): string, save: function(string)}} draft */
  constructor({ submit, load, save }) {
    this.#submit = submit;
    this.#save = save;
    const keys = IS_MAC ? "\u2318 Enter sends" : "Ctrl Enter sends";
    this.#area = h("textarea", {
      id: "prompt",
      rows: "1",
      placeholder: PLACEHOLDER,
      "aria-label": "Prompt",
      "aria-describedby": "prompt-keys",
      "aria-keyshortcuts": IS_MAC ? "Meta+Enter" : "Control+Enter",
      enterkeyhint: "enter",
      autocapitalize: "sentences",
      dir: "auto",
    });
    this.#send = h("button.send", { type: "submit", "aria-label": "Send", title: keys }, icon("send"));
    const hint = h("p.keys", { id: "prompt-keys" }, keys);
    this.element = h("form.composer", {}, h("div.box", {}, this.#area, this.#send), hint);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    this.#area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.#go();
    });
    this.#area.addEventListener("input", () => this.#changed());
    for (const type of ["pagehide", "visibilitychange"]) document.addEventListener(type, () => this.#keep());
    window.addEventListener("pagehide", () => this.#keep());
    this.#area.value = load();
  }

  /** The box has its place on the page now. */
  begin() {
    this.#fit();
  }

  /** Put a text back that the room did not take. */
  putBack(text) {
    const { value } = this.#area;
    this.#area.value = value.trim() === "" ? text : `${text}\n\n${value}`;
    this.#changed();
    this.#area.focus();
  }

  focus() {
    this.#area.focus();
  }

  /** There is nobody to send to any more; what is written may still be copied. */
  setClosed(isClosed) {
    this.#area.readOnly = isClosed;
    this.#area.placeholder = isClosed ? "The room is out of reach" : PLACEHOLDER;
    this.#isClosed = isClosed;
    this.#judge();
  }

  #go() {
    const text = this.#area.value;
    if (text.trim() === "" || this.#isClosed) return;
    this.#submit(text);
    this.#area.value = "";
    this.#changed();
    this.#keep();
    this.#area.focus();
  }

  #changed() {
    this.#fit();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#keep(), SAVE_MS);
  }

  #keep() {
    clearTimeout(this.#timer);
    this.#save(this.#area.value);
  }

  #judge() {
    this.#send.disabled = this.#isClosed || this.#area.value.trim() === "";
  }

  #fit() {
    this.#judge();
    // Newer browsers do this by the style sheet (field-sizing).
    if (CSS.supports("field-sizing", "content")) return;
    this.#area.style.height = "auto";
    this.#area.style.height = `${this.#area.scrollHeight + 2}px`;
  }
}

/** What a viewer has in its place. */
export function viewerSentence() {
  return h("p.viewer", {}, "You are here to watch: only drivers and hosts can write prompts.");
}

/** The prompts that are on their way, with what may be done about those that the room did not take. */
export class Underway {
  element = h("ul.underway", { "aria-label": "Prompts on their way", "aria-live": "polite" });
  #outbox;
  #putBack;

  constructor(outbox, putBack) {
    this.#outbox = outbox;
    this.#putBack = putBack;
  }

  show(isLive) {
    const { prompts } = this.#outbox;
    show(this.element, prompts.length > 0);
    this.element.replaceChildren(...prompts.map((prompt) => this.#item(prompt, isLive)));
  }

  #item(prompt, isLive) {
    const text = h("bdi.gist", {}, prompt.text.slice(0, 120));
    if (prompt.refusal === null) {
      return h("li", {}, h("span.state", {}, isLive ? "Sending…" : "Waits for the connection"), text);
    }
    const edit = () => {
      this.#outbox.remove(prompt.key);
      this.#putBack(prompt.text);
    };
    return h(
      "li.refused",
      {},
      h("p", {}, h("span.state", {}, "Not taken: "), prompt.refusal),
      text,
      h(
        "div.actions",
        {},
        h("button", { type: "button", onclick: () => this.#outbox.retry(prompt.key) }, "Send again"),
        h("button", { type: "button", onclick: edit }, "Edit"),
      ),
    );
  }
}
