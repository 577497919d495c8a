"""
What waits to be sent to one client, and the task that sends it.

Laws: whole messages only, in the order in which they were put; what waits is bounded: who has an answer to give waits,
a live transcript is dropped and caught up from the journal.
"""

import math
from typing import Final

import trio

from concordiad.core.wire import encode_event
from concordiad.errors import JournalError
from concordiad.journal import Journal
from concordiad.journal.rows import read_events
from concordiad.room.fanout import Transcript

PAGE_EVENTS: Final = 500
"""Events read from the journal at once for a reader that catches up."""
LARGE_BYTES: Final = 256 * 1024 * 1024
"""Bytes of large messages that may wait for all clients together: four answers of the largest size (`line_bytes`)."""
PIECE_BYTES: Final = 256 * 1024
"""Bytes given to a socket at once: progress is told by the piece."""
STALL_S: Final = 60.0
"""How long a client may read nothing of a large message before it is hung up on."""
PAGE_BYTES: Final = 512 * 1024
"""Bytes read from the journal at once: half of what may wait for a reader."""


class Budget:
    """
    How many bytes of large messages may wait for all clients together.

    Args:
        limit_bytes: of all; one message may be larger if it is the only one.
    """

    def __init__(self, limit_bytes: int = LARGE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._taken_bytes = 0
        self._given_back = trio.Event()

    def take(self, size_bytes: int) -> bool:
        """Reserve bytes; tells whether there were so many."""
        is_granted = not self._taken_bytes or self._taken_bytes + size_bytes <= self._limit_bytes
        self._taken_bytes += size_bytes if is_granted else 0
        return is_granted

    def give_back(self, size_bytes: int) -> None:
        """Let others have bytes that were taken."""
        self._taken_bytes -= size_bytes
        given_back, self._given_back = self._given_back, trio.Event()
        given_back.set()

    async def wait(self) -> None:
        """Wait until somebody gives bytes back."""
        await self._given_back.wait()


class Outbox:
    """
    The bytes that wait for one client.

    Args:
        limit_bytes: above this, `put` waits and `push` refuses; a message of more is large.
        budget: what large messages are charged to.
    """

    def __init__(self, limit_bytes: int, budget: Budget) -> None:
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._charged_bytes = 0
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._changed = trio.Event()
        self._drained = trio.Event()
        self._is_closed = False

    @property
    def has_room(self) -> bool:
        """Whether more may be put without waiting."""
        return self._waiting_bytes <= self._limit_bytes

    def push(self, data: bytes) -> None:
        """Add messages without waiting; the caller has looked at `has_room`."""
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self._changed.set()

    async def wait_for_room(self) -> None:
        """Wait until what waits is below the limit."""
        await trio.lowlevel.checkpoint()
        while not self.has_room:
            await self._drained.wait()

    async def put(self, data: bytes) -> bool:
        """Add messages, once what waits is below the limit; tells whether there was a place for so large a one."""
        await self.wait_for_room()
        if len(data) > self._limit_bytes:
            if not self._budget.take(len(data)):
                return False
            self._charged_bytes += len(data)
        self.push(data)
        return True

    async def wait_for_budget(self) -> None:
        """Wait until a large message may find a place."""
        await self._budget.wait()

    def settle(self) -> None:
        """Give back what large messages were charged: they are sent, or nobody will read them."""
        if self._charged_bytes:
            self._budget.give_back(self._charged_bytes)
            self._charged_bytes = 0

    def close(self) -> None:
        """Let the sender end once everything is sent."""
        self._is_closed = True
        self._changed.set()

    async def send_to(self, stream: trio.abc.SendStream) -> None:
        """
        Send what comes until the box is closed and empty.

        Raises:
            trio.BrokenResourceError: the client has hung up, or holds on to a large message that it does not read.
        """
        try:
            while True:
                while not self._chunks:
                    if self._is_closed:
                        return
                    self._changed = trio.Event()
                    await self._changed.wait()
                chunks, self._chunks = self._chunks, []
                for data in [b"".join(chunks)] if sum(map(len, chunks)) <= PIECE_BYTES else chunks:
                    await self._send(stream, data)
                self._waiting_bytes = sum(map(len, self._chunks))
                if not self._chunks:
                    self.settle()
                drained, self._drained = self._drained, trio.Event()
                drained.set()
        finally:
            self.settle()

    async def _send(self, stream: trio.abc.SendStream, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), PIECE_BYTES):
            # Who is merely paused, as behind a pager, may rest for ever: what waits for it is small.
            with trio.move_on_after(STALL_S if self._charged_bytes else math.inf) as scope:
                await stream.send_all(view[start : start + PIECE_BYTES])
            if scope.cancelled_caught:
                raise trio.BrokenResourceError(f"the client read nothing of a large message for {STALL_S:g} s")


class Follower:
    """One client's place in one room's transcript."""

    def __init__(self, outbox: Outbox, seq: int) -> None:
        self._outbox = outbox
        self.seq = seq
        self.dropped = trio.Event()

    def deliver(self, lines: bytes, seq: int) -> bool:
        """Take live lines, or be dropped because the client reads too slowly."""
        if not self._outbox.has_room:
            self.dropped.set()
            return False
        self._outbox.push(lines)
        self.seq = seq
        return True


async def run_follower(transcript: Transcript, journal: Journal, outbox: Outbox, after: int) -> None:
    """
    Bring one client every event of a room after a number, and live text while it keeps up.

    Owns: the client's place in the transcript. Ends when: it is cancelled, or the journal ends.
    """
    seq = after
    while True:
        # Whoever was dropped for reading too slowly would be given the same again, and again without a bound.
        await outbox.wait_for_room()
        follower = Follower(outbox, seq)
        missed = transcript.subscribe(follower, seq)
        if missed is not None:
            try:
                if missed:
                    outbox.push(b"".join(missed))
                follower.seq = transcript.cursor.seq
                await follower.dropped.wait()
            finally:
                transcript.unsubscribe(follower)
            seq = follower.seq
            continue
        try:
            page = await journal.read(read_events, transcript.room, seq + 1, PAGE_EVENTS, PAGE_BYTES)
        except JournalError:
            return
        # What is recorded but not published yet comes live.
        page = [event for event in page if event.seq <= transcript.cursor.seq]
        if page:
            if await outbox.put(b"".join(encode_event(event.json) + b"\n" for event in page)):
                seq = page[-1].seq
            else:
                # Read again later rather than held on to.
                del page
                await outbox.wait_for_budget()
