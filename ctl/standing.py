"""
How a room stands, in words: for `status`, and for whoever waits there and would else only see that nothing happens.

Law: of each state that holds prompts up, whoever waits is told once when it begins, or holds already, and once when
it is over; of one that nobody was told of, not that it is over. No I/O.
"""

from collections.abc import Callable
from typing import Any, Final

from ctl.harmless import first_line
from ctl.quantities import duration

STATES: Final = {
    "starting": ("yellow", "the agent is starting"),
    "idle": ("green", "ready for prompts"),
    "busy": ("green", "a turn is running"),
    "paused": ("yellow", "held by a host: prompts wait, new ones are refused"),
    "asleep": ("green", "ready for prompts; the agent is started again for the next one"),
    "agent-down": ("yellow", "the agent is not running; prompts wait"),
    "agent-failing": ("red", "the agent has failed too often; prompts wait until `{restart}`"),
    "api-failing": ("red", "the agent's API fails; prompts wait"),
    "journal-failing": ("red", "nothing can be recorded: prompts are refused"),
    "draining": ("yellow", "stopping: no new turns"),
}
"""Every state with its colour and its sentence, in which a command stands in braces."""
_FOR_WHO_WAITS: Final = {
    "agent-failing": "{sentence}",
    "api-failing": "{sentence}; `{resume}` tries at once",
    "paused": "the room is {sentence}; `{resume}` lets it go on",
    "journal-failing": "{sentence}; the daemon tries again by itself",
}
"""The states that hold prompts up for longer than a moment, with what to do."""
_ENDED_BY: Final = {
    "resumed": ("paused", "api-failing"),
    "restarted": ("agent-failing",),
    "recovered": ("agent-failing", "api-failing"),
    "journal-recovered": ("journal-failing",),
}
"""States of `room.changed` that end others."""
_STARTED: Final = "the agent is started again"
_GOES_ON: Final = "the room goes on"
_ENDINGS: Final = {"resumed": _GOES_ON, "restarted": _STARTED, "journal-recovered": "the journal can record again"}

Json = dict[str, Any]
Line = tuple[str, str]
"""A colour, and what is said in it."""


def _plainly(*words: str) -> str:
    return " ".join(words)


def sentence_of(state: str, command: Callable[..., str] = _plainly) -> Line:
    """Say what a state means, in which colour; `command` writes a command of these words."""
    colour, sentence = STATES.get(state, ("yellow", ""))
    return colour, sentence.format(restart=command("room", "restart"))


def troubles_of(room: Json, command: Callable[..., str]) -> dict[str, Line]:
    """Say of a room, as the daemon shows it, which states hold its prompts up, and what to do."""
    state = room["state"]
    lines = {state: _line(state, room["reason"], command)} if state in _FOR_WHO_WAITS else {}
    return {"paused": _line("paused", None, command)} | lines if room["paused"] else lines


def _line(state: str, reason: str | None, command: Callable[..., str]) -> Line:
    colour, sentence = sentence_of(state, command)
    said = _FOR_WHO_WAITS[state].format(sentence=sentence, resume=command("room", "resume"))
    return colour, f"concordiactl: {said}" + (f" ({first_line(reason)})" if reason else "")


class Standing:
    """
    What holds the prompts of one room up, and what of that is news to whoever waits.

    Args:
        command: writes a command that can be typed to go on.
    """

    def __init__(self, command: Callable[..., str]) -> None:
        self._command = command
        self._now: dict[str, Line] = {}
        self._told: set[str] = set()
        self._over: list[Line] = []

    def look(self, room: Json) -> None:
        """Take the room as the daemon shows it now; a state can hide another, which is then not over."""
        state = room["state"]
        is_over = {
            "paused": not room["paused"],
            "agent-failing": state not in ("agent-failing", "journal-failing"),
            "api-failing": state in ("idle", "asleep"),
            "journal-failing": state != "journal-failing",
        }
        self._end([each for each in self._now if is_over[each]], _GOES_ON)
        self._now = troubles_of(room, self._command) | self._now

    def feed(self, event: Json) -> None:
        """Take the room's next event."""
        if event["type"] == "agent.started":
            self._end(["agent-failing"], _STARTED)
        if event["type"] != "room.changed":
            return
        state, reason = event["state"], event["reason"]
        if state in _FOR_WHO_WAITS:
            wait_s = event.get("next_attempt_s")
            if wait_s is not None and "paused" not in self._now:
                reason = f"{reason}; the next prompt tries in {duration(wait_s)}"
            self._now.setdefault(state, _line(state, reason, self._command))
        elif state in _ENDED_BY:
            self._end(_ENDED_BY[state], _ENDINGS.get(state) or first_line(reason or _GOES_ON))

    def news(self, *, is_waiting: bool) -> list[Line]:
        """Give what is to be said now; while the prompt's turn runs, only that its end cannot be recorded."""
        new = [each for each in self._now if each not in self._told and (is_waiting or each == "journal-failing")]
        self._told.update(new)
        over, self._over = self._over, []
        return over + [self._now[each] for each in new]

    def _end(self, states: "list[str] | tuple[str, ...]", how: str) -> None:
        if not self._told.isdisjoint(states):
            self._over.append(("green", f"concordiactl: {how}"))
        for state in states:
            self._now.pop(state, None)
            self._told.discard(state)
