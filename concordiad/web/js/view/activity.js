/**
 * What goes on, for whoever looks at another tab: the title and the icon.
 *
 * Contract: the title begins with what is most urgent; the icons are files of this page.
 */

const LOOKS = {
  ended: ["Ended", "icon-off.svg"],
  lost: ["Reconnecting", null],
  decide: ["Decision needed", "icon-ask.svg"],
  busy: ["Working", "icon-busy.svg"],
  news: ["Answered", "icon-ask.svg"],
  idle: [null, "icon.svg"],
};

export class Activity {
  #link;
  #shown = null;
  #hasNews = false;

  constructor(link) {
    this.#link = link;
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#hasNews = false;
    });
  }

  /** A turn has ended while nobody may have looked. */
  finished() {
    this.#hasNews = document.visibilityState !== "visible";
  }

  show(status, room, roomName) {
    const look = this.#look(status, room);
    const [word, icon] = LOOKS[look];
    const title = `${word === null ? "" : `${word} · `}${roomName} · Concordia`;
    if (title === this.#shown) return;
    this.#shown = title;
    document.title = title;
    // Without a connection there is no other icon to be had.
    if (icon !== null) this.#link.setAttribute("href", icon);
  }

  #look(status, room) {
    if (status.kind === "ended") return "ended";
    if (status.kind !== "live") return "lost";
    if (room.approvals.size > 0) return "decide";
    if (room.turn !== null) return "busy";
    return this.#hasNews ? "news" : "idle";
  }
}
