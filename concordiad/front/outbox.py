"""
What waits to be sent to one client, and the task that sends it.

Laws: whole messages only, in the order in which they were put; what waits is bounded: who has an answer to give waits,
a live transcript is dropped and caught up from the journal.
"""

from typing import Final

import trio

from concordiad.core.wire import encode_event
from concordiad.errors import JournalError
from concordiad.journal import Journal
from concordiad.journal.rows import read_events
from concordiad.room.fanout import Transcript

PAGE_EVENTS: Final = 500
"""Events read from the journal at once for a reader that catches up."""
PAGE_BYTES: Final = 512 * 1024
"""Bytes read from the journal at once: half of what may wait for a reader."""


class Outbox:
    """
    The bytes that wait for one client.

    Args:
        limit_bytes: above this, `put` waits and `push` refuses.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
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

    async def put(self, data: bytes) -> None:
        """Add messages, once what waits is below the limit."""
        await self.wait_for_room()
        self.push(data)

    def close(self) -> None:
        """Let the sender end once everything is sent."""
        self._is_closed = True
        self._changed.set()

    async def send_to(self, stream: trio.abc.SendStream) -> None:
        """Send what comes until the box is closed and empty. Raises what the stream raises."""
        while True:
            while not self._chunks:
                if self._is_closed:
                    return
                self._changed = trio.Event()
                await self._changed.wait()
            chunks, self._chunks = self._chunks, []
            await stream.send_all(b"".join(chunks) if len(chunks) > 1 else chunks[0])
            self._waiting_bytes = sum(map(len, self._chunks))
            drained, self._drained = self._drained, trio.Event()
            drained.set()


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
            await outbox.put(b"".join(encode_event(event.json) + b"\n" for event in page))
            seq = page[-1].seq
