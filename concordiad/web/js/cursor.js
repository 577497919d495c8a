/**
 * Where a reader is in a transcript (docs/protocol.md, Following a transcript).
 *
 * Contract: `take` lets each recorded event through once and in order: "new" for the next one, "old" for one that was
 * seen, "gap" when one is missing, after which the cursor has not moved. What has no number is "live".
 */

export class Cursor {
  epoch;
  seq;

  constructor({ epoch, seq }) {
    this.epoch = epoch;
    this.seq = seq;
  }

  take(event) {
    if (!Number.isInteger(event.seq)) return "live";
    if (event.seq <= this.seq) return "old";
    if (event.seq !== this.seq + 1) return "gap";
    this.epoch = event.epoch;
    this.seq = event.seq;
    return "new";
  }

  /** As `after` of hello. */
  get after() {
    return { epoch: this.epoch, seq: this.seq };
  }
}
