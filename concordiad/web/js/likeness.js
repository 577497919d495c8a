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
  // What is not the same is never wholly alike, whatever the rounding says.
  return isMeasured ? `${words}, ${Math.min(Math.round(similarity * 100), 99)} %` : words;
}
