/**
 * JSON-RPC 2.0 over one WebSocket: requests with answers, and the events in between.
 *
 * Contract: messages are handed on in the order in which they came, an answer before the event behind it. Every request
 * ends: with its answer, with RpcError, or with Lost once the connection is gone. `ended` is called exactly once.
 */

/** The connection went before the answer came: what was asked may or may not have been done. */
export class Lost extends Error {}

/** The daemon's refusal; `name` is for programs, `field` the param that is wrong if it is one. */
export class RpcError extends Error {
  constructor(error) {
    super(String(error.message));
    this.name = error.data?.name ?? "error";
    this.field = error.data?.field ?? null;
    this.retryAfter = error.data?.retry_after_s ?? null;
  }
}

export class Rpc {
  /** When the last message came, by performance.now(). */
  heardAt = performance.now();
  #socket;
  #calls = new Map();
  #next = 1;
  #ended;

  /**
   * @param {string} address the WebSocket's
   * @param {{opened: function(), event: function(object), ended: function({code, reason})}} listener
   */
  constructor(address, listener) {
    this.#ended = listener.ended;
    this.#socket = new WebSocket(address);
    this.#socket.addEventListener("open", () => listener.opened());
    this.#socket.addEventListener("message", ({ data }) => this.#hear(data, listener));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#end({ code, reason }));
  }

  /** Ask; `answered(result)` runs before any later message is looked at, and the promise has the same result. */
  call(method, params, answered = undefined) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new Lost("not connected"));
        return;
      }
      const id = this.#next;
      this.#next += 1;
      this.#calls.set(id, { resolve, reject, answered });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  /** Give the connection up at once; a close handshake with nobody there would take minutes. */
  drop(code, reason) {
    this.#socket.close(code, reason);
    this.#end({ code: 1006, reason: "" });
  }

  #hear(data, listener) {
    if (this.#ended === null) return;
    this.heardAt = performance.now();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.drop(4000, "not JSON");
      return;
    }
    if (message.method === "event") {
      listener.event(message.params);
      return;
    }
    const call = this.#calls.get(message.id);
    if (call === undefined) return;
    this.#calls.delete(message.id);
    if (message.error) {
      call.reject(new RpcError(message.error));
    } else {
      call.answered?.(message.result);
      call.resolve(message.result);
    }
  }

  #end(how) {
    const ended = this.#ended;
    if (ended === null) return;
    this.#ended = null;
    for (const { reject } of this.#calls.values()) reject(new Lost("the connection was lost"));
    this.#calls.clear();
    ended(how);
  }
}
