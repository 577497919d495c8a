"""
What waits to be sent to one client, and the way out.

Laws: whole messages only, in the order in which they were put; what the socket takes is written at once, so that only
what it does not take waits; what waits is bounded: who has an answer to give waits, a live transcript is dropped and
caught up (`front/follower.py`) by the one task that sends. That task is called when there is something for it to do,
and ends when that is done: a client for whom nothing waits costs none.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import trio

from concordiad.core.model import Author
from concordiad.front.follower import Follower
from concordiad.journal import Journal
from concordiad.room.fanout import Encoding, Transcript
from concordiad.room.slices import Slices

LARGE_BYTES: Final = 256 * 1024 * 1024
"""Bytes of large messages that may wait for all clients together: four answers of the largest size (`line_bytes`)."""
WRITE_BYTES: Final = 64 * 1024
"""
Bytes given to a socket at once: progress is told by the piece.

A `send` over loopback may do the network's work for everybody on that processor, and more of it for more bytes.
"""
STALL_S: Final = 60.0
"""How long a client may read nothing of a large message before it is hung up on."""


def socket_of(stream: trio.abc.Stream) -> int | None:
    """
    Find the way past Trio's send_all, a plain socket's number; None for a stream that has to transform what it sends.

    It is looked up only once, for that would cost a fifth of a delivery: whoever closes the stream has sealed the box
    before, or the number might be another connection's by then.
    """
    return stream.socket.fileno() if isinstance(stream, trio.SocketStream) else None


class Budget:
    """
    How many bytes of large messages may wait for all clients together.

    Args:
        limit_bytes: of all; one message may be larger if it is the only one.
    """

    def __init__(self, limit_bytes: int = LARGE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._taken_bytes = 0
        self._waiting: set[Outbox] = set()

    def take(self, size_bytes: int) -> bool:
        """Reserve bytes; tells whether there were so many."""
        is_granted = not self._taken_bytes or self._taken_bytes + size_bytes <= self._limit_bytes
        self._taken_bytes += size_bytes if is_granted else 0
        return is_granted

    def give_back(self, size_bytes: int) -> None:
        """Let others have bytes that were taken."""
        self._taken_bytes -= size_bytes
        waiting, self._waiting = self._waiting, set()
        for outbox in waiting:
            outbox.wake()

    def wake_later(self, outbox: "Outbox") -> None:
        """Wake a box once somebody has given bytes back."""
        self._waiting.add(outbox)

    def forget(self, outbox: "Outbox") -> None:
        """Let a box go that will not be woken any more."""
        self._waiting.discard(outbox)


class Outbox:
    """
    The bytes that wait for one client.

    Args:
        limit_bytes: above this, `put` waits and live lines are refused; a message of more is large.
        budget: what large messages are charged to.
        call_sender: called when `run` has something to do and does not run; starts a task for it.
        socket: the number of the plain socket that takes the bytes; None where only the sender can send.
    """

    __slots__ = (
        "_budget",
        "_call_sender",
        "_charged_bytes",
        "_chunks",
        "_drained",
        "_followers",
        "_has_changed",
        "_is_called",
        "_is_sealed",
        "_limit_bytes",
        "_socket",
        "waiting_bytes",
    )

    def __init__(
        self, limit_bytes: int, budget: Budget, call_sender: Callable[[], None], socket: int | None = None
    ) -> None:
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._call_sender = call_sender
        self._socket = socket
        self._charged_bytes = 0
        self._chunks: list[bytes | memoryview] = []
        self._followers: dict[str, Follower] = {}
        self._drained: trio.Event | None = None
        self._has_changed = False
        self._is_called = False
        self._is_sealed = False
        self.waiting_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether more may be put without waiting."""
        return self.waiting_bytes <= self._limit_bytes

    @property
    def limit_bytes(self) -> int:
        """The bound on what waits."""
        return self._limit_bytes

    def push(self, data: bytes) -> None:
        """Add messages without waiting; the caller has looked at `has_room`. Nothing is added to a sealed box."""
        if self._is_sealed or not data:
            return
        rest: bytes | memoryview = data
        if self._socket is not None and not self.waiting_bytes:
            # Of what is large, the rest is for the sender, which lets others run.
            if len(data) > WRITE_BYTES:
                sent = self._write_large(memoryview(data))
            else:
                try:
                    sent = os.write(self._socket, data)
                except OSError:
                    # It would block, or it is broken: the sender finds that out.
                    sent = 0
            if sent == len(data):
                return
            rest = memoryview(data)[sent:]
        self._chunks.append(rest)
        self.waiting_bytes += len(rest)
        self.wake()

    def _write_large(self, data: memoryview) -> int:
        """Give the socket one piece after the other, as long as it takes them and others can wait; tells how much."""
        # The number is the socket's own only until the box is sealed.
        if self._socket is None or self._is_sealed:
            return 0
        sent = 0
        slices = Slices()
        while True:
            piece = data[sent : sent + WRITE_BYTES]
            try:
                taken = os.write(self._socket, piece)
            except OSError:
                return sent
            sent += taken
            if taken < len(piece) or sent == len(data) or slices.is_over():
                return sent

    async def put(self, data: bytes) -> bool:
        """Add messages, once what waits is below the limit; tells whether there was a place for so large a one."""
        await trio.lowlevel.checkpoint()
        while not self.has_room and not self._is_sealed:
            await self._next_drain()
        return self._try_push(data)

    def _try_push(self, data: bytes) -> bool:
        if len(data) > self._limit_bytes:
            if not self._budget.take(len(data)):
                return False
            self._charged_bytes += len(data)
            self.push(data)
            if not self.waiting_bytes:
                self.settle()
        else:
            self.push(data)
        return True

    async def _next_drain(self) -> None:
        if self._drained is None:
            self._drained = trio.Event()
        await self._drained.wait()

    def settle(self) -> None:
        """Give back what large messages were charged: they are sent, or nobody will read them."""
        charged, self._charged_bytes = self._charged_bytes, 0
        if charged:
            self._budget.give_back(charged)

    def wake(self) -> None:
        """Have the sender look at what there is to do."""
        self._has_changed = True
        if not self._is_called:
            self._is_called = True
            self._call_sender()

    def seal(self) -> None:
        """Take nothing more; what waits is still sent."""
        self._is_sealed = True
        for follower in self._followers.values():
            follower.leave()
        self._followers.clear()

    def give_up(self) -> None:
        """Take nothing more and send nothing more."""
        self.seal()
        self._budget.forget(self)
        self._chunks.clear()
        self.waiting_bytes = 0
        self._note_drained()

    def follow(
        self,
        transcript: Transcript,
        encoding: Encoding,
        after: int,
        host: Author | None = None,
        hosts_known: int | None = None,
    ) -> Follower:
        """Bring the client every event of a room after a number, then live text too; replaces its place there."""
        earlier = self._followers.pop(transcript.room, None)
        follower = Follower(self, transcript, encoding, after, host, hosts_known)
        if not self._is_sealed:
            self._followers[transcript.room] = follower
            follower.enter()
        if earlier is not None:
            earlier.leave()
        # Mostly it has missed nothing, or little: that is done on the spot.
        if not self._is_sealed and (self.waiting_bytes or not follower.try_live() or not follower.is_live):
            self.wake()
        return follower

    async def run(self, stream: trio.abc.SendStream, journal: Journal) -> None:
        """
        Send what waits and catch up whoever lags, until there is nothing to do: as `call_sender` is to have it.

        Owns: the stream's sending side. Raises: trio.BrokenResourceError, trio.ClosedResourceError: the client has hung
        up, or holds on to a large message that it does not read.
        """
        is_done = False
        slices = Slices()
        try:
            # Whatever changes while something is awaited is looked at in the next round.
            while self._has_changed:
                self._has_changed = False
                if self._chunks:
                    await self._flush(stream)
                    self._has_changed = True
                elif await self._catch_up(journal):
                    self._has_changed = True
                    # A socket that takes everything at once would be given all of the backlog at a stretch.
                    await slices.rest()
            is_done = True
        finally:
            self._is_called = False
            if not is_done:
                self.give_up()
            self._note_drained()

    async def rested(self) -> None:
        """Wait until the sender has nothing to do: everything is sent and nobody lags, or it was given up."""
        await trio.lowlevel.checkpoint()
        while self._is_called:
            await self._next_drain()

    async def _flush(self, stream: trio.abc.SendStream) -> None:
        chunks, self._chunks = self._chunks, []
        for data in _in_pieces(chunks):
            await self._send(stream, memoryview(data))
        if not self._chunks:
            self._note_drained()

    def _note_drained(self) -> None:
        self.settle()
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    async def _send(self, stream: trio.abc.SendStream, data: memoryview) -> None:
        while data:
            piece = data[:WRITE_BYTES]
            # Who is merely paused, as behind a pager, may rest for ever: what waits for it is small.
            with trio.move_on_after(STALL_S if self._charged_bytes else math.inf) as scope:
                await stream.send_all(piece)
            if scope.cancelled_caught:
                raise trio.BrokenResourceError(f"the client read nothing of a large message for {STALL_S:g} s")
            data = data[len(piece) :]
            self.waiting_bytes -= len(piece)
            if data:
                # A turn of the loop for each piece would cost as much as the pieces.
                sent = self._write_large(data)
                data = data[sent:]
                self.waiting_bytes -= sent
                await trio.lowlevel.checkpoint()

    async def _catch_up(self, journal: Journal) -> bool:
        """Give those who lag what comes next; tells whether there was anything to do."""
        has_progress = False
        for follower in list(self._followers.values()):
            if follower.is_live or self._chunks:
                continue
            # Whoever follows several rooms gets them in turn.
            self._followers[follower.room] = self._followers.pop(follower.room)
            if follower.try_live():
                has_progress = True
                continue
            page = await follower.read_page(journal)
            if page is None:
                continue
            # While it was read, the client may have closed, or asked for another place.
            if self._followers.get(follower.room) is not follower:
                has_progress = True
            elif self._try_push(page.chunk):
                follower.seq = page.seq
                has_progress = True
            else:
                # Read again later rather than held on to.
                self._budget.wake_later(self)
        return has_progress


def _in_pieces(chunks: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Join small neighbours to what is worth a call, one piece at a time; what is larger is left as it is."""
    piece: list[bytes | memoryview] = []
    size_bytes = 0
    for chunk in chunks:
        if piece and size_bytes + len(chunk) > WRITE_BYTES:
            yield b"".join(piece)
            piece, size_bytes = [], 0
        if len(chunk) > WRITE_BYTES:
            yield chunk
        else:
            piece.append(chunk)
            size_bytes += len(chunk)
    if piece:
        yield b"".join(piece)
