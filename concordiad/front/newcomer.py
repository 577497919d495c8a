"""
One who asks for a WebSocket, up to the first message: most of a guest's connection is made only for whoever is let in.

Laws: who is refused here gets the same bytes as whoever is refused later; what is not plainly one message in one frame
is judged by nobody here, but goes on, every byte of it, to where the WebSocket library hears it.

A guest's connection is the library's, an outbox, a nursery and tasks. To make all that for somebody without a good
token was more than half of what the refusal cost.
"""

import os
from contextlib import suppress

import trio

from concordiad.core.frames import whole_text
from concordiad.front.company import Company
from concordiad.front.guest import REFUSED, GuestConnection, Source, understand
from concordiad.front.http import Request, make_upgrade
from concordiad.front.owned_stream import INTRODUCTION_BYTES, LAST_WORDS_BYTES, LAST_WORDS_S, READ_BYTES
from concordiad.house.handle import House


class Newcomer:
    """
    A connection whose request for a WebSocket was found fit.

    Args:
        transport: the socket, or the TLS over it.
        request: the request.
        source: where it comes from.
    """

    __slots__ = ("_behind", "_company", "_house", "_source", "_transport", "_upgrade")

    def __init__(
        self, transport: trio.abc.Stream, request: Request, source: Source, *, house: House, company: Company
    ) -> None:
        self._transport = transport
        self._upgrade = make_upgrade(request)
        self._behind = request.behind
        self._source = source
        self._house = house
        self._company = company

    async def run(self) -> GuestConnection | None:
        """
        Upgrade and hear what is said first; returns the guest that it is from there on, unless that opens no room.

        Owns: the connection, until then. Ends when: something was said, or it is closed. Raises: nothing.
        """
        transport, source, first = self._transport, self._source, None
        hello_by = trio.current_time() + self._company.hello_s
        if isinstance(transport, trio.SocketStream):
            with trio.CancelScope() as source.scope:
                self._upgrade = self._upgrade[_send(transport, self._upgrade) :]
                if not self._upgrade:
                    self._behind = self._behind or await _receive(transport, hello_by)
                    text = whole_text(self._behind) if len(self._behind) <= INTRODUCTION_BYTES else None
                    first = None if text is None else understand(text, self._house)
                    if not self._behind or (text is not None and first is None):
                        source.scope.deadline = trio.current_time() + LAST_WORDS_S
                        await _refuse(transport)
                        return None
            if source.scope.cancelled_caught:
                return None
        return GuestConnection(
            transport,
            self._upgrade,
            self._behind if first is None else b"",
            source,
            first=first,
            hello_by=hello_by,
            house=self._house,
            company=self._company,
        )


def _send(transport: trio.SocketStream, data: bytes) -> int:
    """Give the socket bytes without waiting; returns how many it took, all of them as a rule."""
    try:
        return os.write(transport.socket.fileno(), data)
    except OSError:
        # Whoever sends the rest finds out why.
        return 0


async def _receive(transport: trio.SocketStream, until: float) -> bytes:
    """Wait for the first bytes; none if they do not come in time, or never will."""
    number = transport.socket.fileno()
    with trio.move_on_at(until), suppress(OSError):
        await trio.lowlevel.wait_readable(number)
        return os.read(number, READ_BYTES)
    return b""


async def _refuse(transport: trio.SocketStream) -> None:
    """Say no, and hang up once that was read; how long that may take is the caller's."""
    _send(transport, REFUSED)
    number, left = transport.socket.fileno(), LAST_WORDS_BYTES
    try:
        transport.socket.shutdown(trio.socket.SHUT_WR)
        while left > 0:
            await trio.lowlevel.wait_readable(number)
            data = os.read(number, READ_BYTES)
            left = left - len(data) if data else 0
    except OSError:
        # The other side was quicker.
        return
