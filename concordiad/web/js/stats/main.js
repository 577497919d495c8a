/**
 * From the link to the figures: asks for them with its token, shows them, and says where there are none.
 *
 * Contract: of the address only the fragment is read, which is the token. It leaves the address bar at once and stays in
 * this tab; it is sent to where the page came from, in a header, and nowhere else.
 */

import { Report } from "./report.js";

const KEPT = "concordia.stats";
const REFUSED = "This link is none, or not good any more. Ask a host of the room for another: concordiactl stats --link";

function takeToken() {
  const given = location.hash.slice(1);
  if (given !== "") {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", "stats.html");
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

class Statistics {
  #token = takeToken();
  #report = new Report(document.getElementById("report"));
  #span = document.getElementById("span");
  #asked = 0;

  begin() {
    this.#span.addEventListener("change", () => this.#load());
    document.getElementById("again").addEventListener("click", () => this.#load());
    // Another link in the same tab.
    addEventListener("hashchange", () => {
      this.#token = takeToken();
      this.#load();
    });
    this.#load();
  }

  async #load() {
    this.#asked += 1;
    const mine = this.#asked;
    this.#say("Reading …");
    const answer = await this.#ask();
    // An answer to what was asked before the last is of no interest any more.
    if (mine !== this.#asked) return;
    if (typeof answer === "string") this.#fail(answer);
    else this.#show(answer);
  }

  /* The figures, or a sentence that says why there are none. */
  async #ask() {
    const offset = -new Date().getTimezoneOffset() * 60;
    try {
      const response = await fetch(`stats/${this.#span.value}/${offset}`, {
        headers: { Authorization: `Bearer ${this.#token}` },
        cache: "no-store",
        credentials: "omit",
      });
      if (response.ok) return await response.json();
      return response.status === 403 ? REFUSED : (await response.text()).trim();
    } catch {
      return "The daemon cannot be reached. Is it running?";
    }
  }

  #say(text) {
    document.getElementById("said").textContent = text;
  }

  #fail(text) {
    document.getElementById("problem").textContent = text;
    document.getElementById("report").hidden = true;
    this.#say("");
  }

  #show(found) {
    document.getElementById("problem").textContent = "";
    document.getElementById("room").textContent = found.room === null ? "of all rooms" : `of the room ${found.room}`;
    document.getElementById("report").hidden = false;
    this.#report.fill(found);
    const until = new Date(found.until).toLocaleString();
    this.#say(found.total.turns > 0 ? `Until ${until}.` : `No turn has ended in this time, until ${until}.`);
  }
}

new Statistics().begin();
