"""
The lines of Claude Code's stream-json: their shapes, and what can be read off one of them alone.

Only what Concordia needs of a line is in its shape; what else there is, and what a newer version adds, is passed over.
"""

import codecs
import json
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from concordiad.core.api import ApiTrouble, trouble_of
from concordiad.core.lines import Oversize
from concordiad.core.model import Outcome

RawLine = msgspec.Raw

LONG_BYTES: Final = 64 * 1024
"""Above this the type of a content line is taken from its beginning: one parse of it less."""


class Peek(msgspec.Struct, gc=False):
    """A first look: the type, and of the lines that come by the thousand what the second look needs."""

    type: str = ""
    event: RawLine = RawLine(b"")
    parent_tool_use_id: Any = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""


class StreamEvent(msgspec.Struct, gc=False):
    """A piece of a stream."""

    type: str = ""
    delta: _Delta | None = None


class Look(msgspec.Struct, gc=False):
    """One look at a line among many, which is enough where it is a piece of a stream."""

    type: str = ""
    event: StreamEvent | None = None
    parent_tool_use_id: Any = None


class Block(msgspec.Struct):
    """One content block; its content is passed on as the agent wrote it."""

    type: str = ""
    text: RawLine = RawLine(b'""')
    thinking: RawLine = RawLine(b'""')
    id: str = ""
    name: str = ""
    input: RawLine = RawLine(b"{}")
    tool_use_id: str = ""
    content: RawLine = RawLine(b'""')
    is_error: bool | None = None


class _Message(msgspec.Struct):
    content: list[Block] | str = ""


class ContentLine(msgspec.Struct):
    """A line of type assistant or user."""

    message: _Message
    parent_tool_use_id: str | None = None
    is_replay: bool = msgspec.field(default=False, name="isReplay")
    is_api_error_message: bool = False


class LifecycleLine(msgspec.Struct):
    """What becomes of a line of ours."""

    command_uuid: str
    state: str


class SystemLine(msgspec.Struct):
    """A line of type system, whatever its subtype."""

    subtype: str = ""
    session_id: str = ""
    model: str | None = None
    state: str = ""
    summary: str = ""
    user_message_uuids: list[str] = []
    tasks: RawLine = RawLine(b"[]")
    attempt: int | None = None
    max_retries: int | None = None
    retry_delay_ms: float | None = None
    error_status: int | None = None
    error: str | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _ModelUsage(msgspec.Struct, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cost_usd: float = msgspec.field(default=0.0, name="costUSD")


class ResultLine(msgspec.Struct):
    """How a turn ended."""

    is_error: bool = True
    subtype: str = ""
    terminal_reason: str | None = None
    api_error_status: int | None = None
    result: str | None = None
    errors: list[str] = []
    session_id: str | None = None
    total_cost_usd: float | None = None
    usage: _Usage | None = None
    num_turns: int | None = None
    ttft_ms: float | None = None
    user_message_uuids: list[str] = []
    model_usage_since_last_result: dict[str, _ModelUsage] | None = None


class _Request(msgspec.Struct):
    subtype: str = ""
    tool_name: str = ""
    input: RawLine = RawLine(b"{}")
    description: str | None = None
    requires_user_interaction: bool = False


class ControlRequestLine(msgspec.Struct):
    """What the agent asks of us."""

    request_id: str
    request: _Request


class _UsageSession(msgspec.Struct):
    total_cost_usd: float | None = None


class ControlPayload(msgspec.Struct):
    """What Concordia needs of the answer to get_usage."""

    session: _UsageSession | None = None


class ControlResponse(msgspec.Struct):
    """An answer to what we asked."""

    request_id: str
    subtype: str = ""
    response: RawLine = RawLine(b"{}")
    error: str | None = None


class ControlResponseLine(msgspec.Struct):
    """A line with an answer."""

    response: ControlResponse


class ControlCancelLine(msgspec.Struct):
    """The agent no longer asks."""

    request_id: str


peek_line: Final = msgspec.json.Decoder(Peek)
look_at_line: Final = msgspec.json.Decoder(Look)
read_event: Final = msgspec.json.Decoder(StreamEvent)
read_content: Final = msgspec.json.Decoder(ContentLine)
read_result: Final = msgspec.json.Decoder(ResultLine)
read_system: Final = msgspec.json.Decoder(SystemLine)
_encode: Final = msgspec.json.encode

COUNT_MOST: Final = 2**53
"""JSON's readers hold whole numbers up to here exactly, SQLite up to 2**63; more is no count of anything."""
PIECE_BYTES: Final = 8 * 1024
TAIL_BYTES: Final = 4 * 1024
RESULT_BORDER: Final = b',"tool_use_result":'
ANSWER_ABORTED: Final = frozenset({"aborted_streaming", "aborted_tools"})


def judge(line: ResultLine) -> tuple[Outcome, str | None]:
    """Tell a turn's outcome, and the reason where it is not completed."""
    reason = line.terminal_reason or line.subtype or "unknown"
    if reason in ANSWER_ABORTED:
        return Outcome.INTERRUPTED, reason
    if not line.is_error:
        return Outcome.COMPLETED, None
    status = "" if line.api_error_status is None else f" {line.api_error_status}"
    detail = line.result or "; ".join(line.errors)
    return Outcome.FAILED, f"{reason}{status}: {detail}" if detail else reason + status


def trouble_in(line: ResultLine) -> ApiTrouble | None:
    """Name the trouble of the API that a turn failed of, if it was one that the next turn would meet too."""
    return trouble_of(line.api_error_status) if line.is_error and line.terminal_reason == "api_error" else None


def figures_of(line: ResultLine) -> tuple[int | None, int | None, float | None]:
    """
    Tell a turn's input tokens (cached ones too), output tokens, and cost in US dollars.

    `usage` is zero for an interrupted turn although tokens were spent, so the figures per model go first.
    """
    models = line.model_usage_since_last_result
    if models:
        spent = models.values()
        inputs = sum(m.input_tokens + m.cache_read_input_tokens + m.cache_creation_input_tokens for m in spent)
        return (
            bounded_count(inputs),
            bounded_count(sum(model.output_tokens for model in spent)),
            sum(model.cost_usd for model in spent),
        )
    usage = line.usage
    if usage is None:
        return None, None, None
    parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    return (
        bounded_count(sum(part or 0 for part in parts)),
        bounded_count(usage.output_tokens),
        0.0 if models is not None else None,
    )


def read_text(value: RawLine) -> str | None:
    """Read a text; None if it is something else."""
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.MsgspecError:
        return None


def bounded_count(number: int | None) -> int | None:
    """Take a count if it is one that the journal and every reader can hold."""
    return number if number is not None and 0 <= number <= COUNT_MOST else None


def check_utf8(line: bytes) -> None:
    """Raise UnicodeDecodeError if a line is not UTF-8; only the pieces of it that are not ASCII are decoded."""
    if line.isascii():
        return
    place = 0
    while piece := line[place : place + PIECE_BYTES]:
        is_last = place + PIECE_BYTES >= len(line)
        place += len(piece) if piece.isascii() else codecs.utf_8_decode(piece, "strict", is_last)[1]


def leave_out_result(line: bytes) -> bytes | None:
    """
    Give a line of type user without `tool_use_result` and what is behind it; None where the line must be read whole.

    That member tells a tool's result again, often at greater length, and nothing of it is passed on, so it is not even
    read. The border is as sure as those of `read_oversize`: an inner object's leaves no whole JSON. `isReplay` stands
    before it in every recording; a line that ends with one, or with the result, gains nothing from being cut.
    """
    tail = line[-TAIL_BYTES:]
    if not line.startswith(b'{"type":"user",') or not tail.endswith(b"}") or b'"isReplay"' in tail:
        return None
    end = -1 if RESULT_BORDER in tail else line.find(RESULT_BORDER)
    return None if end < 0 else line[:end] + b"}"


def repair(line: bytes) -> bytes:
    """
    Write a line anew that holds bad UTF-8 or half of a surrogate pair: one such would close every browser's socket.

    Raises:
        ValueError: it is not JSON either.
    """
    value = json.loads(line.decode("utf-8", "replace"))
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


TYPE_FIRST: Final = re.compile(rb'\{"type":"(assistant|user)"')
_MEMBER_BORDER: Final = re.compile(rb',(?=")')


def read_oversize(line: Oversize) -> tuple[str, dict[str, Any]]:
    """
    Tell an oversize line's type, and its short members where it is a result.

    A quote inside a JSON string is always escaped, so an unescaped `"type":"result"` in the tail is a member of the
    line; lines that begin with their type (most results do not) are told by that. For the same reason `,"` stands
    between two members, though perhaps of an inner object: those at the border of the line's own leave whole JSON.
    """
    first = re.match(rb'\{"type":"([a-z_]+)"', line.head)
    if first is not None and first[1] != b"result":
        return first[1].decode(), {}
    if first is None and b'"type":"result"' not in line.tail:
        return "unknown", {}
    ends = [border.start() for border in _MEMBER_BORDER.finditer(line.head)]
    before = _read_first(line.head[:end] + b"}" for end in reversed(ends))
    after = _read_first(b"{" + line.tail[border.end() :] for border in _MEMBER_BORDER.finditer(line.tail))
    return "result", {**before, **after}


def _read_first(candidates: Iterable[bytes]) -> dict[str, Any]:
    for candidate in candidates:
        try:
            members: dict[str, Any] = msgspec.json.decode(candidate)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        return members
    return {}
