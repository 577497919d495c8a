"""
The agent's stdout and stderr: one task each, the only readers.

Laws: what the agent said goes to the fan-out, what it means for the turn goes to the writer, in the order of the
output; at a turn's borders the pump waits for the writer, so that its events stand between its start and its end; it
waits, too, where the agent is to be answered, so that one that asks without end, and reads nothing, is not read either.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import trio
from msgspec import Struct, field

from concordiad.core.agents import (
    AgentCodec,
    ApprovalAsked,
    Ended,
    Fact,
    OwnTurnBegan,
    Said,
    Unreadable,
    Unsupported,
)
from concordiad.core.lines import LineSplitter
from concordiad.errors import RoomError
from concordiad.room.bookmark import Bookmark
from concordiad.room.ledger import REHEARSAL_MARK
from concordiad.room.messages import ask
from concordiad.room.pipes import receive, widen
from concordiad.room.slices import Slices
from concordiad.room.to_fanout import Draft, Post
from concordiad.room.to_writer import FromAgent, Spoke, ToWriter
from concordiad.room.valve import Valve

HEARD_S: Final = 0.1
"""So seldom is the writer told that the agent says something, where that alone is what there is to tell."""
GARBAGE_S: Final = 0.001
"""
So long the pump rests after each slice of many lines that state nothing: then the agent waits, and nobody else.

Letting the other tasks run is not enough: a thread gets Python's lock of a loop without a pause only every 5 ms.
"""
ANSWERED_FACTS: Final = ApprovalAsked | Unsupported
"""What the agent is answered: the writer takes these one by one, so that a flood of them keeps nobody waiting."""
STDERR_LINES: Final = 50
"""The last lines of stderr that are kept for diagnosis; the CLI is silent there in normal running."""
STDERR_LINE_BYTES: Final = 2000
STDERR_PIECE_BYTES: Final = 4096
"""Bytes of stderr that are cut into lines at a stretch: half a millisecond's work where every line is empty."""


class PumpEnds(Struct, frozen=True):
    """The pump's ends of the room's channels."""

    fanout: trio.MemorySendChannel[Post]
    writer: trio.MemorySendChannel[ToWriter]
    valve: Valve = field(default_factory=Valve)


class _Router:
    """Send facts where they belong, what belongs together in one message."""

    def __init__(
        self, incarnation: str, ends: PumpEnds, *, is_rehearsal: bool, bookmark: Bookmark | None = None
    ) -> None:
        self._incarnation = incarnation
        self._ends = ends
        self._bookmark = bookmark
        self._numbers: list[int] = []
        self._said = 0
        self._mark = REHEARSAL_MARK if is_rehearsal else b""
        self._drafts: list[Draft] = []
        self._facts: list[Fact | Spoke] = []
        self._spoke: str | None = None
        self._told_at = -HEARD_S

    async def take(self, facts: list[Fact]) -> None:
        """Take some lines' facts."""
        for fact in facts:
            number = 0 if self._bookmark is None else self._bookmark.count(fact)
            if number is None:
                continue
            if isinstance(fact, Said):
                await self._take_said(fact)
                self._said = number or self._said
                continue
            await self._flush_drafts()
            self._add(fact, number)
            if isinstance(fact, OwnTurnBegan | Ended | ANSWERED_FACTS):
                await self._flush_facts(is_border=True)

    async def _take_said(self, said: Said) -> None:
        if said.turn is not None and said.turn != self._spoke and said.event_type != "agent.api_retry":
            self._spoke = said.turn
            self._add(Spoke(said.turn, trio.current_time()), 0)
        if self._facts:
            await self._flush_facts()
        self._drafts.append(Draft(said.event_type, said.body + self._mark, said.is_live))

    async def flush(self) -> None:
        """Send what is left of a chunk; the writer is to know that there was one."""
        await self._flush_drafts()
        await self._flush_facts()
        if trio.current_time() >= self._told_at + HEARD_S:
            await self._tell()

    async def turn_page(self, codec: AgentCodec, splitter: LineSplitter) -> None:
        """Have it recorded how far the agent that may outlive us was heard, with the last of what it said."""
        if self._bookmark is None:
            return
        await self._flush_facts()
        heard = self._bookmark.turn_page(codec, splitter)
        drafts, self._drafts = self._drafts, []
        if heard is None:
            if drafts:
                await self._ends.fanout.send(Post(drafts))
        elif self._bookmark.spool.has_old:
            # What nobody needs any more is removed once that is sure.
            try:
                await ask(self._ends.fanout, lambda reply: Post(drafts, [heard], reply=reply))
            except RoomError:
                await self._ends.fanout.send(Post(drafts, [heard]))
            else:
                self._bookmark.spool.forget(heard.place)
        else:
            await self._ends.fanout.send(Post(drafts, [heard]))

    async def hold(self, valve: Valve) -> None:
        """Wait for the valve for a while."""
        with trio.move_on_after(HEARD_S):
            await valve.wait()
        await self.excuse()

    async def excuse(self) -> None:
        """Let the writer know that the agent is not read for now, which is no silence of its own."""
        await self._tell()

    async def _flush_drafts(self) -> None:
        if self._drafts:
            drafts, self._drafts = self._drafts, []
            changes = [] if self._bookmark is None or not self._said else [self._bookmark.note_said(self._said)]
            await self._ends.fanout.send(Post(drafts, changes))

    def _add(self, fact: Fact | Spoke, number: int) -> None:
        if self._facts and isinstance(fact, Unreadable) and isinstance(last := self._facts[-1], Unreadable):
            # Whoever takes the last of them has taken all: a chunk of garbage can be a hundred thousand.
            self._facts[-1], self._numbers[-1] = fact.after(last), number
            return
        self._facts.append(fact)
        self._numbers.append(number)

    async def _flush_facts(self, *, is_border: bool = False) -> None:
        if not self._facts:
            return
        facts, self._facts = self._facts, []
        numbers, self._numbers = self._numbers, []
        if is_border or self._bookmark is not None:
            # What is written down as heard is to have been taken.
            self._told_at = trio.current_time()
            numbers = numbers if self._bookmark is not None else []
            await ask(self._ends.writer, lambda reply: FromAgent(self._incarnation, facts, reply, numbers))
        else:
            await self._tell(facts)

    async def _tell(self, facts: Sequence[Fact | Spoke] = ()) -> None:
        self._told_at = trio.current_time()
        await self._ends.writer.send(FromAgent(self._incarnation, facts))


async def run_pump(
    stdout: trio.abc.ReceiveStream,
    codec: AgentCodec,
    incarnation: str,
    line_bytes: int,
    ends: PumpEnds,
    bookmark: Bookmark | None = None,
) -> None:
    """
    Read everything that the agent says.

    While too much waits for the journal it does not read, so that the agent waits, and tells the writer that it hears.
    With a bookmark, what an earlier run has recorded is passed over, and how far this one comes is recorded; where the
    disk takes no more of it, nothing is read either.

    Owns: the agent's stdout. Ends when: end of file. A line that never got its newline is not a line.
    """
    widen(stdout if bookmark is None else bookmark.spool.pipe)
    splitter = LineSplitter(line_bytes)
    router = _Router(incarnation, ends, is_rehearsal=codec.is_rehearsal, bookmark=bookmark)
    if bookmark is not None:
        splitter.recall(bookmark.line)
        bookmark.spool.when_stuck = router.excuse
    slices = Slices()
    async with stdout:
        while chunk := await receive(stdout):
            slices.begin()
            if bookmark is not None:
                bookmark.feed(len(chunk))
            # What was heard before goes line by line: names of turns depend on where it ends.
            is_again = bookmark is not None and bookmark.is_behind
            blocks = splitter.feed(chunk) if is_again else splitter.feed_blocks(chunk)
            for place, lines in enumerate(blocks):
                for number, facts in enumerate(codec.decode_in_pieces(lines)):
                    await router.take(facts)
                    if (
                        number
                        and slices.is_over()
                        and (not facts or isinstance(facts[-1], Unreadable | ANSWERED_FACTS))
                    ):
                        await trio.sleep(GARBAGE_S)
                        slices.begin()
                    if number or place:
                        # The first piece is nearly always all of a chunk, and who waits for the next one rests.
                        await slices.rest()
            await router.turn_page(codec, splitter)
            await router.flush()
            while not ends.valve.is_open:
                await router.hold(ends.valve)
        if left := codec.end():
            await router.take(left)
            await router.flush()


class Diagnosis:
    """The last lines that one incarnation wrote to stderr."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=STDERR_LINES)

    def add(self, line: bytes) -> None:
        """Keep a line."""
        self._lines.append(line[:STDERR_LINE_BYTES].decode("utf-8", "replace"))

    def __str__(self) -> str:
        """Give all that is kept."""
        return "\n".join(self._lines)


async def run_stderr(stderr: trio.abc.ReceiveStream, diagnosis: Diagnosis) -> None:
    """
    Drain the agent's stderr, so that the agent never waits for it, and keep its end.

    Owns: the agent's stderr. Ends when: end of file.
    """
    splitter = LineSplitter(STDERR_LINE_BYTES * 8)
    slices = Slices()
    async with stderr:
        while chunk := await receive(stderr):
            slices.begin()
            for begin in range(0, len(chunk), STDERR_PIECE_BYTES):
                for line in splitter.feed(chunk[begin : begin + STDERR_PIECE_BYTES])[-STDERR_LINES:]:
                    diagnosis.add(line if isinstance(line, bytes) else line.head)
                if slices.is_over():
                    await trio.sleep(GARBAGE_S)
                    slices.begin()
            if len(chunk) > STDERR_LINE_BYTES * STDERR_LINES // 2:
                await trio.sleep(GARBAGE_S)
        if rest := splitter.end():
            diagnosis.add(rest)
