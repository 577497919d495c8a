"""A codec to speak to, and its facts in a form that can be compared."""

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

from concordiad.core.agents import (
    Acknowledged,
    Began,
    Ended,
    Fact,
    LineDone,
    Said,
    Session,
    WentIdle,
)
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.model import Outcome
from tests.core.agents import speech
from tests.core.agents.speech import (
    COST,
    MODEL,
    OPENING,
    SESSION,
    TURN,
    write,
)

BEGUN = [Acknowledged(TURN), Began(TURN), Session(SESSION, MODEL)]
DONE = [LineDone(TURN), WentIdle()]
ENDED = Ended(
    turn=TURN,
    is_ours=True,
    outcome=Outcome.COMPLETED,
    reason=None,
    answer="one two three four",
    session_id=SESSION,
    ttft_s=0.061,
    input_tokens=331,
    output_tokens=4,
    total_cost_usd=0.5,
    cost_usd=COST,
    agent_turns=1,
)


def new_codec() -> ClaudeCode:
    """Return the codec of a new incarnation; the agent's own turns are own-1, own-2 and so on."""
    numbers = count(1)
    return ClaudeCode(lambda: f"own-{next(numbers)}")


def codec_in_turn() -> ClaudeCode:
    """Return a codec in the middle of our turn."""
    codec = new_codec()
    feed(codec, OPENING)
    return codec


def feed(codec: ClaudeCode, lines: Iterable[speech.Line]) -> list[Fact]:
    """Return the facts that lines state."""
    return [fact for line in lines for fact in codec.decode(write(line))]


def members(said: Fact) -> dict[str, Any]:
    """Return an event's body as JSON, with its type and whether it is live."""
    assert isinstance(said, Said)
    body = json.loads(b"{%b}" % said.body)
    assert isinstance(body, dict)
    assert body.get("turn") == said.turn
    return {"type": said.event_type, "live": said.is_live, **body}


def spoken(facts: Iterable[Fact]) -> list[dict[str, Any]]:
    """Return what of these facts is for the transcript."""
    return [members(fact) for fact in facts if isinstance(fact, Said)]


def live(block: int, offset: int, piece: str, kind: str = "text", turn: str = TURN) -> dict[str, Any]:
    """Return what a piece of a block is in the transcript."""
    place = {"turn": turn, "block": block, "kind": kind, "offset": offset, "text": piece}
    return {"type": "agent.delta", "live": True, **place}


def whole(event_type: str, block: int, turn: str | None = TURN, **body: object) -> dict[str, Any]:
    """Return what a finished block is in the transcript."""
    return {"type": event_type, "live": False, "turn": turn, "block": block, **body}
