"""
The rooms by their names: one that is open has owners to ask, of one that is closed there is only its record.

Law: a record is for hosts alone; to a guest there is one room, and none when that is closed.
"""

import difflib

from msgspec import Struct, field

from concordiad.core.params import Cursor
from concordiad.errors import RoomError
from concordiad.front.caller import Caller
from concordiad.house.handle import House
from concordiad.journal.events import last_seq
from concordiad.journal.rooms import read_room_epochs
from concordiad.room.handle import Room
from concordiad.room.to_batcher import Placed


class Record(Struct, frozen=True):
    """What can be read of a room, whether it is open or not; the cursor is its end when it was found."""

    name: str
    cursor: Cursor
    _room: Room | None = field(default=None)

    async def waiting(self) -> list[Placed]:
        """List the waiting prompts by place. Raises RoomError."""
        return [] if self._room is None else await self._room.waiting()


def find_room(house: House, name: str, caller: Caller) -> Room:
    """Find an open room that the caller may know of. Raises RoomError."""
    room = house.rooms.get(name) if caller.room in (None, name) else None
    if room is not None:
        return room
    if caller.room is not None:
        raise RoomError.not_found(f"there is no room {name[:64]!r}: you are in {caller.room}")
    if name in house.unopened:
        raise RoomError.not_now(
            f"room {name} could not be opened: {house.unopened[name].reason}; mend that and start concordiad again, or"
            f" `concordiactl room close {name}`"
        )
    close = difflib.get_close_matches(name, house.rooms, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(house.rooms) or 'none'}"
    raise RoomError.not_found(f"there is no room {name[:64]!r}: {hint}")


async def find_record(house: House, name: str, caller: Caller) -> Record:
    """Find a room that the caller may read, or what is left of it. Raises RoomError."""
    if caller.is_host and name not in house.rooms:
        kept = await _kept(house, name)
        # It may have been opened while the journal was read.
        if kept is not None and name not in house.rooms:
            return kept
    room = find_room(house, name, caller)
    return Record(room.name, room.transcript.cursor, room)


async def find_room_to_join(house: House, name: str, caller: Caller) -> Room:
    """Find an open room as `find_room` does; of a closed one a host is told what can be done. Raises RoomError."""
    is_gone = name not in house.rooms and name not in house.unopened
    if caller.is_host and is_gone and await _kept(house, name) is not None and name not in house.rooms:
        raise RoomError.not_found(
            f"room {name} is closed: read its record with `concordiactl tail --room {name} --no-follow`, or go on with"
            f" it by `concordiactl room create {name}`"
        )
    return find_room(house, name, caller)


async def _kept(house: House, name: str) -> Record | None:
    seq = await house.journal.read(last_seq, name)
    epochs = await house.journal.read(read_room_epochs, name)
    return Record(name, Cursor(epochs[-1].epoch, seq)) if seq and epochs else None
