/**
 * Asking again what came to nothing: a button at the end of a turn, for one prompt of it that the reader may ask again.
 *
 * Contract: a click that got no answer is repeated with the same key, so that it never becomes two prompts. While the
 * room has the prompt again, by whomever, there is nothing to press; when that one is taken back or expires, there is.
 * It keeps KEPT prompts at most.
 */

import { randomKey } from "../store.js";
import { visibleLine } from "../text.js";
import { fill, h } from "./dom.js";

const KEPT = 500;
const IS_BACK = { "prompt.accepted": true, "prompt.cancelled": false, "prompt.expired": false };

export class Again {
  #deeds;
  #states = new Map();
  #buttons = new Map();

  /** @param {{ask: function(string, string): Promise, may: function(object): boolean}} deeds may: of an author */
  constructor(deeds) {
    this.#deeds = deeds;
  }

  clear() {
    this.#states.clear();
    this.#buttons.clear();
  }

  /** Take an event about a prompt; older ones may come later, as pages. */
  take({ type, seq, prompt }) {
    const old = prompt?.retry_of;
    if (!old || !Object.hasOwn(IS_BACK, type) || this.#states.get(old)?.seq > seq) return;
    keep(this.#states, old, { seq, isBack: IS_BACK[type] });
    if (this.#buttons.has(old)) this.#judge(old);
  }

  /** The button for a turn that has ended; null where there is nothing for the reader to ask. */
  button(turn) {
    const prompt = promptsOf(turn).find(({ author }) => this.#deeds.may(author));
    if (prompt === undefined || turn.outcome === "completed") return null;
    const label = `Ask again: ${visibleLine(turn.text.slice(0, 60))}`;
    const button = h("button", { type: "button", "aria-label": label });
    const problem = h("p.problem", { role: "alert" });
    let key = randomKey();
    button.addEventListener("click", async () => {
      button.disabled = true;
      problem.textContent = "";
      try {
        await this.#deeds.ask(prompt.id, key);
        key = randomKey();
      } catch (error) {
        fill(problem, error.message);
        button.disabled = false;
      }
    });
    keep(this.#buttons, prompt.id, button);
    this.#judge(prompt.id);
    const care = turn.outcome === "uncertain" ? h("p.dim", {}, "Look first whether it was done.") : null;
    return h("div.again", {}, care, button, problem);
  }

  #judge(id) {
    const button = this.#buttons.get(id);
    const isBack = this.#states.get(id)?.isBack === true;
    button.disabled = isBack;
    button.textContent = isBack ? "Asked again" : "Ask again";
  }
}

/* Of a turn whose prompts are not told one by one, only the author of all of them is known. */
function promptsOf({ prompts, merged, authors }) {
  if (merged?.length > 0) return merged.map(({ prompt, author }) => ({ id: prompt, author }));
  return authors?.length === 1 ? prompts.map((id) => ({ id, author: authors[0] })) : [];
}

function keep(map, id, value) {
  map.delete(id);
  map.set(id, value);
  if (map.size > KEPT) map.delete(map.keys().next().value);
}
