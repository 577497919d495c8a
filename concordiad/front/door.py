"""
The one TCP port for guests: who may knock, what is answered over HTTP, and who goes on as a WebSocket.

Laws: nothing is believed of a client that has not shown a token; every connection is bounded in time, bytes and number
until then; a request's Host is one of ours, and a WebSocket's Origin too, or it gets one and the same refusal; one
connection's fault is nobody else's. No query and no header is ever logged.
"""

import errno
import math
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

import structlog
import trio

from concordiad.config.doors import Guests
from concordiad.front import statistics
from concordiad.front.entrance import Entrance, most_connections
from concordiad.front.http import (
    VERSION,
    HeadFault,
    HeadReader,
    Request,
    Response,
    is_upgrade,
    make_sentence,
    upgrade_fault,
)
from concordiad.front.pages import Page, show_page
from concordiad.front.readiness import Readiness
from concordiad.front.scarcity import ACCEPT_PAUSE_S, SCARCE, Scarcity
from concordiad.front.sources import Joins, Lobby, Source, find_origin, make_source
from concordiad.house.handle import House

ACCEPTS: Final = 64
"""Connections accepted in one go, before anybody else has a turn."""
OURS: Final = (errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOTSOCK)
"""What accept says of our own mistakes; anything else is about one connection (accept(2)), which is then no more."""
KEPT_REQUESTS: Final = 100
"""Requests on one connection: the page has a dozen files."""
READ_BYTES: Final = 4096
SEND_S: Final = 30.0
"""How long one response may take to be sent: the whole page over a slow telephone."""
LAST_WORDS_S: Final = 1.0
"""How long a client may go on sending after its last response; were it closed at once, that could be lost."""
LAST_WORDS_BYTES: Final = 256 * 1024
RETRY_S: Final = 5
"""When somebody who found the house full may come again."""

FOREIGN: Final = make_sentence(
    403,
    "concordiad does not answer to this name or origin: see hosts, origins and public_url in [guests] of its"
    " configuration",
)
NOT_THERE: Final = make_sentence(404, "there is nothing here")
FULL: Final = make_sentence(503, "the house is full: come again in a while", ("Retry-After", str(RETRY_S)))
NO_UPGRADE: Final = make_sentence(
    426,
    "guests connect here by WebSocket",
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", VERSION.decode()),
)
HEAD_REFUSALS: Final[Mapping[int, Response]] = {
    400: make_sentence(400, "this is no request that concordiad understands"),
    408: make_sentence(408, "the request's head was not finished in time"),
    426: NO_UPGRADE,
    431: make_sentence(431, "the request's head is too long"),
    501: make_sentence(501, "concordiad does not know this transfer encoding"),
}

_log = structlog.get_logger("concordiad.door")


class DoorState:
    """
    What all connections of a door share.

    Attributes:
        settings: the table [guests].
        head_s: how long a request's head may take.
        lobby: who is there.
        connections: how many are open, those that are just being closed too.
    """

    def __init__(self, settings: Guests, entrance: Entrance, pages: Mapping[bytes, Page], head_s: float) -> None:
        self.settings = settings
        self.entrance = entrance
        self.pages = pages
        self.head_s = head_s
        self.lobby = Lobby(settings.half_open, settings.half_open_per_source)
        self.joins = Joins(settings.joins_burst, settings.joins_per_minute / 60)
        self.readiness = Readiness()
        self.connections = 0

    @property
    def is_full(self) -> bool:
        """Tell whether one guest more would be too many."""
        return self.lobby.guests >= self.settings.connections


class Visitor(Protocol):
    """A connection whose request to /ws was found fit, from there on."""

    async def run(self) -> "Visitor | None":
        """
        Serve it, from the upgrade on, and close it; or return who is to go on with it, and keep nothing of before.

        Until `Source.admitted` is called, because a hello was accepted, the connection counts as half open, and its
        `Source.scope`, which is to be one of the visitor's by then, may be cancelled to make room for another.
        """


Meet = Callable[[trio.abc.Stream, Request, Source], Visitor]
"""Makes a visitor of a fit request."""


async def run_door(door: DoorState, house: House, meet: Meet, connections: trio.Nursery) -> None:
    """
    Accept connections.

    Owns: the bound port. Ends when: it is cancelled; guests go on in their nursery, everybody else is cut off.
    """
    listening = door.entrance.listening
    scarcity = Scarcity("door", trio.current_time)
    _log.info("door_opened", url=door.entrance.url)
    if (door.settings.public_url or "").startswith("http://"):
        _log.warning("guests_in_plain_text", url=door.entrance.url, hint="use https: by a proxy, or tls_*")
    try:
        async with trio.open_nursery() as probing:
            probing.start_soon(door.readiness.run, house)
            while True:
                await trio.lowlevel.wait_readable(listening)
                try:
                    for stream, peer in _accept(listening):
                        _let_in(stream, peer, door, house, meet, connections)
                except OSError as error:
                    scarcity.note(error, waiting=door.lobby.waiting)
                    door.lobby.shed()
                    await trio.sleep(ACCEPT_PAUSE_S)
    finally:
        listening.close()
        door.lobby.clear()


def _accept(listening: socket.socket) -> Iterator[tuple[socket.socket, str]]:
    """Accept what waits, up to a batch."""
    for _ in range(ACCEPTS):
        try:
            stream, address = listening.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in (*SCARCE, *OURS):
                raise
        else:
            yield stream, address[0]


def _let_in(
    stream: socket.socket,
    peer: str,
    door: DoorState,
    house: House,
    meet: Meet,
    connections: trio.Nursery,
) -> None:
    if door.connections >= most_connections(door.settings):
        stream.close()
        return
    stream.setblocking(False)
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(stream))
    source = make_source(peer, door.lobby, behind_proxy=door.settings.behind_proxy)
    door.connections += 1
    door.lobby.enter(source)
    connections.start_soon(_serve_within, transport, source, door, house, meet)


async def _serve_within(
    transport: trio.SocketStream, source: Source, door: DoorState, house: House, meet: Meet
) -> None:
    """Bound one connection: whatever goes wrong in it ends it alone."""
    visitor: Visitor | None = None
    try:
        with source.scope:
            visitor = await _serve_requests(transport, source, door, house, meet)
        while visitor is not None and not source.scope.cancel_called:
            visitor = await visitor.run()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # It has hung up, or what it speaks is no TLS.
        await trio.lowlevel.checkpoint()
    except Exception as error:  # noqa: BLE001  # the one boundary: a mistake of ours that a stranger finds is not for all
        # Not its message, which may quote what was sent.
        _log.error("connection_failed", fault=type(error).__name__, where=_place_of(error))
    finally:
        transport.socket.close()
        door.lobby.leave(source)
        door.connections -= 1


def _place_of(error: BaseException) -> str:
    """Return the file and line where an error was raised; of a group, the first one's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return "" if step is None else f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}"


async def _serve_requests(
    transport: trio.SocketStream, source: Source, door: DoorState, house: House, meet: Meet
) -> Visitor | None:
    """Answer the requests of one connection; returns a visitor if the last one goes on as a guest."""
    stream: trio.abc.Stream = transport
    deadline = trio.current_time() + door.head_s
    if door.entrance.tls is not None:
        stream = tls = trio.SSLStream(transport, door.entrance.tls, server_side=True, https_compatible=True)
        with trio.move_on_at(deadline) as handshake:
            await tls.do_handshake()
        if handshake.cancelled_caught:
            return None
    reader = HeadReader(door.settings.head_bytes)
    for left in reversed(range(KEPT_REQUESTS)):
        request = await _receive(stream, reader, deadline)
        if request is None:
            return None
        door.lobby.stay(source)
        is_head = is_last = False
        response: Response | None
        if isinstance(request, Response):
            response, is_last = request, True
        else:
            response = await _answer(request, source, door, house)
            is_head, is_last = request.method == b"HEAD", request.is_last
            if response is None:
                return meet(stream, request, source)
        is_last = is_last or response.is_refusal or not left
        with trio.move_on_after(SEND_S) as sending:
            await stream.send_all(response.encode(is_head=is_head, is_last=is_last))
        if sending.cancelled_caught:
            return None
        if is_last:
            await _part(transport)
            return None
        deadline = trio.current_time() + door.head_s
    return None


async def _receive(stream: trio.abc.ReceiveStream, reader: HeadReader, deadline: float) -> Request | Response | None:
    """Wait for the next head; what to answer instead of one; None if nothing is to be answered."""
    with trio.move_on_at(deadline):
        while True:
            try:
                request = reader.next()
            except HeadFault as fault:
                return HEAD_REFUSALS[fault.status]
            if request is not None:
                return request
            data = await stream.receive_some(min(READ_BYTES, reader.room))
            if not data:
                return None
            reader.feed(data)
    return HEAD_REFUSALS[408] if reader.has_part else None


async def _part(transport: trio.SocketStream) -> None:
    """End a connection so that its last response arrives: with bytes left unread, the kernel would take it back."""
    await transport.send_eof()
    left = LAST_WORDS_BYTES
    with trio.move_on_after(LAST_WORDS_S):
        while left > 0 and (data := await transport.receive_some(READ_BYTES)):
            left -= len(data)


async def _answer(request: Request, source: Source, door: DoorState, house: House) -> Response | None:
    """Decide on one request; None lets it go on as a guest."""
    names = door.entrance.names
    host = b"".join(request.all(b"host")).lower()
    if host not in names.hosts or (request.authority or host) not in names.hosts:
        return FOREIGN
    source.address, key = find_origin(source, request)
    if request.path == b"/ws":
        return _admit(request, key, door)
    page = door.pages.get(request.path)
    is_figures = request.path.startswith(b"/stats/")
    if page is None and not is_figures and request.path not in (b"/healthz", b"/readyz"):
        return NOT_THERE
    if request.method not in (b"GET", b"HEAD"):
        return make_sentence(405, "this is there to be read", ("Allow", "GET, HEAD"))
    if page is not None:
        return show_page(page, request, host)
    if is_figures:
        return await statistics.answer_over_http(request, house)
    fault = await door.readiness.find_fault(house) if request.path == b"/readyz" else None
    return make_sentence(200, "ok") if fault is None else make_sentence(503, fault)


def _admit(request: Request, key: str, door: DoorState) -> Response | None:
    """Decide on a request to /ws; None lets it in."""
    origins = request.all(b"origin")
    if len(origins) != 1 or origins[0] not in door.entrance.names.origins:
        return FOREIGN
    if request.method != b"GET":
        return make_sentence(405, "guests connect here by WebSocket", ("Allow", "GET"))
    if not is_upgrade(request):
        return NO_UPGRADE
    fault = upgrade_fault(request)
    if fault is not None:
        return HEAD_REFUSALS[fault]
    if door.is_full:
        return FULL
    wait_s = door.joins.take(key)
    if wait_s:
        return make_sentence(429, "too many come from where you are", ("Retry-After", str(math.ceil(wait_s))))
    return None
