"""
A WebSocket client that can do everything wrong: it writes frames bit by bit, answers nothing, and keeps every byte.

The key of its handshake is always the same, so that the bytes of two connections can be compared.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Self

from tests.support.control_client import CHUNK_BYTES
from tests.support.guest_client import Link
from tests.support.patience import PATIENCE_S

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
MASK: Final = b"\x37\xfa\x21\x3d"
"""The example of RFC 6455, 5.7."""
UPGRADE: Final = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Frame(NamedTuple):
    """One frame of the daemon's."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """The code of a close frame that has one."""
        return int.from_bytes(self.payload[:2]) if self.opcode == CLOSE and self.payload else None


class RawGuest:
    """
    One connection to the guests' door.

    Args:
        lines: the head's lines after the first; None for those of the page.

    Attributes:
        received: every byte that came.
    """

    def __init__(self, link: Link, lines: Sequence[str] | None = None, target: str = "/ws") -> None:
        self.received = b""
        self.began = time.monotonic()
        self.socket = socket.create_connection((link.host, link.port), timeout=PATIENCE_S)
        usual = (f"Host: {link.host}:{link.port}", f"Origin: {link.origin}", *UPGRADE)
        self._head = "\r\n".join([f"GET {target} HTTP/1.1", *(usual if lines is None else lines), "", ""])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def upgrade(self) -> Self:
        """Ask for the WebSocket, and wait until there is an answer."""
        self.send(self._head.encode())
        self.until(lambda data: b"\r\n\r\n" in data)
        self.began = time.monotonic()
        return self

    @property
    def head(self) -> bytes:
        """The head of the answer."""
        return self.received.partition(b"\r\n\r\n")[0]

    @property
    def frames(self) -> list[Frame]:
        """The frames that came whole."""
        return read_frames(self.received.partition(b"\r\n\r\n")[2])

    def send(self, data: bytes) -> None:
        """Send bytes; who is hung up on meanwhile does not mind."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def request(self, method: str, **params: Any) -> None:
        """Send a request."""
        self.send(frame(TEXT, encode(method, **params)))

    def until(self, is_enough: Callable[[bytes], bool]) -> bytes:
        """Read until what came is enough, or the daemon hangs up."""
        while not is_enough(self.received):
            try:
                chunk = self.socket.recv(CHUNK_BYTES)
            except ConnectionResetError:
                break
            if not chunk:
                break
            self.received += chunk
        return self.received

    def read_to_end(self) -> float:
        """Read until the daemon hangs up; returns the seconds since the upgrade, or else since the connection."""
        self.until(lambda _: False)
        return time.monotonic() - self.began


def encode(method: str, **params: Any) -> bytes:
    """Write a request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def frame(
    opcode: int, payload: bytes = b"", *, is_final: bool = True, reserved: int = 0, mask: bytes | None = MASK
) -> bytes:
    """
    Write one frame as a client does, or as it must not.

    Args:
        reserved: the bits RSV1, RSV2 and RSV3 as a number: 4, 2, 1.
        mask: None leaves the payload unmasked.
    """
    size = len(payload)
    extra = b"" if size < 126 else size.to_bytes(2) if size < 1 << 16 else size.to_bytes(8)
    length = {0: size, 2: 126, 8: 127}[len(extra)]
    head = bytes([is_final << 7 | reserved << 4 | opcode, (mask is not None) << 7 | length]) + extra
    if mask is None:
        return head + payload
    stream = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload) ^ int.from_bytes(stream)).to_bytes(size)


def close(code: int, reason: bytes = b"") -> bytes:
    """Write a client's close frame."""
    return frame(CLOSE, code.to_bytes(2) + reason)


def read_frames(data: bytes) -> list[Frame]:
    """Take apart what the daemon sent after its handshake; AssertionError for what a server must not send."""
    frames = []
    while len(data) >= 2:
        assert data[0] & 0xF0 == 0x80, f"not one whole frame: {data[:20]!r}"
        assert not data[1] & 0x80, "a server masks nothing (RFC 6455, 5.1)"
        extra = {126: 2, 127: 8}.get(data[1], 0)
        start = 2 + extra
        size = int.from_bytes(data[2:start]) if extra else data[1]
        if len(data) < start + size:
            break
        frames.append(Frame(data[0] & 0x0F, data[start : start + size]))
        data = data[start + size :]
    return frames
