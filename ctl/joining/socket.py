"""
One WebSocket connection to a daemon, from the address to the close frame.

Laws: whatever ends it is a Failure that says whether it is worth another try (Away); no step waits for ever for the
other side; nothing that the library holds is unbounded.
"""

import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import h11
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from concordiad.core.codes import EXIT_FAILURE, EXIT_NO_DAEMON, EXIT_NOT_ALLOWED, EXIT_NOT_NOW
from ctl.failures import Failure
from ctl.harmless import first_line
from ctl.joining.link import Link

CONNECT_S: Final = 20.0
"""For the name's address, the connection, TLS and the upgrade: what a slow mobile network takes, and more."""
MESSAGE_CHARACTERS: Final = 96 * 1024 * 1024
"""A message of the daemon: an event holds one line of the agent, 64 MiB at most, and escapes make it longer."""
RECEIVE_BYTES: Final = 64 * 1024
OURS: Final = "Exceeded maximum message size"
"""How the library says that it was we who found a message too long."""
ASK: Final = "ask a host of the room for a new invite"
_REJECTED: Final = {
    403: ("does not answer under this name (403): the link must be made of the address where the page is", 4),
    404: ("has no Concordia behind this link (404): it may be cut off, or the proxy leads elsewhere", 1),
}

Talk = Callable[[WebSocketConnection], Awaitable[None]]


class Away(Failure):
    """The daemon cannot be reached now; `retry_after_s` is when it wants to be asked again, if it says."""

    def __init__(self, message: str, exit_code: int = EXIT_NO_DAEMON, retry_after_s: float = 0.0) -> None:
        super().__init__(message, exit_code)
        self.retry_after_s = retry_after_s


class NotAdmitted(Failure):
    """The token opens no room."""

    def __init__(self) -> None:
        sentence = "not admitted: the invite is used up, expired, revoked, or was none"
        super().__init__(f"{sentence}; {ASK}", EXIT_NOT_ALLOWED)


class TooLong(Away):
    """The daemon does not take messages as long as one of ours."""


async def converse(link: Link, tls: ssl.SSLContext | None, talk: Talk, patience_s: float) -> None:
    """
    Connect, talk, and hang up.

    Args:
        link: to whom.
        tls: whom to trust; None for those that the system trusts.
        talk: is given the connection; when it returns, that is over.
        patience_s: with each step before `talk`; never more than CONNECT_S.

    Raises:
        Away: the connection did not come about, or broke; another try may do.
        NotAdmitted: who asked to come in was refused.
        Failure: for any other reason another try is no use; also what `talk` raises.
    """
    patience_s = min(patience_s, CONNECT_S)
    stream = await _connect(link, tls, patience_s)
    try:
        async with trio.open_nursery() as nursery:
            await talk(await _upgrade(nursery, stream, link, patience_s))
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        raise _most_telling(group, link) from group
    finally:
        await trio.aclose_forcefully(stream)


async def _connect(link: Link, tls: ssl.SSLContext | None, patience_s: float) -> trio.abc.Stream:
    try:
        with trio.fail_after(patience_s):
            stream = await trio.open_tcp_stream(link.host, link.port)
            if not link.is_tls:
                return stream
            encrypted = trio.SSLStream(
                stream, tls or ssl.create_default_context(), server_hostname=link.host, https_compatible=True
            )
            try:
                await encrypted.do_handshake()
            except trio.BrokenResourceError as error:
                await trio.aclose_forcefully(stream)
                raise _explain_tls(link, error) from error
            return encrypted
    except trio.TooSlowError as error:
        raise Away(f"{link.authority} does not answer") from error
    except OSError as error:
        raise Away(f"cannot reach {link.authority}: {_why(error)}") from error


def _why(error: OSError) -> str:
    # Trio says how many addresses it tried; what each said is in a group behind it.
    group = error.__cause__
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    inner = group if isinstance(group, OSError) else error
    if inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno)
    return first_line(inner.strerror or str(inner))


def _explain_tls(link: Link, error: trio.BrokenResourceError) -> Failure:
    reason = error.__cause__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Failure(
            f"the certificate of {link.authority} is not to be trusted: {reason.verify_message};"
            " if it is the daemon's own, give its file with --ca"
        )
    if isinstance(reason, ssl.SSLError) and reason.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return Failure(f"{link.authority} does not speak TLS: is the link http:// instead of https://?")
    return Away(f"no encrypted connection to {link.authority}: {first_line(str(reason or error))}")


class _Watched(trio.abc.Stream):
    """A stream that tells of its end: while it waits for the upgrade, the library does not."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.upgrading = trio.CancelScope()
        self.has_ended = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        if not data:
            self.has_ended = True
            self.upgrading.cancel()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _upgrade(
    nursery: trio.Nursery, stream: trio.abc.Stream, link: Link, patience_s: float
) -> WebSocketConnection:
    watched = _Watched(stream)
    watched.upgrading.deadline = trio.current_time() + patience_s
    with watched.upgrading:
        return await wrap_client_stream(
            nursery,
            watched,  # type: ignore[arg-type]  # any stream will do, as the text of the function says
            link.authority,
            link.resource,
            extra_headers=[(b"Origin", link.origin.encode())],
            message_queue_size=1,
            max_message_size=MESSAGE_CHARACTERS,
            receive_buffer_size=RECEIVE_BYTES,
        )
    raise Away(f"{link.authority} {'hung up' if watched.has_ended else 'does not answer'}")


def _most_telling(group: ExceptionGroup[Exception], link: Link) -> Exception:
    """Say what ended a connection; what nobody expects stays as it is."""
    found = [_explain(error, link) for error in _leaves(group)]
    for kind in (ExceptionGroup, NotAdmitted):
        for failure in found:
            if isinstance(failure, kind):
                return failure
    final = [failure for failure in found if not isinstance(failure, Away)]
    return (final or found)[0]


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    leaves: list[Exception] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return leaves


def _explain(error: Exception, link: Link) -> Exception:
    match error:
        case ConnectionClosed():
            reason = error.reason
            return _closed(1006 if reason is None else reason.code, "" if reason is None else reason.reason or "")
        case ConnectionRejected():
            return _rejected(error, link)
        case HandshakeError() | ProtocolError() | h11.ProtocolError():
            # What the library's reader raises when it wants to tell the other side of a fault, and may not any more.
            return Away(f"{link.authority} does not speak WebSocket as it should")
        case trio.BrokenResourceError() | trio.ClosedResourceError():
            return Away("the connection broke")
    return error


def _closed(code: int, reason: str) -> Failure:
    said = first_line(reason)
    if code == 4401:
        return NotAdmitted()
    if code == 4403:
        return Failure(f"{said or 'you were removed from the room'}: {ASK}", EXIT_NOT_ALLOWED)
    if code == 4404:
        return Failure(said or "the room has closed", EXIT_FAILURE)
    if code == 1009 and said.startswith(OURS):
        return Failure(f"the daemon sent a message of more than {MESSAGE_CHARACTERS} characters")
    if code == 1009:
        return TooLong("a message was too long")
    if code in (1001, 1008, 1012, 1013):
        return Away(said or f"the daemon closed the connection ({code})", EXIT_NOT_NOW)
    return Away("the connection broke" if code in (1000, 1006) else f"the connection was closed: {said or code}")


def _rejected(rejected: ConnectionRejected, link: Link) -> Failure:
    status = rejected.status_code
    if status in _REJECTED:
        sentence, exit_code = _REJECTED[status]
        return Failure(f"{link.authority} {sentence}", exit_code)
    headers = dict(rejected.headers or ())
    if status in (408, 425, 429) or status >= 500:
        after = headers.get(b"retry-after", b"")
        return Away(
            f"{link.authority} does not let anybody in now ({status})",
            EXIT_NOT_NOW,
            float(after) if after.isdigit() and len(after) < 6 else 0.0,
        )
    if 300 <= status < 400:
        return Failure(f"{link.authority} leads elsewhere ({status}): ask for the link to where it leads")
    return Failure(f"{link.authority} refuses to speak WebSocket ({status}): is it a Concordia?")
