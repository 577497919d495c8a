"""Who may do what: one table, read by every transport through one function."""

import enum
from typing import Final


class Role(enum.StrEnum):
    """What a participant is in a room."""

    HOST = "host"
    DRIVER = "driver"
    VIEWER = "viewer"


class Right(enum.StrEnum):
    """
    How far a right goes.

    ANY is for whatever the method can do. OWN is for what is theirs: their prompts, handed in as plain text and never
    before the others', and a turn whose first prompt is theirs. GRANTED is ANY for those whose invite says so, and
    nothing for all others.
    """

    ANY = "any"
    OWN = "own"
    GRANTED = "granted"


_READING: Final = {Role.HOST: Right.ANY, Role.DRIVER: Right.ANY, Role.VIEWER: Right.ANY}
_OWN: Final = {Role.HOST: Right.ANY, Role.DRIVER: Right.OWN}
_APPROVING: Final = {Role.HOST: Right.ANY, Role.DRIVER: Right.GRANTED}
_HOSTS: Final = {Role.HOST: Right.ANY}

RIGHTS: Final[dict[str, dict[Role, Right]]] = {
    "prompt.submit": _OWN,
    "prompt.retry": _OWN,
    "prompt.cancel": _OWN,
    "prompt.split": _OWN,
    "prompt.get": _READING,
    "prompt.list": _READING,
    "turn.interrupt": _OWN,
    "turn.get": _READING,
    "turn.list": _READING,
    "events.subscribe": _READING,
    "events.list": _READING,
    "approval.list": _READING,
    "approval.answer": _APPROVING,
    "room.list": _HOSTS,
    "room.create": _HOSTS,
    "room.close": _HOSTS,
    "room.pause": _HOSTS,
    "room.resume": _HOSTS,
    "room.restart": _HOSTS,
    "invite.create": _HOSTS,
    "invite.list": _HOSTS,
    "invite.revoke": _HOSTS,
    "guest.list": _READING,
    "guest.kick": _HOSTS,
    "journal.prune": _HOSTS,
    "stats.get": _HOSTS,
    "stats.link": _HOSTS,
    "log.tail": _HOSTS,
    "daemon.status": _HOSTS,
    "daemon.measure": _HOSTS,
    "rpc.discover": _READING,
    "hello": {},
}
"""Method → role → right. Nobody may call `hello`: it is what makes a connection somebody's, once."""

_LOOKING: Final = ("get", "list", "subscribe", "status", "measure", "tail", "discover")


def changes_nothing(method: str) -> bool:
    """Tell whether a method only looks, by its verb."""
    return method.rpartition(".")[2] in _LOOKING


def decide(method: str, role: Role, *, may_approve: bool) -> Right | None:
    """
    Decide how far a caller's right to a method goes.

    Args:
        method: one of the table.
        role: the caller's.
        may_approve: whether the caller's invite grants what only some may do.

    Returns:
        ANY or OWN; None if the caller has no right to it.
    """
    right = RIGHTS[method].get(role)
    if right is Right.GRANTED:
        return Right.ANY if may_approve else None
    return right
