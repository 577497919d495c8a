"""
The transcript as a Markdown document: who asked what and when, what the agent answered and did, what it cost.

One event at a time goes in, and its part of the document comes out, so a transcript of any length takes no memory. All
that others wrote passes ctl.quoting.
"""

from collections import Counter
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from ctl.asking import question_lines, questions_of, tool_details, tool_line
from ctl.harmless import first_line, harmless
from ctl.merging import merged, split
from ctl.people import deed_of
from ctl.quantities import cost, count, plural, unix_time
from ctl.quoting import fenced, plain, quoted
from ctl.transcript import (
    PARTIAL,
    agent_exit,
    api_retry,
    figures_of,
    is_deed,
    names,
    result_text,
    room_change,
    unknown,
)
from ctl.watching import ending

Json = dict[str, Any]

NOBODY: Final = "·"


class Document:
    """Writes the events of one room; the memory is who spoke last, on which day, and the sums."""

    def __init__(self) -> None:
        self._day = ""
        self._speaker = ""
        self._asked = ""
        self._tools: dict[str, str] = {}
        self._outcomes: Counter[str] = Counter()
        self._prompts = self._tokens_in = self._tokens_out = 0
        self._cost_usd: float | None = None

    def head(self, room: str, first_seq: int, last_seq: int) -> str:
        """Write what stands above the first event."""
        which = f"Events {first_seq} to {last_seq}" if first_seq <= last_seq else f"No events from {first_seq} on"
        return f"# Room {plain(room)}\n\n{which} of the transcript. Times are in UTC.\n"

    def foot(self) -> str:
        """Write what stands below the last event: the sums."""
        turns = sum(self._outcomes.values())
        outcomes = ", ".join(f"{number} {plain(outcome)}" for outcome, number in self._outcomes.most_common())
        parts = [plural(self._prompts, "prompt"), plural(turns, "turn") + (f" ({outcomes})" if turns else "")]
        if self._tokens_in or self._tokens_out:
            parts.append(f"{count(self._tokens_in)} tokens in, {count(self._tokens_out)} out")
        parts += [cost(self._cost_usd)] if self._cost_usd is not None else []
        return f"\n---\n\n{' · '.join(parts)}\n"

    def event(self, event: Json) -> str:
        """Write one event; nothing for one that says nothing here."""
        kind: str = event["type"]
        family, _, what = kind.partition(".")
        write = {
            "prompt": self._prompt,
            "turn": self._turn,
            "agent": self._agent,
            "approval": self._approval,
            "room": self._room,
            "guest": self._people,
            "invite": self._people,
            "notice": self._notice,
        }.get(family)
        said = None if write is None else write(what, event)
        return self._remark(event, NOBODY, unknown(kind, event)) if said is None else said

    def _head(self, event: Json, speaker: str, *, is_new: bool = False) -> str:
        at = datetime.fromtimestamp(unix_time(event["at"]), UTC)
        day = f"{at:%A, %d %B %Y}"
        text = ""
        if day != self._day:
            self._day, self._speaker = day, ""
            text = f"\n## {day}\n"
        if is_new or speaker != self._speaker:
            self._speaker = speaker
            text += f"\n### {plain(first_line(speaker))}, {at:%H:%M:%S}\n"
        return text + "\n"

    def _remark(self, event: Json, speaker: str, text: str) -> str:
        return f"{self._head(event, speaker)}*{plain(first_line(text))}*\n"

    def _folded(self, event: Json, title: str, body: str) -> str:
        head = self._head(event, self._agents(event))
        return f"{head}<details><summary>{escape(harmless(title))}</summary>\n\n{body}\n\n</details>\n"

    def _agents(self, event: Json) -> str:
        return "the rehearsal agent" if event.get("rehearsal") else "the agent"

    def _prompt(self, what: str, event: Json) -> str | None:
        prompt = event["prompt"]
        author = prompt["author"]["name"]
        if what == "accepted":
            self._prompts += 1
            self._asked = prompt["id"]
            return f"{self._head(event, author, is_new=True)}{quoted(prompt['text'], keeps_lines=True)}\n"
        if what == "cancelled":
            whose = "" if event["by"]["id"] == prompt["author"]["id"] else f" of {first_line(author)}"
            return self._remark(
                event, event["by"]["name"], f"cancelled the prompt{whose}: {first_line(prompt['text'])}"
            )
        if what == "expired":
            return self._remark(event, author, f"expired before its turn came: {first_line(prompt['text'])}")
        if what == "merged":
            return self._remark(event, author, merged(event))
        if what == "split":
            return self._remark(event, author, split(event))
        return None

    def _turn(self, what: str, event: Json) -> str | None:
        turn = event["turn"]
        agent = self._agents(event)
        if what == "started":
            self._speaker = ""
            if turn["origin"] == "agent":
                return self._remark(event, agent, "begins a turn by itself")
            if turn["prompts"] == [self._asked]:
                return ""  # what it takes stands right above
            several = "prompts" if len(turn["prompts"]) > 1 else "prompt"
            takes = f"takes the {several} of {names(turn['authors'])}: {first_line(turn['text'])}"
            return self._remark(event, agent, takes)
        if what == "finished":
            self._count(turn)
            is_found = turn["outcome"] == "completed" and turn["reason"] is not None
            how = "✓" if turn["outcome"] == "completed" else f"✗ {first_line(ending(turn))}"
            parts = (how, figures_of(turn), first_line(turn["reason"]) if is_found else "")
            # Found in the agent's own history after a crash: no event has told of its text.
            answer = f"{self._head(event, agent)}{quoted(turn['answer'] or '')}\n" if is_found else ""
            return answer + self._remark(event, agent, " · ".join(part for part in parts if part))
        if what == "returned":
            return self._remark(event, agent, f"the turn went back to the queue: {first_line(turn['reason'] or '')}")
        return None

    def _count(self, turn: Json) -> None:
        self._outcomes[turn["outcome"]] += 1
        self._tokens_in += turn["input_tokens"] or 0
        self._tokens_out += turn["output_tokens"] or 0
        if turn["cost_usd"] is not None:
            self._cost_usd = (self._cost_usd or 0.0) + turn["cost_usd"]

    def _agent(self, what: str, event: Json) -> str | None:
        agent = self._agents(event)
        if what == "text":
            words = f"{self._head(event, agent)}{quoted(event['text'])}\n"
            return f"{words}{self._remark(event, agent, PARTIAL)}" if event.get("partial") else words
        if what == "thinking":
            return self._folded(event, "thinking", quoted(event["text"]))
        if what == "tool_use":
            title = tool_line(event["tool"], event["input"])
            self._tools[event["id"]] = first_line(event["tool"])
            return self._folded(event, f"⚙ {title}", fenced(tool_details(event["tool"], event["input"])))
        if what == "tool_result":
            return self._result(event)
        if what == "oversize":
            return self._remark(event, agent, f"{event['kind']} of {event['bytes']} bytes: too large to be shown")
        if what == "started":
            session = "goes on with its conversation" if event["session"] == "resumed" else "begins a conversation"
            about = " ".join(part for part in (event["agent"], event["version"]) if part)
            return self._remark(event, agent, f"{first_line(about)} {session}")
        if what == "exited":
            return self._remark(event, agent, agent_exit(event))
        if what == "api_retry":
            return self._remark(event, agent, api_retry(event))
        if what == "withdrawn":
            return ""  # live text that was never recorded
        return None

    def _result(self, event: Json) -> str:
        text = result_text(event["content"]).strip("\n")
        tool = self._tools.pop(event["id"], "the tool")
        lines = plural(text.count("\n") + 1, "line") if text else ""
        how = f"failed: {lines or 'without a word'}" if event["is_error"] else f"gave {lines or 'nothing'}"
        return self._folded(event, f"↳ {tool} {how}", fenced(text))

    def _approval(self, what: str, event: Json) -> str | None:
        approval = event["approval"]
        line = tool_line(approval["tool"], approval["input"])
        if what == "requested":
            questions = questions_of(approval["input"]) if approval["kind"] == "question" else []
            if questions:
                return self._folded(event, f"? {line}", fenced(question_lines(questions)))
            return self._remark(event, self._agents(event), f"asks to use {line}")
        if what == "resolved":
            who = event["by"]["name"] if event["by"] else NOBODY
            reason = f": {first_line(event['reason'])}" if event["reason"] else ""
            return self._remark(event, who, f"{event['resolution'].replace('_', ' ')} {line}{reason}")
        return None

    def _room(self, what: str, event: Json) -> str | None:
        if what != "changed":
            return None
        return self._remark(event, event["by"]["name"] if is_deed(event) else NOBODY, room_change(event))

    def _people(self, _: str, event: Json) -> str | None:
        deed = deed_of(event["type"], event)
        return None if deed is None else self._remark(event, deed[0]["name"], deed[1])

    def _notice(self, _: str, event: Json) -> str:
        return f"{self._head(event, NOBODY)}{quoted(event['message'])}\n"
