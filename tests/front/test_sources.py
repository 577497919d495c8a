"""Strangers: how often they may join, and who makes room for whom, without a connection."""

import trio

from concordiad.front.sources import MOST_SOURCES, Joins, Lobby, Source, make_source


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_joins() -> None:
    """So many at once, then so many a second, and never more at once than the first number."""
    clock = Clock()
    joins = Joins(2, 0.5, clock)
    assert [joins.take("a") for _ in range(4)] == [0, 0, 2, 2]
    assert joins.take("b") == 0
    clock.now += 1
    assert joins.take("a") == 1
    clock.now += 1
    assert [joins.take("a") for _ in range(2)] == [0, 2]
    clock.now += 1000
    assert [joins.take("a") for _ in range(3)] == [0, 0, 2]


def test_sources_that_are_remembered_are_bounded() -> None:
    """With too many sources, the one that has not come for longest is forgotten, and its joins with it."""
    joins = Joins(1, 0.001, Clock())
    for number in range(MOST_SOURCES):
        assert joins.take(str(number)) == 0
    assert joins.take("0") > 0
    assert joins.take("new") == 0
    assert joins.take("1") == 0
    assert joins.take("0") > 0


def sources(lobby: Lobby, *peers: str) -> list[Source]:
    """Let connections from these addresses enter."""
    entered = []
    for peer in peers:
        entered.append(make_source(peer, lobby, behind_proxy=False))
        lobby.enter(entered[-1])
    return entered


async def turned_out(waiting: list[Source]) -> list[bool]:
    """Tell of each connection whether it is cancelled at its next step."""
    for source in waiting:
        with source.scope:
            await trio.lowlevel.checkpoint()
    return [source.scope.cancelled_caught for source in waiting]


async def test_longest_waiting_makes_room() -> None:
    """The limit for all turns out the one that has waited longest, whoever it is; being heard counts as coming anew."""
    lobby = Lobby(2, 2)
    waiting = sources(lobby, "192.0.2.1", "192.0.2.2")
    lobby.stay(waiting[0])
    waiting += sources(lobby, "192.0.2.3")
    assert await turned_out(waiting) == [False, True, False]
    assert lobby.waiting == 2


async def test_network_of_ipv6_makes_room_for_itself() -> None:
    """All addresses of one IPv6 network are one source, and an IPv4 address is itself however it is written."""
    lobby = Lobby(100, 1)
    waiting = sources(lobby, "2001:db8::1", "2001:db8:0:1::1", "2001:db8::2", "192.0.2.1", "::ffff:192.0.2.1")
    assert await turned_out(waiting) == [True, False, False, True, False]
    assert waiting[-1].address == "192.0.2.1"


async def test_guests_are_counted_apart() -> None:
    """Who was admitted waits no more and is turned out by nothing here; leaving is counted once."""
    lobby = Lobby(2, 2)
    guest, stranger = sources(lobby, "192.0.2.1", "192.0.2.1")
    guest.admitted()
    guest.admitted()
    assert (lobby.waiting, lobby.guests) == (1, 1)
    lobby.stay(guest)
    lobby.shed()
    lobby.clear()
    stranger.admitted()
    assert await turned_out([guest, stranger]) == [False, True]
    assert (lobby.waiting, lobby.guests) == (0, 1)
    lobby.leave(guest)
    lobby.leave(guest)
    assert (lobby.waiting, lobby.guests) == (0, 0)


async def test_shedding_takes_the_older_half() -> None:
    """In need, half of those who wait go, those first who have waited longest; one alone goes."""
    lobby = Lobby(9, 9)
    waiting = sources(lobby, *["192.0.2.1"] * 3)
    lobby.shed()
    assert await turned_out(waiting) == [True, True, False]
    lobby.shed()
    lobby.shed()
    assert lobby.waiting == 0
