"""
What Claude Code's own history says of a turn, as version 2.1.329 writes it.

A history is a file of JSON lines that is only ever appended to. A line of ours stands in it under the turn's id; what
follows belongs to that turn until the next prompt. Law: a turn counts as finished only where the model itself has ended
it, after everything that its tools had to say.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

ENDED: Final = ("end_turn", "stop_sequence")
"""Why the model stops when it has no more to say and waits for no tool."""


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Block] = ""
    stop_reason: str | None = None


class _Line(msgspec.Struct, rename={"is_sidechain": "isSidechain", "is_api_error": "isApiErrorMessage"}):
    type: str = ""
    uuid: str = ""
    is_sidechain: bool = False
    is_api_error: bool = False
    message: _Message | None = None


_read_line: Final = msgspec.json.Decoder(_Line)


def finished_answer(lines: Iterable[bytes], turn: str) -> str | None:
    """Find a turn's last words in a history; None if the turn is not there or not finished."""
    is_inside, answer = False, None
    for raw in lines:
        try:
            line = _read_line.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # The last line may be half a one, and what nobody knows is no part of a turn.
            continue
        if line.message is None or line.is_sidechain:
            continue
        if line.type == "user":
            is_result = isinstance(line.message.content, list) and any(
                block.type == "tool_result" for block in line.message.content
            )
            is_inside = line.uuid == turn or (is_inside and is_result)
            # Whatever was said before a tool's result was not the end.
            answer = None if is_inside else answer
        elif line.type == "assistant" and is_inside:
            answer = _words_of(line)
    return answer


def _words_of(line: _Line) -> str | None:
    message = line.message
    if message is None or line.is_api_error or message.stop_reason not in ENDED or isinstance(message.content, str):
        return None
    texts = [block.text for block in message.content if block.type == "text"]
    return texts[-1] if texts else None
