"""
A room at a terminal: what happens scrolls above, and what is typed below is a prompt or a command.

Everything that others wrote is made harmless before it comes here, by what the transcript and the listings are made of.
"""

import shlex
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import trio

from concordiad.core.codes import EXIT_DONE
from ctl.answers import BadAnswer, match_answers
from ctl.asking import announcement, questions_of, tool_line
from ctl.commands.queue import HEADER as QUEUE_HEADER
from ctl.commands.queue import LINES
from ctl.commands.queue import row_of as queue_row
from ctl.connection import Event
from ctl.failures import Failure, Refused
from ctl.harmless import first_line, harmless
from ctl.joining.session import DRAFTS, Draft, Session
from ctl.joining.terminal import Terminal, TerminalScreen
from ctl.people import a_role, role_of
from ctl.quantities import plural, relative
from ctl.screen import table
from ctl.transcript import Transcript

COMMANDS: Final = {
    "/who": "who is here",
    "/queue": "what waits",
    "/cancel [ID]": "take a prompt of yours back, the last one without an ID",
    "/retry [ID]": "ask a prompt of yours again that came to nothing, the last one without an ID",
    "/split [ID]": "give a prompt of yours a turn of its own again, the last one that is merged without an ID",
    "/interrupt": "stop the running turn, if its first prompt is yours",
    "/approvals": "what the agent asks to be allowed",
    "/approve ID [ANSWER…]": "let it; a question is answered like 1=2 or Colour=red",
    "/deny ID [REASON]": "do not let it",
    "/help": "this",
    "/quit": "leave; so do Ctrl-D, and Ctrl-C twice",
}
PEOPLE_HEADER: Final = ("NAME", "ROLE", "HERE")
SENDING_S: Final = 3.0
"""How long somebody who leaves waits for prompts that were typed just before."""

Json = dict[str, Any]


class TypedRoom:
    """What is told of the room, and what is typed; see ctl.joining.session.Audience."""

    def __init__(self, make_terminal: Callable[[tuple[str, ...], Callable[[], str]], Terminal]) -> None:
        self.terminal = make_terminal(tuple(usage.split()[0] for usage in COMMANDS), self._state)
        self._screen = TerminalScreen(self.terminal)
        self._transcript = Transcript(self._screen, datetime.now().astimezone().date(), None, is_live=True)
        self._session: Session | None = None
        self._hello: Json | None = None
        self._is_away = False
        self._is_busy = False
        self._asked: set[str] = set()

    def welcome(self, hello: Json) -> None:
        """Say who one is and how the room is."""
        is_first, self._hello, self._is_away = self._hello is None, hello, False
        snapshot = hello["snapshot"]
        if snapshot is not None:
            self._is_busy = snapshot["turn"] is not None
            self._asked = {approval["id"] for approval in snapshot["approvals"]}
        if not is_first:
            self._remark("connected again")
            return
        command = _command if hello["may_approve"] else None
        self._transcript = Transcript(self._screen, datetime.now().astimezone().date(), command, is_live=True)
        until = (
            "" if hello["expires_at"] is None else f"; your invite ends {relative(hello['expires_at'], time.time())}"
        )
        self._remark(
            f"you are {first_line(hello['guest']['name'])}, {a_role(hello)}, in room {first_line(hello['room'])}{until}"
        )
        if snapshot is not None:
            self._remark(_situation(snapshot, hello["guest"]["id"]))
        self._remark("/help tells what can be typed")

    def event(self, event: Event) -> None:
        """Show an event."""
        kind = event.body["type"]
        if kind in ("turn.started", "turn.finished", "turn.returned"):
            self._is_busy = kind == "turn.started"
        elif kind == "approval.requested":
            self._asked.add(event.body["approval"]["id"])
        elif kind == "approval.resolved":
            self._asked.discard(event.body["approval"]["id"])
        self._transcript.show(event.body)

    def missed(self) -> None:
        """Say that there is a hole."""
        self.warn("older events are gone; the transcript goes on with the latest ones")

    def away(self, why: str) -> None:
        """Say that the daemon is looked for."""
        self._is_away = True
        self.warn(f"{why}: looking for it again; what is typed is kept")

    def accepted(self, draft: Draft, result: Json) -> None:
        """Say nothing: its event does."""
        self.terminal.refresh()

    def refused(self, draft: Draft, refusal: Refused) -> None:
        """Say why a prompt was not kept."""
        self.warn(f"{refusal.message} (the prompt was not kept: {first_line(draft.text)})")

    def warn(self, sentence: str) -> None:
        """Say something that matters."""
        self._transcript.close()
        self._screen.line(self._screen.style(harmless(sentence), "yellow"))

    async def pace(self) -> None:
        """Wait for the terminal."""
        await self.terminal.pace()

    async def run(self, session: Session) -> int:
        """
        Show the room until the person leaves.

        Returns: the exit code.
        """
        self._session = session
        code = EXIT_DONE
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._obey, session, nursery.cancel_scope)
            code = await self.terminal.run()
            nursery.cancel_scope.cancel()
        with trio.move_on_after(SENDING_S):
            await session.until_sent()
        if session.waiting:
            self.warn(f"{plural(session.waiting, 'prompt was', 'prompts were')} not sent: nobody took them")
        return code

    def _state(self) -> str:
        if self._hello is None:
            return "joining…"
        waiting = 0 if self._session is None else self._session.waiting
        parts = [
            first_line(self._hello["room"]),
            f"{first_line(self._hello['guest']['name'])} ({role_of(self._hello)})",
            "not connected: trying again" if self._is_away else "connected",
            self._doing(),
            f"{plural(waiting, 'prompt')} to send" if waiting else "",
        ]
        return " · ".join(part for part in parts if part)

    def _doing(self) -> str:
        """Say what goes on; nothing while that is not known."""
        if self._is_away or self._hello is None:
            return ""
        if self._asked:
            return "needs a decision: /approvals" if self._hello["may_approve"] else "waits for a host's decision"
        return "the agent works" if self._is_busy else ""

    def _remark(self, text: str) -> None:
        self._transcript.close()
        self._screen.line(self._screen.style(text, "dim"))

    async def _obey(self, session: Session, whole: trio.CancelScope) -> None:
        async for line in self.terminal.lines:
            if not line.startswith("/") or line.startswith("//"):
                self._hand_in(session, line.removeprefix("/") if line.startswith("//") else line)
                continue
            word, _, rest = line.partition(" ")
            if word.strip() == "/quit":
                whole.cancel()
                return
            try:
                said = await self._do(session, word.strip(), rest.strip())
            except Failure as failure:
                self.warn(failure.message)
            else:
                self._transcript.close()
                self._screen.write(said.rstrip("\n") + "\n")

    def _hand_in(self, session: Session, text: str) -> None:
        if session.submit(text) is None:
            self.warn(f"{DRAFTS} prompts wait to be sent already: this one was not taken")
        self.terminal.refresh()

    async def _do(self, session: Session, word: str, rest: str) -> str:
        now = time.time()
        match word:
            case "/help":
                return _help()
            case "/who":
                here = await session.call("guest.list")
                return table(self._screen, PEOPLE_HEADER, [_person(one, now) for one in here["hosts"] + here["guests"]])
            case "/queue":
                prompts = await _listed(session, LINES, states=["waiting"])
                rows = [queue_row(prompt, now) for prompt in prompts]
                return table(self._screen, QUEUE_HEADER, rows) if rows else "no prompt waits"
            case "/cancel":
                return await self._cancel(session, rest)
            case "/retry":
                return await self._retry(session, rest)
            case "/split":
                return await self._split(session, rest)
            case "/interrupt":
                turn = (await session.call("turn.interrupt"))["turn"]
                return f"interrupted turn {turn['id']}"
            case "/approvals":
                approvals = (await session.call("approval.list"))["approvals"]
                command = _command if self._hello is not None and self._hello["may_approve"] else None
                return "\n".join(announcement(self._screen, each, now, command) for each in approvals) or "none waits"
            case "/approve" | "/deny" if rest:
                return await _answer(session, word, rest)
        usage = next((usage for usage in COMMANDS if usage.split()[0] == word), None)
        if usage is not None:
            return f"like this: {usage}"
        return f"there is no command {first_line(word)}: /help lists them, and a prompt with a slash begins with two"

    async def _retry(self, session: Session, identity: str) -> str:
        if not identity:
            states = ["failed", "uncertain", "cancelled", "expired"]
            mine = await self._mine(session, states=states, limit=1)
            if not mine:
                return "no prompt of yours came to nothing"
            identity = mine[0]["id"]
        prompt = (await session.call("prompt.retry", id=identity))["prompt"]
        return f"asked again as {prompt['id']}: {first_line(prompt['text'])}"

    async def _mine(self, session: Session, **params: Any) -> list[Json]:
        me = {} if self._hello is None else {"author": self._hello["guest"]["id"]}
        return await _listed(session, params.get("limit", LINES), **me, **params)

    async def _split(self, session: Session, identity: str) -> str:
        if not identity:
            merged = [
                prompt
                for prompt in await self._mine(session, states=["waiting"], limit=500)
                if prompt["merge"] is not None
            ]
            if not merged:
                return "no prompt of yours that waits is merged with another one"
            identity = merged[-1]["id"]
        prompt = (await session.call("prompt.split", id=identity))["prompt"]
        return f"{prompt['id']} has a turn of its own again: {first_line(prompt['text'])}"

    async def _cancel(self, session: Session, identity: str) -> str:
        if not identity:
            mine = await self._mine(session, states=["waiting"], limit=500)
            if not mine:
                return "no prompt of yours waits"
            identity = mine[-1]["id"]
        prompt = (await session.call("prompt.cancel", id=identity))["prompt"]
        return f"cancelled {prompt['id']}: {first_line(prompt['text'])}"


async def _listed(session: Session, most: int, **params: Any) -> list[Json]:
    """List prompts, page after page: where they are long, a page holds few."""
    prompts: list[Json] = []
    where: Json = {}
    while True:
        page = await session.call("prompt.list", **params, **where)
        prompts += page["prompts"]
        if page["next"] is None or len(prompts) >= most:
            return prompts[:most]
        where = {"cursor": page["next"]}


async def _answer(session: Session, word: str, rest: str) -> str:
    identity, _, more = rest.partition(" ")
    params: Json = {"id": identity, "allow": word == "/approve"}
    if word == "/approve":
        listed = (await session.call("approval.list"))["approvals"]
        approval = next((each for each in listed if each["id"].startswith(identity)), None)
        questions = questions_of(approval["input"]) if approval and approval["kind"] == "question" else []
        if questions:
            try:
                words = [each for each in shlex.split(more) if each != "--answer"]
                params["answers"] = match_answers(questions, tuple(words))
            except (BadAnswer, ValueError) as error:
                return harmless(str(error))
    elif more.strip():
        params["reason"] = more.strip()
    result = await session.call("approval.answer", **params)
    approval = result["approval"]
    return f"{result['resolution']} {approval['id']}: {tool_line(approval['tool'], approval['input'])}"


def _command(*words: str) -> str:
    return f"/{' '.join(words)}"


def _person(one: Json, now: float) -> tuple[str, ...]:
    return first_line(one["name"]), role_of(one), relative(one["here_since"], now)


def _situation(snapshot: Json, me: str) -> str:
    """Say how a room is, for whoever comes in."""
    room = snapshot["room"]
    others = [first_line(person["name"]) for person in snapshot["people"] if person["id"] != me]
    parts = [
        f"the agent is {first_line(room['state'])}" + (": a rehearsal, no model" if room["agent"]["rehearsal"] else ""),
        plural(room["queue"], "prompt waits", "prompts wait") if room["queue"] else "",
        f"{plural(room['approvals'], 'approval waits', 'approvals wait')}: /approvals" if room["approvals"] else "",
        f"here: {', '.join(others)}" if others else "nobody else is here",
    ]
    return " · ".join(part for part in parts if part)


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"{usage:<{width}}{meaning}" for usage, meaning in COMMANDS.items()]
    return "\n".join([*lines, "anything else is a prompt; // in front sends one slash; Alt-Enter begins a new line"])
