"""
An agent that speaks Claude Code's stream-json and does nothing but talk, at a steady pace.

`python busy_agent.py LINES_A_SECOND SECONDS …` answers control requests; each prompt gets a turn of so many lines a
second, each written by itself and at its time, in blocks of 18 deltas with the finished block behind them. What it says
is a count: `0 1 2 …`, a delta each.
"""

import json
import sys
import time
from typing import Any, Final

from bench.cli_output import assistant, close_turn, encode, open_turn

VERSION: Final = "2.1.329 (Claude Code)"
BLOCK_DELTAS: Final = 18
BLOCK_LINES: Final = BLOCK_DELTAS + 3
"""With the lines that begin and end the block, and that of the finished block."""
UUID: Final = "5a3c1f0e-0000-4000-8000-000000000000"


def main() -> None:
    """Answer until there are no more questions."""
    if "--version" in sys.argv:
        print(VERSION)
        return
    lines_per_s, seconds = float(sys.argv[1]), float(sys.argv[2])
    for raw in sys.stdin.buffer:
        line = json.loads(raw)
        if line["type"] == "control_request":
            _write([{"type": "control_response", "response": {"subtype": "success", "request_id": line["request_id"]}}])
        elif line["type"] == "user":
            _write(list(open_turn(line["uuid"], UUID)))
            _talk(lines_per_s, int(lines_per_s * seconds / BLOCK_LINES))
            _write(list(close_turn(line["uuid"], UUID)))


def _talk(lines_per_s: float, blocks: int) -> None:
    began = time.monotonic()
    for block in range(blocks):
        pieces = [f"{number} " for number in range(block * BLOCK_DELTAS, (block + 1) * BLOCK_DELTAS)]
        deltas = [{"type": "content_block_delta", "index": 0, "delta": _piece(piece)} for piece in pieces]
        begin = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        finished = assistant({"type": "text", "text": "".join(pieces)}, UUID)
        lines = [*map(_stream, [begin, *deltas]), finished, _stream({"type": "content_block_stop", "index": 0})]
        for number, line in enumerate(lines):
            time.sleep(max(began + (block * BLOCK_LINES + number) / lines_per_s - time.monotonic(), 0))
            _write([line])


def _piece(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


def _stream(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "stream_event", "event": event, "session_id": UUID, "parent_tool_use_id": None, "uuid": UUID}


def _write(lines: list[dict[str, Any]]) -> None:
    sys.stdout.buffer.write(b"".join(encode(line) + b"\n" for line in lines))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
