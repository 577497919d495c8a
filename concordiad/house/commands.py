"""What the house's task can be asked, and what it answers."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from concordiad.config.tables import Config
from concordiad.core.model import Author, RoomRow
from concordiad.room.handle import Room
from concordiad.room.messages import Reply

COMMANDS: Final = 64
"""Commands about rooms that may wait: opening one takes a second or two."""


class Create(Struct, frozen=True):
    """Open a room that does not exist yet."""

    row: RoomRow
    by: Author
    reply: Reply[Room]


class Close(Struct, frozen=True):
    """Cancel what waits in a room, let what runs end, and close it."""

    room: str
    by: Author
    reply: Reply[int]


class Pruned(NamedTuple):
    """What a room has forgotten: so many events, and the number of the first one that it still has."""

    room: str
    events: int
    first_seq: int


class PruneNow(Struct, frozen=True):
    """Forget what ended longer ago than seconds, and the oldest events beyond bytes, in some rooms or in all."""

    rooms: Sequence[str]
    older_than_s: float | None
    keep_bytes: int | None
    reply: Reply[list[Pruned]]


class Reloaded(NamedTuple):
    """What a new configuration has changed: rooms by name, and the tables that only a restart brings into force."""

    opened: Sequence[str] = ()
    closed: Sequence[str] = ()
    changed: Sequence[str] = ()
    at_restart: Sequence[str] = ()


class Reload(Struct, frozen=True):
    """Go by another configuration; answered at once, rooms that it changes drain first and are opened anew."""

    config: Config
    reply: Reply[Reloaded]


Command = Create | Close | Reload | PruneNow
