"""
The connections of the control socket: how many may be open, and who makes room when places or descriptors are short.

Laws: whoever follows a room, or waits for an answer, is never hung up on for somebody else; of all others, whoever has
been idle for longest is the first, and is told why. While descriptors are short one comes in at a time, so that there
are some left to find out who it is.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from concordiad.core.wire import encode_error
from concordiad.errors import RoomError
from concordiad.front.outbox import Outbox
from concordiad.front.peer import Peer, identify
from concordiad.front.scarcity import ACCEPT_PAUSE_S, RESERVE, Reserve, Scarcity
from concordiad.ops.threads import in_thread

IDLE_S: Final = 2.0
"""Who has asked nothing for so long may have to make room: one command's calls follow each other in milliseconds."""
UNKNOWN_S: Final = 4 * IDLE_S
"""For how long it is tried to find out who somebody is: long enough for others to have become idle."""
MADE_ROOM: Final = encode_error(
    None, RoomError.not_now("hung up on to make room: nothing was asked here, and others wait; connect again to ask")
)


class Seat:
    """
    One connection, as far as it may have to make room.

    Args:
        stream: its socket.
        outbox: what waits to be sent to it.
        has_part: tells whether it has begun a message.
        scope: everything that is done for it.
    """

    __slots__ = ("_has_part", "_outbox", "_scope", "_stream")

    def __init__(
        self, stream: trio.SocketStream, outbox: Outbox, has_part: Callable[[], bool], scope: trio.CancelScope
    ) -> None:
        self._stream = stream
        self._outbox = outbox
        self._has_part = has_part
        self._scope = scope

    def is_idle(self) -> bool:
        """Tell whether nothing is on its way, in either direction."""
        return not (self._outbox.waiting_bytes or self._has_part() or _is_readable(self._stream.socket.fileno()))

    def hang_up(self) -> None:
        """Say why, and end it."""
        self._outbox.push(MADE_ROOM + b"\n")
        self._scope.cancel()


def _is_readable(number: int) -> bool:
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


class Idlers:
    """
    The seats that follow nothing and wait for their next request, whoever has waited longest first.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Seat, float] = {}

    def __len__(self) -> int:
        """Count them."""
        return len(self._since)

    @contextmanager
    def holding(self, seat: Seat) -> Iterator[None]:
        """Let a seat be one of them for a block."""
        self._since[seat] = self._clock()
        try:
            yield
        finally:
            self._since.pop(seat, None)

    def shed(self, most: int) -> int:
        """Hang up on so many, or as many as have been idle for long enough; tells on how many."""
        latest, shed = self._clock() - IDLE_S, 0
        for seat, since in list(self._since.items()):
            if shed == most or since > latest:
                break
            if seat.is_idle():
                del self._since[seat]
                seat.hang_up()
                shed += 1
        return shed


class Hall:
    """
    What all connections of the control socket share.

    Args:
        most: how many may be open.
        clock: monotonic seconds.

    Attributes:
        idlers: who would make room.
    """

    def __init__(self, most: int, clock: Callable[[], float] = trio.current_time) -> None:
        self.idlers = Idlers(clock)
        self._clock = clock
        self._places = trio.CapacityLimiter(most)
        self._scarcity = Scarcity("control socket", clock)
        self._reserve = Reserve()
        self._unknown = 0
        self._all_known = trio.Event()

    def close(self) -> None:
        """Let go of the descriptors that are kept back."""
        self._reserve.spend()

    async def accept(self, listener: trio.SocketListener) -> trio.SocketStream:
        """Wait for somebody to come, who is unknown at first; descriptors that are missing are made free."""
        while True:
            if self._reserve.missing:
                await self._until_known()
            try:
                stream = await listener.accept()
            except OSError as error:
                self._scarcity.note(error)
                self.idlers.shed(RESERVE)
                await self._until_known()
                if not self._reserve.spend():
                    await trio.sleep(ACCEPT_PAUSE_S)
                continue
            self._unknown += 1
            return stream

    async def _until_known(self) -> None:
        """Wait for a while until it is known of everybody who they are: that takes descriptors, too."""
        with trio.move_on_after(IDLE_S):
            while self._unknown:
                await self._all_known.wait()

    def _note_known(self) -> None:
        """Note that somebody is known, or is sent away; descriptors are kept back again for whoever comes next."""
        self._unknown -= 1
        if not self._unknown:
            self._all_known.set()
            self._all_known = trio.Event()
        self._reserve.refill()
        self.idlers.shed(self._reserve.missing)

    async def take_place(self, stream: trio.SocketStream) -> None:
        """
        Give somebody who has come a place, one of somebody's who is idle if need be; it is given back by `leave`.

        Raises:
            RoomError: there is none.
        """
        try:
            self._places.acquire_on_behalf_of_nowait(stream)
        except trio.WouldBlock:
            if not self.idlers.shed(1):
                most = self._places.total_tokens
                why = f"{most} connections are open already: close some, or raise limits.connections"
                self._note_known()
                raise RoomError.not_now(why) from None
            # Whoever makes room has given its place back in a moment.
            await self._places.acquire_on_behalf_of(stream)

    def leave(self, stream: trio.SocketStream) -> None:
        """Give a place back."""
        self._places.release_on_behalf_of(stream)

    async def identify(self, stream: trio.SocketStream, journal_id: str) -> Peer:
        """
        Find out who has come, with the descriptors that are kept back for that, or that others make free, if need be.

        Raises:
            RoomError: nobody can know at the moment, for want of descriptors.
        """
        end = self._clock() + UNKNOWN_S
        try:
            while True:
                try:
                    return await in_thread(identify, stream, journal_id)
                except OSError as error:
                    if self._reserve.spend():
                        continue
                    is_hopeless = not self.idlers.shed(RESERVE) and not len(self.idlers)
                    if is_hopeless or self._clock() >= end:
                        why = f"the daemon cannot find out who calls: {error.strerror}; try again in a while"
                        raise RoomError.not_now(why) from error
                await trio.sleep(ACCEPT_PAUSE_S)
        finally:
            self._note_known()
