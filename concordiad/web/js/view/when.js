/**
 * When something was, for eyes and for programs.
 */

import { timeOfDay, wholeTime } from "../format.js";
import { h } from "./dom.js";

export function timeAt(at) {
  return h("time", { datetime: at, title: wholeTime(at) }, timeOfDay(at));
}
