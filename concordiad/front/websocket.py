"""
The WebSocket library's connection, from behind the upgrade on.

The upgrade is the door's, which has parsed the request already: so the library's own parser of HTTP, and what it keeps
of a handshake for as long as a connection lasts, is never made. And nobody starts a task to read: a guest's own task
does, so what the library raises arises there and nowhere else.
"""

from collections.abc import Awaitable
from typing import Final, cast

import trio
import wsproto
from trio_websocket import WebSocketConnection
from wsproto.connection import Connection, ConnectionType

DONE: Final = trio.Event()
DONE.set()
"""What the library hears of handshakes: the door has done the one that opens, and one that closes is never begun."""


class WebSocket(WebSocketConnection):
    """
    One guest's connection as trio-websocket keeps it.

    Args:
        stream: what lies under it; one `send_all` is one whole frame.
        messages: how many it may hold until `get_message` takes them; with more, it would hear nothing any more.
        message_bytes: the longest message.
    """

    def __init__(self, stream: trio.abc.Stream, messages: int, message_bytes: int) -> None:
        # What wsproto's WSConnection passes everything on to once it has upgraded; it has all that is called of that.
        upgraded = cast(wsproto.WSConnection, Connection(ConnectionType.SERVER))
        super().__init__(
            stream,
            upgraded,
            message_queue_size=messages,
            max_message_size=message_bytes,
            receive_buffer_size=None,
        )
        self._connection_proposal = None
        # Three of its own would be a kilobyte for as long as it lasts.
        self._open_handshake = self._close_handshake = self._for_testing_peer_closed_connection = DONE

    def read(self) -> Awaitable[None]:
        """Hear what comes until there is no more: answer pings and a close, and keep messages for `get_message`."""
        return self._reader_task()
