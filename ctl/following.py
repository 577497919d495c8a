"""
`submit --wait` and `--follow`: one connection that listens first and submits second, so nothing is missed.

What is over the prompt's head on standard error (its place, the agent's tools, what must be approved), its answer on
standard output. Whatever ends the waiting leaves the prompt as it is, and says how to come back to it.
"""

import json
import time
from typing import Any, Final

from concordiad.core.codes import EXIT_CTRL_C, EXIT_NO_DAEMON, EXIT_NOT_COMPLETED
from ctl.asking import announcement, tool_line
from ctl.connection import Connection, Event
from ctl.failures import ConnectionLost, Failure, TimedOut
from ctl.harmless import LiveText, first_line, harmless
from ctl.quantities import duration
from ctl.screen import Progress, Screen
from ctl.settings import Settings
from ctl.watching import PromptWatch, ending

TICK_S: Final = 0.1
"""One step of the spinner."""

Json = dict[str, Any]


def submit_and_wait(
    settings: Settings, connection: Connection, params: Json, timeout_s: float | None, *, is_streaming: bool
) -> None:
    """
    Submit a prompt and print what becomes of it.

    Raises:
        Failure: the turn ended in anything but `completed`, or the waiting ended before the turn did.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    connection.call("events.subscribe", room=settings.room_name, last=0)
    result = connection.call("prompt.submit", **params)
    watch = PromptWatch(result["prompt"])
    waiter = Waiter(settings, connection, watch, is_streaming=is_streaming)
    try:
        waiter.tell_what_waits()
        waiter.wait(until)
        if watch.turn is None:
            watch.turn = result["turn"]
        waiter.finish()
    except KeyboardInterrupt:
        waiter.clear()
        raise Failure(f"not waiting any more, but {_goes_on(settings, watch)}", EXIT_CTRL_C) from None
    except ConnectionLost as lost:
        waiter.clear()
        show = settings.command("show", watch.prompt_id)
        raise Failure(
            f"{lost.message}, but the prompt is kept\n  see it, once the daemon is back: {show}",
            EXIT_NO_DAEMON,
        ) from lost
    except TimedOut as error:
        waiter.clear()
        raise TimedOut(f"{error.message}, but {_goes_on(settings, watch)}") from error


def _goes_on(settings: Settings, watch: PromptWatch) -> str:
    if watch.turn_id is None:
        stop = settings.command("cancel", watch.prompt_id)
    else:
        stop = settings.command("interrupt", "--turn", watch.turn_id)
    show = settings.command("show", watch.prompt_id)
    return f"the prompt goes on\n  see it:  {show}\n  stop it: {stop}"


class Waiter:
    """Shows one prompt's way through the room."""

    def __init__(self, settings: Settings, connection: Connection, watch: PromptWatch, *, is_streaming: bool) -> None:
        self._settings = settings
        self._connection = connection
        self._watch = watch
        self._is_streaming = is_streaming
        self._out = Screen.out()
        self._err = Screen.err()
        self._progress = Progress(self._err)
        self._since = time.monotonic()
        self._blocks: dict[int, LiveText] = {}
        self._has_text = False
        self._is_mid_line = False

    def wait(self, until: float | None) -> None:
        """
        Take events until the prompt is over.

        Raises:
            TimedOut: the time `until` has come first.
        """
        while not self._watch.is_over:
            tick = time.monotonic() + TICK_S if self._progress.is_shown else None
            event = self._connection.next_event(min((t for t in (tick, until) if t is not None), default=None))
            if event is not None:
                self._take(event)
            elif until is not None and time.monotonic() >= until:
                raise TimedOut("the time to wait is over")
            self._show_progress()
        self.clear()

    def tell_what_waits(self) -> None:
        """Announce what the turn, where it runs already, has asked before anybody listened here."""
        if self._watch.turn_id is not None and not self._watch.is_over and not self._settings.is_json:
            for approval in self._connection.call("approval.list", room=self._settings.room_name)["approvals"]:
                if approval["turn"] == self._watch.turn_id:
                    self._watch.asks.add(approval["id"])
                    self._announce(approval)

    def finish(self) -> None:
        """
        Print the end.

        Raises:
            Failure: the prompt was not answered.
        """
        if self._settings.is_json:
            result = self._connection.call("prompt.get", room=self._settings.room_name, id=self._watch.prompt_id)
            self._out.json(json.dumps(result, ensure_ascii=False))
            turn = result["turn"]
        else:
            turn = self._watch.turn
            if turn is not None and not self._has_text:
                self._print_answer(turn)
        if turn is None or turn["outcome"] is None:
            who = f" by {first_line(self._watch.by['name'])}" if self._watch.by else ""
            raise Failure(f"prompt {self._watch.prompt_id} was {self._watch.state}{who}", EXIT_NOT_COMPLETED)
        if turn["outcome"] != "completed":
            show = self._settings.command("show", turn["id"])
            raise Failure(f"{first_line(ending(turn))}\n  see it: {show}", EXIT_NOT_COMPLETED)

    def clear(self) -> None:
        """Leave the terminal at the start of a line."""
        self._progress.clear()
        if self._is_mid_line:
            self._is_mid_line = False
            self._out.line()

    def _print_answer(self, turn: Json) -> None:
        answer = turn["answer"]
        if answer is None:
            return
        if len(answer.encode("utf-8", "replace")) < turn.get("answer_bytes", 0):
            whole = self._connection.call("turn.get", room=self._settings.room_name, id=turn["id"])
            answer = whole["turn"]["answer"]
        self._out.line(harmless(answer).rstrip("\n"))

    def _take(self, event: Event) -> None:
        body = event.body
        is_ours = self._watch.feed(body)
        if self._settings.is_json:
            if is_ours and self._is_streaming:
                self._progress.clear()
                self._out.json(event.raw)
        elif is_ours and self._is_streaming and body["type"] in ("agent.delta", "agent.text"):
            self._stream(body)
        else:
            self._tell(body, is_ours=is_ours)
        if body["type"] in ("turn.started", "turn.returned"):
            self._refresh_place()

    def _stream(self, event: Json) -> None:
        if event["type"] == "agent.delta":
            if event["kind"] != "text":
                return
            live = self._blocks.setdefault(event["block"], LiveText())
            self._print(live.delta(event["offset"], event["text"]))
        else:
            live = self._blocks.setdefault(event["block"], LiveText())
            self._print(live.whole(event["text"]))
            self.clear()

    def _print(self, text: str) -> None:
        if text:
            self._progress.clear()
            self._out.write(text)
            self._has_text = True
            self._is_mid_line = not text.endswith("\n")

    def _tell(self, event: Json, *, is_ours: bool) -> None:
        kind = event["type"]
        if kind == "agent.exited":
            from ctl.transcript import agent_exit

            self._note(self._err.style(agent_exit(event), "yellow"))
        elif not is_ours:
            return
        elif kind == "turn.started" and event.get("rehearsal"):
            self._note(self._err.style("the rehearsal agent answers: no model is asked", "yellow"))
        elif kind == "turn.returned":
            self._blocks.clear()
            reason = first_line(event["turn"]["reason"] or "")
            self._note(self._err.style(f"the turn went back to the queue: {reason}", "yellow"))
        elif kind == "agent.api_retry":
            from ctl.transcript import api_retry

            self._note(self._err.style(api_retry(event), "yellow"))
        elif kind == "agent.tool_use" and self._is_streaming:
            self._note(self._err.style(f"⚙ {tool_line(event['tool'], event['input'])}", "dim"))
        elif kind == "approval.requested":
            self._announce(event["approval"])

    def _announce(self, approval: Json) -> None:
        self._note(announcement(self._err, approval, time.time(), self._settings.command))

    def _note(self, text: str) -> None:
        self.clear()
        self._err.line(text)

    def _refresh_place(self) -> None:
        # The events tell the place at submission only; what people watch is how it shrinks.
        if self._progress.is_shown and self._watch.is_waiting:
            got = self._connection.call("prompt.get", room=self._settings.room_name, id=self._watch.prompt_id)
            self._watch.place = got["prompt"]["place"]

    def _show_progress(self) -> None:
        if self._is_mid_line:
            return
        if self._watch.is_waiting:
            text = f"waits at place {self._watch.place}" if self._watch.place else "waits"
        else:
            text = "the agent waits for an answer" if self._watch.asks else "the agent works"
        self._progress.show(f"{text} · {duration(time.monotonic() - self._since)}")
