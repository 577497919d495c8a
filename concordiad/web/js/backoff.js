/**
 * When to try again after a connection was lost.
 *
 * Contract: waits grow from half a second to half a minute, doubled each time, and each is spread over its upper half,
 * so that a thousand readers of a daemon that was restarted do not come back in one moment.
 */

const FIRST_S = 0.5;
const MOST_S = 30;

export class Backoff {
  #tries = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Seconds until the next try. */
  next() {
    const whole = Math.min(FIRST_S * 2 ** this.#tries, MOST_S);
    this.#tries = Math.min(this.#tries + 1, 16);
    return whole * (0.5 + this.#random() / 2);
  }

  reset() {
    this.#tries = 0;
  }
}
