"""
Whether the daemon can do its work, for those who watch over it.

Law: strangers may ask as often as they like, and the journal is asked at most once a second for all of them together.
"""

from typing import Final

import trio

from concordiad.errors import JournalError
from concordiad.house import House
from concordiad.journal.rows import read_rooms

FRESH_S: Final = 1.0
"""How long an answer of the journal is good for."""
PATIENCE_S: Final = 2.0
"""How long the journal may take: a disk that stalls for longer is no place for a prompt."""


class Readiness:
    """What is known of the journal, and the wish to know."""

    def __init__(self) -> None:
        self._wish = trio.Event()
        self._answer = trio.Event()
        self._asked_at = -FRESH_S
        self._fault: str | None = None

    async def find_fault(self, house: House) -> str | None:
        """Say in a sentence why the daemon is not ready; None if it is."""
        if trio.current_time() - self._asked_at >= FRESH_S and not self._wish.is_set():
            self._answer = trio.Event()
            self._wish.set()
        with trio.move_on_after(PATIENCE_S) as patience:
            await self._answer.wait()
        if patience.cancelled_caught:
            return f"the journal has not answered for {PATIENCE_S:g} s"
        if self._fault is not None:
            return self._fault
        if house.journal.health.fault is not None:
            return house.journal.health.fault
        return None if house.rooms and not house.ended.is_set() else "no room is served"

    async def run(self, house: House) -> None:
        """
        Ask the journal whenever somebody wants to know.

        Owns: what is known of it. Ends when: it is cancelled; a read on the way is waited for.
        """
        while True:
            await self._wish.wait()
            try:
                await house.journal.read(read_rooms)
            except JournalError as error:
                self._fault = str(error)
            else:
                self._fault = None
            self._asked_at = trio.current_time()
            self._wish = trio.Event()
            self._answer.set()
