/**
 * What the address bar says: `#ROOM.TOKEN` or `#ROOM`, and nothing else of it is ever read.
 *
 * Contract: a fragment of any other shape is no invitation. Room names and tokens have no character that would need
 * escaping, so nothing is decoded.
 */

const SHAPE = /^#([a-z0-9-]{1,32})(?:\.([A-Za-z0-9_-]{16,200}))?$/;

/** Returns {room, token}, token null where there is none; null for what is no link of ours. */
export function parseFragment(fragment) {
  const found = SHAPE.exec(fragment);
  return found === null ? null : { room: found[1], token: found[2] ?? null };
}
