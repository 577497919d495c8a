"""
`--wait` and `--follow` of `submit` and `retry`: a feed that listens first and asks second, so nothing is missed.

What is over the prompt's head on standard error (its place, who shares its turn, what holds the room up, the agent's
tools, what must be approved), its answer on standard output. Whatever ends the waiting leaves the prompt as it is, and
says how to come back to it.
"""

import json
import math
import time
from functools import partial
from typing import Any, Final

from concordiad.core.codes import EXIT_CTRL_C, EXIT_NO_DAEMON, EXIT_NOT_COMPLETED, NOT_FOUND
from ctl.asking import announcement, tool_line
from ctl.connection import Event
from ctl.failures import ConnectionLost, Failure, Refused, RoomGone, TimedOut
from ctl.feed import Feed
from ctl.harmless import LiveText, first_line, harmless
from ctl.merging import Company
from ctl.quantities import duration
from ctl.settings import Settings
from ctl.standing import Standing
from ctl.statusline import StatusLine
from ctl.watching import PromptWatch, ending

TICK_S: Final = 0.1
"""One step of the spinner."""

Json = dict[str, Any]


def submit_and_wait(
    settings: Settings, method: str, params: Json, timeout_s: float | None, reconnect_s: float, *, is_streaming: bool
) -> None:
    """
    Hand in a prompt by this method, and print what becomes of it.

    Raises:
        Failure: the turn ended in anything but `completed`, or the waiting ended before the turn did.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    line = StatusLine()
    connect = partial(settings.connect, deadline=math.inf if until is None else until)
    with Feed(connect, settings.room_name, reconnect_s, line) as feed:
        try:
            feed.begin(last=0)
        except TimedOut as late:
            raise TimedOut(f"{late.message}: the prompt was not handed in") from late
        result = _submit(settings, feed, method, params)
        watch = PromptWatch(result["prompt"])
        waiter = Waiter(settings, feed, watch, line, is_streaming=is_streaming)
        try:
            waiter.tell_what_was(is_new="key" not in params)
            waiter.wait(until)
            if watch.turn is None:
                watch.turn = result["turn"]
            waiter.finish()
        except KeyboardInterrupt:
            line.clear()
            raise Failure(f"not waiting any more, but {_goes_on(settings, watch)}", EXIT_CTRL_C) from None
        except TimedOut as error:
            line.clear()
            raise TimedOut(f"{error.message}, but {_goes_on(settings, watch)}") from error
        except Failure as failure:
            line.clear()
            if failure.exit_code != EXIT_NO_DAEMON or isinstance(failure, RoomGone):
                raise
            show = settings.command("show", watch.prompt_id)
            kept = f"{failure.message}, but the prompt is kept\n  see it, once the daemon is back: {show}"
            raise Failure(kept, EXIT_NO_DAEMON) from failure


def _submit(settings: Settings, feed: Feed, method: str, params: Json) -> Json:
    if "key" in params:
        return feed.ask(method, **params)
    try:
        return feed.ask_once(method, **params)
    except ConnectionLost as lost:
        raise Failure(_nobody_can_tell(settings, lost), EXIT_NO_DAEMON) from lost
    except TimedOut as late:
        raise TimedOut(_nobody_can_tell(settings, late)) from late


def _nobody_can_tell(settings: Settings, failure: Failure) -> str:
    history = settings.command("history", "--prompts", "-n", "3")
    return (
        f"{failure.message} while it was handed the prompt: nobody can tell whether it was kept\n"
        f"  look, once the daemon is back: {history}\n  (with --key it is harmless to ask again)"
    )


def _goes_on(settings: Settings, watch: PromptWatch) -> str:
    if watch.turn_id is None:
        stop = settings.command("cancel", watch.prompt_id)
    else:
        stop = settings.command("interrupt", "--turn", watch.turn_id)
    show = settings.command("show", watch.prompt_id)
    return f"the prompt goes on\n  see it:  {show}\n  stop it: {stop}"


class Waiter:
    """Shows one prompt's way through the room."""

    def __init__(
        self, settings: Settings, feed: Feed, watch: PromptWatch, line: StatusLine, *, is_streaming: bool
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._watch = watch
        self._company = Company(watch.prompt)
        self._standing = Standing(settings.command)
        self._line = line
        self._is_streaming = is_streaming
        self._since = time.monotonic()
        self._blocks: dict[int, LiveText] = {}
        self._shown: set[int] = set()

    def wait(self, until: float | None) -> None:
        """
        Take events until the prompt is over.

        Raises:
            TimedOut: the time `until` has come first.
        """
        while not self._watch.is_over:
            tick = time.monotonic() + TICK_S if self._line.progress.is_shown else None
            event = self._feed.next_event(min((t for t in (tick, until) if t is not None), default=None))
            if self._line.has_missed:
                self._catch_up(until)
            if event is not None:
                self._take(event)
            elif until is not None and time.monotonic() >= until:
                raise TimedOut("the time to wait is over")
            self._show_progress()
        self._line.clear()

    def tell_what_was(self, *, is_new: bool) -> None:
        """Say what was so before anybody listened here: how the room is, who shares the turn, what it asks already."""
        self._look_at_room()
        if not is_new and self._watch.prompt["merge"] is not None and not self._settings.is_json:
            self._remark(self._company.find(self._look()))
        if self._watch.turn_id is not None and not self._watch.is_over and not self._settings.is_json:
            for approval in self._feed.ask("approval.list", room=self._settings.room_name)["approvals"]:
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
            result = self._look()
            turn = result["turn"]
            self._line.out.json(json.dumps({"prompt": result["prompt"], "turn": turn}, ensure_ascii=False))
        else:
            turn = self._watch.turn
            if turn is not None and not self._shown:
                self._print_answer(turn)
        if turn is None or turn["outcome"] is None:
            who = f" by {first_line(self._watch.by['name'])}" if self._watch.by else ""
            raise Failure(f"prompt {self._watch.prompt_id} was {self._watch.state}{who}", EXIT_NOT_COMPLETED)
        if turn["outcome"] != "completed":
            show = self._settings.command("show", turn["id"])
            raise Failure(f"{first_line(ending(turn))}\n  see it: {show}", EXIT_NOT_COMPLETED)

    def _look(self) -> Json:
        try:
            return self._feed.ask("prompt.get", room=self._settings.room_name, id=self._watch.prompt_id)
        except Refused as refused:
            if refused.code != NOT_FOUND.number:
                raise
            # The room was closed meanwhile: what its events told is all that there is.
            return {"prompt": self._watch.prompt, "turn": self._watch.turn}

    def _look_at_room(self) -> None:
        if self._feed.room_shown is not None:
            self._standing.look(self._feed.room_shown)
        self._tell_standing()

    def _tell_standing(self) -> None:
        # For programs, too: their answer is on standard output, and without a word here they would wait for ever.
        if not self._watch.is_over:
            for colour, text in self._standing.news(is_waiting=self._watch.is_waiting):
                self._line.note(self._line.err.style(text, colour))

    def _catch_up(self, until: float | None) -> None:
        self._line.has_missed = False
        self._line.note("some of what happened meanwhile cannot be shown")
        got = self._feed.ask("prompt.get", until, room=self._settings.room_name, id=self._watch.prompt_id)
        self._watch.refresh(got["prompt"], got["turn"])
        self._look_at_room()
        if not self._settings.is_json:
            self._remark(self._company.find(got))
        # What was printed so far may have a hole: the whole answer follows at the end.
        self._blocks.clear()
        self._shown.clear()

    def _print_answer(self, turn: Json) -> None:
        answer = turn["answer"]
        if answer is None:
            return
        if len(answer.encode("utf-8", "replace")) < turn.get("answer_bytes", 0):
            whole = self._feed.ask("turn.get", room=self._settings.room_name, id=turn["id"])
            answer = whole["turn"]["answer"]
        self._line.out.line(harmless(answer).rstrip("\n"))

    def _take(self, event: Event) -> None:
        body = event.body
        is_ours = self._watch.feed(body)
        self._standing.feed(body)
        if self._settings.is_json:
            if is_ours and self._is_streaming:
                self._line.progress.clear()
                self._line.out.json(event.raw)
        elif is_ours and self._is_streaming and body["type"] in ("agent.delta", "agent.text", "agent.withdrawn"):
            self._stream(body)
        else:
            self._tell(body, is_ours=is_ours)
        self._tell_standing()
        if body["type"] in ("turn.started", "turn.returned"):
            self._refresh_place()

    def _stream(self, event: Json) -> None:
        block = event["block"]
        if event["type"] == "agent.withdrawn":
            self._blocks.pop(block, None)
            if block in self._shown:
                self._shown.remove(block)
                self._warn("the text since then is withdrawn: the agent begins it anew")
        elif event["type"] == "agent.text":
            self._print(block, self._blocks.setdefault(block, LiveText()).whole(event["text"]))
            self._line.clear()
        elif event["kind"] == "text":
            self._print(block, self._blocks.setdefault(block, LiveText()).delta(event["offset"], event["text"]))

    def _print(self, block: int, text: str) -> None:
        if text:
            self._line.print(text)
            self._shown.add(block)

    def _tell(self, event: Json, *, is_ours: bool) -> None:
        kind = event["type"]
        self._remark(self._company.feed(event))
        if kind == "agent.exited":
            from ctl.transcript import agent_exit

            self._warn(agent_exit(event))
        elif not is_ours:
            return
        elif kind == "turn.started" and event.get("rehearsal"):
            self._warn("the rehearsal agent answers: no model is asked")
        elif kind == "turn.returned":
            self._blocks.clear()
            self._shown.clear()
            self._warn(f"the turn went back to the queue: {first_line(event['turn']['reason'] or '')}")
        elif kind == "agent.api_retry":
            from ctl.transcript import api_retry

            self._warn(api_retry(event))
        elif kind == "agent.tool_use" and self._is_streaming:
            self._line.note(self._line.err.style(f"⚙ {tool_line(event['tool'], event['input'])}", "dim"))
        elif kind == "approval.requested":
            self._announce(event["approval"])

    def _announce(self, approval: Json) -> None:
        self._line.note(announcement(self._line.err, approval, time.time(), self._settings.command))

    def _remark(self, text: str | None) -> None:
        if text is not None:
            self._warn(text)

    def _warn(self, text: str) -> None:
        self._line.note(self._line.err.style(text, "yellow"))

    def _refresh_place(self) -> None:
        # The events tell the place at submission only; what people watch is how it shrinks.
        if self._line.progress.is_shown and self._watch.is_waiting:
            got = self._feed.ask("prompt.get", room=self._settings.room_name, id=self._watch.prompt_id)
            self._watch.place = got["prompt"]["place"]

    def _show_progress(self) -> None:
        if self._line.is_mid_line:
            return
        if self._line.is_away:
            text = "looking for the daemon"
        elif self._watch.is_waiting:
            text = f"waits at place {self._watch.place}" if self._watch.place else "waits"
        else:
            text = "the agent waits for an answer" if self._watch.asks else "the agent works"
        self._line.progress.show(f"{text} · {duration(time.monotonic() - self._since)}")
