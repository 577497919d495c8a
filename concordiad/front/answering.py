"""One message of a client and its answer, the same over every transport."""

from typing import NamedTuple

from concordiad.core.codes import INTERNAL_ERROR
from concordiad.core.wire import (
    DEFAULT_ROOM,
    BadRequest,
    decode_request,
    encode_error,
    encode_result,
)
from concordiad.errors import JournalError, RemoteProtocolError, RoomError
from concordiad.front.caller import Caller
from concordiad.front.methods import allow, call
from concordiad.front.outbox import STALL_S
from concordiad.house import House
from concordiad.room import Room


class Answered(NamedTuple):
    """
    An answer.

    Attributes:
        message: empty for a notification that was met.
        follow: a room that the client is to be brought the events of, and the number after which.
    """

    message: bytes
    follow: tuple[Room, int] | None = None


async def answer(message: bytes, caller: Caller, house: House) -> Answered:
    """Meet one request or say why not."""
    request_id: int | str | None = None
    try:
        request = decode_request(message, caller.room or DEFAULT_ROOM)
        request_id = request.id
        met = await call(house, caller, request)
    except BadRequest as error:
        return Answered(encode_error(error.request_id, _fault_of(error, caller)))
    except RoomError as error:
        return Answered(encode_error(request_id, error))
    except JournalError as error:
        return Answered(encode_error(request_id, RemoteProtocolError(INTERNAL_ERROR, str(error))))
    return Answered(b"" if request.is_notification else encode_result(request_id, met.result), met.follow)


def _fault_of(error: BadRequest, caller: Caller) -> BadRequest | RoomError:
    """Tell whoever may not call a method that, rather than how it would be called rightly."""
    try:
        if error.method is not None:
            allow(error.method, caller)
    except RoomError as refusal:
        return refusal
    return error


def too_much(message: bytes, size_bytes: int) -> bytes:
    """Say that an answer finds no place because too many large ones wait to be read."""
    reason = f"the answer has {size_bytes} bytes, and too many large ones wait to be read: try again in a while"
    return encode_error(decode_request(message).id, RoomError.not_now(reason, retry_after_s=STALL_S))
