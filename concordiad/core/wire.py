"""
The vocabulary of the wire as attrs classes, and its JSON-RPC 2.0 codec: bytes in, requests out, and back.

Laws: an unknown field is refused by name; nothing is coerced ("7" is no number, 1 is no string); a message that cannot
be read is answered with a code of `core.codes`, never with silence and never with a traceback.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs
import cattrs
import msgspec
from attrs import field, frozen

from concordiad.core.codes import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, UNKNOWN_METHOD, Code
from concordiad.core.lengthy import Unreasonable, make_shape, reading_params
from concordiad.core.model import AfterCrash, History, Outcome, Priority, PromptState
from concordiad.core.pieces import Pieces, whole
from concordiad.core.roles import Role
from concordiad.core.strict import (
    STRUCTURE_ERRORS,
    FieldError,
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
KEY_LIMIT: Final = 200
"""Characters in an idempotency key."""
PAGE_LIMIT: Final = 500
"""Rows in one page of a listing."""
LAST_LIMIT: Final = 10_000
"""Events that one subscription may ask to see again by number of lines."""
LOG_LIMIT: Final = 1000
"""Entries of the log in one answer: as many as are kept."""
LONGEST_S: Final = 366 * 86400.0
"""The longest time that somebody may ask for: a year."""
FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing: the fillers of Hangul, and Braille without a dot (Unicode 15)."""
VISIBLE: Final = re.compile(
    "[^\\s\\x00-\\x1f\\x7f-\\x9f\\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
"""Anything but blanks, controls and format characters (Cc, Cf; Unicode 16), which are as blank as blanks are."""
HEAD: Final = 4096
"""Characters of a text that are looked at first: nearly all show something there."""
BLANK_BYTES: Final = bytes(byte for byte in range(128) if VISIBLE.search(chr(byte)) is None)
"""The blanks and controls of ASCII."""
NAME_LIMIT: Final = 40
"""Characters in a guest's name."""
HELLO_KEY_LEAST: Final = 16
"""Characters that the key of a `hello` has at least: who guesses it becomes that guest."""
USES_LIMIT: Final = 1_000_000
"""Members that one invite may make, where their number is limited at all."""
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0


@frozen
class Check:
    """
    A validator of attrs that also says what it allows.

    Attributes:
        schema: the same in words of JSON Schema, as far as that has any.
    """

    _check: Callable[[Any, "attrs.Attribute[Any]", Any], None]
    schema: Mapping[str, Any]

    def __call__(self, params: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        """Raise FieldError for a value that is not allowed."""
        self._check(params, attribute, value)


def _allows(**schema: Any) -> Callable[[Callable[[Any, "attrs.Attribute[Any]", Any], None]], Check]:
    return lambda check: Check(check, schema)


def _shows_nothing(text: str) -> bool:
    """Tell whether nothing of a text can be seen, which takes long by VISIBLE alone if it begins with a lot of that."""
    if VISIBLE.search(text, 0, HEAD) is not None:
        return False
    if text.isascii():
        return not text.encode().translate(None, BLANK_BYTES)
    return VISIBLE.search(text, HEAD) is None


@_allows(minLength=1)
def _is_text(_: Any, attribute: "attrs.Attribute[str]", value: str) -> None:
    if _shows_nothing(value):
        raise FieldError(attribute.name, "is empty or blank: say what you want to ask")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldError(attribute.name, "is not valid Unicode: it holds a lone surrogate") from None


@_allows(minLength=1, maxLength=KEY_LIMIT)
def _is_name(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    if value is not None and not (0 < len(value) <= KEY_LIMIT and value.isprintable()):
        raise FieldError(attribute.name, f"must be 1 to {KEY_LIMIT} printable characters")


def _is_visible(character: str) -> bool:
    """Tell whether a character shows something by itself, as blanks, combining marks and fillers do not."""
    return unicodedata.category(character)[0] in "LNPS" and character not in FILLERS


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with a guest's name; None if it is good."""
    if not any(_is_visible(character) for character in name):
        return "is empty or blank: give the name that the others shall see"
    if len(name) > NAME_LIMIT or not name.isprintable():
        return f"must be 1 to {NAME_LIMIT} printable characters"
    return None


@_allows(minLength=1, maxLength=NAME_LIMIT)
def _is_guests_name(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    fault = None if value is None else fault_of_name(value)
    if fault is not None:
        raise FieldError(attribute.name, fault)


@_allows(minLength=HELLO_KEY_LEAST, maxLength=KEY_LIMIT)
def _is_hello_key(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    if value is not None and not (HELLO_KEY_LEAST <= len(value) <= KEY_LIMIT and value.isprintable()):
        raise FieldError(attribute.name, f"must be {HELLO_KEY_LEAST} to {KEY_LIMIT} printable characters")


@_allows(enum=[Role.DRIVER.value, Role.VIEWER.value])
def _is_guests_role(_: Any, attribute: "attrs.Attribute[Role]", value: Role) -> None:
    if value is Role.HOST:
        raise FieldError(
            attribute.name, "is host, but an invite makes drivers and viewers: hosts use the control socket"
        )


def _is_between(low: float, high: float) -> Check:
    @_allows(minimum=low, maximum=high)
    def check(_: Any, attribute: "attrs.Attribute[float]", value: float | None) -> None:
        if value is not None and not low <= value <= high:
            raise FieldError(attribute.name, f"is {value:.12g}, it must be from {low:.12g} to {high:.12g}")

    return check


def parse_time(text: str) -> float:
    """
    Read a time of RFC 3339 with its offset, as Unix seconds.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no offset")
    return time.timestamp()


@_allows(format="date-time")
def _is_time(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    if value is None:
        return
    try:
        parse_time(value)
    except ValueError as error:
        example = "2026-11-21T08:00:00Z"
        raise FieldError(attribute.name, f"is {value[:40]!r}, it must be a time such as {example}") from error


@frozen
class Cursor:
    """A place in a room's transcript: the event `seq` as numbered in `epoch`."""

    epoch: int = field(validator=_is_between(0, 2**53))
    seq: int = field(validator=_is_between(0, 2**53))


@frozen
class Nothing:
    """Params of a method that takes none."""


@frozen
class PromptSubmit:
    """Hand in a prompt; answered once it is durable."""

    text: str = field(validator=_is_text)
    room: str = "main"
    key: str | None = field(default=None, validator=_is_name)
    priority: Priority = Priority.NORMAL
    expires_s: float | None = field(default=None, validator=_is_between(0.001, LONGEST_S))
    alone: bool = False
    raw: bool = False
    traceparent: str | None = field(default=None, validator=_is_name)


@frozen
class PromptRetry:
    """Ask a prompt again that came to nothing; answered once the new one is durable."""

    id: str = field(validator=_is_name)
    room: str = "main"
    key: str | None = field(default=None, validator=_is_name)


@frozen
class ById:
    """One thing of a room."""

    id: str = field(validator=_is_name)
    room: str = "main"


@frozen
class PromptList:
    """
    A page of prompts: those that wait in the order of their places, all others newest first.

    `author` is an author's id or name; `since` and `until` bound the time of submission.
    """

    room: str = "main"
    states: tuple[PromptState, ...] = ()
    author: str | None = field(default=None, validator=_is_name)
    since: str | None = field(default=None, validator=_is_time)
    until: str | None = field(default=None, validator=_is_time)
    limit: int = field(default=100, validator=_is_between(1, PAGE_LIMIT))
    cursor: str | None = field(default=None, validator=_is_name)


@frozen
class TurnInterrupt:
    """Stop the running turn; with `turn`, only if it is still that one."""

    room: str = "main"
    turn: str | None = field(default=None, validator=_is_name)


@frozen
class TurnList:
    """
    A page of turns, newest first.

    `author` is the id or name of one of a turn's authors; `since` and `until` bound the time of its start.
    """

    room: str = "main"
    outcomes: tuple[Outcome, ...] = ()
    author: str | None = field(default=None, validator=_is_name)
    since: str | None = field(default=None, validator=_is_time)
    until: str | None = field(default=None, validator=_is_time)
    limit: int = field(default=50, validator=_is_between(1, PAGE_LIMIT))
    cursor: str | None = field(default=None, validator=_is_name)


@frozen
class EventsSubscribe:
    """
    Follow a room's transcript on this connection.

    At most one of: `after` (continue there), `since` (from that number on), `last` (that many recorded events first).
    """

    room: str = "main"
    after: Cursor | None = None
    since: int | None = field(default=None, validator=_is_between(0, 2**53))
    last: int | None = field(default=None, validator=_is_between(0, LAST_LIMIT))

    def __attrs_post_init__(self) -> None:
        """Refuse two starting points."""
        if sum(given is not None for given in (self.after, self.since, self.last)) > 1:
            raise ValueError("after, since and last exclude each other: give one of them")


@frozen
class EventsList:
    """A page of recorded events from `since` on, oldest first; or the `last` ones."""

    room: str = "main"
    since: int = field(default=0, validator=_is_between(0, 2**53))
    last: int | None = field(default=None, validator=_is_between(0, LAST_LIMIT))
    limit: int = field(default=PAGE_LIMIT, validator=_is_between(1, PAGE_LIMIT))


@frozen
class InRoom:
    """Params of a method that only needs a room."""

    room: str = "main"


@frozen
class RoomCreate:
    """Open a new room; it is opened again at every start of the daemon until it is closed."""

    name: str = field(validator=_is_name)
    workdir: str
    agent: str = "claude"
    model: str | None = field(default=None, validator=_is_name)
    permission_mode: str | None = field(default=None, validator=_is_name)
    idle_s: float = field(default=0.0, validator=_is_between(0, LONGEST_S))
    after_crash: AfterCrash = AfterCrash.LEAVE


@frozen
class RoomRestart:
    """End a room's agent after what runs, and start it again; with `fresh` with a new conversation."""

    room: str = "main"
    fresh: bool = False


@frozen
class ApprovalAnswer:
    """Approve or deny what the agent asked for; the first answer wins."""

    id: str = field(validator=_is_name)
    allow: bool
    room: str = "main"
    answers: Mapping[str, str] = field(factory=dict)
    reason: str | None = None


@frozen
class InviteCreate:
    """
    Make an invite; its link and token are in the answer and never shown again.

    `name` is a hint for who is invited. With null for `expires_s` it never expires, with null for `uses` it may be used
    any number of times.
    """

    room: str = "main"
    role: Role = field(default=Role.VIEWER, validator=_is_guests_role)
    expires_s: float | None = field(default=DAY_S, validator=_is_between(1, LONGEST_S))
    uses: int | None = field(default=1, validator=_is_between(1, USES_LIMIT))
    name: str | None = field(default=None, validator=_is_guests_name)
    may_approve: bool = False
    history: History = History.JOINING

    def __attrs_post_init__(self) -> None:
        """Refuse what would grant nothing."""
        if self.may_approve and self.role is not Role.DRIVER:
            raise FieldError(
                "may_approve", f"is for drivers, a {self.role} cannot answer approvals: leave one of them out"
            )


@frozen
class InviteList:
    """The invites of a room that are neither revoked nor expired; with `all` also those that are."""

    room: str = "main"
    all: bool = False


@frozen
class InviteRevoke:
    """End an invite and the connections of everybody who came by it."""

    id: str = field(validator=_is_name)
    room: str = "main"


@frozen
class GuestList:
    """The guests of a room who are here; with `all` also those who may come back, or were here once."""

    room: str = "main"
    all: bool = False


@frozen
class GuestKick:
    """
    Remove a guest, end its connections, and take from it the means to come back.

    `id` is the guest's id, the beginning of its UUID, or its name if only one has that.
    """

    id: str = field(validator=_is_name)
    room: str = "main"
    reason: str | None = field(default=None, validator=_is_name)


@frozen
class JournalPrune:
    """
    Forget what ended longer ago, and the oldest events beyond so many bytes a room; what has not ended is kept.

    Without rooms, in every one that the journal knows; without either limit, nothing is forgotten.
    """

    older_than_s: float | None = field(default=None, validator=_is_between(1, LONGEST_S))
    keep_bytes: int | None = field(default=None, validator=_is_between(0, 2**53))
    rooms: tuple[str, ...] = ()


@frozen
class StatsGet:
    """
    What the turns came to that began between `since` and `until`, by day and by person.

    With null for `room` of all rooms; without `until` until now, without `since` from 30 days before that. A day begins
    at midnight where clocks are `utc_offset_s` seconds ahead of UTC; the hours of summer are not looked at.
    """

    room: str | None = field(default="main", validator=_is_name)
    since: str | None = field(default=None, validator=_is_time)
    until: str | None = field(default=None, validator=_is_time)
    utc_offset_s: int = field(default=0, validator=_is_between(-14 * HOUR_S, 14 * HOUR_S))


@frozen
class StatsLink:
    """Make the address of the page with the statistics, of one room or of all; whoever has it may read them."""

    room: str | None = field(default="main", validator=_is_name)
    expires_s: float = field(default=HOUR_S, validator=_is_between(1, DAY_S))


@frozen
class LogTail:
    """
    The latest entries of the daemon's log, as far as it keeps them: the last ones, or those after a number.

    A number is what an earlier answer gave as `next`; they count anew at every start of the daemon.
    """

    after: int | None = field(default=None, validator=_is_between(0, 2**53))
    last: int = field(default=100, validator=_is_between(0, LOG_LIMIT))


@frozen
class Hello:
    """
    Come in: the first message of a guest's connection, and of no other.

    `token` is an invite's or the `member_token` of an earlier answer; `key` makes it harmless to ask for a lost answer
    again.
    """

    token: str = field(validator=_is_name, repr=False)
    name: str = ""
    key: str | None = field(default=None, validator=_is_hello_key, repr=False)
    room: str | None = field(default=None, validator=_is_name)
    after: Cursor | None = None
    last: int = field(default=100, validator=_is_between(0, LAST_LIMIT))


Params = (
    Nothing
    | PromptSubmit
    | PromptRetry
    | ById
    | PromptList
    | TurnInterrupt
    | TurnList
    | EventsSubscribe
    | EventsList
    | InRoom
    | RoomCreate
    | RoomRestart
    | ApprovalAnswer
    | InviteCreate
    | InviteList
    | InviteRevoke
    | GuestList
    | GuestKick
    | JournalPrune
    | StatsGet
    | StatsLink
    | LogTail
    | Hello
)

METHODS: Final[dict[str, type[Params]]] = {
    "prompt.submit": PromptSubmit,
    "prompt.retry": PromptRetry,
    "prompt.cancel": ById,
    "prompt.split": ById,
    "prompt.get": ById,
    "prompt.list": PromptList,
    "turn.interrupt": TurnInterrupt,
    "turn.get": ById,
    "turn.list": TurnList,
    "events.subscribe": EventsSubscribe,
    "events.list": EventsList,
    "approval.list": InRoom,
    "approval.answer": ApprovalAnswer,
    "room.list": Nothing,
    "room.create": RoomCreate,
    "room.close": InRoom,
    "room.pause": InRoom,
    "room.resume": InRoom,
    "room.restart": RoomRestart,
    "invite.create": InviteCreate,
    "invite.list": InviteList,
    "invite.revoke": InviteRevoke,
    "guest.list": GuestList,
    "guest.kick": GuestKick,
    "journal.prune": JournalPrune,
    "stats.get": StatsGet,
    "stats.link": StatsLink,
    "log.tail": LogTail,
    "daemon.status": Nothing,
    "daemon.measure": Nothing,
    "rpc.discover": Nothing,
    "hello": Hello,
}

DEFAULT_ROOM: Final = "main"
"""The room of a request over the control socket that names none."""
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


def decode_request(message: bytes, default_room: str = DEFAULT_ROOM) -> Request:
    """Read one message at a stretch, as `decoding` does."""
    return whole(decoding(message, default_room))


def decoding(message: bytes, default_room: str = DEFAULT_ROOM) -> Pieces[Request]:
    """
    Read one message; a long one in pieces, each of which takes a millisecond or so.

    Args:
        message: one JSON object.
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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = " (half of a surrogate pair?)" if b"\\ud" in message.lower() else ""
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
