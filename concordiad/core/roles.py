"""Who may do what: one table, read by every transport."""

import enum
from typing import Final


class Role(enum.StrEnum):
    """What a participant is in a room."""

    HOST = "host"
    DRIVER = "driver"
    VIEWER = "viewer"


_EVERYBODY: Final = frozenset(Role)
_SUBMITTERS: Final = frozenset({Role.HOST, Role.DRIVER})
_HOSTS: Final = frozenset({Role.HOST})

MAY: Final[dict[str, frozenset[Role]]] = {
    "prompt.submit": _SUBMITTERS,
    "prompt.cancel": _SUBMITTERS,
    "prompt.get": _EVERYBODY,
    "prompt.list": _EVERYBODY,
    "turn.interrupt": _SUBMITTERS,
    "turn.get": _EVERYBODY,
    "turn.list": _EVERYBODY,
    "events.subscribe": _EVERYBODY,
    "events.list": _EVERYBODY,
    "approval.list": _EVERYBODY,
    "approval.answer": _SUBMITTERS,
    "room.list": _HOSTS,
    "room.create": _HOSTS,
    "room.close": _HOSTS,
    "room.pause": _HOSTS,
    "room.resume": _HOSTS,
    "room.restart": _HOSTS,
    "daemon.status": _HOSTS,
}
"""Method → roles that may call it at all; what is theirs to cancel or interrupt is a question of the thing itself."""
