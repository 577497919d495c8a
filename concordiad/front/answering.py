"""One message of a client and its answer, the same over every transport."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import structlog
import trio

from concordiad.core.codes import INTERNAL_ERROR
from concordiad.core.params import DEFAULT_ROOM
from concordiad.core.roles import changes_nothing
from concordiad.core.wire import BadRequest, Request, decoding, encode_error, encode_result
from concordiad.errors import JournalError, RemoteProtocolError, RoomError
from concordiad.front.caller import Caller
from concordiad.front.methods import allow, call
from concordiad.front.outbox import STALL_S
from concordiad.house.handle import House
from concordiad.ops.requests import meeting
from concordiad.room.handle import Room
from concordiad.room.slices import in_slices

LONG_BYTES: Final = 64 * 1024
"""An answer of more is masked and framed in a step of its own."""
TOLD_CHARACTERS: Final = 64
"""How much of a room's name is told: twice what one may have. Anybody may ask for a room by a name of a megabyte."""

_log = structlog.get_logger("concordiad.requests")


class Answered(NamedTuple):
    """
    An answer.

    Attributes:
        message: empty for a notification that was met; a long one was written in a step of its own.
        follow: a room that the client is to be brought the events of, and the number after which.
        request_id: what the request calls itself, if it was understood.
    """

    message: bytes
    follow: tuple[Room, int] | None = None
    request_id: int | str | None = None


async def answer(message: bytes | str, caller: Caller, house: House) -> Answered:
    """Meet one request or say why not."""
    try:
        request = await in_slices(decoding(message, caller.room or DEFAULT_ROOM))
    except BadRequest as error:
        fault = _fault_of(error, caller)
        _log.debug("request_refused", caller=caller.author.id, method=error.method, code=fault.code.name)
        return Answered(encode_error(error.request_id, fault), request_id=error.request_id)
    # A long one is not kept while its answer is waited for: other texts find room there.
    del message
    with meeting(house.new_id()):
        answered = await _meet(request, caller, house)
    if len(answered.message) > LONG_BYTES:
        # Whoever frames it writes all of it once more.
        await trio.lowlevel.checkpoint()
    return answered


async def _meet(request: Request, caller: Caller, house: House) -> Answered:
    """Meet a request that was understood; one that is to change something is a line of the log."""
    began_at = trio.current_time()
    room: str | None = getattr(request.params, "room", None)
    about: dict[str, Any] = {
        "method": request.method,
        "caller": caller.author.id,
        "room": room and room[:TOLD_CHARACTERS],
    }
    traceparent = getattr(request.params, "traceparent", None)
    if traceparent is not None and caller.is_host:
        # Guests do not say where in other people's traces they belong.
        about["traceparent"] = traceparent
    try:
        met = await call(house, caller, request)
    except (RoomError, JournalError) as error:
        fault = error if isinstance(error, RoomError) else RemoteProtocolError(INTERNAL_ERROR, str(error))
        about |= {"code": fault.code.name, "took_s": _since(began_at)}
        if changes_nothing(request.method):
            _log.debug("request_refused", **about)
        else:
            _log.info("request_refused", **about)
        return Answered(encode_error(request.id, fault), request_id=request.id)
    if changes_nothing(request.method):
        _log.debug("request_met", **about, took_s=_since(began_at))
    else:
        _log.info("request_met", **about, **_ids_in(met.result), took_s=_since(began_at))
    message = b"" if request.is_notification else encode_result(request.id, met.result)
    return Answered(message, met.follow, request.id)


def _since(began_at: float) -> float:
    return round(trio.current_time() - began_at, 6)


def _ids_in(result: Mapping[str, Any]) -> dict[str, str]:
    """Name what a request was about, so that its line leads to that thing's own."""
    things = ((name, result.get(name)) for name in ("prompt", "turn", "approval", "invite"))
    return {name: thing["id"] for name, thing in things if isinstance(thing, dict) and "id" in thing}


def _fault_of(error: BadRequest, caller: Caller) -> BadRequest | RoomError:
    """Tell whoever may not call a method that, rather than how it would be called rightly."""
    try:
        if error.method is not None:
            allow(error.method, caller)
    except RoomError as refusal:
        return refusal
    return error


def too_much(request_id: int | str | None, size_bytes: int) -> bytes:
    """Say that an answer finds no place because too many large ones wait to be read."""
    reason = f"the answer has {size_bytes} bytes, and too many large ones wait to be read: try again in a while"
    return encode_error(request_id, RoomError.not_now(reason, retry_after_s=STALL_S))
