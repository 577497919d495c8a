"""
The agent that the writer has: who it is, and its input, which is closed once and then takes nothing more.

Laws: one task writes, one line after the other, so that the writer goes on answering while an agent does not read; a
line is written to its end or the agent is ended.
"""

from typing import Final

import trio
from msgspec import Struct

from concordiad.errors import AgentGone as StdinGone
from concordiad.room.to_writer import Incarnation

LINES: Final = 64
"""Lines that may wait for the agent to read: a prompt, and answers to what it asks. With more the writer waits, too."""
MANY_LINES: Final = 32
"""While so many wait, the agent is not read: it reads no answers, so there is no room for more that it asks."""


class Unwritten(Struct, frozen=True):
    """
    The line of a turn that the agent did not take.

    Attributes:
        turn: the turn's id.
        begun: whether the agent may have seen a part of it.
        why: what kept it.
    """

    turn: str
    begun: bool
    why: str


class _Line(Struct, frozen=True):
    agent: Incarnation
    text: bytes
    turn: str | None


class Hold:
    """
    The writer's hold of the agent.

    Attributes:
        agent: the incarnation; None while there is none.
        is_closed: whether its input is closed, so that it is about to end.
        stuck: why its input was closed, where the pipe was full; taken by whoever tells of it.
        unwritten: the turn whose line it did not take; taken by whoever sees to it.
        has_news: whether a line was written, or could not be, since somebody last looked.
        lines: those that wait to be written, the one that is being written first; a turn's is None.
    """

    def __init__(self) -> None:
        self.agent: Incarnation | None = None
        self.is_closed = False
        self.stuck: str | None = None
        self.unwritten: Unwritten | None = None
        self.has_news = False
        self._send, self._lines = trio.open_memory_channel[_Line](LINES)
        self.lines: list[bytes | None] = []
        self._turn: str | None = None
        self._all_done = trio.Event()
        self._waiting: trio.CancelScope | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is an agent without a model."""
        return self.agent is not None and self.agent.codec.is_rehearsal

    @property
    def incarnation(self) -> str | None:
        """The incarnation's id; None while there is none."""
        return None if self.agent is None else self.agent.id

    @property
    def is_handing_over(self) -> bool:
        """Whether the line of a turn is not written to its end yet."""
        return self._turn is not None

    @property
    def has_many_lines(self) -> bool:
        """Whether so much waits for the agent to read that it is to say no more for now."""
        return len(self.lines) >= MANY_LINES and not self.is_closed

    def take(self, incarnation: Incarnation) -> None:
        """Work with another incarnation."""
        self.agent, self.is_closed, self.stuck = incarnation, False, None

    def note_ready(self) -> None:
        """Let everybody know that the agent has given its first answers."""
        if self.agent is not None:
            self.agent.ready.set()

    def let_go(self) -> None:
        """Forget an agent that has ended."""
        self.agent = None

    async def write(self, text: bytes, turn: str | None = None) -> None:
        """
        Have a line written, after those that wait, and do not wait for that; nothing is done without an agent.

        Args:
            text: the line.
            turn: the turn that it hands over; `unwritten` tells if the agent does not take it.
        """
        if self.agent is None or self.is_closed:
            return
        if not self.lines:
            self._all_done = trio.Event()
        self.lines.append(text if turn is None else None)
        self._turn = turn or self._turn
        await self._send.send(_Line(self.agent, text, turn))

    async def write_all(self) -> None:
        """Write the lines that were handed in, until it is cancelled."""
        with self._lines:
            async for line in self._lines:
                try:
                    await self._write(line)
                finally:
                    self._note_done(line)

    async def _write(self, line: _Line) -> None:
        is_closed = self.is_closed or line.agent is not self.agent
        try:
            if is_closed:
                raise StdinGone("its input was closed before", begun=False)
            await line.agent.stdin.write(line.text)
        except StdinGone as gone:
            if line.turn is not None:
                self.unwritten = Unwritten(line.turn, gone.begun, str(gone))
            if not is_closed and line.agent is self.agent:
                self.end()
                self.stuck = str(gone) if gone.is_stuck else None

    def _note_done(self, line: _Line) -> None:
        del self.lines[0]
        if line.turn == self._turn:
            self._turn = None
        if not self.lines:
            self._all_done.set()
        self.has_news = True
        if self._waiting is not None:
            self._waiting.cancel()

    def wake(self, waiting: trio.CancelScope) -> None:
        """Cancel that, which does nothing but wait, when there are news."""
        self._waiting = waiting

    async def settle(self) -> None:
        """Close the input of an agent that has ended, and wait until it is known what it took."""
        if self.agent is not None and not self.is_closed:
            self.is_closed = True
            self.agent.stdin.close()
        if self.lines:
            await self._all_done.wait()

    def end(self) -> None:
        """Let the agent read the end of its input; the keeper sees to the rest."""
        if self.agent is not None and not self.is_closed:
            self.is_closed = True
            self.agent.stdin.close()
            self.agent.end.set()


async def run_writing(hold: Hold) -> None:
    """
    Write to the agent what the writer has for it, one line after the other.

    Owns: the agent's stdin. Ends when: it is cancelled; a line that was begun is written to its end before.
    """
    await hold.write_all()
