"""
The wire's JSON-RPC 2.0 codec: bytes in, requests out, and back.

Laws: an unknown field is refused by name; nothing is coerced ("7" is no number, 1 is no string); a message that cannot
be read is answered with a code of `core.codes`, never with silence and never with a traceback.
"""

from typing import Any, Final

import attrs
import cattrs
import msgspec
from attrs import frozen

from concordiad.core.codes import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, UNKNOWN_METHOD, Code
from concordiad.core.lengthy import Unreasonable, make_shape, reading_params
from concordiad.core.model import AfterCrash, History, Outcome, Priority, PromptState
from concordiad.core.params import DEFAULT_ROOM, METHODS, Params
from concordiad.core.pieces import Pieces, whole
from concordiad.core.roles import Role
from concordiad.core.strict import (
    STRUCTURE_ERRORS,
    first_fault,
    make_strict_converter,
    name_of_type,
    quote,
    structure_choice,
)
from concordiad.errors import RemoteProtocolError, RoomError

PROMPT_LIMIT_BYTES: Final = 256 * 1024
"""A prompt's default limit in UTF-8: far above any question, far below what would stall the other people."""
MESSAGE_LIMIT_BYTES: Final = 2 * 1024 * 1024
"""A message's limit: the longest prompt with every byte written as a \\u00XX escape, and room for the rest."""
_ROOM_METHODS: Final = frozenset(
    method
    for method, params in METHODS.items()
    if getattr(attrs.fields_dict(params).get("room"), "default", None) == DEFAULT_ROOM
)
"""The methods that are about one room, which may be left out."""
_SHAPES: Final = {method: make_shape(params) for method, params in METHODS.items()}


@frozen
class Request:
    """One request that was understood; a notification gets no answer."""

    id: int | str | None
    method: str
    params: Params
    is_notification: bool = False


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    jsonrpc: str
    method: str
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    params: msgspec.Raw = msgspec.Raw(b"{}")


class BadRequest(RemoteProtocolError):
    """A message that is no good request; its id and its method are there where they could be read."""

    def __init__(self, code: Code, message: str, request_id: int | str | None = None, field: str | None = None):
        super().__init__(code, message)
        self.request_id = request_id
        self.method: str | None = None
        self.field = field


def _make_params_converter() -> cattrs.Converter:
    converter = make_strict_converter()
    for choices in (Priority, PromptState, Outcome, Role, History, AfterCrash):
        converter.register_structure_hook(choices, structure_choice)
    return converter


_PARAMS: Final = _make_params_converter()


def decode_request(message: bytes | str, default_room: str = DEFAULT_ROOM) -> Request:
    """Read one message at a stretch, as `decoding` does."""
    return whole(decoding(message, default_room))


def decoding(message: bytes | str, default_room: str = DEFAULT_ROOM) -> Pieces[Request]:
    """
    Read one message; a long one in pieces, each of which takes a millisecond or so.

    Args:
        message: one JSON object; of a text, nothing is written anew where it is all ASCII.
        default_room: the room of a request that could name one and does not.

    Raises:
        BadRequest: with the code and the sentence to answer.
    """
    try:
        envelope = msgspec.json.decode(message, type=_Envelope)
    except msgspec.ValidationError as error:
        raise BadRequest(INVALID_REQUEST, f"not a JSON-RPC 2.0 request: {error}; send one object a line") from error
    except RecursionError as error:
        raise BadRequest(PARSE_ERROR, "the JSON is nested too deeply: flatten it") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        written = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        hint = " (half of a surrogate pair?)" if b"\\ud" in written.lower() else ""
        raise BadRequest(PARSE_ERROR, f"not JSON in UTF-8: {error}{hint}") from error
    identity = None if envelope.id is msgspec.UNSET else envelope.id
    if envelope.jsonrpc != "2.0":
        raise BadRequest(INVALID_REQUEST, f'jsonrpc is {quote(envelope.jsonrpc)}, it must be "2.0"', identity)
    params_class = METHODS.get(envelope.method)
    if params_class is None:
        raise BadRequest(UNKNOWN_METHOD, f"there is no method {quote(envelope.method)}: see docs/protocol.md", identity)
    try:
        members = yield from reading_params(envelope.params, _SHAPES[envelope.method])
    except Unreasonable as error:
        unreasonable = BadRequest(INVALID_PARAMS, f"params cannot be met: {error}", identity)
        unreasonable.method = envelope.method
        raise unreasonable from error
    except RecursionError as error:
        raise BadRequest(PARSE_ERROR, "the JSON is nested too deeply: flatten it", identity) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(PARSE_ERROR, f"params is not JSON in UTF-8: {error}", identity) from error
    if not isinstance(members, dict):
        raise BadRequest(INVALID_PARAMS, f"params must be an object, not {name_of_type(members)}", identity)
    if envelope.method in _ROOM_METHODS:
        members.setdefault("room", default_room)
    try:
        params = structure_params(params_class, members, identity)
    except BadRequest as error:
        error.method = envelope.method
        raise
    return Request(identity, envelope.method, params, is_notification=envelope.id is msgspec.UNSET)


def structure_params(
    params_class: type[Params], members: dict[str, Any], request_id: int | str | None = None
) -> Params:
    """
    Check a method's params and make them an object.

    Raises:
        BadRequest: naming the first field that is wrong.
    """
    try:
        return _PARAMS.structure(members, params_class)
    except STRUCTURE_ERRORS as error:
        fault = first_fault(error)
        raise BadRequest(INVALID_PARAMS, str(fault), request_id, fault.field or None) from error


def encode_result(request_id: int | str | None, result: object) -> bytes:
    """Write the answer to a request that was met, as one line without its newline."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def encode_error(request_id: int | str | None, error: RemoteProtocolError | RoomError) -> bytes:
    """Write the answer to a request that could not be met; `data` names the code, the field and when to try again."""
    data = {
        "name": error.code.name,
        "field": getattr(error, "field", None),
        "retry_after_s": getattr(error, "retry_after_s", None),
    }
    body = {"code": error.code.number, "message": str(error), "data": data}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": body})


EVENT_HEAD: Final = b'{"jsonrpc":"2.0","method":"event","params":'


def encode_line(event: bytes) -> bytes:
    """Wrap an event that is JSON already into its notification, and end the line."""
    return b"%b%b}\n" % (EVENT_HEAD, event)
