"""
A WebSocket server that says again what it is told, on the very stream that lies under our guests.

It is what a protocol tester such as Autobahn's wants to talk to. Between the socket and the echo is what a guest has:
the head's reader, the owned stream, the outbox and trio-websocket; only the limits of one guest are out of the way.
Started by hand it prints its port: python -m tests.support.echo_door
"""

import sys
from functools import partial
from typing import Final

import trio
import trio_websocket

from concordiad.front import owned_stream
from concordiad.front.http import HeadReader, make_upgrade
from concordiad.front.outbox import Budget, Outbox, socket_of
from concordiad.front.owned_stream import OwnedStream
from concordiad.front.websocket import WebSocket
from concordiad.journal import Journal, open_memory_journal

MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The longest message that the tester sends has 16 MiB."""
MESSAGES: Final = 8
"""The reader waits for the echo beyond that."""
FRAMES: Final = 1_000_000_000
"""It cuts 4 MiB into frames of 64 bytes."""


async def run_echo(transport: trio.SocketStream, journal: Journal) -> None:
    """
    Serve one connection.

    Owns: the connection. Ends when: it is closed. Raises: nothing that a client does.
    """
    reader = HeadReader(16 * 1024)
    while (request := reader.next()) is None:
        data = await transport.receive_some(reader.room)
        if not data:
            return
        reader.feed(data)
    async with trio.open_nursery() as tasks:

        def call_sender() -> None:
            tasks.start_soon(_run_sender, transport, outbox, journal)

        outbox = Outbox(MESSAGE_BYTES, Budget(), call_sender, socket_of(transport))
        stream = OwnedStream(transport, request.behind, outbox, MESSAGE_BYTES, lambda _: True)
        stream.admit()
        outbox.push(make_upgrade(request))
        websocket = WebSocket(stream, MESSAGES, MESSAGE_BYTES)
        tasks.start_soon(_echo, websocket)
        await websocket.read()
        await stream.finish()
        tasks.cancel_scope.cancel()


async def _run_sender(transport: trio.SocketStream, outbox: Outbox, journal: Journal) -> None:
    try:
        await outbox.run(transport, journal)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # The tester has hung up; the reader learns of it too.
        return


async def _echo(websocket: WebSocket) -> None:
    try:
        while True:
            await websocket.send_message(await websocket.get_message())
    except trio_websocket.ConnectionClosed:
        return


async def run_echo_door(port: int) -> None:
    """
    Listen on loopback; 0 for any port.

    Owns: the port. Ends when: it is cancelled.
    """
    vars(owned_stream)["FRAMES_BURST"] = FRAMES
    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        print(listeners[0].socket.getsockname()[1], flush=True)
        nursery.start_soon(trio.serve_listeners, partial(run_echo, journal=journal), listeners)


if __name__ == "__main__":
    trio.run(run_echo_door, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
