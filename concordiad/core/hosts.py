"""
The hosts who follow a room over the control socket: who is here besides its guests.

Law: somebody who follows several times is here once, from the first to the last of them.
"""

from msgspec import Struct

from concordiad.core.model import Author


class _Here(Struct):
    since: float
    times: int = 1


class Hosts:
    """Who of the hosts is here."""

    def __init__(self) -> None:
        self._here: dict[Author, _Here] = {}

    def enter(self, host: Author, at: float) -> bool:
        """Count somebody who follows from now on, in Unix seconds; tells whether that is somebody new."""
        here = self._here.get(host)
        if here is None:
            self._here[host] = _Here(at)
            return True
        here.times += 1
        return False

    def leave(self, host: Author) -> bool:
        """Count somebody who entered no more; tells whether it is not here any more."""
        here = self._here[host]
        here.times -= 1
        if not here.times:
            del self._here[host]
        return not here.times

    def here(self) -> list[tuple[Author, float]]:
        """List them with the time since when they are here, in the order in which they came."""
        return [(host, here.since) for host, here in self._here.items()]
