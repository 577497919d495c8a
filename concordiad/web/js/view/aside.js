/**
 * Beside the transcript: what waits, and who is here. On a narrow screen it is a drawer.
 *
 * Contract: as a drawer it takes the focus when it opens, keeps it, gives it back when it closes, and closes with
 * Escape or a touch outside. Closed it is out of reach for keyboard and screen reader.
 */

import { timeOfDay } from "../format.js";
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
  #queue;
  #peopleTitle = h("h2");
  #people = h("ul.people");
  #opener = null;

  /**
   * @param {HTMLElement} drawer
   * @param {HTMLElement} shade what is touched outside of it
   * @param {Queue} queue
   */
  constructor(drawer, shade, queue) {
    this.#drawer = drawer;
    this.#shade = shade;
    this.#queue = queue;
    add(drawer, [
      this.#close,
      queue.element,
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
    this.#queue.show(room, me);
    fill(this.#peopleTitle, room.people.size === 1 ? "1 person is here" : `${room.people.size} people are here`);
    const people = [...room.people.values()].slice(0, SHOWN);
    this.#people.replaceChildren(...people.map((person) => personItem(person, me)));
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
