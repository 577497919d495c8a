"""Where an agent keeps its own history of a conversation, and what that says of a turn."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from concordiad.core.agents import Kind
from concordiad.core.agents.claude_history import finished_answer

READ_BYTES: Final = 256 * 1024 * 1024
"""A history's end that is read: a turn begins no further back, and memory holds one line at a time."""


def find_answer(kind: Kind, environment: Mapping[str, str], session_id: str, turn: str) -> str | None:
    """
    Find what the agent answered in a turn that it finished, by its own history; None if that does not say so.

    Blocks for as long as the file takes to be read. The rehearsal agent keeps no such history.
    """
    if kind is not Kind.CLAUDE_CODE:
        return None
    home = environment.get("CLAUDE_CONFIG_DIR") or os.path.join(environment.get("HOME", "/"), ".claude")
    # The directory between is made of the working directory's name, by rules of the CLI's own.
    for path in Path(home, "projects").glob(f"*/{session_id}.jsonl"):
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - READ_BYTES))
                answer = finished_answer(file, turn)
        except OSError:
            continue
        if answer is not None:
            return answer
    return None
