"""
Output as Claude Code 2.1.329 writes it with --include-partial-messages: members, their order and sizes as recorded.

Text comes in deltas of the size that makes a line 300 bytes long on average, all other lines counted in.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

Line = dict[str, Any]

DELTAS: Final = 400
"""Deltas of one turn, in blocks of a hundred: a long answer, as the lines that come by the thousand do."""
BLOCK_DELTAS: Final = 100
SESSION: Final = "1933210d-851d-4323-a4cc-dab9d27fc541"
MODEL: Final = "claude-opus-5-5"
WORDS: Final = (
    "the ",
    "room ",
    "turns ",
    "on ",
    "a ",
    "prompt,\n",
    "“Größe” ",
    "of ",
    "what ",
    '"is" ',
    "asked ",
    "it.",
)
"""As in prose and code: mostly plain, with a line end, a quote or a letter beyond ASCII in every third delta or so."""
PADDING_INIT: Final = 2500
PADDING_RESULT: Final = 1500
"""What the recorded `init` (3009 bytes) and `result` (2353) have besides what is written out here."""


def write_turns(path: Path, lines_at_least: int) -> int:
    """Write whole turns to a file until it has so many lines; returns how many it has."""
    chance = random.Random(300)
    written = 0
    with path.open("wb") as file:
        while written < lines_at_least:
            for line in _turn(chance):
                file.write(encode(line) + b"\n")
                written += 1
    return written


def write_said(path: Path, lines_at_least: int) -> int:
    """Write what is said within one turn, without the lines that open and close it; returns how many lines it has."""
    chance = random.Random(301)
    written = 0
    with path.open("wb") as file:
        while written < lines_at_least:
            for line in _said(chance):
                file.write(encode(line) + b"\n")
                written += 1
    return written


def write_finished(path: Path, lines: int, text: str) -> None:
    """Write finished blocks only, each with a number before its text: every one of them is an event to be recorded."""
    chance = random.Random(302)
    with path.open("wb") as file:
        for number in range(lines):
            file.write(encode(assistant({"type": "text", "text": f"{number} {text}"}, _uuid(chance))) + b"\n")


def encode(line: Line) -> bytes:
    """Write a line as the CLI does: no spaces, and no escapes that need not be."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def assistant(block: Line, uuid: str) -> Line:
    """Return the line of a finished block."""
    message = _message([block])
    message["usage"] = {"input_tokens": 11, "cache_creation_input_tokens": 0, "output_tokens": 1}
    stamps = {"parent_tool_use_id": None, "session_id": SESSION, "uuid": uuid, "timestamp": "2026-11-20T23:44:12.922Z"}
    return {"type": "assistant", "message": message, **stamps, "request_id": "req_1"}


def tool_result(content: str, uuid: str) -> Line:
    """Return the line of what a tool gave."""
    block = {"tool_use_id": "toolu_1", "type": "tool_result", "content": content, "is_error": False}
    message = {"role": "user", "content": [block]}
    return {
        "type": "user",
        "message": message,
        "parent_tool_use_id": None,
        "session_id": SESSION,
        "uuid": uuid,
        "timestamp": "2026-11-20T23:44:12.922Z",
        "tool_use_result": {"stdout": "", "stderr": "", "interrupted": False, "isImage": False},
    }


def open_turn(turn: str, uuid: str) -> Iterator[Line]:
    """Return the lines that a turn opens with."""
    for state in ("queued", "started"):
        yield {"type": "command_lifecycle", "command_uuid": turn, "state": state, "uuid": uuid, "session_id": SESSION}
    yield {
        "type": "system",
        "subtype": "init",
        "cwd": "/srv/demo/work",
        "session_id": SESSION,
        "tools": ["Task", "Bash", "Edit", "Read", "Write"],
        "model": MODEL,
        "permissionMode": "default",
        "slash_commands": ["x" * PADDING_INIT],
        "claude_code_version": "2.1.329",
        "uuid": uuid,
        "user_message_uuids": [turn],
    }


def close_turn(turn: str, uuid: str) -> Iterator[Line]:
    """Return the lines that a turn closes with."""
    yield {
        "duration_ms": 52,
        "duration_api_ms": 44,
        "stop_reason": "end_turn",
        "session_id": SESSION,
        "total_cost_usd": 0.000124,
        "usage": {"input_tokens": 11, "output_tokens": 4, "service_tier": "standard"},
        "permission_denials": ["x" * PADDING_RESULT],
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Done.",
        "terminal_reason": "completed",
        "num_turns": 2,
        "uuid": uuid,
        "user_message_uuids": [turn],
    }
    yield {"type": "command_lifecycle", "command_uuid": turn, "state": "completed", "uuid": uuid, "session_id": SESSION}
    yield {"type": "system", "subtype": "session_state_changed", "state": "idle", "uuid": uuid, "session_id": SESSION}


def _turn(chance: random.Random) -> Iterator[Line]:
    turn = _uuid(chance)
    yield from open_turn(turn, _uuid(chance))
    yield from _said(chance)
    yield from close_turn(turn, _uuid(chance))


def _said(chance: random.Random) -> Iterator[Line]:
    yield _stream(chance, {"type": "message_start", "message": _message([])})
    for index in range(DELTAS // BLOCK_DELTAS):
        empty = {"type": "text", "text": ""}
        yield _stream(chance, {"type": "content_block_start", "index": index, "content_block": empty})
        said = []
        for _ in range(BLOCK_DELTAS):
            said.append("".join(chance.choices(WORDS, k=chance.randint(1, 3))))
            delta = {"type": "text_delta", "text": said[-1]}
            yield _stream(chance, {"type": "content_block_delta", "index": index, "delta": delta})
        yield assistant({"type": "text", "text": "".join(said)}, _uuid(chance))
        yield _stream(chance, {"type": "content_block_stop", "index": index})
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "make test"}}
    yield assistant(call, _uuid(chance))
    yield tool_result("12 passed in 0.3 s\n" * 8, _uuid(chance))
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _stream(chance, {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 4}})
    yield _stream(chance, {"type": "message_stop"})


def _message(content: list[Line]) -> Line:
    named = {"id": "msg_01", "type": "message", "role": "assistant", "model": MODEL}
    return {**named, "content": content, "stop_reason": None, "stop_sequence": None}


def _stream(chance: random.Random, event: Line) -> Line:
    stamps = {"session_id": SESSION, "parent_tool_use_id": None, "uuid": _uuid(chance), "api_message_id": "msg_01"}
    return {"type": "stream_event", "event": event, **stamps}


def _uuid(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))
