/**
 * Plots over days, as SVG: stacked bars, and lines.
 *
 * Contract: made of elements, with text as text; colours are classes. A plot is drawn at the width that it is given, and
 * says each day's values where one points at it; for all others there is a table of the same figures.
 */

import { visible } from "../text.js";
import { h } from "../view/dom.js";
import { scaleOf } from "./figures.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 200;
const [LEFT, RIGHT, ABOVE, BELOW] = [64, 8, 10, 24];
/** Room for the words under one day. */
const LABEL = 64;

function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** "21 Nov". */
export function dayName(date) {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString([], { day: "numeric", month: "short", timeZone: "UTC" });
}

class Frame {
  constructor(width, dates, largest, format, unit = 1) {
    this.dates = dates;
    this.width = Math.max(width, LEFT + RIGHT + 40);
    this.pitch = (this.width - LEFT - RIGHT) / dates.length;
    const { step, top } = scaleOf(largest / unit);
    this.scale = { step: step * unit, top: top * unit };
    this.format = format;
  }

  x(index) {
    return LEFT + (index + 0.5) * this.pitch;
  }

  y(value) {
    const share = this.scale.top > 0 ? value / this.scale.top : 0;
    return HEIGHT - BELOW - share * (HEIGHT - ABOVE - BELOW);
  }

  grid() {
    const parts = [];
    for (let value = 0; value <= this.scale.top + this.scale.step / 2; value += this.scale.step) {
      const y = this.y(value);
      parts.push(s("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }));
      parts.push(s("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, value === 0 ? "0" : this.format(value)));
    }
    const every = Math.max(Math.ceil(LABEL / this.pitch), 1);
    this.dates.forEach((date, index) => {
      // Counted from today, so that today is always named.
      if ((this.dates.length - 1 - index) % every !== 0) return;
      const x = Math.min(Math.max(this.x(index), LEFT), this.width - RIGHT - 18);
      parts.push(s("text", { x, y: HEIGHT - 6, "text-anchor": "middle" }, dayName(date)));
    });
    return parts;
  }

  days(series) {
    return this.dates.map((date, index) => {
      const said = series
        .filter(({ values }) => values[index])
        .map(({ name, values }) => `${name}: ${this.format(values[index])}`);
      const attributes = { class: "day", x: LEFT + index * this.pitch, y: ABOVE, width: this.pitch, height: HEIGHT - ABOVE - BELOW };
      return s("rect", attributes, s("title", {}, visible([dayName(date), ...said].join("\n"))));
    });
  }

  draw(label, marks, series) {
    const attributes = { class: "plot", viewBox: `0 0 ${this.width} ${HEIGHT}`, role: "img", "aria-label": visible(label) };
    return s("svg", attributes, ...this.grid(), ...marks, ...this.days(series));
  }
}

/** Bars that stand on each other: each series has `name`, `mark` and a number for each date. */
export function drawBars(width, dates, series, format, label) {
  const sums = dates.map((_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
  const frame = new Frame(width, dates, Math.max(...sums), format);
  const marks = [];
  const thick = Math.max(frame.pitch * 0.72, 1);
  dates.forEach((_, index) => {
    let below = 0;
    for (const { mark, values } of series) {
      const value = values[index] ?? 0;
      if (value <= 0) continue;
      const [bottom, top] = [frame.y(below), frame.y(below + value)];
      const attributes = { x: frame.x(index) - thick / 2, y: top, width: thick, height: Math.max(bottom - top, 0.5) };
      marks.push(s("rect", { class: `bar mark-${mark}`, ...attributes }));
      below += value;
    }
  });
  return frame.draw(label, marks, series);
}

/** Durations from day to day; a day whose value is null breaks its line, and a day between two such is a dot. */
export function drawDurations(width, dates, series, format, label) {
  const largest = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const unit = [3600, 60].find((each) => largest >= 2 * each) ?? 1;
  const frame = new Frame(width, dates, largest, format, unit);
  const marks = [];
  for (const { mark, values } of series) {
    let path = "";
    values.forEach((value, index) => {
      if (value === null) return;
      const begins = index === 0 || values[index - 1] === null;
      path += `${begins ? "M" : "L"}${frame.x(index)} ${frame.y(value)}`;
      marks.push(s("circle", { class: `dot mark-${mark}`, cx: frame.x(index), cy: frame.y(value), r: 2.5 }));
    });
    if (path !== "") marks.push(s("path", { class: `path mark-${mark}`, d: path }));
  }
  return frame.draw(label, marks, series);
}

/** What the colours mean. */
export function legend(series) {
  const shown = series.filter(({ values }) => values.some((value) => value));
  return h(
    "ul.legend",
    {},
    shown.map(({ name, mark }) => h("li", {}, h(`span.swatch.mark-${mark}`), h("bdi", {}, name))),
  );
}
