"""
What becomes of one prompt, read from the room's events; no I/O.

A prompt can start in a turn, go back to the queue with it, and start again in another; it is over with the turn that
finishes, or when it is cancelled or expires while it waits. The prompt itself, as last told, is only the start: events
that were on their way before it was known are read all the same, in order.
"""

from typing import Any, Final

_WAITING: Final = "waiting"
_RUNNING: Final = "running"


class PromptWatch:
    """Where one prompt stands: waiting (`turn_id` is None), in a turn, or over; `asks` are its pending approvals."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self.prompt = prompt
        self.prompt_id: str = prompt["id"]
        self.state: str = prompt["state"]
        self.place: int | None = prompt["place"]
        self.turn_id: str | None = prompt["turn"] if self.state != _WAITING else None
        self.turn: dict[str, Any] | None = None
        self.by: dict[str, Any] | None = None
        self.asks: set[str] = set()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state not in (_WAITING, _RUNNING)

    @property
    def is_waiting(self) -> bool:
        """Whether its turn has not started."""
        return self.state == _WAITING

    def refresh(self, prompt: dict[str, Any], turn: dict[str, Any] | None) -> None:
        """Take the prompt and its turn as they are now, because events were missed."""
        self.prompt, self.state, self.place = prompt, prompt["state"], prompt["place"]
        self.turn_id = prompt["turn"] if self.state != _WAITING else None
        self.turn = turn if self.is_over else None
        self.asks.clear()

    def feed(self, event: dict[str, Any]) -> bool:
        """Take the room's next event; tells whether it is about this prompt or its turn."""
        if self.is_over:
            return False
        kind: str = event["type"]
        family = kind.partition(".")[0]
        if family == "prompt":
            return self._prompt_event(kind, event)
        if family == "turn":
            return self._turn_event(kind, event["turn"])
        if family == "approval":
            return self._approval_event(kind, event["approval"])
        return self.turn_id is not None and event.get("turn") == self.turn_id

    def _prompt_event(self, kind: str, event: dict[str, Any]) -> bool:
        if event["prompt"]["id"] != self.prompt_id:
            return False
        if kind in ("prompt.cancelled", "prompt.expired"):
            self.prompt = event["prompt"]
            self.state = kind.removeprefix("prompt.")
            self.by = event.get("by")
        return True

    def _approval_event(self, kind: str, approval: dict[str, Any]) -> bool:
        if self.turn_id is None or approval["turn"] != self.turn_id:
            return False
        if kind == "approval.requested":
            self.asks.add(approval["id"])
        else:
            self.asks.discard(approval["id"])
        return True

    def _turn_event(self, kind: str, turn: dict[str, Any]) -> bool:
        if turn["id"] != self.turn_id and self.prompt_id not in turn["prompts"]:
            return False
        if kind == "turn.started":
            self.state, self.turn_id = _RUNNING, turn["id"]
        elif kind == "turn.returned":
            self.state, self.turn_id, self.place = _WAITING, None, None
            self.asks.clear()
        elif kind == "turn.finished":
            self.state, self.turn_id, self.turn = "finished", turn["id"], turn
        return True


def ending(turn: dict[str, Any]) -> str:
    """Say in one sentence how a turn ended."""
    reason: str = turn["reason"] or ""
    if reason.startswith("interrupted by "):
        return f"the turn was {reason}"
    sentences = {
        "completed": "the turn is completed",
        "failed": "the turn failed",
        "interrupted": "the turn was interrupted",
        "timed_out": "the turn took too long and was stopped",
        "uncertain": "nobody can tell whether the turn ran to its end",
    }
    return sentences.get(turn["outcome"], f"the turn ended as {turn['outcome']}") + (f": {reason}" if reason else "")
