"""
The latest entries of the log, for hosts who ask: where there is no journal of systemd's, nothing else has them.

Law: bounded, and safe to add to from any thread: each step of it is one of Python's own.
"""

import json
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, NamedTuple

ENTRIES: Final = 1000
"""Entries that are kept: a day of a small room, some 300 KB."""
TEXT_CHARACTERS: Final = 2000
"""What is kept of a text: the last lines of an agent that has crashed can be 100 KB."""


class Numbered(NamedTuple):
    """An entry as JSON, and its number: they count from 1 at the daemon's start."""

    number: int
    json: bytes


class Recent:
    """The latest entries."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._entries: deque[Numbered] = deque(maxlen=ENTRIES)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Keep an entry; the oldest one makes room for it."""
        text = json.dumps({key: _shortened(value) for key, value in entry.items()}, default=str)
        self._entries.append(Numbered(next(self._numbers), text.encode()))

    def after(self, number: int) -> list[Numbered]:
        """Return what came after the entry of that number, as far as it is kept."""
        return [entry for entry in tuple(self._entries) if entry.number > number]


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS:
        return f"…{value[-TEXT_CHARACTERS:]}"
    return value
