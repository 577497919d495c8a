"""
Links that are good for a while, each for one thing that may be read.

Law: only the hash of a link's token is kept, and only in memory; a link ends with the daemon at the latest.
"""

import hashlib
from typing import Final, NamedTuple

MOST: Final = 64
"""Links that are good at a time; the one that ends first makes room for another."""


class Readable(NamedTuple):
    """What a link's holder may read: the figures of a room, or of all; until when, by the clock of whoever asks."""

    room: str | None
    until: float


class Links:
    """The links of one daemon."""

    def __init__(self) -> None:
        self._known: dict[bytes, Readable] = {}

    def add(self, token: str, room: str | None, until: float) -> None:
        """Let the holder of a token read."""
        if len(self._known) >= MOST:
            del self._known[min(self._known, key=lambda known: self._known[known].until)]
        self._known[_hash(token.encode())] = Readable(room, until)

    def find(self, token: bytes, now: float) -> Readable | None:
        """Find what a token is good for; None if it is none, or not any more."""
        found = self._known.get(_hash(token))
        return None if found is None or found.until <= now else found


def _hash(token: bytes) -> bytes:
    # What is compared is a hash that nobody can choose, so the time of the comparison tells nothing of a token.
    return hashlib.sha256(token).digest()
