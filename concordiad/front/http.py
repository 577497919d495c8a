"""
HTTP/1.1 as the guests' port speaks it: heads in, whole responses out, without I/O.

Laws: h11 alone decides what a head is; no body is ever read, so a request that announces one is its connection's last;
the same refusal is the same bytes, whatever the reason.
"""

import base64
import binascii
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import h11
from msgspec import Struct
from wsproto.utilities import generate_accept_token

HEAD_FAULTS: Final = (400, 431, 501)
"""What h11 may hint at for a head that it does not take; anything else of its hints would be our mistake."""
KEY_BYTES: Final = 16
"""The length of a Sec-WebSocket-Key once decoded (RFC 6455, 4.1)."""
VERSION: Final = b"13"
"""The version of RFC 6455, the only one there is."""

_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SELF: Final = (
    "script-src 'self'; style-src 'self'; img-src 'self'; manifest-src 'self'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)
"""Our page loads its own files, and puts nothing into itself as HTML: with this, a browser that can would stop it."""
_SECURITY: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(),"
        " magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=()",
    ),
)


class HeadFault(Exception):
    """What came is no head that we take; `status` is what it is answered."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Request(Struct, frozen=True):
    """
    A request's head.

    Attributes:
        path: as it came, without the query; no escape in it is ever decoded.
        authority: of a target that is a whole URL; it counts as much as Host does.
        headers: names in lower case.
        is_http_1_0: such a client knows neither a kept connection nor an upgrade.
        raw: the bytes of the head, and whatever has come behind it.
        behind: only the latter.
    """

    method: bytes
    path: bytes
    authority: bytes | None
    headers: Sequence[tuple[bytes, bytes]]
    is_http_1_0: bool
    raw: bytes
    behind: bytes

    def all(self, name: bytes) -> list[bytes]:
        """List the values of a header."""
        return [value for each, value in self.headers if each == name]

    def tokens(self, name: bytes) -> set[bytes]:
        """Return the members of a header that is a list, in lower case."""
        return {token.strip().lower() for value in self.all(name) for token in value.split(b",")}

    @property
    def has_body(self) -> bool:
        """Tell whether more belongs to it than its head."""
        return bool(self.all(b"transfer-encoding")) or any(value != b"0" for value in self.all(b"content-length"))

    @property
    def is_last(self) -> bool:
        """Tell whether its connection ends with it."""
        return self.is_http_1_0 or self.has_body or b"close" in self.tokens(b"connection")


class HeadReader:
    """
    The heads that come on one connection, one after the other.

    Args:
        limit: bytes of one head, and of all that is kept at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._raw = bytearray()
        self._parser: h11.Connection | None = None

    def _make_parser(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._limit)

    @property
    def room(self) -> int:
        """How many bytes may be fed now; never 0."""
        return self._limit + 1 - len(self._raw)

    @property
    def has_part(self) -> bool:
        """Tell whether something of a head has come."""
        return bool(self._raw)

    def feed(self, data: bytes | bytearray) -> None:
        """Take what has come, at most `room` bytes."""
        self._raw += data
        if self._parser is None:
            self._parser = self._make_parser()
        self._parser.receive_data(bytes(data))

    def next(self) -> Request | None:
        """
        Return the next whole head, None as long as there is none.

        Raises:
            HeadFault: there never will be.
        """
        parser = self._parser
        if parser is None:
            return None
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            # h11's own sentence quotes what came, so it must not reach a log.
            raise HeadFault(error.error_status_hint if error.error_status_hint in HEAD_FAULTS else 400) from None
        if not isinstance(event, h11.Request):
            return None
        if len(self._raw) - len(parser.trailing_data[0]) > self._limit:
            raise HeadFault(431)
        if event.http_version not in (b"1.0", b"1.1"):
            raise HeadFault(400)
        authority, path = _split_target(event.target)
        raw, rest = bytes(self._raw), parser.trailing_data[0]
        self._raw, self._parser = bytearray(), None
        if rest:
            self.feed(rest)
        return Request(event.method, path, authority, list(event.headers), event.http_version == b"1.0", raw, rest)


def _split_target(target: bytes) -> tuple[bytes | None, bytes]:
    """Part a target into the authority, where it is a whole URL (RFC 9112, 3.2.2), and the path without its query."""
    path = target.partition(b"?")[0]
    if path.startswith(b"/") or path == b"*":
        return None, path
    scheme, separator, rest = path.partition(b"://")
    authority, slash, rest = rest.partition(b"/")
    if not authority or not separator or scheme.lower() not in (b"http", b"https"):
        raise HeadFault(400)
    return authority.lower(), slash + rest or b"/"


def is_upgrade(request: Request) -> bool:
    """Tell whether a request wants to go on as a WebSocket."""
    return b"websocket" in request.tokens(b"upgrade") and not request.is_http_1_0


def upgrade_fault(request: Request) -> int | None:
    """
    Return the status for an upgrade that is no WebSocket's as RFC 6455 (4.2.1) has it; None for one that is.

    Nothing is left to guess: no header that counts comes twice, and none has anything but ASCII.
    """
    if request.all(b"sec-websocket-version") != [VERSION]:
        return 426
    connection, upgrade, keys = (request.all(name) for name in (b"connection", b"upgrade", b"sec-websocket-key"))
    try:
        is_key = len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == KEY_BYTES
    except binascii.Error:
        is_key = False
    is_websocket = [value.lower() for value in upgrade] == [b"websocket"]
    is_plain = all(
        value.isascii()
        for name, value in request.headers
        if name == b"connection" or name.startswith(b"sec-websocket-")
    )
    has_tokens = len(connection) == 1 and b"upgrade" in request.tokens(b"connection")
    is_fit = is_key and is_plain and has_tokens and is_websocket and not request.has_body
    return None if is_fit else 400


def make_upgrade(request: Request) -> bytes:
    """Write the answer to a fit upgrade (RFC 6455, 4.2.2); no extension and no subprotocol is ever agreed on."""
    accept = generate_accept_token(request.all(b"sec-websocket-key")[0])
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )


class Response(Struct, frozen=True):
    """
    What a request is answered.

    Attributes:
        headers: besides those that every response has.
        host: of a page: the name under which it was asked for, whose WebSocket it may open.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    host: bytes | None = None

    @property
    def is_refusal(self) -> bool:
        """Tell whether it says no; then there is nothing more to talk about."""
        return self.status >= 400

    def encode(self, *, is_head: bool, is_last: bool) -> bytes:
        """Write it out, for HEAD without its body."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        length = () if self.status == HTTPStatus.NOT_MODIFIED else (("Content-Length", str(len(self.body))),)
        policy = ("Content-Security-Policy", make_policy(self.host))
        last = (("Connection", "close"),) if is_last else ()
        lines += [f"{name}: {value}" for name, value in (*self.headers, *length, policy, *_SECURITY, *last)]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (b"" if is_head else self.body)


def make_policy(host: bytes | None) -> str:
    """
    Write the Content-Security-Policy: of a page of ours under a name, else of what needs nothing.

    'self' covers the WebSocket of the same origin in Chromium, but not in every browser that people have on their
    phones; so it is named too. There is no way to write an IPv6 address there.
    """
    if host is None:
        return _POLICY
    name = host.decode("ascii")
    connect = "'self'" if name.startswith("[") else f"'self' ws://{name} wss://{name}"
    return f"{_POLICY}; {_SELF}; connect-src {connect}"


def make_sentence(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    """Make a response of one sentence for people."""
    kind = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Response(status, (*kind, *headers), f"{sentence}\n".encode())
