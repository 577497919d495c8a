"""A door that is really bound, in this process, and clients that send it bytes."""

import re
import select
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.config.doors import Guests
from concordiad.config.tables import Config
from concordiad.front.door import DoorState, Meet, run_door
from concordiad.front.entrance import bind_door
from concordiad.front.http import Request
from concordiad.front.pages import Page
from concordiad.front.sources import Source
from concordiad.house.commands import Command
from concordiad.house.handle import House
from concordiad.journal import Journal, open_memory_journal
from concordiad.journal.faults import Health

PAGES = {
    b"/": Page("text/html; charset=utf-8", '"index"', b"<!doctype html>"),
    b"/app.js": Page("text/javascript; charset=utf-8", '"app"', b"export {};"),
    b"/large.js": Page("text/javascript; charset=utf-8", '"large"', b"x" * 20_000_000),
}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Answer(NamedTuple):
    """One response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    raw: bytes


class Client:
    """A connection to a door."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._received = b""

    @property
    def descriptor(self) -> int:
        """The number of its socket."""
        stream = self.stream.transport_stream if isinstance(self.stream, trio.SSLStream) else self.stream
        assert isinstance(stream, trio.SocketStream)
        return stream.socket.fileno()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self.stream.send_all(data)

    async def receive(self, *, is_head: bool = False) -> Answer:
        """Receive one response."""
        while b"\r\n\r\n" not in self._received:
            await self._more()
        head, _, rest = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert len(headers) == len(lines), "a header came twice"
        length = 0 if is_head else int(headers.get("content-length", 0))
        whole = len(head) + 4 + length
        if len(self._received) < whole:
            # Put together once: a piece of a large page must not cost a copy of all that came before.
            pieces, missing = [self._received], whole - len(self._received)
            while missing > 0:
                pieces.append(bytes(await self.stream.receive_some(1 << 20)))
                assert pieces[-1], f"the connection was closed {missing} bytes before the end"
                missing -= len(pieces[-1])
            self._received = b"".join(pieces)
            rest = self._received[len(head) + 4 :]
        raw, self._received = self._received[:whole], self._received[whole:]
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z -]+", first)
        assert match is not None, first
        return Answer(int(match[1]), headers, rest[:length], raw)

    async def ask(self, path: str = "/", *lines: str, method: str = "GET") -> Answer:
        """Make a request and receive its answer."""
        await self.send(head(path, *lines, method=method))
        return await self.receive(is_head=method == "HEAD")

    async def receive_all(self) -> bytes:
        """Receive what comes until the door has closed the connection."""
        try:
            while data := await self.stream.receive_some(65536):
                self._received += bytes(data)
        except trio.BrokenResourceError:
            # Reset: closed all the same.
            await trio.lowlevel.checkpoint()
        return self._received

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        assert data, f"the connection was closed after {self._received!r}"
        self._received += bytes(data)


def are_open(*clients: Client) -> list[bool]:
    """Tell of each connection whether the door still holds it and has said nothing that was not received."""
    heard, _, _ = select.select([client.descriptor for client in clients], [], [], 0)
    return [client.descriptor not in heard for client in clients]


def head(path: str = "/", *lines: str, method: str = "GET", host: str | None = "localhost") -> bytes:
    """Write a request's head."""
    given = [f"Host: {host}"] if host is not None else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", *given, *lines, "", ""]).encode("latin-1")


UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
OURS = "Origin: http://localhost"
JOIN = (OURS, *UPGRADE)


class EchoingGuest:
    """Serve guests by sending back every byte, those of the head too; remembers where each came from."""

    def __init__(self, *, is_admitted: bool = True) -> None:
        self.sources: list[str] = []
        self._is_admitted = is_admitted

    def __call__(self, stream: trio.abc.Stream, request: Request, source: Source) -> "Echo":
        self.sources.append(source.address)
        return Echo(stream, request, source, is_admitted=self._is_admitted)


class Echo:
    """One guest of whom every byte is sent back."""

    def __init__(self, stream: trio.abc.Stream, request: Request, source: Source, *, is_admitted: bool) -> None:
        self._stream = stream
        self._request = request
        self._source = source
        self._is_admitted = is_admitted

    async def run(self) -> None:
        """Send back what comes."""
        if self._is_admitted:
            self._source.admitted()
        with trio.CancelScope() as self._source.scope:
            async with self._stream as stream:
                data: bytes | bytearray = self._request.raw
                while data:
                    await stream.send_all(data)
                    data = await stream.receive_some(65536)


class Porch:
    """
    What a test has of a door.

    Attributes:
        echo: what serves its guests.
    """

    def __init__(self, door: DoorState, house: House, guests: "EchoingGuest", run: trio.CancelScope) -> None:
        self.door = door
        self.house = house
        self.guests = guests
        self.accepting = run
        self.port: int = door.entrance.listening.getsockname()[1]
        self._clients: list[Client] = []

    async def knock(self, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> Client:
        """Connect."""
        stream: trio.abc.Stream = await trio.open_tcp_stream(host, self.port)
        if tls is not None:
            stream = trio.SSLStream(stream, tls, server_hostname="localhost", https_compatible=True)
        client = Client(stream)
        self._clients.append(client)
        return client

    async def knock_often(self, count: int) -> list[Client]:
        """Connect several clients, each of which is accepted before the next."""
        clients = []
        for _ in range(count):
            clients.append(await self.knock())
            await wait_all_tasks_blocked()
        return clients

    async def ask(self, path: str = "/", *lines: str, method: str = "GET") -> Answer:
        """Make one request on a connection of its own, which is closed then."""
        client = await self.knock()
        answer = await client.ask(path, *lines, method=method)
        await trio.aclose_forcefully(client.stream)
        return answer

    async def speak(self, data: bytes) -> bytes:
        """Send bytes on a connection of its own, and return all that comes back until it is closed."""
        client = await self.knock()
        await client.send(data)
        return await client.receive_all()

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            await trio.aclose_forcefully(client.stream)


class StallingJournal:
    """A journal that answers nothing."""

    health = Health()

    async def read(self, *_: object) -> Any:
        await trio.sleep_forever()


class ServedRoom:
    """A room whose owners answer."""

    async def prove(self) -> None:
        """Answer."""
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_door(
    guests: Meet | None = None,
    *,
    head_s: float = 5.0,
    journal: Any = None,
    rooms: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Porch]:
    """Open a door on a free port of loopback that also answers to `localhost` without a port."""
    given = {"listen": "127.0.0.1:0", "hosts": ("localhost",), "origins": ("http://localhost",), **settings}
    table = Guests(**given)
    echo = EchoingGuest()
    async with open_memory_journal() as memory:
        send, commands = trio.open_memory_channel[Command](1)
        with send, commands, bind_door(table, may_move=False) as entrance:
            some: Any = {"main": ServedRoom()} if rooms is None else rooms
            house = _make_house(some, journal or memory, table, send)
            door = DoorState(table, entrance, PAGES, head_s)
            async with trio.open_nursery() as connections:
                accepting = trio.CancelScope()
                porch = Porch(door, house, echo, accepting)
                connections.start_soon(_accept, accepting, door, house, guests or echo, connections)
                try:
                    yield porch
                finally:
                    with trio.move_on_after(1, shield=True):
                        await porch.close()
                connections.cancel_scope.cancel()


def _make_house(rooms: Any, journal: Journal, table: Guests, send: trio.MemorySendChannel[Command]) -> House:
    config = Config(guests=table)
    return House(rooms, journal, lambda: config, Path("/nowhere"), time.time(), trio.Event(), send)


async def _accept(
    scope: trio.CancelScope, door: DoorState, house: House, guests: Meet, connections: trio.Nursery
) -> None:
    with scope:
        await run_door(door, house, guests, connections)
