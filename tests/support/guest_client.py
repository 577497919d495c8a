"""
A guest for tests: a WebSocket client that is blocking, in plain functions, and no wait of it is without an end.

It is a `ControlClient` over another transport. Every byte that came is kept, so that two connections can be compared.
"""

import json
import secrets
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, RejectData, Request, TextMessage
from wsproto.utilities import RemoteProtocolError

from tests.support.control_client import CHUNK_BYTES, ControlClient, HungUp, Message
from tests.support.patience import PATIENCE_S


class Closed(HungUp):
    """The daemon has closed the connection, with this code and reason; both None without a close frame."""

    def __init__(self, code: int | None, reason: str | None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Rejected(Exception):
    """The daemon has refused the upgrade: its status is `args[0]`."""


class Link(NamedTuple):
    """What a link says: where the page is, which room, and the token."""

    host: str
    port: int
    room: str
    token: str

    @property
    def origin(self) -> str:
        """The page's origin."""
        return f"http://{self.host}:{self.port}"


def read_link(url: str) -> Link:
    """Take a link apart."""
    parts = urlsplit(url)
    room, _, token = parts.fragment.partition(".")
    assert parts.hostname is not None and parts.port is not None
    return Link(parts.hostname, parts.port, room, token)


class GuestClient(ControlClient):
    """
    One connection to the guests' door; it is upgraded, and has said nothing yet.

    Attributes:
        received: every byte that came.
    """

    def __init__(self, host: str, port: int, origin: str | None = None, headers: dict[str, str] | None = None) -> None:
        self._websocket: Final = WSConnection(ConnectionType.CLIENT)
        self.received = b""
        self._accepted = False
        self._text = ""
        self._end: Closed | None = None
        self._open(socket.AF_INET, (host, port))
        more = {"Origin": origin or f"http://{host}:{port}", **(headers or {})}
        named = more.pop("Host", f"{host}:{port}")
        pairs = [(name.encode(), value.encode()) for name, value in more.items() if value]
        try:
            self.send(self._websocket.send(Request(host=named, target="/ws", extra_headers=pairs)))
            while not self._accepted:
                self.receive_some()
        except (HungUp, Rejected, OSError):
            self.close()
            raise

    def hello(self, token: str, name: str = "ada", **more: Any) -> Message:
        """Come in. Raises Refused, Closed."""
        return self.call("hello", token=token, name=name, **more)

    def send_message(self, message: bytes) -> None:
        """Send one message as one frame."""
        self.send(self._websocket.send(TextMessage(message.decode())))

    def wait_for_close(self) -> Closed:
        """Wait for the end; what comes before it is kept."""
        kept: list[Message] = []
        try:
            while True:
                kept.append(self.receive())
        except Closed as closed:
            return closed
        except HungUp:
            return Closed(None, None)
        finally:
            self._messages.extendleft(reversed(kept))

    def receive_some(self) -> None:
        """Read what has come; the messages in it are kept. Raises HungUp, Rejected."""
        self.socket.settimeout(PATIENCE_S)
        chunk = self.socket.recv(CHUNK_BYTES)
        if not chunk:
            raise HungUp
        self._messages.extend(json.loads(message) for message in self._part(chunk))

    def _part(self, chunk: bytes) -> list[bytes | bytearray | str]:
        self.received += chunk
        messages: list[bytes | bytearray | str] = []
        try:
            self._websocket.receive_data(chunk)
        except RemoteProtocolError as error:
            raise AssertionError(f"the daemon does not speak WebSocket: {chunk[:200]!r}") from error
        for event in self._websocket.events():
            match event:
                case AcceptConnection():
                    self._accepted = True
                case RejectConnection():
                    raise Rejected(event.status_code)
                case RejectData():
                    continue
                case TextMessage():
                    self._text += event.data
                    if event.message_finished:
                        messages.append(self._text)
                        self._text = ""
                case Ping():
                    self.send(self._websocket.send(event.response()))
                case CloseConnection():
                    self._end = Closed(event.code, event.reason or None)
                    if not messages:
                        raise self._end
        return messages

    def _next(self, deadline: float) -> Message:
        if self._end is not None and not self._messages:
            raise self._end
        return super()._next(deadline)


def join(url: str, name: str = "ada", **more: Any) -> tuple[GuestClient, Message]:
    """Come in by a link; returns the guest and the answer to its hello."""
    link = read_link(url)
    guest = GuestClient(link.host, link.port)
    try:
        return guest, guest.hello(link.token, name, **more)
    except Exception:
        guest.close()
        raise


def join_for_a_moment(make_invite: Callable[..., Message], name: str) -> tuple[Message, GuestClient, Message]:
    """
    Come in by an invite that ends soon, but not before somebody came.

    Returns:
        The invite, the guest, and the answer to its hello.
    """
    for expires_s in (1, 5, 25, 125):
        invite = make_invite(expires_s=expires_s)
        try:
            return invite, *join(invite["url"], name)
        except Closed:
            continue
    raise AssertionError("each invite had ended before anybody could come")


def make_key() -> str:
    """Make the key of a hello."""
    return secrets.token_urlsafe(16)
