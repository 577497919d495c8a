"""What a damaged journal has lost, counted and said in words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

KINDS: Final = {
    "events": ("event", "events"),
    "prompts": ("prompt", "prompts"),
    "turns": ("turn", "turns"),
    "approvals": ("approval", "approvals"),
    "invites": ("invite", "invites"),
    "members": ("guest", "guests"),
    "sessions": ("conversation of its agent", "conversations of its agent"),
    "heard": ("place in its agent's output", "places in its agent's output"),
    "held": ("note about its agent", "notes about its agent"),
    "rooms": ("row of its settings", "rows of its settings"),
    "room_epochs": ("mark of an epoch", "marks of epochs"),
    "meta": ("name of the journal", "names of the journal"),
}
"""What a row of each table is called, one and several."""
RANGES: Final = 20
"""Ranges of numbers that are named; of more it is said that there are."""


class Losses:
    """
    What is lost, by room.

    A row of a room that nobody knows may have been any room's: all are told of it.
    """

    def __init__(self) -> None:
        self._counts: dict[str | None, Counter[tuple[str, str]]] = {}
        self._events: dict[str, list[int]] = {}
        self._doubts: set[str] = set()
        self._ends: dict[str, int] = {}
        self._rooms: set[str] = set()

    def add(self, room: str | None, table: str, state: str = "") -> None:
        """Note that a row of a table is lost; `state` is in what state the thing was, if that is known."""
        self._counts.setdefault(room, Counter())[table, state] += 1

    def add_events(self, room: str, numbers: Iterable[int]) -> None:
        """Note which events of a room are lost."""
        self._events[room] = sorted(numbers)

    def doubt(self, table: str) -> None:
        """Note that rows of a table may be lost of which nothing is known any more."""
        self._doubts.add(table)

    def end(self, room: str, last: int) -> None:
        """Note that a room's transcript may have gone on after an event; 0 where it has none."""
        self._ends[room] = last

    def has(self, room: str, table: str) -> bool:
        """Tell whether a room may have lost rows of a table."""
        return table in self._doubts or any(
            each == table for owner in (room, None) for each, _ in self._counts.get(owner, ())
        )

    def settle(self, rooms: set[str]) -> None:
        """Note which rooms there are: what seems to be another one's may be any one's."""
        for room in [each for each in self._counts if each is not None and each not in rooms]:
            counts = self._counts.pop(room)
            # A room of which only its settings were known has no transcript to tell it in.
            self._counts.setdefault(None, Counter()).update(counts)
        self._rooms = rooms | self._events.keys()

    def by_room(self) -> Mapping[str, str]:
        """Say what is lost of each room that is concerned."""
        of_all = self.of_no_room()
        said: dict[str, str] = {}
        for room in sorted(self._rooms):
            parts = (self._name_events(room), _name(self._counts.get(room, Counter())), self._name_end(room))
            own = ", ".join(filter(None, parts))
            if own or of_all:
                all_of_it = (own and f"of this room {own}", of_all and f"of a room that cannot be told {of_all}")
                said[room] = "; ".join(filter(None, all_of_it))
        return said

    def of_no_room(self) -> str:
        """Say what is lost of which nobody can tell the room; nothing where nothing is."""
        doubts = [f"perhaps {KINDS[table][1]}" for table in sorted(self._doubts)]
        return ", ".join(filter(None, (_name(self._counts.get(None, Counter())), *doubts)))

    def _name_end(self, room: str) -> str:
        return f"perhaps all after event {self._ends[room]}" if room in self._ends else ""

    def _name_events(self, room: str) -> str:
        numbers = self._events.get(room, [])
        if not numbers:
            return ""
        ranges = _ranges(numbers)
        named = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:RANGES]]
        more = ["and more"] if len(ranges) > RANGES else []
        return f"{_count(len(numbers), 'events')} ({', '.join([*named, *more])})"


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _name(counts: Counter[tuple[str, str]]) -> str:
    totals: Counter[str] = Counter()
    states: dict[str, list[str]] = {}
    for (table, state), count in sorted(counts.items()):
        totals[table] += count
        if state:
            states.setdefault(table, []).append(f"{count} {state}")
    return ", ".join(
        _count(totals[table], table) + (f" ({', '.join(states[table])})" if table in states else "")
        for table in KINDS
        if totals[table]
    )


def _count(count: int, table: str) -> str:
    return f"{count} {KINDS[table][count != 1]}"
