/**
 * Beside the transcript: what waits, and who is here. On a narrow screen it is a drawer.
 *
 * Contract: as a drawer it takes the focus when it opens, keeps it, gives it back when it closes, and closes with
 * Escape or a touch outside. Closed it is out of reach for keyboard and screen reader.
 */

import { several, timeOfDay } from "../format.js";
import { mayCancel } from "../rights.js";
import { visibleLine } from "../text.js";
import { add, fill, h, show } from "./dom.js";
import { icon } from "./icons.js";
import { avatar, nameOf } from "./who.js";

const SHOWN = 200;

export class Aside {
  #drawer;
  #shade;
  #narrow = window.matchMedia("(max-width: 899px)");
  #close = h(
    "button.icon-button.close",
    { type: "button", "aria-label": "Close", onclick: () => this.#closeDrawer() },
    icon("close"),
  );
  #queueTitle = h("h2");
  #queue = h("ol.queue");
  #problem = h("p.problem", { role: "alert" });
  #peopleTitle = h("h2");
  #people = h("ul.people");
  #opener = null;
  #cancel;

  /**
   * @param {HTMLElement} drawer
   * @param {HTMLElement} shade what is touched outside of it
   * @param {function(string): Promise} cancel takes a prompt out of the queue
   */
  constructor(drawer, shade, cancel) {
    this.#drawer = drawer;
    this.#shade = shade;
    this.#cancel = cancel;
    add(drawer, [
      this.#close,
      h("section", {}, this.#queueTitle, this.#queue, this.#problem),
      h("section", {}, this.#peopleTitle, this.#people),
    ]);
    shade.addEventListener("click", () => this.#closeDrawer());
    document.addEventListener(
      "keydown",
      (event) => event.key === "Escape" && this.#opener !== null && this.#closeDrawer(),
    );
    this.#narrow.addEventListener("change", () => this.#settle());
    this.#settle();
  }

  /** Open the drawer by a button, which shows that. */
  toggle(opener) {
    if (this.#opener !== null) {
      this.#closeDrawer();
      return;
    }
    this.#opener = opener;
    this.#settle();
    this.#close.focus();
  }

  show(room, me) {
    const mine = room.placeOf(me.id);
    fill(
      this.#queueTitle,
      room.queue.length === 0 ? "Nothing waits" : `${several(room.queue.length, "prompt")} in the queue`,
    );
    if (mine !== null) this.#queueTitle.append(h("span.dim", {}, ` · your next is number ${mine}`));
    this.#queue.replaceChildren(...room.queue.slice(0, SHOWN).map((prompt) => this.#waiting(prompt, me)));
    fill(this.#peopleTitle, room.people.size === 1 ? "1 guest is here" : `${room.people.size} guests are here`);
    const people = [...room.people.values()].slice(0, SHOWN);
    this.#people.replaceChildren(...people.map((person) => personItem(person, me)));
  }

  #waiting(prompt, me) {
    const cancel = h(
      "button.quiet",
      { type: "button", "aria-label": `Take back: ${visibleLine(prompt.text.slice(0, 60))}` },
      "Take back",
    );
    cancel.addEventListener("click", async () => {
      cancel.disabled = true;
      this.#problem.textContent = "";
      try {
        await this.#cancel(prompt.id);
      } catch (error) {
        fill(this.#problem, error.message);
        cancel.disabled = false;
      }
    });
    const isMine = prompt.author.id === me.id;
    return h(
      `li${isMine ? ".mine" : ""}`,
      {},
      h(
        "p.head",
        {},
        nameOf(prompt.author, me.id),
        prompt.priority !== "normal" && h("span.tag", {}, `${prompt.priority} priority`),
      ),
      h("p.gist", { dir: "auto" }, prompt.text.slice(0, 300)),
      mayCancel(me, prompt) ? cancel : null,
    );
  }

  #closeDrawer() {
    const opener = this.#opener;
    this.#opener = null;
    this.#settle();
    opener?.focus();
  }

  #settle() {
    const isOpen = this.#opener !== null && this.#narrow.matches;
    if (!this.#narrow.matches) this.#opener = null;
    this.#drawer.classList.toggle("open", isOpen);
    this.#drawer.inert = this.#narrow.matches && !isOpen;
    for (const other of this.#drawer.parentElement.children) {
      if (other !== this.#drawer && other !== this.#shade) other.inert = isOpen;
    }
    show(this.#shade, isOpen);
    show(this.#close, this.#narrow.matches);
    document.querySelector("[aria-controls=aside]")?.setAttribute("aria-expanded", String(isOpen));
  }
}

function personItem(person, me) {
  const since = person.here_since ? h("span.dim", {}, ` since ${timeOfDay(person.here_since)}`) : null;
  return h(
    "li",
    {},
    avatar(person),
    h("div", {}, nameOf(person, me.id), h("p.dim", {}, visibleLine(person.role), since)),
  );
}
