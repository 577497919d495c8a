/**
 * Code, commands and output, with a button that copies them.
 *
 * Contract: what is copied is what is shown, hidden characters made visible, so that nobody pastes what they did not
 * see. Long text is shown in part, with a button for the rest.
 */

import { bytes } from "../format.js";
import { head, visible } from "../text.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN = 20_000;

export function codeBlock(text, language = "") {
  const code = h("code", { dir: "ltr" }, text);
  const label = h("span.language", {}, language);
  const copy = h(
    "button.copy",
    { type: "button", onclick: () => copyText(visible(text), copy) },
    icon("copy"),
    h("span", {}, "Copy"),
  );
  const scroller = h("pre", { tabindex: "0", role: "region", "aria-label": language || "Code" }, code);
  return h("div.code", {}, h("div.bar", {}, label, copy), scroller);
}

/** Output of whatever length. */
export function longText(text, language = "") {
  if (text.length <= SHOWN) return codeBlock(text, language);
  const box = h("div", {}, codeBlock(head(text, SHOWN), language));
  box.append(more(text.length - SHOWN, () => box.replaceWith(codeBlock(text, language))));
  return box;
}

export function more(length, reveal) {
  return h("button.quiet.more", { type: "button", onclick: reveal }, `Show the rest (${bytes(length)})`);
}

async function copyText(text, button) {
  const label = button.lastChild;
  try {
    // Only a page of https or of this very machine may use the clipboard directly.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text, button);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Not copied";
  }
  setTimeout(() => (label.textContent = "Copy"), 2000);
}

function copyBySelection(text, button) {
  const area = h("textarea.offscreen", { readonly: true, "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  button.focus();
  if (!isCopied) throw new Error("refused");
}
