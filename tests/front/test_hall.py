"""Who makes room on the control socket, with the clock in hand."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from concordiad.errors import RoomError
from concordiad.front.hall import IDLE_S, Hall, Idlers, Seat
from concordiad.front.outbox import Budget, Outbox, socket_of

LIMIT_BYTES = 4096


class HandClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time, in monotonic seconds."""
        return self.now


class Sitting:
    """A connection that idles, seen from both ends."""

    def __init__(self) -> None:
        ours, theirs = trio.socket.socketpair()
        self.stream, self.client = trio.SocketStream(ours), trio.SocketStream(theirs)
        self.outbox = Outbox(LIMIT_BYTES, Budget(), lambda: None, socket_of(self.stream))
        self.scope = trio.CancelScope()
        self.part = False
        self.seat = Seat(self.stream, self.outbox, lambda: self.part, self.scope)

    async def close(self) -> None:
        """Close both ends."""
        await self.stream.aclose()
        await self.client.aclose()


@asynccontextmanager
async def sitting(idlers: Idlers, clock: HandClock, count: int) -> AsyncIterator[list[Sitting]]:
    """Let so many idle, each since a second later."""
    seats = [Sitting() for _ in range(count)]
    with ExitStack() as holding:
        for each in seats:
            holding.enter_context(idlers.holding(each.seat))
            clock.now += 1
        yield seats
    assert len(idlers) == 0
    for each in seats:
        await each.close()


async def test_who_has_been_idle_for_longest_is_the_first() -> None:
    """So many as are asked for, and nobody who has been so for less than a while; each is told why."""
    clock = HandClock()
    idlers = Idlers(clock)
    async with sitting(idlers, clock, 4) as seats:
        clock.now += IDLE_S - 2
        assert idlers.shed(1) == 1
        assert [each.scope.cancel_called for each in seats] == [True, False, False, False]
        assert idlers.shed(4) == 2
        assert [each.scope.cancel_called for each in seats] == [True, True, True, False]
        told = msgspec.json.decode(await seats[0].client.receive_some())
        assert (told["id"], told["error"]["data"]["name"]) == (None, "not_now")


async def test_who_has_something_under_way_is_let_be() -> None:
    """Who has asked, but was not read yet; who has begun to ask; and who has not read its answer."""
    clock = HandClock()
    idlers = Idlers(clock)
    async with sitting(idlers, clock, 4) as (asking, beginning, reading, idle):
        await asking.client.send_all(b"{")
        beginning.part = True
        while not reading.outbox.waiting_bytes:
            reading.outbox.push(b"x" * LIMIT_BYTES)
        clock.now += IDLE_S
        assert idlers.shed(4) == 1
        assert idle.scope.cancel_called
        reading.outbox.give_up()


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[trio.SocketListener]:
    """Listen on a Unix socket."""
    listening = trio.socket.socket(trio.socket.AF_UNIX)
    await listening.bind(str(path))
    listening.listen()
    async with trio.SocketListener(listening) as listener:
        yield listener


async def test_a_place_is_given_to_whoever_comes(tmp_path: Path) -> None:
    """Once somebody has been idle for a while, and not before; who makes room has left by then."""
    clock = HandClock()
    hall = Hall(1, clock)
    left = trio.Event()

    async def sit(stream: trio.SocketStream) -> None:
        async with stream:
            with trio.CancelScope() as scope:
                outbox = Outbox(LIMIT_BYTES, Budget(), lambda: None, socket_of(stream))
                with hall.idlers.holding(Seat(stream, outbox, lambda: False, scope)):
                    await trio.sleep_forever()
        left.set()
        hall.leave(stream)

    path = tmp_path / "socket"
    async with listening(path) as listener, trio.open_nursery() as nursery:
        clients = [await trio.open_unix_socket(path) for _ in range(3)]
        first, second, third = [await hall.accept(listener) for _ in range(3)]
        await hall.take_place(first)
        nursery.start_soon(sit, first)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RoomError, match=r"limits\.connections"):
            await hall.take_place(second)
        clock.now += IDLE_S
        await hall.take_place(third)
        assert left.is_set()
        hall.leave(third)
        for stream in (second, third, *clients):
            await stream.aclose()
    hall.close()
