"""
The servers that guests are measured against, a process each: `python -m bench.guest_peers ws_uv|picows|raw`.

- ws_uv: `websockets` on uvloop, what is said to all by `websockets.broadcast`; joined text in one call a burst for each
  event, for there is no other;
- picows: the same in Cython, one `send` a guest;
- raw: no server at all but a loop of `socket.send`, which does not block, of a ready frame; a burst is joined.

Each lets in whoever says `hello` with its token, and does what lines on standard input tell it: `publish` so many
events, one turn of the loop after each burst, or so many a second; `pass_on` a file's lines:
`readline`, `orjson.loads`, `broadcast`.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, Protocol

from bench.guest_events import chunks, event_text, frame

TOKEN: Final = "the-token-of-all-guests-in-a-run"  # lets into a process that lives for seconds
ANSWER: Final = '{"jsonrpc":"2.0","id":1,"result":{}}'
REFUSED: Final = 4401


class Fanning(Protocol):
    """What is said to all guests, by one of the servers."""

    def prepare(self, texts: Sequence[bytes]) -> Any:
        """Make ready what is to be said at once, before time is taken."""

    def say(self, prepared: Any) -> None:
        """Say it to all."""


class Broadcast:
    """`websockets.broadcast`."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self._broadcast: Any = import_module("websockets").broadcast

    def prepare(self, texts: Sequence[bytes]) -> list[str]:
        """Write them as the library wants them."""
        return [text.decode() for text in texts]

    def say(self, prepared: list[str]) -> None:
        """Say them one by one."""
        for text in prepared:
            self._broadcast(self.connections, text)

    async def serve(self) -> int:
        """Listen; returns the port."""
        serve: Any = import_module("websockets").serve
        server = await serve(self._meet, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096)
        return int(server.sockets[0].getsockname()[1])

    async def _meet(self, connection: Any) -> None:
        if _is_admitted(await connection.recv()):
            self.connections.add(connection)
            await connection.send(ANSWER)
            await connection.wait_closed()
            self.connections.discard(connection)
        else:
            await connection.close(REFUSED, "not admitted")


class Picows:
    """picows."""

    def __init__(self) -> None:
        self._library: Any = import_module("picows")
        self.transports: set[Any] = set()
        fanning, library = self, self._library

        class Listener(library.WSListener):  # type: ignore[misc, name-defined]
            """One guest."""

            def on_ws_frame(self, transport: Any, heard: Any) -> None:
                """Hear the hello."""
                if heard.msg_type == library.WSMsgType.TEXT:
                    if _is_admitted(heard.get_payload_as_utf8_text()):
                        fanning.transports.add(transport)
                        transport.send(library.WSMsgType.TEXT, ANSWER.encode())
                    else:
                        transport.send_close(REFUSED, b"not admitted")
                        transport.disconnect()

            def on_ws_disconnected(self, transport: Any) -> None:
                """Let it go."""
                fanning.transports.discard(transport)

        self._listener = Listener

    def prepare(self, texts: Sequence[bytes]) -> Sequence[bytes]:
        """Take them as they are."""
        return texts

    def say(self, prepared: Sequence[bytes]) -> None:
        """Say them one by one."""
        text = self._library.WSMsgType.TEXT
        for each in prepared:
            for transport in self.transports:
                transport.send(text, each)

    async def serve(self) -> int:
        """Listen; returns the port."""
        server = await self._library.ws_create_server(lambda _: self._listener(), "127.0.0.1", 0, backlog=4096)
        return int(server.sockets[0].getsockname()[1])


class Raw:
    """A loop over sockets."""

    def __init__(self) -> None:
        self._guests: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = int(self._listening.getsockname()[1])

    def prepare(self, texts: Sequence[bytes]) -> bytes:
        """Write frames."""
        return b"".join(map(frame, texts))

    def say(self, prepared: bytes) -> None:
        """Send them; who does not read fast enough is none of this loop's business."""
        for guest in self._guests:
            assert guest.send(prepared) == len(prepared)

    def meet(self, guests: int) -> None:
        """Let in so many."""
        ask = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        while len(self._guests) < guests:
            guest, _ = self._listening.accept()
            guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not guest.recv(65536).endswith(b"\r\n\r\n"):
                continue
            guest.sendall(ask)
            guest.recv(65536)
            guest.sendall(b"\x81" + bytes([len(ANSWER)]) + ANSWER.encode())
            guest.setblocking(False)
            self._guests.append(guest)


def _is_admitted(message: str | bytes) -> bool:
    return bool(json.loads(message)["params"]["token"] == TOKEN)


def _prepared(fanning: Fanning, command: dict[str, Any]) -> list[Any]:
    parts = chunks(command["first"], command["events"], command["burst"])
    return [fanning.prepare([event_text(number) for number in part]) for part in parts]


def _tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


async def _serve(fanning: Broadcast | Picows) -> None:
    port = await fanning.serve()
    _tell(port=port, token=TOKEN)
    commands = await _open_commands()
    prepared: list[Any] = []
    while line := await commands.readline():
        command = json.loads(line)
        if command["do"] == "prepare":
            prepared = _prepared(fanning, command)
            _tell()
        elif command["do"] == "publish":
            said_at = []
            began = time.monotonic()
            pace_s = command["pace_s"]
            for number, each in enumerate(prepared):
                # A turn of the loop, in which the library sends what it has put off.
                await asyncio.sleep(max(began + number * pace_s - time.monotonic(), 0))
                said_at.append(time.monotonic())
                fanning.say(each)
            _tell(said_at=said_at)
        else:
            assert isinstance(fanning, Broadcast)
            await _pass_on(command["path"], fanning)
            _tell()


async def _open_commands() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _pass_on(path: str, fanning: Broadcast) -> None:
    loads: Callable[[bytes], Any] = import_module("orjson").loads
    agent = await asyncio.create_subprocess_exec("cat", path, stdout=asyncio.subprocess.PIPE)
    assert agent.stdout is not None
    while line := await agent.stdout.readline():
        # What it is decides, in a real one, to whom it goes and what state it changes.
        assert loads(line)["type"]
        fanning.say([line[:-1].decode()])
    await agent.wait()


def _loop(raw: Raw) -> None:
    _tell(port=raw.port, token=TOKEN)
    prepared: list[bytes] = []
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "meet":
            raw.meet(command["guests"])
        elif command["do"] == "prepare":
            prepared = _prepared(raw, command)
            _tell()
        else:
            said_at = []
            began = time.monotonic()
            for number, each in enumerate(prepared):
                if command["pace_s"]:
                    time.sleep(max(began + number * command["pace_s"] - time.monotonic(), 0))
                said_at.append(time.monotonic())
                raw.say(each)
            _tell(said_at=said_at)


if __name__ == "__main__":
    if sys.argv[1] == "raw":
        _loop(Raw())
    else:
        import_module("uvloop").run(_serve(Broadcast() if sys.argv[1] == "ws_uv" else Picows()))
