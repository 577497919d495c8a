"""
Whether the daemon can do its work, for those who watch over it: the journal writes, and rooms are served.

Laws: strangers may ask as often as they like, and all of them together have it looked at once a second, and the
journal's disk synced for them once in three, at most; while somebody owes an answer, nobody is asked again; a reason
names neither a room nor a path, because strangers are told it.
"""

from typing import Final

import trio

from concordiad.errors import JournalError, RoomError
from concordiad.house.handle import House
from concordiad.journal.rooms import read_rooms
from concordiad.room.handle import Room

FRESH_S: Final = 1.0
"""How long an answer is good for."""
WRITTEN_S: Final = 3.0
"""How old a durable commit may be to show that there can be another one."""
PATIENCE_S: Final = 2.0
"""How long a look may take: a disk that stalls for longer, or a room that does, is no place for a prompt."""
PARTS: Final = 4
NO_ROOM: Final = "no room is served"


class Readiness:
    """What was seen at the last look, and the wish for another one."""

    def __init__(self) -> None:
        self._wish = trio.Event()
        self._answer = trio.Event()
        self._seen_at = -FRESH_S
        self._fault: str | None = None
        self._debtor = "the journal"

    async def find_fault(self, house: House) -> str | None:
        """Say in a sentence why the daemon is not ready; None if it is."""
        if trio.current_time() - self._seen_at >= FRESH_S and not self._wish.is_set():
            self._answer = trio.Event()
            self._wish.set()
        is_answered = await self._is_answered()
        if house.ended.is_set():
            return NO_ROOM
        if house.journal.health.fault is not None:
            return house.journal.health.fault
        if not is_answered:
            return f"{self._debtor} has not answered for {PATIENCE_S:g} s"
        return self._fault

    async def _is_answered(self) -> bool:
        """Wait for the look; in parts, so that a machine that stands still takes away no more than one of them."""
        for _ in range(PARTS):
            with trio.move_on_after(PATIENCE_S / PARTS):
                await self._answer.wait()
                return True
        return False

    async def run(self, house: House) -> None:
        """
        Look whenever somebody wants to know.

        Owns: what was seen. Ends when: it is cancelled; a read on the way is waited for.
        """
        while True:
            await self._wish.wait()
            self._fault = await self._look(house)
            self._seen_at = trio.current_time()
            self._wish = trio.Event()
            self._answer.set()

    async def _look(self, house: House) -> str | None:
        self._debtor = "the journal"
        try:
            await house.journal.read(read_rooms)
            await house.journal.prove(WRITTEN_S)
        except JournalError as error:
            return str(error)
        self._debtor = "a room"
        served: list[Room] = []
        async with trio.open_nursery() as asking:
            for room in house.rooms.values():
                asking.start_soon(_ask, room, served)
        return None if served else NO_ROOM


async def _ask(room: Room, served: list[Room]) -> None:
    try:
        await room.prove()
    except RoomError:
        # It ends, and what is asked of the others is not its affair.
        return
    served.append(room)
