/**
 * What waits: the turns to come in their order, each with the prompts that are asked in it.
 *
 * Contract: an item is a turn. Prompts that were merged stand in one item, each with its author, its own words and by
 * what it is here; whoever may take a prompt back or out of its turn has a button for it.
 */

import { several } from "../format.js";
import { likeness } from "../likeness.js";
import { mayCancel } from "../rights.js";
import { visibleLine } from "../text.js";
import { fill, h } from "./dom.js";
import { nameOf } from "./who.js";

const SHOWN = 200;

export class Queue {
  element = h("section");
  #title = h("h2");
  #list = h("ol.queue");
  #problem = h("p.problem", { role: "alert" });
  #deeds;

  /** @param {{cancel: function(string): Promise, split: function(string): Promise}} deeds what the buttons do */
  constructor(deeds) {
    this.#deeds = deeds;
    this.element.append(this.#title, this.#list, this.#problem);
  }

  show(room, me) {
    const { waiting } = room;
    const prompts = waiting.reduce((sum, turn) => sum + turn.length, 0);
    const turns = prompts > waiting.length ? `, ${several(waiting.length, "turn")}` : "";
    fill(this.#title, prompts === 0 ? "Nothing waits" : `${several(prompts, "prompt")} in the queue${turns}`);
    const mine = room.placeOf(me.id);
    if (mine !== null) this.#title.append(h("span.dim", {}, ` · your next is number ${mine}`));
    this.#list.replaceChildren(...waiting.slice(0, SHOWN).map((turn) => this.#turn(turn, me)));
  }

  #turn(turn, me) {
    const isMine = turn.some((prompt) => prompt.author.id === me.id);
    const isMerged = turn.length > 1;
    const asked = turn.find((prompt) => prompt.merge)?.merge.asked;
    const isWorded = isMerged && turn.some((prompt) => prompt.merge?.verbatim === false);
    return h(
      `li${isMine ? ".mine" : ""}${isMerged ? ".merged" : ""}`,
      {},
      isMerged && h("p.dim", {}, `One turn for ${turn.length} prompts`),
      isWorded && h("p.gist.asked-for", { dir: "auto" }, h("span.dim", {}, "Asked is: "), asked.slice(0, 300)),
      turn.map((prompt) => this.#prompt(prompt, isMerged, me)),
    );
  }

  #prompt(prompt, isMerged, me) {
    const { stage, similarity } = prompt.merge ?? {};
    const gist = visibleLine(prompt.text.slice(0, 60));
    const isHeld = mayCancel(me, prompt);
    return h(
      "div.prompt",
      {},
      h(
        "p.head",
        {},
        nameOf(prompt.author, me.id),
        prompt.priority !== "normal" && h("span.tag", {}, `${prompt.priority} priority`),
      ),
      h("p.gist", { dir: "auto" }, prompt.text.slice(0, 300)),
      isMerged && stage && stage !== "first" && h("p.tag", {}, likeness(stage, similarity)),
      isHeld && this.#button("Take back", `Take back: ${gist}`, () => this.#deeds.cancel(prompt.id)),
      isHeld && isMerged && this.#button("Ask it alone", `Ask it alone: ${gist}`, () => this.#deeds.split(prompt.id)),
    );
  }

  #button(word, label, act) {
    const button = h("button.quiet", { type: "button", "aria-label": label }, word);
    button.addEventListener("click", async () => {
      button.disabled = true;
      this.#problem.textContent = "";
      try {
        await act();
      } catch (error) {
        fill(this.#problem, error.message);
        button.disabled = false;
      }
    });
    return button;
  }
}
