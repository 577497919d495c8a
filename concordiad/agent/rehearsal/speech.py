"""
What the agent says in a turn: requests to an imagined API, their messages, and the blocks in those.

A request's answer is one message of several blocks and ends with the call of a tool or with the turn. Each finished
block is one `assistant` line; with --include-partial-messages the API's own events stand around it.
"""

import json
import re
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from concordiad.agent.rehearsal import shapes
from concordiad.agent.rehearsal.desk import Desk
from concordiad.agent.rehearsal.options import Options
from concordiad.agent.rehearsal.session import TEXT_LIMIT, Session

SIGNATURE: Final = "cmVoZWFyc2Fs"


class OutOfTurns(Exception):
    """--max-turns allows no further request in this turn."""


class Speech:
    """
    All that is said in one turn.

    Attributes:
        requests: how many were made.
        words: how many were said.
        last_block: its type, or None as long as there is none.
        text: of the last finished text block.
        first_at: when the first message began, on the monotonic clock, or None.
    """

    def __init__(self, desk: Desk, session: Session, options: Options, uuids: Sequence[str]) -> None:
        self.requests = 0
        self.words = 0
        self.last_block: str | None = None
        self.text = ""
        self.first_at: float | None = None
        self._desk = desk
        self._session = session
        self._options = options
        self._uuids = uuids
        self._named: Sequence[str] = uuids
        self._has_requested = False
        self._message_id: str | None = None
        self._blocks = 0
        self._unfinished: list[str] | None = None

    def request(self) -> None:
        """Make a request, unless its answer is still due; OutOfTurns if there may be no more."""
        if self._has_requested:
            return
        if self.requests == self._options.max_turns:
            raise OutOfTurns
        self.requests += 1
        self._has_requested = True
        if self._options.partial:
            about = {"user_message_uuids": list(self._uuids)} if self._uuids else {}
            self._desk.tell("system", subtype="status", status="requesting", **about)

    def close(self, stop_reason: str | None) -> None:
        """End the message, if one has begun."""
        if self._message_id is not None:
            ended = {"stop_reason": stop_reason, "stop_sequence": None}
            self._stream({"type": "message_delta", "delta": ended, "usage": {"output_tokens": self.words}})
            self._stream({"type": "message_stop"})
        self._message_id = None
        self._has_requested = False

    def say(self, text: str) -> None:
        """Say a text word by word, at the usual pace."""
        self.speak(re.findall(r"\s*\S+\s*|\s+", text), self._options.pace_s)

    def speak(self, parts: Sequence[str], pause_s: float) -> None:
        """Say a text block part by part, each after a pause."""
        self.begin_text()
        for part in parts:
            self._desk.pause(pause_s)
            self.utter(part)
        self.text, self._unfinished = "".join(parts), None
        self._finish({"type": "text", "text": self.text})

    def begin_text(self) -> None:
        """Begin a text block, to be uttered in parts."""
        self._begin({"type": "text", "text": ""})
        self._unfinished = []

    def utter(self, part: str) -> None:
        """Say a part of the text block that has begun."""
        if self._unfinished is not None:
            self._unfinished.append(part)
        self.words += len(part.split())
        self._delta({"type": "text_delta", "text": part})

    def think(self, text: str) -> None:
        """Think a text, all at once."""
        words = len(text.split())
        self.words += words
        self._begin({"type": "thinking", "thinking": "", "signature": ""})
        if self._options.partial:
            counts = {"estimated_tokens": words, "estimated_tokens_delta": words}
            self._desk.tell("system", subtype="thinking_tokens", **counts)
        self._delta({"type": "thinking_delta", "thinking": text})
        self._delta({"type": "signature_delta", "signature": SIGNATURE})
        self._finish({"type": "thinking", "thinking": text, "signature": SIGNATURE})

    def call(self, tool: str, given: dict[str, Any]) -> str:
        """Call a tool, which ends the message; returns the call's id."""
        call_id = f"toolu_{uuid4().hex}"
        self._begin({"type": "tool_use", "id": call_id, "name": tool, "input": {}})
        self._delta({"type": "input_json_delta", "partial_json": json.dumps(given)})
        self._finish({"type": "tool_use", "id": call_id, "name": tool, "input": given})
        self.close("tool_use")
        return call_id

    def lose(self) -> None:
        """Lose the message, as when the connection breaks; the request was made, its answer is still due."""
        self._message_id = None
        self._unfinished = None

    def fail(self, status: int, text: str) -> None:
        """Say what the CLI says in the API's place when that has failed for good."""
        failed = shapes.message(str(uuid4()), "<synthetic>", [{"type": "text", "text": text}])
        failed |= {"stop_reason": "stop_sequence", "stop_sequence": ""}
        kind = shapes.ERROR_TYPES.get(status, "api_error")
        about = {"is_api_error_message": True, "api_error_status": status, "api_error_type": kind}
        self._assistant(failed, error=shapes.RETRY_ERRORS.get(status, "unknown"), **about)

    def break_off(self) -> None:
        """Tell the text that was said before an interrupt, if any."""
        if self._unfinished:
            block = {"type": "text", "text": "".join(self._unfinished)}
            self._assistant(self._message([block]), aborted=True)

    def close_broken(self) -> None:
        """End what was broken off; the CLI does that after it has told of the interrupt."""
        if self._unfinished is not None:
            self._stream({"type": "content_block_stop", "index": self._blocks})
        self.close(None)

    def _begin(self, empty: dict[str, Any]) -> None:
        """Begin a block, and with it a message where there is none."""
        if self._message_id is None:
            self.request()
            self._message_id = f"msg_{uuid4().hex}"
            self._blocks = 0
            self.first_at = self.first_at or time.monotonic()
            self._stream({"type": "message_start", "message": self._message([])}, **self._naming())
        self._stream({"type": "content_block_start", "index": self._blocks, "content_block": empty})

    def _delta(self, delta: dict[str, Any]) -> None:
        self._stream({"type": "content_block_delta", "index": self._blocks, "delta": delta})

    def _finish(self, block: dict[str, Any]) -> None:
        """Tell a finished block; the line stands before the event that ends it, as the CLI has it."""
        self._assistant(self._message([block]))
        self._stream({"type": "content_block_stop", "index": self._blocks})
        self._blocks += 1
        self.last_block = block["type"]

    def _message(self, content: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return shapes.message(self._message_id or "", self._options.model, content)

    def _assistant(self, message: dict[str, Any], **more: object) -> None:
        stamps = {"parent_tool_use_id": None, "timestamp": shapes.now()}
        self._desk.tell("assistant", message=message, **stamps, **more, **self._naming())
        self._named = ()
        block = message["content"][0]
        self._session.remember("assistant", text=str(block.get("text", block["type"]))[:TEXT_LIMIT])
        self._session.save()

    def _naming(self) -> dict[str, Any]:
        """Return what only a turn's first lines carry: the prompts it answers."""
        return shapes.addressed(self._named)

    def _stream(self, event: dict[str, Any], **more: object) -> None:
        if self._options.partial:
            about = {"parent_tool_use_id": None, "api_message_id": self._message_id}
            self._desk.tell("stream_event", event=event, **about, **more)
