"""
A room over plain pipes: each line that comes in is a prompt, what happens goes out, and it ends with the last turn.

Laws: a prompt is on its way, or kept by the daemon, or its refusal is told or ends the program; so many are open at
once that a room has something to do, and no more are read ahead.
"""

import os
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import trio

from concordiad.core.codes import EXIT_NOT_COMPLETED, EXIT_USAGE, INVALID_PARAMS, NOT_NOW
from ctl.connection import Event
from ctl.failures import ConnectionLost, Failure, Refused
from ctl.harmless import harmless
from ctl.joining.session import Draft, Session
from ctl.screen import Screen
from ctl.transcript import Transcript
from ctl.watching import PromptWatch

OPEN: Final = 16
"""Prompts that have no end yet: the daemon refuses only far more, and who interrupts this loses little."""
LINE_BYTES: Final = 1024 * 1024
"""Four times what the daemon takes as a prompt."""
READ_BYTES: Final = 64 * 1024

Json = dict[str, Any]


class LineReader:
    """Lines of UTF-8 from a descriptor, read without standing in the way of anything else; blank ones are left out."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._kept = b""
        self._has_ended = False

    async def next(self) -> str | None:
        """
        Wait for the next line; None at the end.

        Raises:
            Failure: a line is too long, or no UTF-8.
        """
        while True:
            while self._lines:
                try:
                    text = self._lines.popleft().decode().rstrip("\r")
                except UnicodeDecodeError as error:
                    raise Failure(f"standard input is not UTF-8 (byte {error.start} of a line)", EXIT_USAGE) from error
                if text.strip():
                    return text
            if self._has_ended:
                return None
            await self._read()

    async def _read(self) -> None:
        # Read past Python's own buffers: a thread that is left behind in them would hinder the program's end.
        chunk = await trio.to_thread.run_sync(os.read, self._descriptor, READ_BYTES, abandon_on_cancel=True)
        *lines, self._kept = (self._kept + chunk).split(b"\n")
        self._lines.extend(lines)
        if not chunk:
            self._has_ended = True
            self._lines.append(self._kept)
        elif len(self._kept) > LINE_BYTES:
            raise Failure(f"a line of standard input is longer than {LINE_BYTES} bytes", EXIT_USAGE)


class PipedRoom:
    """What is told of the room, and what becomes of the prompts; see ctl.joining.session.Audience."""

    def __init__(self, *, is_json: bool) -> None:
        self._out = Screen.out()
        self._err = Screen.err()
        today = datetime.now().astimezone().date()
        transcript = Transcript(self._out, today, None, is_live=self._out.obeys_escapes)
        self._transcript = None if is_json else transcript
        self._drafts = 0
        self._later: deque[str] = deque()
        self._made_room = 0
        self._watches: dict[str, PromptWatch] = {}
        self._handed_in = self._unanswered = 0
        self._failure: Failure | None = None
        self._changed = trio.Event()
        self._end_seq: int | None = None
        self._seq = 0
        self._must_refresh = False

    def welcome(self, hello: Json) -> None:
        """Take note of what there was before."""
        snapshot = hello["snapshot"]
        self._seq = max(self._seq, hello["cursor"]["seq"])
        if self._end_seq is None:
            self._end_seq = self._seq if snapshot is None else snapshot["room"]["cursor"]["seq"]
        self._changed.set()

    def event(self, event: Event) -> None:
        """Print an event."""
        if self._transcript is None:
            self._out.json(event.raw)
        else:
            self._transcript.show(event.body)
        self._seq = event.body.get("seq", self._seq)
        for watch in self._watches.values():
            watch.feed(event.body)
        self._settle()

    def missed(self) -> None:
        """Say that there is a hole, and ask about the prompts that it may be about."""
        self._must_refresh = True
        self.warn("older events are gone; the transcript goes on with the latest ones")

    def away(self, why: str) -> None:
        """Say that the daemon is looked for."""
        if self._err.is_terminal:
            self.warn(f"{why}: looking for it again")

    def accepted(self, draft: Draft, result: Json) -> None:
        """Watch a prompt from now on."""
        self._drafts -= 1
        watch = PromptWatch(result["prompt"])
        watch.turn = result["turn"] if watch.is_over else None
        self._watches[watch.prompt_id] = watch
        self._settle()

    def refused(self, draft: Draft, refusal: Refused) -> None:
        """Hand a prompt in again later, tell of it, or end."""
        self._drafts -= 1
        if refusal.code == NOT_NOW.number and self._watches:
            self._later.append(draft.text)
            self._made_room = 0
        elif refusal.code == INVALID_PARAMS.number:
            self.warn(refusal.message)
            self._unanswered += 1
        else:
            self._failure = refusal
        self._changed.set()

    def warn(self, sentence: str) -> None:
        """Say something beside the transcript."""
        if self._transcript is not None:
            self._transcript.close()
        self._err.line(f"concordiactl: {harmless(sentence)}")

    async def pace(self) -> None:
        """Wait for nothing: writing has waited already."""
        await trio.lowlevel.checkpoint()

    async def feed(self, session: Session, lines: LineReader) -> None:
        """
        Hand in every line as a prompt, and wait until all of them are over.

        Raises:
            Failure: one was refused, or was not answered.
        """
        await self._until(session, lambda: self._end_seq is not None)
        while (line := await lines.next()) is not None:
            await self._until(session, lambda: self._open < OPEN)
            self._hand_in(session, line)
        await self._until(session, lambda: self._open == 0 and self._seq >= (self._end_seq or 0))
        if self._transcript is not None:
            self._transcript.close()
        if self._unanswered:
            sentence = f"{self._unanswered} of {self._handed_in} prompts ended in anything but an answer"
            raise Failure(sentence, EXIT_NOT_COMPLETED)

    @property
    def _open(self) -> int:
        return self._drafts + len(self._later) + len(self._watches)

    def _hand_in(self, session: Session, text: str, *, is_again: bool = False) -> None:
        if session.submit(text) is not None:
            self._drafts += 1
            self._handed_in += not is_again

    async def _until(self, session: Session, condition: Callable[[], bool]) -> None:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._must_refresh:
                await self._refresh(session)
            if condition():
                return
            self._changed = trio.Event()
            await self._changed.wait()
            while self._later and self._made_room:
                self._made_room -= 1
                self._hand_in(session, self._later.popleft(), is_again=True)

    async def _refresh(self, session: Session) -> None:
        self._must_refresh = False
        for watch in list(self._watches.values()):
            try:
                got = await session.call("prompt.get", id=watch.prompt_id)
            except ConnectionLost:
                self._must_refresh = True
                return
            watch.refresh(got["prompt"], got["turn"])
        self._settle()

    def _settle(self) -> None:
        """Take note of the prompts that are over."""
        for identity, watch in list(self._watches.items()):
            if watch.is_over:
                del self._watches[identity]
                # Whatever is over may have made room for what was refused for lack of it.
                self._made_room += 1
                is_answered = watch.state == "answered" or (watch.turn or {}).get("outcome") == "completed"
                self._unanswered += not is_answered
        self._changed.set()
