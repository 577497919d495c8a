"""
What the stub of the Messages API answers: from the orders of one answer to its steps, without any I/O.

A step is an event of the API's stream, or something to do between two of them: wait, fail, hang, die.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from concordiad.agent.orders import Order
from tests.support.messages_script import TOOL_VERBS

Event = dict[str, Any]
"""One event of the stream, as its JSON object: {"type": "content_block_delta", …}."""

INPUT_TOKENS: Final = 11
MOST_OUTPUT_TOKENS: Final = 1000  # a 10 MB answer must not look like a full context: the CLI would compact
TEXT_DELTA_BYTES: Final = 8  # so that a short text comes in several deltas too
SIZE_DELTA_BYTES: Final = 16 * 1024
DYING_S: Final = 0.1  # a client drops what it has not yet read when the connection breaks; this lets it read

ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True)
class Pause:
    """Send nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Gate:
    """Send nothing until a file of this path exists."""

    path: str


@dataclass(frozen=True)
class Fail:
    """
    Answer with an HTTP status or, where the stream has begun, break it off with an error event.

    Attributes:
        status: the HTTP status.
        times: how often; None: always.
        place: the number of the order within its answer.
        message: what is wrong; "": the error's type says it.
    """

    status: int
    times: int | None
    place: int
    message: str = ""


@dataclass(frozen=True)
class Hang:
    """Stay silent until the client goes away."""


@dataclass(frozen=True)
class Die:
    """Cut the connection."""


Step = Event | Pause | Gate | Fail | Hang | Die


def play(orders: Sequence[Order], name: str, model: str) -> Iterator[Step]:
    """
    Yield the steps of one answer, its events in the API's own order.

    Args:
        orders: what to do; the first call of a tool ends the answer.
        name: unique among all answers of all stubs, for the ids of the message and of its tool call.
        model: what the request named.
    """
    usage = {"input_tokens": INPUT_TOKENS, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message: Event = {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage | {"output_tokens": 1}}
    opening: list[Event] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    blocks = deltas = 0
    stop_reason = "end_turn"
    for place, order in enumerate(orders):
        for step in perform(order, place, f"toolu_{name}"):
            if not isinstance(step, dict):
                yield step
                continue
            # The message opens with its first block: an error before that can still be an HTTP status.
            yield from opening
            opening = []
            yield step | {"index": blocks}
            blocks += step["type"] == "content_block_stop"
            deltas += step["type"] == "content_block_delta"
        if order.verb in TOOL_VERBS:
            stop_reason = "tool_use"
            break
    yield from opening
    tokens = {"output_tokens": min(1 + deltas, MOST_OUTPUT_TOKENS)}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": None},
        "usage": tokens,
    }
    yield {"type": "message_stop"}


def perform(order: Order, place: int, tool_id: str) -> Sequence[Step]:
    """Return the steps of one order, the `place`-th of its answer; a wrong argument is an error 400."""
    argument = order.argument
    command = {"command": argument, "description": "stub"}
    try:
        match order.verb:
            case "text" | "echo":
                return text_block(pieces(argument, TEXT_DELTA_BYTES))
            case "size":
                return text_block(pieces(filler(int(argument)), SIZE_DELTA_BYTES))
            case "think":
                return thinking(argument)
            case "slow":
                return slow(argument)
            case "tool":
                return tool_use(tool_id, "Bash", command)
            case "background":
                return tool_use(tool_id, "Bash", command | {"run_in_background": True})
            case "ask":
                return tool_use(tool_id, "AskUserQuestion", {"questions": [question(argument)]})
            case "error":
                status, _, times = argument.partition(",")
                return [Fail(int(status), int(times) if times else None, place)]
            case "gate":
                return [Gate(argument)]
            case "hang":
                return [*text_block(["about to hang "])[:-1], Hang()]
            case "die":
                return [*text_block(["about to die "])[:-1], Pause(DYING_S), Die()]
            case verb:
                raise ValueError(f"no answer for the order {verb!r}")
    except ValueError as wrong:
        return [Fail(400, None, place, f"stub: [[{order.verb}:{argument}]]: {wrong}")]


def block(opened: Event, field: str, deltas: Sequence[str]) -> list[Event]:
    """Return the events of a content block whose `field` grows by `deltas`."""
    kind = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}[field]
    grown: list[Event] = [{"type": "content_block_delta", "delta": {"type": kind, field: d}} for d in deltas]
    return [{"type": "content_block_start", "content_block": opened}, *grown, {"type": "content_block_stop"}]


def text_block(deltas: Sequence[str]) -> list[Event]:
    """Return the events of a text block."""
    return block({"type": "text", "text": ""}, "text", deltas)


def thinking(text: str) -> list[Event]:
    """Return a thinking block, with the signature without which it could not be sent back."""
    opened = {"type": "thinking", "thinking": "", "signature": ""}
    *grown, stop = block(opened, "thinking", pieces(text, TEXT_DELTA_BYTES))
    signed = {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "c3R1Yg=="}}
    return [*grown, signed, stop]


def slow(argument: str) -> list[Step]:
    """Return WORDS,DELAY_MS as a text block that comes word by word."""
    words, _, delay_ms = argument.partition(",")
    start, *deltas, stop = text_block([f"word{number} " for number in range(1, int(words) + 1)])
    pause = Pause(float(delay_ms) / 1000)
    return [start, *(step for delta in deltas for step in (pause, delta)), stop]


def tool_use(tool_id: str, tool: str, given: Event) -> list[Event]:
    """Return a call of a tool, its input as JSON in several deltas."""
    opened = {"type": "tool_use", "id": tool_id, "name": tool, "input": {}}
    return block(opened, "partial_json", pieces(json.dumps(given), 4 * TEXT_DELTA_BYTES))


def question(argument: str) -> Event:
    """Return QUESTION|CHOICE|CHOICE in the shape of AskUserQuestion, which wants at least two choices."""
    text, *choices = argument.split("|")
    options = [{"label": choice, "description": f"choose {choice}"} for choice in choices or ["Yes", "No"]]
    return {"question": text, "header": "Question", "options": options, "multiSelect": False}


def pieces(text: str, size: int) -> list[str]:
    """Cut a text into parts of `size` characters; none if it is empty."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def filler(size: int) -> str:
    """Return so many bytes of numbered lines, so that a missing part would show."""
    width = 64
    return "".join(f"{number:0{width - 1}}\n" for number in range(size // width + 1))[:size]


def assemble(events: Sequence[Event]) -> Event:
    """Return the message that a whole stream makes, as a request without `stream` gets it."""
    message: Event = events[0]["message"]
    content: list[Event] = []
    for event in events:
        match event["type"]:
            case "content_block_start":
                content.append(dict(event["content_block"]))
            case "content_block_delta":
                grow(content[-1], event["delta"])
            case "message_delta":
                message |= event["delta"] | {"usage": message["usage"] | event["usage"]}
    for given in content:
        if given["type"] == "tool_use":
            given["input"] = json.loads(given.pop("partial_json"))
    return message | {"content": content}


def grow(given: Event, delta: Event) -> None:
    """Append a delta's one text to the field of that name."""
    for field in delta.keys() - {"type"}:
        given[field] = given.get(field, "") + delta[field]


def error_body(status: int, message: str = "") -> Event:
    """Return the API's JSON for an error status."""
    kind = ERROR_TYPES.get(status, "api_error")
    error = {"type": kind, "message": message or f"stub: {kind}"}
    return {"type": "error", "error": error, "request_id": "req_stub"}
