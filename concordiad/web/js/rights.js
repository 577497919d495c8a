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

/** A driver stops only a turn whose every prompt is theirs. */
export function mayInterrupt(me, turn) {
  if (me.role === "host") return true;
  const authors = turn.authors ?? [];
  return me.role === "driver" && authors.length > 0 && authors.every((author) => author.id === me.id);
}

export function mayAnswer(me) {
  return me.role === "host" || (me.role === "driver" && me.mayApprove);
}
