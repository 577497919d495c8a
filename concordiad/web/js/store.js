/**
 * What this browser keeps of a room: who one is there, the draft, and the prompts that are not acknowledged.
 *
 * Contract: everything is under `concordia.ROOM.`; a browser that keeps nothing (private mode, a full disk) gets the
 * same behaviour until the page is closed. Each prompt is an entry of its own, so that two tabs do not overwrite each
 * other. What another version or somebody's hand left there is passed over.
 *
 * A membership is {token, name, invite}: the member's token, and the beginning of the invite's, by which the same
 * link is known again; whoever comes in by another link keeps the earlier ones. A joining is {invite, key}: the key
 * under which that invite was presented, and may be again.
 */

const INVITE_HEAD = 12;

/** As many random characters as a token has: 192 bits. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

export function inviteHead(token) {
  return token === null ? null : token.slice(0, INVITE_HEAD);
}

function isMembership(value) {
  return typeof value?.name === "string" && typeof value.token === "string";
}

/* What was kept without its link is told by its token. */
function isSameLink(one, other) {
  return typeof one.invite === "string" ? one.invite === other.invite : one.token === other.token;
}

function isPending(value) {
  return typeof value?.key === "string" && typeof value.text === "string" && typeof value.at === "number";
}

export class Store {
  #kept;
  #own = new Map();

  constructor(storage) {
    this.#kept = storage;
  }

  /** The name that was given last, in whatever room. */
  get lastName() {
    return this.#read("concordia.name") ?? "";
  }

  set lastName(name) {
    this.#write("concordia.name", name);
  }

  membership(room) {
    const value = this.#readJson(`concordia.${room}.member`);
    return isMembership(value) ? value : null;
  }

  /** Everybody whom this browser has been in a room, the latest first; one for each link. */
  memberships(room) {
    const earlier = this.#readJson(`concordia.${room}.earlier`);
    const all = [this.membership(room), ...(Array.isArray(earlier) ? earlier : [])].filter(isMembership);
    return all.filter((each, place) => all.findIndex((other) => isSameLink(other, each)) === place);
  }

  /** Make this one the latest; no other is lost by it. */
  setMembership(room, membership) {
    const earlier = this.memberships(room).filter((each) => !isSameLink(each, membership));
    this.#write(`concordia.${room}.earlier`, JSON.stringify(earlier));
    this.#write(`concordia.${room}.member`, JSON.stringify(membership));
  }

  /** The key for an invite: the same one for as long as nobody was let in by it. */
  joiningKey(room, invite) {
    const known = this.#readJson(`concordia.${room}.joining`);
    if (known?.invite === invite && typeof known.key === "string") return known.key;
    const key = randomKey();
    this.#write(`concordia.${room}.joining`, JSON.stringify({ invite, key }));
    return key;
  }

  endJoining(room) {
    this.#remove(`concordia.${room}.joining`);
  }

  /** The rooms that somebody was let into here. */
  rooms() {
    const names = this.#keys().map((key) => /^concordia\.([a-z0-9-]{1,32})\.member$/.exec(key)?.[1]);
    return names.filter((name) => name !== undefined && this.membership(name) !== null).sort();
  }

  draft(room) {
    return this.#read(`concordia.${room}.draft`) ?? "";
  }

  setDraft(room, text) {
    if (text === "") this.#remove(`concordia.${room}.draft`);
    else this.#write(`concordia.${room}.draft`, text);
  }

  /** Prompts {key, text, at} that were sent or shall be, oldest first. */
  pending(room) {
    const prefix = `concordia.${room}.prompt.`;
    const found = this.#keys()
      .filter((key) => key.startsWith(prefix))
      .map((key) => this.#readJson(key));
    return found.filter(isPending).sort((one, other) => one.at - other.at);
  }

  addPending(room, prompt) {
    this.#write(`concordia.${room}.prompt.${prompt.key}`, JSON.stringify(prompt));
  }

  removePending(room, key) {
    this.#remove(`concordia.${room}.prompt.${key}`);
  }

  #keys() {
    const names = new Set(this.#own.keys());
    try {
      for (let index = 0; index < this.#kept.length; index += 1) names.add(this.#kept.key(index));
    } catch {
      // This browser keeps nothing, or forbids to look.
    }
    return [...names];
  }

  #read(key) {
    if (this.#own.has(key)) return this.#own.get(key);
    try {
      return this.#kept.getItem(key);
    } catch {
      return null;
    }
  }

  #readJson(key) {
    try {
      return JSON.parse(this.#read(key));
    } catch {
      return null;
    }
  }

  #write(key, value) {
    try {
      this.#kept.setItem(key, value);
      this.#own.delete(key);
    } catch {
      this.#own.set(key, value);
    }
  }

  #remove(key) {
    this.#own.delete(key);
    try {
      this.#kept.removeItem(key);
    } catch {
      // Then it was never there.
    }
  }
}

/** The browser's storage, or null where even to name it is forbidden. */
export function browserStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
