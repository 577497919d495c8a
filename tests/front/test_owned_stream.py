"""What a guest may send: bounded in time, whatever pieces it comes in. In virtual time, over a socket pair."""

import socket
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.frame_protocol import FrameProtocol

from concordiad.front.outbox import Budget, Outbox, socket_of
from concordiad.front.owned_stream import UNFINISHED, OwnedStream


class Line:
    """A guest's stream on one end of a socket pair, and its client on the other."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.transport = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        outbox = Outbox(4096, Budget(), trio.Event().set, socket_of(self.transport))
        self.stream = OwnedStream(self.transport, b"", outbox, 100_000, lambda _: True)
        self.stream.admit()
        self.has_ended = False

    async def read(self) -> None:
        """Take what comes until there is no more, as the library does."""
        while await self.stream.receive_some():
            pass
        self.has_ended = True


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """Make a line whose ends are closed after the test."""
    line = Line()
    yield line
    line.theirs.close()
    await line.transport.aclose()


def message(payload: bytes = b"hello", *, is_last: bool = True) -> bytes:
    """Write a client's frame."""
    return bytes(FrameProtocol(client=True, extensions=[]).send_data(payload, fin=is_last))


@pytest.mark.parametrize(
    "part",
    [b"\x81", message()[:3], message()[:-1], message(is_last=False)],
    ids=["a head", "a mask", "a payload", "a fragment"],  # their masks are by chance
)
async def test_half_a_message_is_not_waited_for_for_ever(
    line: Line, part: bytes, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    """Half a head, a head without its payload, half a payload, a fragment without the next one."""
    monkeypatch.setattr("concordiad.front.owned_stream.MESSAGE_S", 3.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.read)
        line.theirs.send(message() + part)
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(2.9)
        # Control frames between fragments are no progress of the message.
        await wait_all_tasks_blocked()
        assert not line.has_ended
        mock_clock.jump(0.2)
    assert line.theirs.recv(4096) == UNFINISHED


async def test_whole_messages_may_come_as_slowly_as_they_like(
    line: Line, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    """Silence between messages is none, and each message has its own time, also where pieces of two come together."""
    monkeypatch.setattr("concordiad.front.owned_stream.MESSAGE_S", 3.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.read)
        stream = message() * 6
        line.theirs.send(stream[:5])
        for place in range(5, len(stream) - 5, 11):
            await wait_all_tasks_blocked(0.01)
            mock_clock.jump(1.9)
            line.theirs.send(stream[place : place + 11])
        await wait_all_tasks_blocked(0.01)
        assert not line.has_ended
        nursery.cancel_scope.cancel()
