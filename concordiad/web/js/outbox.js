/**
 * Prompts on their way to the room: kept until the room has acknowledged them, and never sent as two.
 *
 * Contract: a prompt has its key before it is sent first, and is sent again with the same key after every loss of the
 * connection or reload of the page, in the order in which the prompts were written. It ends by the room's answer, by
 * the event that says that the room has it, or by its author's hand. `changed` is called after every change.
 */

import { RpcError } from "./rpc.js";
import { randomKey } from "./store.js";

export class Outbox {
  #room;
  #store;
  #call;
  #changed;
  #prompts;

  /** @param {function(string, object): Promise} call asks the room */
  constructor(room, store, call, changed) {
    this.#room = room;
    this.#store = store;
    this.#call = call;
    this.#changed = changed;
    this.#prompts = store.pending(room).map((prompt) => ({ ...prompt, refusal: null, isAsked: false }));
  }

  /** {key, text, at, refusal}, oldest first; refusal is null, or why the room did not take it. */
  get prompts() {
    return this.#prompts;
  }

  add(text) {
    const prompt = { key: randomKey(), text, at: Date.now() };
    this.#store.addPending(this.#room, prompt);
    this.#prompts.push({ ...prompt, refusal: null, isAsked: false });
    this.#changed();
    this.flush();
  }

  /** Send what is not answered, after coming in. */
  flush() {
    for (const prompt of this.#prompts) if (prompt.refusal === null && !prompt.isAsked) this.#send(prompt);
  }

  retry(key) {
    const prompt = this.#find(key);
    if (prompt === undefined) return;
    prompt.refusal = null;
    this.#changed();
    this.flush();
  }

  /** The room has it, or its author does not want it any more. */
  remove(key) {
    this.#store.removePending(this.#room, key);
    this.#prompts = this.#prompts.filter((prompt) => prompt.key !== key);
    this.#changed();
  }

  #find(key) {
    return this.#prompts.find((prompt) => prompt.key === key);
  }

  async #send(prompt) {
    prompt.isAsked = true;
    try {
      await this.#call("prompt.submit", { text: prompt.text, key: prompt.key });
      this.remove(prompt.key);
    } catch (error) {
      // Without an answer it stays, and is asked again with the same key.
      if (error instanceof RpcError) prompt.refusal = error.message;
    } finally {
      prompt.isAsked = false;
      this.#changed();
    }
  }
}
