"""The wheel: asks everybody together, in virtual time, and lets go who did not answer."""

import platform
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.doors import Guests
from concordiad.core.frames import PING, is_close
from concordiad.front.company import SILENT, Company, Guest, run_wheel
from concordiad.front.outbox import Budget, Outbox, socket_of
from concordiad.front.owned_stream import OwnedStream
from tests.support.patience import PATIENCE_S

PONG = b"\x8a\x80mask"


class Line:
    """A guest on one end of a socket pair, and its client on the other."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.transport = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        outbox = Outbox(4096, Budget(), trio.Event().set, socket_of(self.transport))
        self.stream = OwnedStream(self.transport, b"", outbox, 4096, lambda _: True)
        self.guest = Guest("here", outbox, self.stream)

    def read(self) -> bytes:
        """Return what has come."""
        try:
            return self.theirs.recv(4096)
        except BlockingIOError:
            return b""


@pytest.fixture
async def lines() -> AsyncIterator[list[Line]]:
    """Make two guests."""
    made = [Line(), Line()]
    yield made
    for line in made:
        line.theirs.close()
        await line.transport.aclose()


async def test_who_answers_stays_and_who_does_not_goes(lines: list[Line], mock_clock: MockClock) -> None:
    """Everybody is asked at once; a tick later those of whom nothing was heard are let go."""
    live, dead = lines
    company = Company(Guests(keepalive_s=3), hello_s=5)
    company.here.update({line.guest: None for line in lines})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_wheel, company)
        await wait_all_tasks_blocked()
        mock_clock.jump(3)
        await wait_all_tasks_blocked()
        assert [line.read() for line in lines] == [PING, PING]
        mock_clock.jump(1)
        live.theirs.send(PONG)
        assert await live.stream.receive_some() == PONG
        mock_clock.jump(2)
        await wait_all_tasks_blocked()
        assert [line.read() for line in lines] == [PING, SILENT]
        assert (is_close(SILENT), live.guest.reading.cancel_called, dead.guest.reading.cancel_called) == (
            True,
            False,
            True,
        )
        nursery.cancel_scope.cancel()


async def test_a_newcomer_is_not_taken_for_silent(lines: list[Line], mock_clock: MockClock) -> None:
    """Who came between two ticks has said nothing since the first; it is asked before anything is concluded."""
    company = Company(Guests(keepalive_s=3), hello_s=5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_wheel, company)
        await wait_all_tasks_blocked()
        mock_clock.jump(3)
        await wait_all_tasks_blocked()
        mock_clock.jump(1)
        newcomer = Line()
        company.here[newcomer.guest] = None
        mock_clock.jump(2)
        await wait_all_tasks_blocked()
        assert newcomer.read() == PING
        nursery.cancel_scope.cancel()
    newcomer.theirs.close()
    await newcomer.transport.aclose()


RUSH = """
import trio
import trio.testing
from concordiad.config.doors import Guests
from concordiad.front.company import Company, run_wheel
from concordiad.ops.memory import keep_freed_memory, resident_bytes

async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_wheel, Company(Guests(keepalive_s=1), hello_s=5))
        await trio.testing.wait_all_tasks_blocked()
        held = [bytes([1]) * 500_000 for _ in range(30)]
        full = resident_bytes()
        del held
        while resident_bytes() > full - 12_000_000:
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()

keep_freed_memory()
trio.run(main)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_what_a_rush_took_is_given_back_when_everybody_is_asked() -> None:
    """Of 15 MB that were freed most are gone soon; in a process of its own, because it is that of the whole process."""
    subprocess.run([sys.executable, "-c", RUSH], check=True, timeout=PATIENCE_S)
