/**
 * The figures as a reader sees them: what it all came to, plots by day, tables by person and by day.
 *
 * Contract: `fill` shows other figures in place; plots are drawn anew when their width changes.
 */

import { bytes, count, duration, money, several } from "../format.js";
import { fill as fillElement, h } from "../view/dom.js";
import { save, toCsv } from "./documents.js";
import { OUTCOMES, byDay, byPerson, datesOf } from "./figures.js";
import { dayName, drawBars, drawDurations, legend } from "./plots.js";

const NOBODY = "the agent itself";

/** "950", "1.2 k", "34 M": tokens, and other large counts. */
function large(number) {
  if (number < 1000) return String(Math.round(number * 10) / 10);
  return bytes(number).replace(/(\S+) (k|M)B/, "$1 $2");
}

function tokensOf({ input_tokens: read, output_tokens: written }) {
  return read + written;
}

function personOf({ author }) {
  return author === null ? NOBODY : author.name;
}

function outcomesOf({ outcomes }) {
  return OUTCOMES.slice(1)
    .filter((name) => outcomes[name] > 0)
    .map((name) => `${outcomes[name]} ${name.replace("_", " ")}`)
    .join(", ");
}

export class Report {
  #element;
  #plots = [];
  #watch = new ResizeObserver((entries) => {
    for (const { target } of entries) this.#plots.find(({ place }) => place === target)?.draw();
  });

  constructor(element) {
    this.#element = element;
  }

  fill(found) {
    this.#watch.disconnect();
    this.#plots = [];
    const dates = datesOf(found);
    fillElement(
      this.#element,
      this.#tiles(found.total),
      this.#outcomes(found, dates),
      this.#costs(found, dates),
      this.#tokens(found, dates),
      this.#times(found, dates),
      this.#people(found),
      this.#days(found),
      h(
        "div.stats-tools",
        {},
        h("button", { type: "button", onclick: () => save("concordia.csv", "text/csv", toCsv(found)) }, "Save as CSV"),
        h("button", { type: "button", onclick: () => save("concordia.json", "application/json", JSON.stringify(found)) }, "Save as JSON"),
      ),
    );
    for (const plot of this.#plots) {
      plot.draw();
      this.#watch.observe(plot.place);
    }
  }

  #tiles(total) {
    const share = total.turns > 0 ? `${Math.round((100 * total.outcomes.completed) / total.turns)} %` : "–";
    const tiles = [
      ["turns", count(total.turns)],
      ["prompts", count(total.prompts)],
      ["completed", share],
      ["agent's time", duration(total.duration_s)],
      ["tokens", large(tokensOf(total))],
      ["cost", money(total.cost_usd)],
    ];
    return h(
      "dl.tiles",
      {},
      tiles.map(([name, value]) => h("div.tile", {}, h("dt", {}, name), h("dd", {}, value))),
    );
  }

  #card(title, dates, series, format, draw) {
    const place = h("div");
    this.#plots.push({
      place,
      width: 0,
      draw() {
        const width = place.clientWidth;
        // A plot that changes its own place's width would never end.
        if (width === this.width || width === 0) return;
        this.width = width;
        fillElement(place, draw(width, dates, series, format, `${title}, ${several(dates.length, "day")}`));
      },
    });
    return h("section.card", {}, h("h2", {}, title), place, legend(series));
  }

  #outcomes(found, dates) {
    const series = OUTCOMES.map((name) => ({
      name: name.replace("_", " "),
      mark: name,
      values: byDay(found, dates, (day) => day.outcomes[name]),
    }));
    return this.#card("Turns", dates, series, large, drawBars);
  }

  #costs(found, dates) {
    const series = byPerson(found, dates, (share) => share.cost_usd);
    return this.#card("Cost by person", dates, this.#named(series), money, drawBars);
  }

  #tokens(found, dates) {
    const series = byPerson(found, dates, tokensOf);
    return this.#card("Tokens by person", dates, this.#named(series), large, drawBars);
  }

  #named(series) {
    return series.map((each) => ({ ...each, name: each.name ?? NOBODY }));
  }

  #times(found, dates) {
    const series = [
      ["median", "p50", "duration_p50_s"],
      ["95 % are no longer than", "p95", "duration_p95_s"],
    ].map(([name, mark, field]) => ({ name, mark, values: byDay(found, dates, (day) => day[field]) }));
    return this.#card("How long turns took", dates, series, duration, drawDurations);
  }

  #table(caption, names, rows) {
    const head = h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)));
    const body = rows.map(([first, ...rest]) =>
      h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, first)), rest.map((each) => h("td", {}, each))),
    );
    const table = h("table", {}, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, body));
    return h("section.card", {}, h("div.wide", { tabindex: "0", role: "region", "aria-label": caption }, table));
  }

  #people(found) {
    const rows = found.people.map((person) => [
      personOf(person),
      count(person.prompts),
      count(person.turns),
      duration(person.duration_s),
      large(tokensOf(person)),
      money(person.cost_usd),
    ]);
    return this.#table("By person", ["Person", "Prompts", "Turns", "Agent's time", "Tokens", "Cost"], rows);
  }

  #days(found) {
    const rows = found.days.toReversed().map((day) => [
      dayName(day.day),
      count(day.prompts),
      count(day.turns),
      outcomesOf(day),
      duration(day.duration_p50_s),
      duration(day.duration_p95_s),
      duration(day.ttft_p50_s),
      duration(day.wait_p50_s),
      large(tokensOf(day)),
      money(day.cost_usd),
    ]);
    const names = ["Day", "Prompts", "Turns", "Not completed", "Median", "95 %", "First word", "Waited", "Tokens", "Cost"];
    return this.#table("By day", names, rows);
  }
}
