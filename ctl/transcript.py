"""
The room's transcript for people: who, when, what; the agent's text as it comes where the output is a terminal.

One event at a time goes in. The only memory is where the cursor stands: the day that was printed last, and the block of
live text that is open.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final
from zlib import crc32

from ctl.asking import announcement, tool_line
from ctl.harmless import LiveText, first_line, harmless
from ctl.merging import merged, split
from ctl.people import deed_of
from ctl.quantities import cost, count, duration, plural, unix_time
from ctl.screen import Screen, cut, pad
from ctl.watching import ending
from ctl.wrapping import Wrapper

NAME_COLUMNS: Final = 10
MARGIN: Final = 8 + 2 + NAME_COLUMNS + 2
PARTIAL: Final = "… as far as it came"
"""Stands below a text that did not come to its end."""
"""Columns before the text: the time, the name, and two spaces after each."""
RESULT_LINES: Final = 3
"""Lines of a tool's result that are shown; the transcript as JSON has all of them."""
_DEEDS: Final = {
    "paused": "paused the room: nothing new begins",
    "resumed": "let the room go on",
    "restarted": "restarted the agent",
    "closed": "closed the room",
}
"""States of `room.changed` that somebody brought about, as what they did."""
_PARTINGS: Final = {
    "restarted": "the agent was ended, another one follows",
    "closed": "the agent was ended, the room stops",
}
"""The agent ended as the room wanted it: which exit status that gave would only read like a crash."""
_COLOURS: Final = ("green", "blue", "magenta", "yellow")

Json = dict[str, Any]


def names(authors: list[Json]) -> str:
    """Name the authors of a turn, everybody once."""
    return ", ".join(dict.fromkeys(first_line(author["name"]) for author in authors))


class Transcript:
    """Writes events to a screen; with `is_live`, the agent's text as it comes. A day after `today` has a line."""

    def __init__(self, screen: Screen, today: date, command: Callable[..., str] | None, *, is_live: bool) -> None:
        self._screen = screen
        self._command = command
        self._is_live = is_live
        self._day = today
        self._open: tuple[str, int] | None = None
        self._wrapper = Wrapper(None, MARGIN)
        self._blocks: dict[tuple[str, int], LiveText] = {}

    def show(self, event: Json) -> None:
        """Write one event."""
        kind: str = event["type"]
        if kind == "agent.delta":
            if self._is_live and event["kind"] == "text":
                self._delta(event)
        elif kind == "hosts.here":
            # It is for `/who`, which asks for it.
            return
        elif kind == "agent.withdrawn":
            self._withdraw(event)
        elif kind == "agent.text":
            self._text(event)
        else:
            if kind in ("turn.finished", "turn.returned"):
                self._blocks.clear()
            who, text = self._said(kind, event)
            self._entry(event, who, text)

    def close(self) -> None:
        """End the line that is open, if there is one."""
        if self._open is not None:
            self._open = None
            self._screen.line(self._wrapper.end())

    def _delta(self, event: Json) -> None:
        block = (event["turn"], event["block"])
        live = self._blocks.setdefault(block, LiveText())
        self._continue(event, block, live.delta(event["offset"], event["text"]))

    def _text(self, event: Json) -> None:
        block = (event["turn"], event["block"])
        live = self._blocks.pop(block, None)
        note = self._dim(PARTIAL) if event.get("partial") else ""
        if live is None:
            said = harmless(event["text"]).strip("\n")
            self._entry(event, self._agent(event), "\n".join(filter(None, (said, note))))
            return
        self._continue(event, block, live.whole(event["text"]))
        self.close()
        if note:
            self._screen.line(" " * MARGIN + note)

    def _withdraw(self, event: Json) -> None:
        # Text that stands on a screen stays there, so it is said that it does not count. In a pipe it never came.
        block = (event["turn"], event["block"])
        live = self._blocks.pop(block, None)
        if live is None or not live.has_given:
            return
        note = self._screen.style("✗ this text is withdrawn: the agent begins it anew", "yellow")
        if self._open == block:
            self.close()
            self._screen.line(" " * MARGIN + note)
        else:
            self._entry(event, self._agent(event), note)

    def _continue(self, event: Json, block: tuple[str, int], piece: str) -> None:
        if not piece:
            return
        if self._open != block:
            self.close()
            self._screen.write(self._head(event, self._agent(event)))
            self._open = block
            self._wrapper = Wrapper(self._screen.width, MARGIN)
        self._screen.write(self._wrapper.feed(piece))

    def _entry(self, event: Json, who: str, text: str) -> None:
        self.close()
        # Prose is broken between words; what may be copied, such as a command, is left in one piece.
        is_prose = event["type"] in ("prompt.accepted", "agent.text", "agent.thinking")
        wrapper = Wrapper(self._screen.width if is_prose else None, MARGIN)
        self._screen.line((self._head(event, who) + wrapper.feed(text) + wrapper.end()).rstrip(" "))

    def _head(self, event: Json, who: str) -> str:
        at = datetime.fromtimestamp(unix_time(event["at"])).astimezone()
        day = ""
        if at.date() != self._day:
            self._day = at.date()
            day = self._screen.style(f"── {at:%A, %d %B %Y} ──", "dim") + "\n"
        return f"{day}{self._screen.style(f'{at:%H:%M:%S}', 'dim')}  {who}  "

    def _agent(self, event: Json) -> str:
        return self._name("rehearsal" if event.get("rehearsal") else "agent", "cyan", "bold")

    def _person(self, author: Json) -> str:
        return self._name(author["name"], _COLOURS[crc32(author["id"].encode("utf-8", "replace")) % len(_COLOURS)])

    def _nobody(self) -> str:
        return self._name("·", "dim")

    def _name(self, name: str, *styles: str) -> str:
        return self._screen.style(pad(cut(first_line(name), NAME_COLUMNS), NAME_COLUMNS), *styles)

    def _dim(self, text: str) -> str:
        return "\n".join(self._screen.style(line, "dim") for line in text.split("\n"))

    def _said(self, kind: str, event: Json) -> tuple[str, str]:
        family, _, what = kind.partition(".")
        speak = {
            "prompt": self._say_prompt,
            "turn": self._say_turn,
            "agent": self._say_agent,
            "approval": self._say_approval,
            "room": self._say_room,
            "guest": self._say_people,
            "invite": self._say_people,
            "notice": self._say_notice,
        }.get(family)
        said = None if speak is None else speak(what, event)
        # Also what a newer daemon has to say: better plain than not at all.
        return said or (self._nobody(), self._dim(unknown(kind, event)))

    def _say_prompt(self, what: str, event: Json) -> tuple[str, str] | None:
        prompt = event["prompt"]
        author = self._person(prompt["author"])
        if what == "accepted":
            notes = [f"place {prompt['place']}"] if (prompt["place"] or 1) > 1 else []
            notes += [f"priority {prompt['priority']}"] if prompt["priority"] != "normal" else []
            note = f"  ({', '.join(notes)})" if notes else ""
            return author, harmless(prompt["text"]).strip("\n") + self._dim(note)
        if what == "cancelled":
            whose = "" if event["by"]["id"] == prompt["author"]["id"] else f" of {first_line(prompt['author']['name'])}"
            return self._person(event["by"]), self._dim(f"✗ cancelled the prompt{whose}: {first_line(prompt['text'])}")
        if what == "expired":
            return author, self._dim(f"✗ expired before its turn came: {first_line(prompt['text'])}")
        if what == "merged":
            return author, self._dim(self._fit(merged(event), 0))
        if what == "split":
            by = event["by"]
            by_whom = f" (by {first_line(by['name'])})" if by and by["id"] != prompt["author"]["id"] else ""
            return author, self._dim(self._fit(split(event) + by_whom, 0))
        return None

    def _say_turn(self, what: str, event: Json) -> tuple[str, str] | None:
        turn = event["turn"]
        agent = self._agent(event)
        if what == "started":
            if turn["origin"] == "agent":
                return agent, self._dim("▶ began a turn by itself")
            if len(turn["prompts"]) > 1:
                prompts = f"{len(turn['prompts'])} prompts of {names(turn['authors'])} as one"
            else:
                prompts = f"the prompt of {names(turn['authors'])}"
            taken = f"takes {prompts}: {first_line(turn['text'])}"
            return agent, self._dim(f"▶ {self._fit(taken, 2)}")
        if what == "finished":
            summary = self._dim(figures_of(turn))
            if turn["outcome"] == "completed":
                done = f"{self._screen.style('✓', 'green')} {summary}".rstrip()
                if turn["reason"] is None:
                    return agent, done
                # Found in the agent's own history after a crash: no event has told of its text.
                answer = harmless(turn["answer"] or "").strip("\n")
                return agent, "\n".join(filter(None, (answer, f"{done}  {self._dim(first_line(turn['reason']))}")))
            sentence = self._screen.style(f"✗ {first_line(ending(turn))}", "red")
            return agent, f"{sentence}  {summary}".rstrip()
        if what == "returned":
            return agent, self._dim(f"↺ the turn went back to the queue: {first_line(turn['reason'] or '')}")
        return None

    def _say_agent(self, what: str, event: Json) -> tuple[str, str] | None:
        agent = self._agent(event)
        if what == "thinking":
            return agent, self._dim(harmless(event["text"]).strip("\n"))
        if what == "tool_use":
            return agent, self._dim(f"⚙ {self._fit(tool_line(event['tool'], event['input']), 2)}")
        if what == "tool_result":
            return agent, self._result(event)
        if what == "oversize":
            return agent, self._dim(f"({event['kind']} of {event['bytes']} bytes: too large to be shown)")
        if what == "started":
            session = "goes on with its conversation" if event["session"] == "resumed" else "begins a conversation"
            about = " ".join(part for part in (event["agent"], event["version"]) if part)
            return agent, self._dim(f"● {first_line(about)} {session}")
        if what == "exited":
            return agent, self._screen.style(f"● {agent_exit(event)}", "yellow")
        if what == "api_retry":
            return agent, self._screen.style(api_retry(event), "yellow")
        return None

    def _say_approval(self, what: str, event: Json) -> tuple[str, str] | None:
        approval = event["approval"]
        if what == "requested":
            now = unix_time(event["at"])
            return self._agent(event), announcement(self._screen, approval, now, self._command)
        if what == "resolved":
            who = self._person(event["by"]) if event["by"] else self._nobody()
            reason = f": {first_line(event['reason'])}" if event["reason"] else ""
            decision = event["resolution"].replace("_", " ")
            return who, f"{decision} {tool_line(approval['tool'], approval['input'])}{reason}"
        return None

    def _say_room(self, what: str, event: Json) -> tuple[str, str] | None:
        if what != "changed":
            return None
        who = self._person(event["by"]) if is_deed(event) else self._nobody()
        return who, self._dim(room_change(event))

    def _say_people(self, _: str, event: Json) -> tuple[str, str] | None:
        deed = deed_of(event["type"], event)
        return None if deed is None else (self._person(deed[0]), self._dim(deed[1]))

    def _say_notice(self, _: str, event: Json) -> tuple[str, str] | None:
        return self._nobody(), self._screen.style(harmless(event["message"]), "yellow")

    def _result(self, event: Json) -> str:
        lines = harmless(result_text(event["content"])).strip("\n").split("\n")
        shown = [self._fit(line, 2) for line in lines[:RESULT_LINES]]
        if len(lines) > RESULT_LINES:
            shown.append(f"… {plural(len(lines) - RESULT_LINES, 'more line')}")
        text = "↳ " + "\n  ".join(shown)
        return self._screen.style(text, "red") if event["is_error"] else self._dim(text)

    def _fit(self, line: str, used: int) -> str:
        width = self._screen.width
        return line if width is None else cut(line, max(width - MARGIN - used, 20))


def figures_of(turn: Json) -> str:
    """Say what a turn took: time, tokens, money."""
    figures = [
        f"{duration(turn['duration_s'])}" if turn["duration_s"] is not None else "",
        f"{count(turn['input_tokens'])} in" if turn["input_tokens"] is not None else "",
        f"{count(turn['output_tokens'])} out" if turn["output_tokens"] is not None else "",
        cost(turn["cost_usd"]),
    ]
    return " · ".join(figure for figure in figures if figure)


def result_text(content: Any) -> str:
    """Take the text out of a tool's result; what is no text is named."""
    if not isinstance(content, list):
        return str(content)
    return "\n".join(
        part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else "(not text)"
        for part in content
    )


def is_deed(event: Json) -> bool:
    """Tell whether a `room.changed` is what somebody did."""
    return bool(event.get("by")) and event["state"] in _DEEDS


def room_change(event: Json) -> str:
    """Say what somebody did to the room (the name goes before it), or how the room is."""
    state = event["state"]
    with_what = " with a new conversation" if event.get("fresh") else ""
    said = f"{_DEEDS[state]}{with_what}" if is_deed(event) else f"the room is {first_line(state)}"
    said += f": {first_line(event['reason'])}" if event["reason"] else ""
    wait_s = event.get("next_attempt_s")
    return said if wait_s is None else f"{said}; the next prompt tries in {duration(wait_s)}"


def agent_exit(event: Json) -> str:
    """Say how the agent process ended and what comes next."""
    status = f"signal {event['signal']}" if event["signal"] is not None else f"exit status {event['code']}"
    how = first_line(event["reason"] or status)
    parting = event.get("status", "died")
    if parting == "asleep":
        return f"the agent is {how}: the next prompt wakes it"
    if parting in _PARTINGS:
        return _PARTINGS[parting]
    ended = "the agent was stuck and had to be ended" if parting == "stuck" else "the agent ended"
    if event["next_attempt_s"] is None:
        return f"{ended}: {how}"
    return f"{ended}: {how}; it is started again in {duration(event['next_attempt_s'])}"


def api_retry(event: Json) -> str:
    """Say what trouble the agent has with its API."""
    status = f" {event['status']}" if event["status"] is not None else ""
    attempt = f"attempt {event['attempt']} of {event['max_retries']}"
    error = first_line(event["error"] or "nothing")
    return f"the API answers {error}{status}: {attempt} in {duration(event['delay_s'])}"


def unknown(kind: str, event: Json) -> str:
    """Say plainly what a newer daemon has to tell."""
    import json

    envelope = ("room", "epoch", "seq", "at", "type")
    rest = {key: value for key, value in event.items() if key not in envelope}
    return f"{first_line(kind)} {first_line(json.dumps(rest, ensure_ascii=False))}"
