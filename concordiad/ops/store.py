"""
The service manager's descriptor store (sd_notify(3), FDSTORE): what is in it is passed to the next run of the daemon.

Law: a set is of use only whole. What did not come back whole is closed and removed.
"""

import contextlib
import os
from collections.abc import Mapping
from typing import Final

import trio

from concordiad.ops.notify import Manager

PREFIX: Final = "agent"
PARTS: Final = ("in", "out", "err", "unit")
"""What an agent's set consists of: its three streams, and the connection to its unit."""
BARRIER_S: Final = 10.0
"""How long the manager may take to work off what it was told: less than a millisecond, if the machine turns."""
_RETRY_S: Final = 0.01

Sets = dict[tuple[str, str], dict[str, int]]
"""Descriptors by room and incarnation, and by their part."""


def name_of(room: str, incarnation: str, part: str) -> str:
    """Write the name under which a descriptor is stored."""
    return f"{PREFIX}.{room}.{incarnation}.{part}"


def read_name(name: str) -> tuple[tuple[str, str], str] | None:
    """Read the name of a stored descriptor: its room and incarnation, and its part; None if it is no such name."""
    prefix, _, rest = name.partition(".")
    words = rest.split(".")
    if prefix != PREFIX or len(words) != len(("room", "incarnation", "part")) or words[2] not in PARTS:
        return None
    return (words[0], words[1]), words[2]


class DescriptorStore:
    """
    The store, and what of an earlier run was in it.

    Args:
        manager: whose store it is.
        places: how many descriptors it holds; more are dropped without a word.
        passed: what came back.
    """

    def __init__(self, manager: Manager, places: int, passed: Sets) -> None:
        self._manager = manager
        self._places = places
        self._passed = passed
        self._kept = set(passed)

    @property
    def incarnations(self) -> list[tuple[str, str]]:
        """The rooms and incarnations that came back whole and were not taken yet."""
        return [key for key, found in self._passed.items() if found.keys() == set(PARTS)]

    def take(self, room: str, incarnation: str) -> dict[str, int] | None:
        """Take a set that came back, if it is whole; whoever takes it closes it."""
        if (room, incarnation) not in self.incarnations:
            return None
        return self._passed.pop((room, incarnation))

    def take_others(self, room: str) -> list[tuple[str, dict[str, int]]]:
        """Take whatever else came back of a room, whole or not: the incarnations and their descriptors."""
        return [(key[1], self._passed.pop(key)) for key in list(self._passed) if key[0] == room]

    def take_rest(self) -> list[tuple[str, str, dict[str, int]]]:
        """Take whatever nobody has taken."""
        return [(*key, self._passed.pop(key)) for key in list(self._passed)]

    async def keep(self, room: str, incarnation: str, descriptors: Mapping[str, int]) -> bool:
        """
        Store a set; returns once the manager has it.

        Returns:
            False if there is no place for it, or the manager does not answer; then nothing is kept.
        """
        if (len(self._kept) + 1) * len(PARTS) > self._places:
            await trio.lowlevel.checkpoint()
            return False
        self._kept.add((room, incarnation))
        with trio.move_on_after(BARRIER_S):
            for part, descriptor in descriptors.items():
                # It is not to be dropped when its other end hangs up: the last words are still to be read.
                words: dict[str, str | int] = {"FDSTORE": 1, "FDPOLL": 0, "FDNAME": name_of(room, incarnation, part)}
                await self._send(words, descriptor)
            await self._wait()
            return True
        self.drop(room, incarnation)
        return False

    def forget_input(self, room: str, incarnation: str) -> None:
        """Remove an agent's stdin from its set: as long as the manager has it, too, the agent does not read its end."""
        self._manager.tell(FDSTOREREMOVE=1, FDNAME=name_of(room, incarnation, "in"))

    def drop(self, room: str, incarnation: str) -> None:
        """Remove a set from the store."""
        self._kept.discard((room, incarnation))
        for part in PARTS:
            self._manager.tell(FDSTOREREMOVE=1, FDNAME=name_of(room, incarnation, part))

    async def _send(self, words: Mapping[str, str | int], descriptor: int) -> None:
        # Where its queue is full, nothing but trying tells when it is no more.
        while not self._manager.tell_with(words, [descriptor]):  # noqa: ASYNC110
            await trio.sleep(_RETRY_S)

    async def _wait(self) -> None:
        """Wait until the manager has worked off everything before (sd_notify_barrier(3))."""
        ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.ExitStack() as closing:
            closing.callback(os.close, ours)
            try:
                await self._send({"BARRIER": 1}, theirs)
            finally:
                os.close(theirs)
            # Nobody writes: it is readable once the manager has closed its end.
            await trio.lowlevel.wait_readable(ours)


def find_store(manager: Manager, environment: Mapping[str, str], passed: Sets) -> DescriptorStore | None:
    """
    Find the store that FDSTORE tells of: systemd says so from version 254 on, before that the unit has to.

    What came back is taken over, or removed, also where nothing more is to be stored.
    """
    told = environment.get("FDSTORE", "")
    places = int(told) if told.isdecimal() and manager.address is not None else 0
    return DescriptorStore(manager, places, passed) if passed or places >= len(PARTS) else None
