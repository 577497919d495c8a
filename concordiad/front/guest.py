"""
One guest: a WebSocket connection from its upgrade to its end.

Laws: until a token was accepted nothing of any room is told, and whoever is refused is told one and the same, whatever
the reason; the requests of one guest are answered in their order; one guest's fault, silence or slowness is nobody
else's.

A newcomer's first message may have been heard already (`front/newcomer.py`).

Tasks of a connection: this one, in which the WebSocket library reads; as long as a request is at work, one that
answers; and as long as something waits to be sent, one that sends. The reader never waits for an answer, so pings and
the guest's close are seen at once; and a guest who is silent is one task.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

import structlog
import trio
import trio_websocket
from msgspec import Struct

from concordiad.core.admission import NOT_ADMITTED, Admission
from concordiad.core.allowance import Allowance
from concordiad.core.codes import CONFLICT, INVALID_PARAMS, NOT_NOW
from concordiad.core.frames import close_frame, text_frame
from concordiad.core.model import rfc3339
from concordiad.core.params import EventsSubscribe, Hello
from concordiad.core.views import author_view
from concordiad.core.wire import BadRequest, decode_request, encode_error, encode_result
from concordiad.errors import RoomError
from concordiad.front.answering import answer, too_much
from concordiad.front.caller import Caller
from concordiad.front.company import Company, Guest
from concordiad.front.outbox import Outbox, socket_of
from concordiad.front.owned_stream import OwnedStream
from concordiad.front.readings import subscribe
from concordiad.front.websocket import WebSocket
from concordiad.house.handle import House
from concordiad.room.handle import Room

REFUSED: Final = close_frame(4401, NOT_ADMITTED)
"""What everybody gets who is not let in; never with a reason, which would tell a stranger what is nearly right."""
AWAY: Final = {
    NOT_NOW: close_frame(1013, "not now: come back in a while"),
    CONFLICT: close_frame(1013, "too many connections of one guest: close another one"),
}
"""What somebody with a good token gets who cannot be let in at the moment."""
GARBAGE: Final = {
    1002: close_frame(1002, "this is not WebSocket as RFC 6455 has it"),
    1007: close_frame(1007, "a text has to be UTF-8"),
}
NOT_TEXT: Final = close_frame(1003, "send text: one JSON-RPC message a frame")
HELLO_TRIES: Final = 3
"""Times that somebody with a good token may give a name that will not do."""
WAITING_REQUESTS: Final = 64
"""Requests of one guest that may wait for their answers."""

_log = structlog.get_logger("concordiad.guests")


class Source(Protocol):
    """
    Where a connection comes from, as the door knows it.

    Attributes:
        scope: cancelled if the connection has to make room for another.
    """

    scope: trio.CancelScope

    @property
    def address(self) -> str:
        """For the hosts' eyes."""

    def admitted(self) -> None:
        """Hear that this is no stranger any more."""


class Introduction(NamedTuple):
    """A hello whose token opens a room: what it says, the room, and the request's id."""

    hello: Hello
    room: Room
    request_id: int | str | None


class _Admitted(Struct, frozen=True):
    """
    Somebody who was let in.

    Attributes:
        member: the id under which it sits in the guestbook.
    """

    room: Room
    member: str
    caller: Caller


class GuestConnection:
    """
    One guest, from the answer to its request for a WebSocket on.

    Args:
        transport: the socket, or the TLS over it.
        upgrade: what is left to be sent of that answer.
        behind: what was read behind the request already.
        source: where it comes from.
        first: its first message, if that was read and opens a room.
        hello_by: when it has to be admitted, in monotonic seconds.
    """

    __slots__ = (
        "_admitted",
        "_allowance",
        "_company",
        "_first",
        "_guest",
        "_hello_by",
        "_house",
        "_outbox",
        "_source",
        "_start",
        "_stream",
        "_transport",
        "_tries",
        "_upgrade",
        "_waiting",
        "_websocket",
        "_working",
    )

    def __init__(
        self,
        transport: trio.abc.Stream,
        upgrade: bytes,
        behind: bytes,
        source: Source,
        *,
        first: Introduction | None = None,
        hello_by: float,
        house: House,
        company: Company,
    ) -> None:
        limits = company.limits
        self._transport = transport
        self._source = source
        self._house = house
        self._company = company
        self._upgrade = upgrade
        self._first = first
        self._hello_by = hello_by
        self._outbox = Outbox(limits.guest_bytes, company.budget, self._call_sender, socket_of(transport))
        self._stream = OwnedStream(transport, behind, self._outbox, limits.message_bytes, self._hear, refusal=REFUSED)
        self._websocket = WebSocket(self._stream, WAITING_REQUESTS, limits.message_bytes)
        self._guest = Guest(source.address, self._outbox, self._stream)
        self._allowance = Allowance(limits.request_burst, limits.requests_per_s, trio.current_time())
        self._waiting = 0
        self._working: trio.CancelScope | None = None
        self._tries = HELLO_TRIES
        self._admitted: _Admitted | None = None
        self._start: Callable[[Callable[[], Awaitable[None]]], None]

    async def run(self) -> None:
        """
        Upgrade, hear a hello, converse.

        Owns: the connection. Ends when: it is closed. Raises: nothing; what goes wrong ends this connection, and is
        logged where it is a mistake of ours or of a library.
        """
        try:
            async with trio.open_nursery() as tasks:
                self._start = tasks.start_soon
                self._source.scope = tasks.cancel_scope
                try:
                    self._outbox.push(self._upgrade)
                    self._upgrade = b""
                    await self._read()
                    if self._working is not None:
                        self._working.cancel()
                    await self._stream.finish()
                finally:
                    # Nothing calls for a sender once there is no place for one.
                    self._outbox.give_up()
                tasks.cancel_scope.cancel()
        except* Exception as errors:  # noqa: BLE001  # the boundary: a guest must not take anybody else down
            _log.exception("guest_failed", address=self._guest.address, exc_info=errors)
        finally:
            self._leave()
            await trio.aclose_forcefully(self._transport)

    async def _read(self) -> None:
        """Hear what the guest sends, until it or we want no more."""
        reading = self._guest.reading
        reading.deadline = self._hello_by
        with reading:
            if self._first is not None:
                await self._introduce(self._first)
                # Its hello is not kept for as long as the guest is here.
                self._first = None
            await self._websocket.read()
        if self._admitted is None and reading.cancelled_caught:
            self._stream.end(REFUSED)
        closed = self._websocket.closed
        # Of what is no WebSocket the library only says so to us; the guest is to hear it too.
        if closed is not None and closed.code in GARBAGE:
            self._stream.end(GARBAGE[closed.code])

    def _hear(self, messages: int) -> bool:
        """Have messages answered that are about to reach the library; False if they are too many."""
        if not messages:
            return True
        is_at_work = self._waiting > 0
        self._waiting += messages
        if self._waiting > WAITING_REQUESTS or not self._allowance.take(trio.current_time(), messages):
            return False
        if not is_at_work:
            self._start(self._work)
        return True

    async def _work(self) -> None:
        """Answer what waits, in its order."""
        with trio.CancelScope() as self._working:
            try:
                while self._waiting and not self._stream.has_ended:
                    await self._meet(await self._websocket.get_message())
                    self._waiting -= 1
            except trio_websocket.ConnectionClosed:
                # What was begun is no message, or nobody wants an answer any more.
                return
        self._working = None

    async def _meet(self, message: str | bytes) -> None:
        admitted, outbox = self._admitted, self._outbox
        if admitted is None:
            await self._introduce(understand(message, self._house))
        elif not isinstance(message, str):
            self._guest.end(NOT_TEXT)
        else:
            asking = answer(message, admitted.caller, self._house)
            del message
            answered, follow, request_id = await asking
            if answered and not await outbox.put(admitted.room.voice.answer(answered)):
                await outbox.put(text_frame(too_much(request_id, len(answered))))
            if follow is not None:
                self._guest.follow(*follow)

    async def _introduce(self, understood: Introduction | None) -> None:
        """Meet a hello; whoever's opens no room is shown out."""
        self._tries -= 1
        if understood is None:
            self._guest.end(REFUSED)
            return
        hello, room, request_id = understood
        try:
            admission = await room.admit(hello.token, hello.name, hello.key)
            # Who is revoked before this was not let in, who is revoked from here on is dismissed.
            room.guestbook.sit(self._guest, admission)
        except RoomError as error:
            await self._turn_away(error, request_id)
            return
        caller = _caller_of(room, admission)
        self._admitted = _Admitted(room, admission.member.id, caller)
        self._company.here[self._guest] = None
        self._guest.reading.deadline = math.inf
        self._stream.admit()
        self._source.admitted()
        # Who goes on without a snapshot knows what was so when it was here last.
        hosts_known = room.transcript.hosts_version if hello.after is None else -1
        result, after = await _welcome(self._house, room, caller, admission, hello)
        await self._outbox.put(room.voice.answer(encode_result(request_id, result)))
        self._guest.follow(room, after, hosts_known)

    async def _turn_away(self, error: RoomError, request_id: int | str | None) -> None:
        """Say why a hello did not do: only with a good token is anybody told what is wrong with the rest."""
        if error.code is INVALID_PARAMS:
            await self._outbox.put(text_frame(encode_error(request_id, error)))
            if self._tries:
                return
        if error.code in AWAY:
            self._stream.admit()
        self._guest.end(AWAY.get(error.code, REFUSED))

    def _leave(self) -> None:
        if self._admitted is not None:
            self._company.here.pop(self._guest, None)
            self._admitted.room.guestbook.leave(self._guest, self._admitted.member)
        # They lead back here: what is in a circle is freed only when garbage is looked for, among all that is old.
        del self._guest, self._outbox, self._source, self._start, self._stream, self._websocket, self._working

    def _call_sender(self) -> None:
        self._start(self._send)

    async def _send(self) -> None:
        try:
            await self._outbox.run(self._transport, self._house.journal)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The guest has hung up; what it asked for is done all the same.
            self._guest.reading.cancel()


def understand(message: str | bytes, house: House) -> Introduction | None:
    """Read a hello; None if it is anything else, or its token opens no room."""
    if not isinstance(message, str):
        return None
    try:
        request = decode_request(message)
    except BadRequest:
        return None
    hello = request.params
    if not isinstance(hello, Hello) or request.is_notification:
        return None
    room = next((room for room in house.rooms.values() if room.guestbook.find(hello.token)), None)
    if room is None or hello.room not in (None, room.name):
        return None
    return Introduction(hello, room, request.id)


def _caller_of(room: Room, admission: Admission) -> Caller:
    return Caller(
        author=admission.author,
        role=admission.role,
        room=room.name,
        horizon=admission.horizon,
        may_approve=admission.may_approve,
    )


async def _welcome(
    house: House, room: Room, caller: Caller, admission: Admission, hello: Hello
) -> tuple[dict[str, Any], int]:
    """Say who the guest is now, and where its transcript goes on."""
    last = hello.last if hello.after is None else None
    params = EventsSubscribe(room=room.name, after=hello.after, last=last)
    subscribed, _, after = await subscribe(house, params, caller)
    result = {
        "member_token": admission.member_token,
        "guest": author_view(admission.author),
        "role": admission.role.value,
        "room": room.name,
        "may_approve": admission.may_approve,
        "history": admission.invite.history.value,
        "expires_at": None if admission.invite.expires_at is None else rfc3339(admission.invite.expires_at),
        **subscribed,
    }
    return result, after
