/**
 * A call of a tool, folded: its name and gist, and behind them its input and result.
 *
 * Contract: what is behind the fold is made when it is opened first; a result may come before or after that, or never.
 */

import { bytes } from "../format.js";
import { visibleLine } from "../text.js";
import { longText } from "./code.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const GIST = 140;
const TELLING = ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt"];

/** One line that says what a call is about. */
export function gistOf(input) {
  if (input === null || typeof input !== "object")
    return input === undefined || input === null ? "" : cut(String(input));
  const key =
    TELLING.find((name) => typeof input[name] === "string") ??
    Object.keys(input).find((name) => typeof input[name] === "string");
  return key === undefined ? "" : cut(input[key]);
}

function cut(text) {
  const line = visibleLine(text.slice(0, 2 * GIST));
  return line.length > GIST ? `${line.slice(0, GIST)}…` : line;
}

/** A tool's input, each of its fields by itself. */
export function showInput(input) {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    return [longText(JSON.stringify(input, null, 2) ?? "")];
  return Object.entries(input).map(([name, value]) => {
    const isShort = typeof value !== "object" && String(value).length < 80 && !String(value).includes("\n");
    if (isShort && name !== "command")
      return h("p.field", {}, h("span.label", {}, name), " ", h("code", {}, String(value)));
    const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    return longText(text, name);
  });
}

function textOf(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2) ?? "";
  return content
    .map((block) => {
      if (typeof block?.text === "string") return block.text;
      const size = block?.source?.data?.length;
      return `[${block?.type ?? "block"}${size ? `, ${bytes(Math.round(size * 0.75))}` : ""}]`;
    })
    .join("\n");
}

export class ToolCall {
  element;
  #event;
  #result = null;
  #state = h("span.state", {}, "running");
  #body = h("div.inside");

  constructor(event) {
    this.#event = event;
    const summary = h(
      "summary",
      {},
      icon("chevron"),
      h("span.tool", {}, visibleLine(event.tool)),
      h("bdi.gist", {}, gistOf(event.input)),
      this.#state,
    );
    this.element = h("details.entry.call", {}, summary, this.#body);
    this.element.addEventListener(
      "toggle",
      () => this.element.open && this.#body.childElementCount === 0 && this.#show(),
    );
  }

  setResult(result) {
    this.#result = result;
    this.element.classList.add(result.is_error ? "failed" : "done");
    this.#state.textContent = result.is_error ? "failed" : "done";
    if (this.#body.childElementCount > 0) this.#show();
  }

  /** The turn is over: what has no result now will get none. */
  settle() {
    if (this.#result === null) this.#state.textContent = "no result";
  }

  #show() {
    const { input } = this.#event;
    fill(this.#body, h("div.input", {}, showInput(input)), this.#result !== null && showResult(this.#result));
  }
}

function showResult(result) {
  const text = textOf(result.content);
  const title = h("span.label", {}, result.is_error ? "Failed " : "Result ");
  if (text === "") return h("p.field", {}, title, h("span.dim", {}, "(nothing)"));
  return longText(text, result.is_error ? "Failed" : "Result");
}

/** A result whose call is further up than what is shown. */
export function orphanResult(result) {
  const body = h("div.inside");
  const summary = h(
    "summary",
    {},
    icon("chevron"),
    h("span.tool", {}, "Result"),
    h("bdi.gist", {}, cut(textOf(result.content))),
  );
  const element = h(`details.entry.call.${result.is_error ? "failed" : "done"}`, {}, summary, body);
  element.addEventListener(
    "toggle",
    () => element.open && body.childElementCount === 0 && body.append(showResult(result)),
  );
  return element;
}
