"""
A door for guests that plays a script: a real TCP port on loopback, a real WebSocket, scripted answers.

A script is a function that talks with the one guest that connects. What it asserts fails the test.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from tests.ctl.samples import EVE, room
from tests.support.patience import PATIENCE_S

"""Far longer than any step takes: a guest that never comes fails the test and does not hang it."""
TOKEN = "dG9rZW4tZm9yLXRlc3RzLW9ubHktMDA"
MEMBER = "bWVtYmVyLXRva2VuLWZvci10ZXN0cy0w"

Json = dict[str, Any]


def welcome(**changes: Any) -> Json:
    """Make the answer to a hello of a driver, after nothing has happened."""
    snapshot = {
        "room": room(workdir=None, cursor={"epoch": 3, "seq": 6}),
        "queue": [],
        "turn": None,
        "approvals": [],
        "people": [{**EVE, "role": "driver", "here_since": None}],
        "events": [],
    }
    return {
        "member_token": MEMBER,
        "guest": EVE,
        "role": "driver",
        "room": "main",
        "may_approve": False,
        "history": "joining",
        "expires_at": None,
        "cursor": {"epoch": 3, "seq": 6},
        "resync": False,
        "snapshot": snapshot,
    } | changes


AGAIN = {"member_token": None, "snapshot": None}
"""What is different in the answer to somebody who comes back."""


class Guest:
    """
    The connected program, as the door sees it.

    Attributes:
        asked: its request for the upgrade.
    """

    def __init__(self, stream: socket.socket, *, upgrades: bool = True) -> None:
        self._stream = stream
        self._connection = WSConnection(ConnectionType.SERVER)
        self._events: Iterator[Event] = iter(())
        self._id: Any = None
        request = self._next()
        assert isinstance(request, Request)
        self.asked = request
        if upgrades:
            self._send(AcceptConnection())

    def header(self, name: bytes) -> str:
        """Return a header of its request, in small letters."""
        return dict(self.asked.extra_headers)[name].decode()

    def request(self, method: str) -> Json:
        """Take the next request, which must be for this method; returns its params."""
        request = json.loads(self._message())
        assert method == request["method"]
        self._id = request["id"]
        params: Json = request["params"]
        return params

    def result(self, result: Json) -> None:
        """Answer the request that was taken last, as the daemon writes."""
        message = {"jsonrpc": "2.0", "id": self._id, "result": result}
        self.text(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    def error(self, code: int, message: str) -> None:
        """Refuse the request that was taken last."""
        body = {"code": code, "message": message, "data": {"name": "name", "field": None, "retry_after_s": None}}
        self.text(json.dumps({"jsonrpc": "2.0", "id": self._id, "error": body}))

    def answer(self, method: str, result: Json) -> Json:
        """Take a request for this method and answer it; returns its params."""
        params = self.request(method)
        self.result(result)
        return params

    def welcome(self, **changes: Any) -> Json:
        """Take a hello and let the guest in; returns its params."""
        return self.answer("hello", welcome(**changes))

    def event(self, event: Json) -> None:
        """Send an event as the daemon writes them."""
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self.text(f'{{"jsonrpc":"2.0","method":"event","params":{body}}}')

    def text(self, text: str) -> None:
        """Send a message."""
        self._send(TextMessage(text))

    def ping(self) -> None:
        """Send a ping and take the pong."""
        self._send(Ping(b"here?"))
        assert isinstance(self._next(), Pong)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and wait until the guest has hung up."""
        self._send(CloseConnection(code, reason))
        self.wait_until_gone()

    def reject(self, status: int, *headers: tuple[bytes, bytes], body: bytes = b"no") -> None:
        """Refuse the upgrade."""
        length = (b"content-length", str(len(body)).encode())
        self._send(RejectConnection(status, [*headers, length], has_body=True))
        self._send(RejectData(body))

    def raw(self, data: bytes) -> None:
        """Send bytes that may be no frame."""
        self._stream.sendall(data)

    def lose_patience_after(self, seconds: float) -> None:
        """From now on, raise TimeoutError when the guest takes nothing for so long."""
        self._stream.settimeout(seconds)

    def wait_until_gone(self) -> None:
        """Wait until the guest has hung up, in one way or another."""
        try:
            while self._stream.recv(65536):
                pass
        except ConnectionError:
            pass

    def hang_up(self) -> None:
        """Break the connection, as a daemon that is killed does."""
        self._stream.close()

    def _message(self) -> str:
        text = ""
        while True:
            event = self._next()
            assert isinstance(event, TextMessage), event
            text += event.data
            if event.message_finished:
                return text

    def _next(self) -> Event:
        while True:
            for event in self._events:
                return event
            data = self._stream.recv(65536)
            assert data, "the guest has hung up"
            self._connection.receive_data(data)
            self._events = self._connection.events()

    def _send(self, event: Event) -> None:
        self._stream.sendall(self._connection.send(event))


Script = Callable[[Guest], None]


class Door:
    """Where the scripts are played."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.origin = f"{scheme}://127.0.0.1:{port}"
        self.link = f"{self.origin}/#main.{TOKEN}"


@contextmanager
def scripted_door(*scripts: Script, tls: ssl.SSLContext | None = None, upgrades: bool = True) -> Iterator[Door]:
    """Listen on loopback and play one script for each connection, in order; leave when all have been played."""
    failures: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        player = threading.Thread(target=_play, args=(listener, scripts, tls, upgrades, failures), daemon=True)
        player.start()
        try:
            yield Door(listener.getsockname()[1], "http" if tls is None else "https")
        finally:
            player.join(PATIENCE_S)
    if failures:
        raise failures[0]
    assert not player.is_alive()


def _play(
    listener: socket.socket,
    scripts: tuple[Script, ...],
    tls: ssl.SSLContext | None,
    upgrades: bool,
    failures: list[Exception],
) -> None:
    try:
        for script in scripts:
            stream, _ = listener.accept()
            stream.settimeout(PATIENCE_S)
            if tls is not None:
                stream = tls.wrap_socket(stream, server_side=True)
            with stream:
                script(Guest(stream, upgrades=upgrades))
    except Exception as error:  # noqa: BLE001  # the thread's one boundary: the test's own thread raises it again
        failures.append(error)
        listener.close()
