"""
Who comes to the guests' port, before anybody knows who it is: how many may wait, and how often one may join.

Laws: what is kept of strangers is bounded; where there are too many, the one that has waited longest makes room, so
that whoever is quick gets in beside those who never say anything.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import trio

from concordiad.core.addresses import is_loopback, parse_peer, source_of
from concordiad.core.allowance import Allowance
from concordiad.front.http import Request

MOST_SOURCES: Final = 10_000
"""Addresses whose joins are counted, in 2 MB; beyond, the one that has not joined for longest is forgotten."""


class Joins:
    """
    How often each source may join: so many times at once, and then so many a second.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, burst: int, per_s: float, clock: Callable[[], float] = trio.current_time) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    def take(self, source: str) -> float:
        """Count a join; 0 if it may go on, else the seconds until one may."""
        now = self._clock()
        allowance = self._allowances.pop(source, None) or Allowance(self._burst, self._per_s, now)
        self._allowances[source] = allowance
        if len(self._allowances) > MOST_SOURCES:
            self._allowances.popitem(last=False)
        return 0.0 if allowance.take(now) else allowance.wait_s()


class Source:
    """
    Where one connection comes from.

    Attributes:
        address: for the hosts' eyes; behind a proxy the one that the proxy names.
        key: for whom it counts; empty for a proxy, which brings many people and sees to its own clients.
        scope: everything that is done for the connection; cancelled if it has to make room.
    """

    __slots__ = ("_lobby", "address", "key", "scope")

    def __init__(self, address: str, key: str, lobby: "Lobby") -> None:
        self.address = address
        self.key = key
        self.scope = trio.CancelScope()
        self._lobby = lobby

    def admitted(self) -> None:
        """Say that this is a guest now, whose connection no stranger displaces."""
        self._lobby.admit(self)


class Lobby:
    """
    The connections of a door: those that wait to be guests, and the guests.

    Args:
        most: how many may wait.
        most_per_source: how many of one source.
    """

    def __init__(self, most: int, most_per_source: int) -> None:
        self._most = most
        self._most_per_source = most_per_source
        self._waiting: OrderedDict[Source, None] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._guests: set[Source] = set()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def guests(self) -> int:
        """How many are guests."""
        return len(self._guests)

    def enter(self, source: Source) -> None:
        """Let a connection wait; if there are too many now, the one that has waited longest is cancelled."""
        self._waiting[source] = None
        self._counts[source.key] = self._counts.get(source.key, 0) + 1
        if source.key and self._counts[source.key] > self._most_per_source:
            self._turn_out(next(each for each in self._waiting if each.key == source.key))
        if len(self._waiting) > self._most:
            self._turn_out(next(iter(self._waiting)))

    def stay(self, source: Source) -> None:
        """Note that a connection has made itself heard, so that a silent one makes room before it."""
        if source in self._waiting:
            self._waiting.move_to_end(source)

    def admit(self, source: Source) -> None:
        """Count a connection as a guest's from now on."""
        if source in self._waiting:
            self.leave(source)
            self._guests.add(source)

    def leave(self, source: Source) -> None:
        """Count a connection no more."""
        self._guests.discard(source)
        if source in self._waiting:
            del self._waiting[source]
            self._counts[source.key] -= 1
            if not self._counts[source.key]:
                del self._counts[source.key]

    def shed(self) -> None:
        """Turn out the half that has waited longest: descriptors or memory are short."""
        for source in list(self._waiting)[: math.ceil(len(self._waiting) / 2)]:
            self._turn_out(source)

    def clear(self) -> None:
        """Turn out everybody: the daemon stops."""
        for source in list(self._waiting):
            self._turn_out(source)

    def _turn_out(self, source: Source) -> None:
        self.leave(source)
        source.scope.cancel()


def make_source(peer: str, lobby: Lobby, *, behind_proxy: bool) -> Source:
    """Say where a connection comes from, by the kernel's word alone."""
    # The kernel writes an IPv4 address in one way only; one of IPv6 may hold one of IPv4.
    address = (parse_peer(peer) or peer) if ":" in peer else peer
    return Source(address, "" if behind_proxy and is_loopback(address) else source_of(address), lobby)


def find_origin(source: Source, request: Request) -> tuple[str, str]:
    """
    Return the address of whom a request is from, and for whom it counts.

    X-Forwarded-For is believed where the configuration says that a proxy is there and the connection comes from this
    machine; then its last entry, which is what that proxy saw. It decides on nothing but how often one may join.
    """
    if source.key:
        return source.address, source.key
    named = request.all(b"x-forwarded-for")
    address = parse_peer(named[-1].rpartition(b",")[2].decode("ascii", "replace")) if named else None
    return (address, source_of(address)) if address is not None else (source.address, source_of(source.address))
