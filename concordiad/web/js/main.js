/**
 * From the link to the room: who comes in with what, and what is said where nobody does.
 *
 * Contract: of the address only the fragment is read, and of that only `#ROOM.TOKEN`; the WebSocket is the page's own
 * origin's. A token leaves the address bar once the room has let somebody in. The key of a join is kept before it is
 * sent, so that a lost answer costs no use of the invite. A link that was used here already is the same person again.
 */

import { App } from "./app.js";
import { parseFragment } from "./fragment.js";
import { Session } from "./session.js";
import { Store, browserStorage, inviteHead } from "./store.js";
import { Join } from "./view/join.js";

const NOT_ADMITTED = "This link is used up, has expired, or was revoked. Ask a host of the room for an invite.";

function socketAddress() {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`;
}

class Entry {
  #store = new Store(browserStorage());
  #link = parseFragment(location.hash);
  #join = new Join(document.getElementById("join"), (name) => this.#enterByInvite(name));
  #who = null;
  #isMember = false;
  #isIn = false;
  #session = null;
  #app = null;

  begin() {
    addEventListener("hashchange", () => this.#follow());
    if (this.#link === null) {
      this.#offerRooms();
      return;
    }
    const { room, token } = this.#link;
    const known = this.#store.membership(room);
    if (known !== null && (token === null || known.invite === inviteHead(token))) this.#enterAsMember(known);
    else if (token !== null) this.#join.ask(room, known?.name ?? this.#store.lastName);
    else
      this.#join.refuse(
        "You need an invite",
        `This browser has not been in the room ${room}. Ask a host of it for an invite link.`,
      );
  }

  #offerRooms() {
    const rooms = this.#store.rooms();
    const words =
      rooms.length > 0
        ? "Go back to a room that you have been in, or open an invite link."
        : "Open the invite link that a host of a room has sent you.";
    const go = (room) => () => {
      location.hash = room;
    };
    this.#join.refuse(
      "Concordia",
      words,
      rooms.map((room) => [`Enter ${room}`, go(room)]),
    );
  }

  /* Another link was opened in this tab. Its beginning is the same as that of a fresh page. */
  #follow() {
    const link = parseFragment(location.hash);
    if (link !== null && (link.room !== this.#link?.room || link.token !== null)) location.reload();
  }

  #enterAsMember(membership) {
    this.#isMember = true;
    this.#who = { token: membership.token, name: membership.name };
    this.#join.wait(this.#link.room);
    this.#start();
  }

  #enterByInvite(name) {
    const { room, token } = this.#link;
    this.#isMember = false;
    this.#who = { token, name, key: this.#store.joiningKey(room, inviteHead(token)) };
    this.#store.lastName = name;
    this.#join.wait(room);
    this.#start();
  }

  #start() {
    if (this.#session === null) {
      const { room } = this.#link;
      this.#session = new Session(socketAddress(), () => ({ ...this.#who, room }), {
        welcomed: (result, isFresh) => this.#welcome(result, isFresh),
        event: (event) => this.#app.event(event),
        status: (status) => this.#status(status),
      });
      this.#app = new App(room, this.#session, this.#store);
    }
    this.#session.start();
  }

  #welcome(result, isFresh) {
    const { room, token } = this.#link;
    const { member_token: memberToken, guest } = result;
    if (memberToken !== null) {
      this.#store.setMembership(room, { token: memberToken, name: guest.name, invite: inviteHead(token) });
      this.#store.endJoining(room);
      this.#who = { token: memberToken, name: guest.name };
    }
    history.replaceState(null, "", `#${room}`);
    this.#app.welcome(result, isFresh);
    if (!this.#isIn && !this.#isMember) this.#app.greet(result);
    this.#isIn = true;
  }

  #status(status) {
    this.#app.status(status);
    if (this.#isIn) return;
    if (status.kind === "name") {
      this.#join.ask(this.#link.room, this.#who.name);
      this.#join.fail(status.message);
    } else if (status.kind === "ended") this.#refused(status);
    else if (status.kind === "waiting") this.#join.say("The room cannot be reached. Trying again…");
  }

  #refused({ code, reason }) {
    const { token, room } = this.#link;
    const known = this.#store.membership(room);
    const actions = [];
    if (this.#isMember && token !== null)
      actions.push(["Join anew with this link", () => this.#join.ask(room, known?.name ?? this.#store.lastName)]);
    if (!this.#isMember && known !== null)
      actions.push([`Go back in as ${known.name}`, () => this.#enterAsMember(known)]);
    this.#join.refuse("Not admitted", code === 4401 ? NOT_ADMITTED : reason, actions);
  }
}

new Entry().begin();
