/**
 * From the link to the room: who comes in with what, and what is said where nobody does.
 *
 * Contract: of the address only the fragment is read, and of that only `#ROOM.TOKEN`; the WebSocket is the page's own
 * origin's. A token leaves the address bar once the room has let somebody in. The key of a join is kept before it is
 * sent, so that a lost answer costs no use of the invite. A link that was used here already is the same person again;
 * with another link into the same room one is asked who to be, and nobody whom one has been there is forgotten.
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
  #membership = null;
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
    const known = this.#store.memberships(room);
    const same = token === null ? known[0] : known.find(({ invite }) => invite === inviteHead(token));
    if (same !== undefined) this.#enterAsMember(same);
    else if (token !== null && known.length > 0) this.#askWho(known);
    else if (token !== null) this.#join.ask(room, this.#store.lastName);
    else
      this.#join.refuse(
        "You need an invite",
        `This browser has not been in the room ${room}. Ask a host of it for an invite link.`,
      );
  }

  #askWho(known) {
    const { room } = this.#link;
    this.#join.refuse("You have been here before", `This is another link into the room ${room}. Who do you want to be?`, [
      ...known.map((each) => [`Continue as ${each.name}`, () => this.#enterAsMember(each)]),
      ["Join as somebody new", () => this.#join.ask(room, this.#store.lastName)],
    ]);
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
    this.#membership = membership;
    this.#who = { token: membership.token, name: membership.name };
    this.#join.wait(this.#link.room);
    this.#start();
  }

  #enterByInvite(name) {
    const { room, token } = this.#link;
    this.#membership = null;
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
    const isNew = this.#membership === null;
    if (memberToken !== null) {
      this.#membership = { token: memberToken, name: guest.name, invite: inviteHead(token) };
      this.#store.endJoining(room);
      this.#who = { token: memberToken, name: guest.name };
    }
    if (!this.#isIn) this.#store.setMembership(room, this.#membership);
    history.replaceState(null, "", `#${room}`);
    this.#app.welcome(result, isFresh);
    if (!this.#isIn && isNew) this.#app.greet(result);
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
    const refused = this.#membership;
    const actions = this.#store
      .memberships(room)
      .filter((each) => each.token !== refused?.token)
      .map((each) => [`Go back in as ${each.name}`, () => this.#enterAsMember(each)]);
    if (refused !== null && token !== null)
      actions.unshift(["Join anew with this link", () => this.#join.ask(room, refused.name)]);
    this.#join.refuse("Not admitted", code === 4401 ? NOT_ADMITTED : reason, actions);
  }
}

new Entry().begin();
