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
from concordiad.front.http import HeadReader
from concordiad.front.outbox import Budget, Outbox, writer_of
from concordiad.front.owned_stream import OwnedStream
from concordiad.journal import Journal, open_memory_journal

MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The longest message that the tester sends has 16 MiB."""
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
    outbox = Outbox(MESSAGE_BYTES, Budget(), writer_of(transport))
    stream = OwnedStream(transport, request.raw, outbox, MESSAGE_BYTES)
    stream.admit()
    sent = trio.Event()
    async with trio.open_nursery() as sending:
        sending.start_soon(_run_sender, transport, outbox, journal, sent)
        async with trio.open_nursery() as serving:
            await _echo(stream, serving)
            serving.cancel_scope.cancel()
        await stream.finish(sent)
        sending.cancel_scope.cancel()


async def _run_sender(transport: trio.SocketStream, outbox: Outbox, journal: Journal, sent: trio.Event) -> None:
    try:
        await outbox.run(transport, journal)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        await trio.lowlevel.checkpoint()
    finally:
        sent.set()


async def _echo(stream: OwnedStream, nursery: trio.Nursery) -> None:
    try:
        request = await trio_websocket.wrap_server_stream(
            nursery, stream, message_queue_size=8, max_message_size=MESSAGE_BYTES, receive_buffer_size=None
        )
        websocket = await request.accept()
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
