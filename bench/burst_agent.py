"""
An agent that speaks Claude Code's stream-json and says what is in a file, as fast as it is read.

A prompt `say:PATH` gets a turn that consists of the file's lines.
"""

import json
import os
import re
import sys
from typing import Final

from bench.busy_agent import UUID, VERSION
from bench.cli_output import Line, close_turn, encode, open_turn

WISH: Final = re.compile(r"say:([\w./-]+)")
PIECE_BYTES: Final = 1 << 16


def main() -> None:
    """Answer until there are no more prompts."""
    if "--version" in sys.argv:
        print(VERSION)
        return
    for raw in sys.stdin.buffer:
        line = json.loads(raw)
        if line["type"] == "control_request":
            _write({"type": "control_response", "response": {"subtype": "success", "request_id": line["request_id"]}})
        elif line["type"] == "user":
            wish = WISH.search(raw.decode())
            assert wish is not None
            _write(*open_turn(line["uuid"], UUID))
            _say(wish[1])
            _write(*close_turn(line["uuid"], UUID))


def _say(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    while data := os.read(descriptor, PIECE_BYTES):
        sys.stdout.buffer.write(data)
    os.close(descriptor)


def _write(*lines: Line) -> None:
    sys.stdout.buffer.write(b"".join(encode(line) + b"\n" for line in lines))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
