/**
 * What one may do here, so that the page offers nothing that would be refused; the daemon decides all the same.
 *
 * Contract: `me` is {id, role, mayApprove}; pure.
 */

export function maySubmit(me) {
  return me.role !== "viewer";
}

export function mayCancel(me, prompt) {
  return me.role === "host" || (me.role === "driver" && prompt.author.id === me.id);
}

/** Asks again in one's own name what came to nothing. */
export function mayAskAgain(me, author) {
  return me.role === "host" || (me.role === "driver" && author.id === me.id);
}

/** A driver stops only a turn whose first prompt is theirs: who asks the same later takes no right away. */
export function mayInterrupt(me, turn) {
  return me.role === "host" || (me.role === "driver" && turn.authors?.[0]?.id === me.id);
}

export function mayAnswer(me) {
  return me.role === "host" || (me.role === "driver" && me.mayApprove);
}
