/**
 * The one way in which the page gets its elements: by construction, with text as text.
 *
 * Contract: nothing is ever read as HTML. Strings become text nodes with hidden characters made visible. Attributes
 * are literals of this program, or values of the few that cannot run anything.
 */

import { visible } from "../text.js";

/**
 * Make an element.
 * @param {string} tag with classes: "div.note.bad"
 * @param {object} props on…: a listener; true: an attribute without value; null, false: none; else the attribute's value
 * @param {...(Node|string|number|null|Array)} children
 */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(key, visible(value));
  }
  add(element, children);
  return element;
}

/** Append nodes, texts and lists of them; null and false are nothing. */
export function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child instanceof Node) element.append(child);
    else if (child !== null && child !== false && child !== undefined) element.append(visible(child));
  }
}

/** Replace what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

export function show(element, isShown) {
  element.hidden = !isShown;
}

/** Somebody else's words within a line: they order only themselves. */
export function bdi(text) {
  return h("bdi", {}, text);
}

/** Do something before the next frame, once, however often it was asked for. */
export function perFrame(work) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    nextFrame(() => {
      isAsked = false;
      work();
    });
  };
}

/* A page in the background gets no frames; it still has to keep up. */
function nextFrame(work) {
  if (document.visibilityState === "visible") requestAnimationFrame(work);
  else setTimeout(work, 250);
}
