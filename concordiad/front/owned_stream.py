"""
The stream that lies under trio-websocket and owns every byte that goes to a guest.

Laws: each `send_all` of the library is one whole frame and goes through the guest's outbox like the frames that are
written for all guests at once, so frames never interleave; nothing follows a close frame; what a guest sends is counted
and measured before the library sees it, and after our close frame the library sees nothing any more.

The library's close handshake is never begun by us: a ping that arrives in it makes the library raise, a mute peer makes
it wait for ever. Our close frame is written here, and the connection ended by `finish`, in bounded time.
"""

import math
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from concordiad.core.allowance import Allowance
from concordiad.core.frames import FrameMeter, OversizeFrame, close_frame, is_close
from concordiad.front.outbox import Outbox, socket_of

READ_BYTES: Final = 16 * 1024
"""Bytes taken from a guest at once: any typed prompt."""
FRAMES_BURST: Final = 400
FRAMES_PER_S: Final = 100.0
"""Frames of one guest, of any kind: a page sends one a request, and a pong every half minute."""
INTRODUCTION_BYTES: Final = 16 * 1024
"""What may come before somebody is admitted: a hello has less than 1 KiB."""
MESSAGE_S: Final = 30.0
"""From the first byte of a guest's message to its last: the longest prompt, over a slow telephone."""
LAST_WORDS_S: Final = 1.0
"""How long a guest may take to read the end and hang up."""
LAST_WORDS_BYTES: Final = 1024 * 1024
"""What is read and thrown away meanwhile: hanging up on unread bytes would destroy what was sent (RFC 9293, 3.10.4)."""
FLOOD: Final = close_frame(1008, "too many messages at once: slow down and come back")
UNFINISHED: Final = close_frame(1008, "the message was not finished in time")
TOO_LONG: Final = close_frame(1009, "the message is too long")


class OwnedStream(trio.abc.Stream):
    """
    A guest's connection, as trio-websocket sees it.

    Args:
        transport: the socket, or the TLS over it.
        behind: what was read from it already, behind the request for the WebSocket.
        outbox: the way out.
        message_bytes: the longest frame.
        hear: told how many messages end in what came, before the library gets it; False if they are too many.
        refusal: what is sent instead of any other close frame until somebody is admitted; None: the other one.

    Attributes:
        heard_at: when anything came last, in monotonic seconds.
        has_ended: whether a close frame was written, ours or the library's.
    """

    __slots__ = (
        "_behind",
        "_finish_by",
        "_frames",
        "_hear",
        "_introduction_bytes",
        "_is_let_go",
        "_meter",
        "_outbox",
        "_refusal",
        "_socket",
        "_transport",
        "has_ended",
        "heard_at",
    )

    def __init__(
        self,
        transport: trio.abc.Stream,
        behind: bytes,
        outbox: Outbox,
        message_bytes: int,
        hear: Callable[[int], bool],
        refusal: bytes | None = None,
    ) -> None:
        self._refusal = refusal
        self._transport = transport
        self._socket = socket_of(transport)
        self._behind = behind
        self._outbox = outbox
        self._hear = hear
        self._meter = FrameMeter(message_bytes)
        self._introduction_bytes: float = INTRODUCTION_BYTES
        self.heard_at = trio.current_time()
        self._frames = Allowance(FRAMES_BURST, FRAMES_PER_S, self.heard_at)
        self._finish_by = math.inf
        self.has_ended = False
        self._is_let_go = False

    def admit(self) -> None:
        """Let more come than an introduction."""
        self._introduction_bytes = math.inf
        self._refusal = None

    def end(self, frame: bytes) -> None:
        """Write a close frame; nothing is sent after it, and nothing that comes is listened to."""
        if not self.has_ended:
            self.has_ended = True
            self._outbox.push(self._refusal or frame)
            self._outbox.seal()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send one frame of the library's, or its answer to the handshake."""
        whole = bytes(data)
        await self._outbox.put(whole)
        if is_close(whole):
            self.has_ended = True
            self._outbox.seal()

    async def wait_send_all_might_not_block(self) -> None:
        """Nobody asks: the outbox waits by itself."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Give what came; nothing more once the end was written, or the library has let go."""
        is_usual = self._finish_by == math.inf and not (self._behind or self.has_ended or self._is_let_go)
        data = bytes(await self._read()) if is_usual else await self._receive_otherwise()
        if self.has_ended or self._is_let_go or not data:
            return b""
        self.heard_at = trio.current_time()
        self._introduction_bytes -= len(data)
        last_frames = self._meter.last_frames
        try:
            frames = self._meter.feed(data)
        except OversizeFrame:
            self.end(TOO_LONG)
            return b""
        messages = self._meter.last_frames - last_frames
        if not self._meter.has_part:
            self._finish_by = math.inf
        elif self._finish_by == math.inf or messages:
            self._finish_by = self.heard_at + MESSAGE_S
        is_bearable = self._introduction_bytes >= 0 and self._frames.take(self.heard_at, frames)
        if not is_bearable or not self._hear(messages):
            self.end(FLOOD)
            return b""
        return data

    def _read(self) -> Awaitable[bytes | bytearray]:
        """Wait for what comes, by the shortest way that there is."""
        if self._socket is None:
            return self._transport.receive_some(READ_BYTES)
        return _read_socket(self._socket, READ_BYTES)

    async def _receive_otherwise(self) -> bytes:
        """Give what came before, or nothing more; or wait for the rest of a message, for as long as that may take."""
        if self._behind or self.has_ended or self._is_let_go:
            data, self._behind = self._behind, b""
            await trio.lowlevel.checkpoint()
            return data
        with trio.move_on_at(self._finish_by):
            return bytes(await self._read())
        self.end(UNFINISHED)
        return b""

    async def aclose(self) -> None:
        """Let the library go; `finish` does the rest, once it is known whether there is a last word."""
        self._is_let_go = True
        await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """Hang up once the guest has read everything, or has had its time."""
        self._outbox.seal()
        try:
            with trio.move_on_after(LAST_WORDS_S):
                await self._outbox.rested()
                if isinstance(self._transport, trio.SocketStream):
                    await self._transport.send_eof()
                left = LAST_WORDS_BYTES
                while left > 0 and (data := await self._transport.receive_some(READ_BYTES)):
                    left -= len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The guest was quicker.
            return
        finally:
            await trio.aclose_forcefully(self._transport)


async def _read_socket(number: int, most_bytes: int) -> bytes:
    """
    Wait for what comes to a plain socket, at most so many bytes; none at the end.

    It goes past Trio's stream, whose calls are a kilobyte while they wait. Who waits is woken when it is closed.

    Raises:
        trio.BrokenResourceError: the socket cannot be read.
        trio.ClosedResourceError: it was closed meanwhile.
    """
    await trio.lowlevel.checkpoint()
    try:
        while True:
            with suppress(BlockingIOError):
                return os.read(number, most_bytes)
            await trio.lowlevel.wait_readable(number)
    except OSError as error:
        raise trio.BrokenResourceError(f"the socket cannot be read: {error.strerror}") from error
