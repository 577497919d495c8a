/**
 * By what prompts are one turn, in words.
 *
 * Contract: pure; a stage that is not known gives its own name.
 */

import { visibleLine } from "./text.js";

const STAGES = { same: "the same words", near: "nearly the same words", meaning: "the same meaning" };

/** "nearly the same words, 97 %". */
export function likeness(stage, similarity) {
  const words = STAGES[stage] ?? visibleLine(stage);
  const isMeasured = stage !== "same" && similarity !== null && similarity !== undefined;
  // No rounding makes what differs wholly alike; what is, less what counts for nothing, is told as it was measured.
  const percent = similarity < 1 ? Math.min(Math.round(similarity * 100), 99) : 100;
  return isMeasured ? `${words}, ${percent} %` : words;
}
