"""
What the writer knows of an agent that outlives the daemon, as it is recorded and taken over by the next run.

Law: what a fact of the agent's came to, and that it was taken, are recorded together; so nothing is done twice and
nothing is left out, whenever the daemon is killed.
"""

import select
from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from concordiad.core.agents import Unreadable
from concordiad.core.model import Approval, Author, AuthorKind, Prompt, Turn
from concordiad.core.turns import WriterState
from concordiad.journal.changes import Change, Held
from concordiad.room.ledger import InProgress
from concordiad.room.patience import NEVER
from concordiad.room.to_fanout import Draft, Post
from concordiad.room.to_writer import Incarnation


class Stopper(msgspec.Struct, frozen=True):
    """Who interrupted a turn."""

    id: str
    name: str
    kind: AuthorKind


class Progress(msgspec.Struct, frozen=True):
    """What is known of a turn besides its row; the fields are those of InProgress."""

    turn: str
    is_acknowledged: bool
    has_begun: bool
    ttft_s: float | None
    stopped_by: Stopper | None
    stop_reason: str | None
    is_stopping: bool
    is_timed_out: bool


class Holding(msgspec.Struct, frozen=True):
    """
    What the writer knows.

    Attributes:
        started_at: when the agent was spawned, in Unix seconds.
        state: the writer's.
        settling: the turn whose line is not done yet, in state SETTLING.
        controls: the requests that the agent has not answered; an interrupt with its turn.
        lines: what is to be written to the agent, in order: PROMPT_LINE, LONG_LINE, or a line that is written at once.
        is_closed: whether its input was closed, so that it is about to end.
        total_cost_usd: the cumulative cost from which the next turn counts.
        likeness: what the agent was started with (`agent/spec.py`).
        unreadable: the lines that could not be read and that no notice has told of.
        refused: how many requests were denied unasked and not told of.
    """

    likeness: str
    started_at: float
    state: WriterState
    settling: str
    controls: dict[str, str | None]
    lines: list[str]
    is_closed: bool
    has_answered: bool
    session_id: str | None
    has_history: bool
    model: str | None
    total_cost_usd: float | None
    tools: int
    background: int
    turns: list[Progress]
    unreadable: Unreadable | None = None
    refused: int = 0


PROMPT_LINE: Final = "prompt"
"""What stands for the line of a prompt: nobody writes that a second time."""
LONG_LINE: Final = "long"
"""What stands for another line that the kernel may write in pieces: nobody writes that a second time either."""
CUT_LINE: Final = "concordiad ended while it wrote to the agent; whether the agent has the line is not known"
DOUBT_S: Final = 10.0
"""How long an agent may take to say that it has a prompt whose line was perhaps cut: it does within milliseconds."""


def name_line(line: bytes | None) -> str:
    """Write down a line that is to be written; None is a prompt's."""
    if line is None:
        return PROMPT_LINE
    return line.decode() if len(line) <= select.PIPE_BUF else LONG_LINE


def with_line(holding: Holding, line: bytes | None, state: WriterState) -> Holding:
    """Say what is known once one more line is to be written."""
    return msgspec.structs.replace(holding, state=state, lines=[*holding.lines, name_line(line)])


class Memory:
    """
    What was recorded last of an agent that outlives the daemon.

    Attributes:
        facts: the number of the last fact that was taken.
        doubt_until: when the agent is to have said that it has the line that was perhaps cut, in monotonic seconds.
        has_cut_line: whether such a line can only have been cut.
    """

    def __init__(self, room: str) -> None:
        self._room = room
        self._incarnation: str | None = None
        self._last: tuple[int, Holding] | None = None
        self.facts = 0
        self.doubt_until = NEVER
        self.has_cut_line = False

    @property
    def doubts(self) -> list[str]:
        """The line of which it is not known whether the agent has it, if there is one."""
        return [PROMPT_LINE] if self.doubt_until < NEVER else []

    def begin(self, incarnation: Incarnation) -> None:
        """Remember another incarnation, if it can outlive the daemon."""
        self._incarnation = None if incarnation.leave is None else incarnation.id
        self._last, self.facts = None, 0
        self.doubt_until, self.has_cut_line = NEVER, False

    def inherit(self, inherited: "Inherited", deadline: float) -> None:
        """Go on from what the last run has recorded; a line in doubt is given up at the deadline."""
        lines = inherited.holding.lines
        self.facts = inherited.facts
        self.doubt_until = deadline if PROMPT_LINE in lines else NEVER
        self.has_cut_line = LONG_LINE in lines

    def note(self, holding: Holding) -> list[Change]:
        """Give the row that says what is known; none if it is recorded already, or the agent ends with the daemon."""
        if self._incarnation is None or self._last == (self.facts, holding):
            return []
        self._last = (self.facts, holding)
        return [Held(self._room, self._incarnation, self.facts, msgspec.json.encode(holding))]


def progress_of(turn: InProgress) -> Progress:
    """Write down how a turn is."""
    by = turn.stopped_by
    return Progress(
        turn.turn.id,
        turn.is_acknowledged,
        turn.has_begun,
        turn.ttft_s,
        None if by is None else Stopper(by.id, by.name, by.kind),
        turn.stop_reason,
        turn.stop_deadline < NEVER,
        turn.is_timed_out,
    )


class Inherited(msgspec.Struct, frozen=True):
    """
    An agent that an earlier run of the daemon has left running, as the journal has it.

    Attributes:
        facts: the number of the last of its facts that was taken.
        turns: those that are with it, with their prompts.
        approvals: what it waits for.
        is_outdated: whether an agent would be started with something else by now.
        taken: set once the writer knows all of it.
    """

    facts: int
    holding: Holding
    turns: Sequence[tuple[Turn, Sequence[Prompt]]]
    approvals: Sequence[Approval]
    is_outdated: bool
    taken: trio.Event = msgspec.field(default_factory=trio.Event)

    def in_progress(self, now: float, unix_now: float, interrupt_s: float) -> list[InProgress]:
        """Say how its turns are, in this run's monotonic seconds; what was interrupted has its grace anew."""
        known = {progress.turn: progress for progress in self.holding.turns}
        found = []
        for turn, prompts in self.turns:
            plain = InProgress(turn, now - max(unix_now - turn.started_at, 0.0), tuple((each, 0.0) for each in prompts))
            was = known.get(turn.id)
            if was is None:
                found.append(plain)
                continue
            by = was.stopped_by
            found.append(
                msgspec.structs.replace(
                    plain,
                    is_acknowledged=was.is_acknowledged,
                    has_begun=was.has_begun,
                    ttft_s=was.ttft_s,
                    stopped_by=None if by is None else Author(by.id, by.name, by.kind),
                    stop_reason=was.stop_reason,
                    stop_deadline=now + interrupt_s if was.is_stopping else plain.stop_deadline,
                    is_timed_out=was.is_timed_out,
                )
            )
        return found


class Gathering(trio.abc.SendChannel[Post]):
    """A way to the fan-out on which posts can be held back, to be recorded as one."""

    def __init__(self, fanout: trio.MemorySendChannel[Post]) -> None:
        self._fanout = fanout
        self._posts: list[Post] | None = None

    @property
    def has_posts(self) -> bool:
        """Whether there is anything held back."""
        return bool(self._posts)

    async def send(self, post: Post) -> None:
        """Send a post, or hold it back."""
        if self._posts is None:
            await self._fanout.send(post)
        else:
            await trio.lowlevel.checkpoint()
            self._posts.append(post)

    async def aclose(self) -> None:
        """Close the way."""
        await self._fanout.aclose()

    def begin(self) -> None:
        """Hold back what comes from now on."""
        self._posts = []

    async def flush(self, *more: Change) -> None:
        """Send what was held back as one post, with more rows, and go on holding back."""
        posts, self._posts = self._posts or [], []
        drafts: list[Draft] = [draft for post in posts for draft in post.drafts]
        changes = [*(change for post in posts for change in post.changes), *more]
        await self._fanout.send(Post(drafts, changes, is_durable=any(post.is_durable for post in posts)))

    def end(self) -> None:
        """Hold nothing back any more; all was flushed."""
        self._posts = None
