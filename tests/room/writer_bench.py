"""A writer between a recorder, a batcher's inbox that the test reads, and an agent that the test speaks for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.config.limits import Graces
from concordiad.core.agents import AgentCodec
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.api import ApiFailing
from concordiad.core.model import Approval, Author, Prompt, Turn
from concordiad.room.messages import ask
from concordiad.room.to_batcher import NextTurn, TakeBack, ToBatcher
from concordiad.room.to_writer import (
    FACTS,
    AgentGone,
    AgentUp,
    AnswerApproval,
    Describe,
    Farewell,
    FromAgent,
    Incarnation,
    Interrupt,
    KeeperEnded,
    ListApprovals,
    Offer,
    Restart,
    ToWriter,
)
from concordiad.room.writer import Writer, WriterEnds, run_writer
from tests.room import cli_lines
from tests.room.recorders import Recorder
from tests.room.samples import ANN, GRACES, NOW, clock, count_ids, drafts_of, prompt
from tests.room.stdins import Line, ReadingStdin

NEVER = float("inf")


class Bench:
    """
    The writer and everything around it.

    `log` tells the order of what matters: the types of events as they are recorded, and the lines that are read.
    """

    def __init__(self, graces: Graces, idle_s: float, failing: ApiFailing | None) -> None:
        self.log: list[str] = []
        self.recorder = Recorder(note=lambda post: self.log.extend(draft.event_type for draft in post.drafts))
        self.inbox, inbox = trio.open_memory_channel[ToWriter](FACTS)
        to_batcher, self.to_batcher = trio.open_memory_channel[ToBatcher](FACTS)
        self.ends = WriterEnds(inbox, to_batcher, self.recorder.ends)
        self.writer = Writer("main", graces, count_ids("w"), clock, self.ends, idle_s, failing=failing)
        self.scope = trio.CancelScope()
        self.has_ended = False
        self.stdin = ReadingStdin()
        self._new_own = count_ids("own")
        self.codec: AgentCodec = ClaudeCode(self._new_own)
        self.incarnation = ""
        self.end = trio.Event()
        self._new_incarnation = count_ids("i")

    async def work(self) -> None:
        """Run the writer until it ends or is cancelled."""
        with self.scope:
            await run_writer(self.writer, self.ends)
        self.has_ended = True

    async def spawn(
        self, stdin: ReadingStdin | None = None, codec: AgentCodec | None = None, *, is_resumed: bool = False
    ) -> ReadingStdin:
        """Let an agent be there, whose handshake is not answered yet."""
        self.stdin = stdin or ReadingStdin(self._note)
        self.codec = codec or ClaudeCode(self._new_own)
        self.incarnation = self._new_incarnation()
        self.end = trio.Event()
        incarnation = Incarnation(
            id=self.incarnation,
            agent="claude",
            kind="claude-code",
            version="2.1.329",
            model=None,
            session_id="session",
            is_resumed=is_resumed,
            pid=1,
            started_at=NOW,
            codec=self.codec,
            stdin=self.stdin,
            end=self.end,
            ready=trio.Event(),
        )
        await self.inbox.send(AgentUp(incarnation))
        await wait_all_tasks_blocked()
        return self.stdin

    async def start(
        self, stdin: ReadingStdin | None = None, codec: AgentCodec | None = None, *, cost_usd: float | None = None
    ) -> ReadingStdin:
        """Let an agent be there and ready."""
        reading = await self.spawn(stdin, codec)
        await self.answer_handshake(cost_usd)
        return reading

    async def answer_handshake(self, cost_usd: float | None = None) -> None:
        """Answer the first requests."""
        ready, usage = [line["request_id"] for line in self.stdin.requests]
        await self.say(cli_lines.reply(ready), cli_lines.reply(usage, session={"total_cost_usd": cost_usd}))

    async def say(self, *lines: bytes) -> None:
        """Let the agent write lines, and the writer take what they mean."""
        facts = [fact for line in lines for fact in self.codec.decode(line)]
        await ask(self.inbox, lambda reply: FromAgent(self.incarnation, facts, reply))
        await wait_all_tasks_blocked()

    async def offer(self, *prompts: Prompt, deadline: float = NEVER) -> str:
        """Offer a turn as the batcher does, and give its id, which is its line's too."""
        offered = prompts or (prompt(),)
        await self.inbox.send(Offer([(each, deadline) for each in offered]))
        await wait_all_tasks_blocked()
        return self.stdin.prompts[-1]["uuid"] if self.stdin.prompts else ""

    async def begin(self, *prompts: Prompt) -> str:
        """Hand a turn over that the agent begins to work on."""
        turn = await self.offer(*prompts)
        await self.say(cli_lines.life(turn, "queued"), cli_lines.life(turn, "started"), cli_lines.init(turn))
        return turn

    async def finish(self, turn: str, **result: Any) -> None:
        """Let the agent end a turn of ours."""
        await self.say(cli_lines.result(turn, **result), cli_lines.life(turn, "completed"), cli_lines.idle())

    async def lose(self, how: str = "signal SIGKILL") -> bool:
        """Let the agent's process end; tells whether the writer expected that."""
        incarnation = self.incarnation
        self.farewell: Farewell = await ask(self.inbox, lambda reply: AgentGone(incarnation, how, reply))
        await wait_all_tasks_blocked()
        return self.farewell.is_expected

    async def end_keeper(self) -> None:
        """Say that no agent will come any more."""
        await self.inbox.send(KeeperEnded())
        await wait_all_tasks_blocked()

    async def interrupt(self, turn: str | None = None, by: Author = ANN) -> Turn:
        """Interrupt, and wait for the answer."""
        return await ask(self.inbox, lambda reply: Interrupt(turn, by, reply))

    async def answer(self, approval: str, *, is_allowed: bool, by: Author = ANN, **more: Any) -> Approval:
        """Approve or deny, and wait for the answer, and for the line to the agent."""
        answers, reason = more.get("answers", {}), more.get("reason")
        answered: Approval = await ask(
            self.inbox, lambda reply: AnswerApproval(approval, is_allowed, answers, reason, by, reply)
        )
        await wait_all_tasks_blocked()
        return answered

    async def restart(self, *, is_fresh: bool = False) -> None:
        """Restart the agent, and wait for the answer."""
        await ask(self.inbox, lambda reply: Restart(is_fresh, ANN, reply))

    async def approvals(self) -> list[Approval]:
        """List what waits for people."""
        return await ask(self.inbox, ListApprovals)

    async def describe(self) -> dict[str, Any]:
        """Tell how the agent is."""
        return await ask(self.inbox, Describe)

    def asked(self) -> int:
        """Count the questions for the next turn since the last look; what comes back is an error here."""
        messages = self.taken_to_batcher()
        assert all(isinstance(message, NextTurn) for message in messages)
        return len(messages)

    def returned(self) -> list[str]:
        """List the prompts that came back since the last look."""
        backs = [message for message in self.taken_to_batcher() if isinstance(message, TakeBack)]
        return [each.id for back in backs for each, _ in back.prompts]

    def taken_to_batcher(self) -> list[ToBatcher]:
        """Take what the batcher was sent."""
        messages: list[ToBatcher] = []
        while self.to_batcher.statistics().current_buffer_used:
            messages.append(self.to_batcher.receive_nowait())
        return messages

    def turns(self, event_type: str = "turn.finished") -> list[dict[str, Any]]:
        """List the turns that events of a type tell of."""
        return [body["turn"] for body in drafts_of(self.recorder.posts, event_type)]

    def notices(self) -> list[str]:
        """List the codes of the notices."""
        return [body["code"] for body in drafts_of(self.recorder.posts, "notice")]

    def changes(self, kind: type) -> Sequence[Any]:
        """List the ledger's rows of one kind as they were recorded."""
        return [change for post in self.recorder.posts for change in post.changes if isinstance(change, kind)]

    def _note(self, line: Line) -> None:
        self.log.append("prompt" if line["type"] == "user" else line["type"])


@asynccontextmanager
async def open_bench(
    graces: Graces = GRACES, idle_s: float = 0.0, failing: ApiFailing | None = None
) -> AsyncIterator[Bench]:
    """Run a writer that has no agent yet; it ends with the block."""
    async with trio.open_nursery() as nursery:
        bench = Bench(graces, idle_s, failing)
        nursery.start_soon(bench.recorder.work)
        nursery.start_soon(bench.work)
        yield bench
        nursery.cancel_scope.cancel()
