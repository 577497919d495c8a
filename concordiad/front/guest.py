"""
One guest: a WebSocket connection from its upgrade to its end.

Laws: until a token was accepted nothing of any room is told, and whoever is refused is told one and the same, whatever
the reason; the requests of one guest are answered in their order; one guest's fault, silence or slowness is nobody
else's.

Tasks of a connection: this one, which reads the guest's messages; trio-websocket's reader; the outbox's sender; and, as
long as a request is at work, the one that answers. The reader of messages never waits for an answer, so pings and the
guest's close are seen at once.
"""

from collections import deque
from contextlib import ExitStack
from typing import Any, Final, Protocol

import structlog
import trio
import trio_websocket
from attrs import frozen

from concordiad.core.admission import NOT_ADMITTED, Admission
from concordiad.core.allowance import Allowance
from concordiad.core.codes import INVALID_PARAMS
from concordiad.core.frames import close_frame, text_frame
from concordiad.core.model import rfc3339
from concordiad.core.views import author_view
from concordiad.core.voice import Voice
from concordiad.core.wire import BadRequest, EventsSubscribe, Hello, decode_request, encode_error, encode_result
from concordiad.errors import RoomError
from concordiad.front.answering import answer, too_much
from concordiad.front.caller import Caller
from concordiad.front.company import Company, Guest
from concordiad.front.outbox import Outbox, writer_of
from concordiad.front.owned_stream import FLOOD, OwnedStream
from concordiad.front.readings import subscribe
from concordiad.house import House
from concordiad.room import Room

REFUSED: Final = close_frame(4401, NOT_ADMITTED)
"""What everybody gets who is not let in; never with a reason, which would tell a stranger what is nearly right."""
GARBAGE: Final = {
    1002: close_frame(1002, "this is not WebSocket as RFC 6455 has it"),
    1007: close_frame(1007, "a text has to be UTF-8"),
}
NOT_TEXT: Final = close_frame(1003, "send text: one JSON-RPC message a frame")
HELLO_TRIES: Final = 3
"""Times that somebody with a good token may give a name that will not do."""
WAITING_REQUESTS: Final = 64
"""Requests of one guest that may wait for their answers."""
LIBRARY_MESSAGES: Final = 8
"""Messages that the library may hold before the reader of messages has taken them, which it does at once."""

_log = structlog.get_logger("concordiad.guests")


class Source(Protocol):
    """Where a connection comes from, as the door knows it."""

    @property
    def address(self) -> str:
        """For the hosts' eyes."""

    def admitted(self) -> None:
        """Hear that this is no stranger any more."""


async def serve_guest(
    transport: trio.abc.Stream, head: bytes, source: Source, *, house: House, company: Company
) -> None:
    """
    Serve one guest whose request for a WebSocket was found fit.

    Owns: the connection. Ends when: it is closed. Raises: nothing; what goes wrong ends this connection, and is logged
    where it is a mistake of ours or of a library.
    """
    limits = company.limits
    outbox = Outbox(limits.guest_bytes, company.budget, writer_of(transport))
    stream = OwnedStream(transport, head, outbox, limits.message_bytes, REFUSED)
    guest = Guest(source.address, outbox, stream)
    sent = trio.Event()
    try:
        async with trio.open_nursery() as sending:
            sending.start_soon(_run_sender, transport, outbox, house, guest, sent)
            try:
                async with trio.open_nursery() as serving:
                    with guest.reading:
                        await _serve(_Connection(guest, stream, outbox, source, house, company), serving)
                    serving.cancel_scope.cancel()
            except* Exception as errors:  # noqa: BLE001  # the boundary: a guest must not take anybody else down
                _log.exception("guest_failed", address=source.address, exc_info=errors)
            await stream.finish(sent)
            sending.cancel_scope.cancel()
    finally:
        outbox.seal()
        await trio.aclose_forcefully(transport)


async def _run_sender(transport: trio.abc.Stream, outbox: Outbox, house: House, guest: Guest, sent: trio.Event) -> None:
    try:
        await outbox.run(transport, house.journal)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # The guest has hung up; what it asked for is done all the same.
        await trio.lowlevel.checkpoint()
    finally:
        sent.set()
        guest.reading.cancel()


@frozen
class _Connection:
    """What belongs to one guest's connection."""

    guest: Guest
    stream: OwnedStream
    outbox: Outbox
    source: Source
    house: House
    company: Company


async def _serve(connection: _Connection, nursery: trio.Nursery) -> None:
    """Upgrade, admit, converse; returns when there is no more to hear."""
    stream, company = connection.stream, connection.company
    admitted: _Admitted | None = None
    try:
        with trio.move_on_after(company.hello_s):
            request = await trio_websocket.wrap_server_stream(
                nursery,
                stream,
                message_queue_size=LIBRARY_MESSAGES,
                max_message_size=company.limits.message_bytes,
                receive_buffer_size=None,
            )
            websocket = await request.accept()
            admitted = await _introduce(websocket, connection)
        if admitted is None:
            stream.end(REFUSED)
            return
        with ExitStack() as presence:
            try:
                # Who is revoked before this was not let in, who is revoked from here on is dismissed.
                presence.enter_context(admitted.room.guestbook.seated(connection.guest, admitted.admission))
            except RoomError:
                stream.end(REFUSED)
                return
            company.here[connection.guest] = None
            presence.callback(company.here.pop, connection.guest, None)
            stream.admit()
            connection.source.admitted()
            await _converse(websocket, connection, admitted, nursery)
    except trio_websocket.ConnectionClosed as closed:
        # Of what is no WebSocket the library only says so to us; the guest is to hear it too.
        if closed.reason is not None and closed.reason.code in GARBAGE:
            stream.end(GARBAGE[closed.reason.code])


@frozen
class _Admitted:
    """Somebody who presented a good token, and the hello that waits for its answer."""

    room: Room
    admission: Admission
    hello: Hello
    request_id: int | str | None


async def _introduce(websocket: trio_websocket.WebSocketConnection, connection: _Connection) -> _Admitted | None:
    """Hear a hello; None if it opens no room."""
    for _ in range(HELLO_TRIES):
        message = await websocket.get_message()
        if not isinstance(message, str):
            return None
        try:
            request = decode_request(message.encode())
        except BadRequest:
            return None
        hello = request.params
        if not isinstance(hello, Hello) or request.is_notification:
            return None
        room = next((room for room in connection.house.rooms.values() if room.guestbook.find(hello.token)), None)
        if room is None or hello.room not in (None, room.name):
            return None
        try:
            admission = await room.admit(hello.token, hello.name, hello.key)
        except RoomError as error:
            if error.code is not INVALID_PARAMS:
                return None
            # Only with a good token is anybody told what is wrong with the rest.
            await connection.outbox.put(text_frame(encode_error(request.id, error)))
        else:
            return _Admitted(room, admission, hello, request.id)
    return None


async def _converse(
    websocket: trio_websocket.WebSocketConnection,
    connection: _Connection,
    admitted: _Admitted,
    nursery: trio.Nursery,
) -> None:
    """Answer the hello, then every request, until the guest goes."""
    room, limits = admitted.room, connection.company.limits
    caller = _caller_of(admitted)
    connection.guest.follow(room, await _greet(connection, caller, admitted))
    waiting: deque[bytes] = deque()
    allowance = Allowance(limits.request_burst, limits.requests_per_s, trio.current_time())
    while True:
        message = await websocket.get_message()
        if not isinstance(message, str):
            connection.stream.end(NOT_TEXT)
            return
        if len(waiting) >= WAITING_REQUESTS or not allowance.take(trio.current_time()):
            connection.stream.end(FLOOD)
            return
        waiting.append(message.encode())
        if len(waiting) == 1:
            nursery.start_soon(_work, waiting, connection, caller, room.voice)


def _caller_of(admitted: _Admitted) -> Caller:
    admission = admitted.admission
    return Caller(
        author=admission.author,
        role=admission.role,
        room=admitted.room.name,
        horizon=admission.horizon,
        may_approve=admission.may_approve,
    )


async def _greet(connection: _Connection, caller: Caller, admitted: _Admitted) -> int:
    """
    Answer the hello; return where the transcript goes on.

    The answer names everybody who is here: as a variable of the conversation it would stay as long as that.
    """
    result, after = await _welcome(connection.house, caller, admitted)
    await connection.outbox.put(admitted.room.voice.answer(encode_result(admitted.request_id, result)))
    return after


async def _welcome(house: House, caller: Caller, admitted: _Admitted) -> tuple[dict[str, Any], int]:
    """Say who the guest is now, and where its transcript goes on."""
    admission, hello = admitted.admission, admitted.hello
    last = hello.last if hello.after is None else None
    params = EventsSubscribe(room=admitted.room.name, after=hello.after, last=last)
    subscribed, _, after = await subscribe(house, params, caller)
    result = {
        "member_token": admission.member_token,
        "guest": author_view(admission.author),
        "role": admission.role.value,
        "room": admitted.room.name,
        "may_approve": admission.may_approve,
        "history": admission.invite.history.value,
        "expires_at": None if admission.invite.expires_at is None else rfc3339(admission.invite.expires_at),
        **subscribed,
    }
    return result, after


async def _work(waiting: deque[bytes], connection: _Connection, caller: Caller, voice: Voice) -> None:
    """Answer what waits, in its order."""
    while waiting:
        message, follow = await answer(waiting[0], caller, connection.house)
        if message and not await connection.outbox.put(voice.answer(message)):
            await connection.outbox.put(text_frame(too_much(waiting[0], len(message))))
        if follow is not None:
            connection.guest.follow(*follow)
        waiting.popleft()
