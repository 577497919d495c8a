"""
The writer against an agent that says anything in any order, a clock that jumps, and people who ask at any time.

Whatever happens, it raises nothing, no two turns of a kind are open at once, every turn that was opened is closed once,
every approval is resolved once, and everybody who asked is answered by the end.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.model import Prompt, PromptState, Turn, TurnState
from concordiad.errors import RoomError
from concordiad.room.messages import Drain, ask
from concordiad.room.to_batcher import NextTurn, TakeBack
from concordiad.room.to_writer import FromAgent, Hurry, WantAgent
from tests.room import cli_lines
from tests.room.samples import GRACES, drafts_of, prompt
from tests.room.stdins import BrokenStdin, DeadStdin, HalfLineStdin, ReadingStdin, StuckStdin
from tests.room.writer_bench import Bench, open_bench

STDINS = (ReadingStdin, ReadingStdin, ReadingStdin, BrokenStdin, HalfLineStdin, StuckStdin, DeadStdin)
WHO = st.sampled_from(["ours", "earlier", "nobody"])


class Step(NamedTuple):
    """One thing that happens: its name as a method of the world, and its arguments."""

    name: str
    arguments: tuple[Any, ...] = ()


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """Make steps of one name."""
    return st.builds(Step, st.just(name), st.tuples(*arguments))


AGENT_STEPS = st.one_of(
    step("life", WHO, st.sampled_from(["queued", "started", "completed", "cancelled"])),
    step("init", WHO),
    step("init_own"),
    step("result", WHO),
    step("result_own"),
    step("idle"),
    step("text"),
    step("message", st.booleans()),
    step("tool", st.booleans()),
    step("retry", st.sampled_from([0.5, 3000.0])),
    step("background", st.integers(0, 2)),
    step("break_off"),
    step("answer_controls", st.integers(0, 3)),
    step("ask_permission", st.integers(0, 2)),
    step("withdraw", st.integers(0, 2)),
    step("request_something"),
    step("garbage"),
    step("lose_conversation"),
)
STEPS = st.one_of(
    AGENT_STEPS,
    AGENT_STEPS,
    AGENT_STEPS,
    step("offer"),
    step("offer"),
    step("spawn", st.sampled_from(STDINS), st.booleans()),
    step("lose"),
    step("say_late"),
    step("interrupt", st.sampled_from(["any", "ours", "nobody"])),
    step("answer_approval", st.booleans()),
    step("restart", st.booleans()),
    step("want", st.booleans()),
    step("drain"),
    step("hurry"),
    step("sleep", st.sampled_from([0.1, 4.0, 6.0, 40.0, 700.0])),
    step("hold_records"),
)


class World:
    """Everything around the writer, as far as it goes by the rules that its neighbours keep."""

    def __init__(self, bench: Bench, nursery: trio.Nursery) -> None:
        self._bench = bench
        self._nursery = nursery
        self._waiting: list[Prompt] = []
        self._is_asked = False
        self._has_agent = False
        self._is_draining = False
        self._has_question = self._is_wanted = False
        self._dead = ""
        self._prompts = 0
        self.asked = 0
        self.answered = 0

    async def do(self, what: Step) -> None:
        """Let one thing happen, and look whether all is well."""
        act: Callable[..., Awaitable[None]] = getattr(self, what.name)
        await act(*what.arguments)
        await wait_all_tasks_blocked()
        self._take_from_batcher()
        self.check()

    def check(self) -> None:
        """No two turns of a kind are open, and prompts are where their turns are."""
        turns: dict[str, Turn] = {}
        prompts: dict[str, Prompt] = {}
        for post in self._bench.recorder.posts:
            for change in post.changes:
                if isinstance(change, Turn):
                    assert change.id in turns or change.state is TurnState.RUNNING
                    assert change.id not in turns or turns[change.id].state is TurnState.RUNNING
                    turns[change.id] = change
                elif isinstance(change, Prompt):
                    prompts[change.id] = change
        running = [turn for turn in turns.values() if turn.state is TurnState.RUNNING]
        assert len({turn.origin for turn in running}) == len(running)
        held = {identity for turn in running for identity in turn.prompts}
        assert held == {each.id for each in prompts.values() if each.state is PromptState.RUNNING}
        lines = [line["uuid"] for line in self._bench.stdin.prompts]
        assert len(lines) == len(set(lines)), "a line was written twice"

    async def go_on(self) -> None:
        """See that the next agent is given a turn and ends it, whatever was before."""
        if self._is_draining:
            return
        await self.lose()
        # A line that nobody reads is given up after half a minute.
        await self.do(Step("sleep", (40.0,)))
        await self.do(Step("spawn", (ReadingStdin, True)))
        if not self._has_agent:
            # The room is asleep: a prompt wakes it.
            await self.do(Step("offer"))
            await self.do(Step("spawn", (ReadingStdin, True)))
        assert self._has_agent and self._is_asked
        await self.offer()
        turn = self._turn("ours")
        await self._bench.finish(turn)
        assert self._bench.turns()[-1]["id"] == turn
        assert self._bench.turns()[-1]["outcome"] == "completed"
        self._take_from_batcher()
        assert self._is_asked

    async def finish(self) -> None:
        """Close the room as its owner does."""
        await self.drain()
        await self.hurry()
        # Whatever runs is interrupted within one grace, and ended within another.
        await trio.sleep(40)
        assert not self._has_agent or self._bench.end.is_set()
        await self.lose()
        await self._bench.end_keeper()
        self.check()
        assert self._bench.has_ended
        self._check_that_all_is_over()

    def _check_that_all_is_over(self) -> None:
        posts = self._bench.recorder.posts
        opened = [body["turn"]["id"] for body in drafts_of(posts, "turn.started")]
        closed = [body["turn"]["id"] for kind in ("turn.finished", "turn.returned") for body in drafts_of(posts, kind)]
        assert sorted(opened) == sorted(closed) and len(set(opened)) == len(opened)
        asked = [body["approval"]["id"] for body in drafts_of(posts, "approval.requested")]
        resolved = [body["approval"]["id"] for body in drafts_of(posts, "approval.resolved")]
        assert sorted(asked) == sorted(resolved)
        assert self.asked == self.answered

    def _take_from_batcher(self) -> None:
        for message in self._bench.taken_to_batcher():
            if isinstance(message, NextTurn):
                assert not self._is_asked, "asked twice for one turn"
                self._is_asked = True
            elif isinstance(message, TakeBack):
                self._waiting[:0] = [each for each, _ in message.prompts]

    def _turn(self, who: str) -> str:
        lines = [line["uuid"] for line in self._bench.stdin.prompts]
        if who == "nobody" or not lines:
            return "nobody"
        return str(lines[-1] if who == "ours" else lines[0])

    async def _say(self, *lines: bytes) -> None:
        if self._has_agent:
            facts = [fact for line in lines for fact in self._bench.codec.decode(line)]
            await self._bench.inbox.send(FromAgent(self._bench.incarnation, facts))

    async def life(self, who: str, state: str) -> None:
        await self._say(cli_lines.life(self._turn(who), state))

    async def init(self, who: str) -> None:
        await self._say(cli_lines.init(self._turn(who), session_id=who))

    async def init_own(self) -> None:
        await self._say(cli_lines.init())

    async def result(self, who: str) -> None:
        await self._say(cli_lines.result(self._turn(who), total_cost_usd=1.0))

    async def result_own(self) -> None:
        await self._say(cli_lines.result(total_cost_usd=0.5))

    async def idle(self) -> None:
        await self._say(cli_lines.idle())

    async def text(self) -> None:
        await self._say(cli_lines.text("so"))

    async def message(self, is_over: bool) -> None:
        await self._say(cli_lines.message_stop() if is_over else cli_lines.message_start())

    async def tool(self, is_over: bool) -> None:
        await self._say(cli_lines.tool_result() if is_over else cli_lines.tool_use())

    async def retry(self, delay_s: float) -> None:
        await self._say(cli_lines.api_retry(delay_s))

    async def background(self, count: int) -> None:
        await self._say(cli_lines.background(*map(str, range(count))))

    async def break_off(self) -> None:
        if self._has_agent:
            await self._bench.inbox.send(FromAgent(self._bench.incarnation, self._bench.codec.end()))

    async def answer_controls(self, which: int) -> None:
        requests = self._bench.stdin.requests[which:]
        await self._say(*(cli_lines.reply(line["request_id"]) for line in requests))

    async def ask_permission(self, number: int) -> None:
        await self._say(cli_lines.permission(f"r{number}"))

    async def withdraw(self, number: int) -> None:
        await self._say(cli_lines.withdrawn(f"r{number}"))

    async def request_something(self) -> None:
        await self._say(cli_lines.request("r9", "mcp_message"))

    async def garbage(self) -> None:
        await self._say(b"\xff{", cli_lines.line("result", num_turns=10**40), b"[]", b'{"type":"system"}')

    async def lose_conversation(self) -> None:
        await self._say(cli_lines.result(is_error=True, errors=["No conversation found with session ID: x"]))

    async def say_late(self) -> None:
        facts = [*self._bench.codec.decode(cli_lines.init()), *self._bench.codec.decode(cli_lines.idle())]
        await self._bench.inbox.send(FromAgent(self._dead, facts))

    async def offer(self) -> None:
        if not self._is_asked:
            return
        if not self._waiting:
            self._prompts += 1
            self._waiting.append(prompt(f"p{self._prompts}"))
        self._is_asked = False
        await self._bench.offer(self._waiting.pop(0))

    async def spawn(self, stdin: type[ReadingStdin], is_ready: bool) -> None:
        if self._has_agent:
            return
        if not self._is_wanted and not self._has_question:
            self._has_question = True
            self._ask(self._want_agent)
            await wait_all_tasks_blocked()
        if not self._is_wanted:
            return
        self._is_wanted, self._has_agent = False, True
        await self._bench.spawn(stdin())
        if is_ready and not self._bench.end.is_set():
            await self.answer_controls(0)

    async def _want_agent(self) -> None:
        await ask(self._bench.inbox, lambda reply: WantAgent(is_urgent=False, known=0, reply=reply))
        self._is_wanted, self._has_question = True, False

    async def lose(self) -> None:
        if self._has_agent:
            self._has_agent = False
            self._dead = self._bench.incarnation
            self._ask(self._bench.lose)
            await wait_all_tasks_blocked()

    async def interrupt(self, who: str) -> None:
        turn = None if who == "any" else self._turn(who)
        self._ask(lambda: self._bench.interrupt(turn))

    async def answer_approval(self, is_allowed: bool) -> None:
        waiting = [body["approval"]["id"] for body in drafts_of(self._bench.recorder.posts, "approval.requested")]
        if waiting:
            self._ask(lambda: self._bench.answer(waiting[-1], is_allowed=is_allowed))

    async def restart(self, is_fresh: bool) -> None:
        self._ask(lambda: self._bench.restart(is_fresh=is_fresh))

    async def want(self, is_urgent: bool) -> None:
        self._ask(lambda: ask(self._bench.inbox, lambda reply: WantAgent(is_urgent, 0, reply)))

    async def drain(self) -> None:
        self._is_draining = True
        await self._bench.inbox.send(Drain())

    async def hurry(self) -> None:
        await self._bench.inbox.send(Hurry())

    async def sleep(self, duration_s: float) -> None:
        await trio.sleep(duration_s)

    async def hold_records(self) -> None:
        """Let the disk be slow for longer than some deadlines."""
        self._bench.recorder.hold()
        await self.offer()
        await trio.sleep(8)
        self._bench.recorder.let_go()

    def _ask(self, question: Callable[[], Awaitable[object]]) -> None:
        self.asked += 1
        self._nursery.start_soon(self._wait_for, question)

    async def _wait_for(self, question: Callable[[], Awaitable[object]]) -> None:
        with suppress(RoomError):
            await question()
        self.answered += 1


async def play(steps: Sequence[Step]) -> None:
    """Let the steps happen, then close the room."""
    with trio.fail_after(10 * 86400):
        async with open_bench(evolve(GRACES, turn_limit_s=2000), idle_s=300) as bench, trio.open_nursery() as nursery:
            world = World(bench, nursery)
            for each in steps:
                await world.do(each)
            await world.go_on()
            await world.finish()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(STDINS), st.booleans(), st.lists(STEPS, max_size=40))
def test_nothing_that_an_agent_says_brings_the_writer_down(
    stdin: type[ReadingStdin], is_ready: bool, steps: list[Step]
) -> None:
    """Every order of lines, deaths, deadlines and questions is survived, and the next agent serves."""
    trio.run(play, [Step("spawn", (stdin, is_ready)), *steps], clock=MockClock(autojump_threshold=0))


AGENT_READY = (Step("spawn", (ReadingStdin, True)),)
PATHS: dict[str, tuple[Step, ...]] = {
    "down": (),
    "starting": (Step("spawn", (ReadingStdin, False)),),
    "starting, own turn": (Step("spawn", (ReadingStdin, False)), Step("init_own")),
    "idle": AGENT_READY,
    "idle, own turn": (Step("spawn", (ReadingStdin, False)), Step("init_own"), Step("answer_controls", (0,))),
    "own turn": (*AGENT_READY, Step("init_own")),
    "handed over": (*AGENT_READY, Step("offer")),
    "busy": (*AGENT_READY, Step("offer"), Step("init", ("ours",))),
    "busy, own turn": (*AGENT_READY, Step("offer"), Step("init_own")),
    "busy, own turn interrupted": (*AGENT_READY, Step("offer"), Step("init_own"), Step("interrupt", ("any",))),
    "settling": (*AGENT_READY, Step("offer"), Step("result", ("ours",))),
    "settling, own turn": (*AGENT_READY, Step("offer"), Step("init_own"), Step("result", ("ours",))),
    "returned": (Step("spawn", (BrokenStdin, True)), Step("offer")),
    "half a line": (Step("spawn", (HalfLineStdin, True)), Step("offer")),
    "silent": (*AGENT_READY, Step("offer"), Step("init", ("ours",)), Step("sleep", (661.0,))),
    "silent, own turn": (*AGENT_READY, Step("offer"), Step("init_own"), Step("sleep", (661.0,))),
    "waiting for a tool": (*AGENT_READY, Step("offer"), Step("init", ("ours",)), Step("tool", (False,))),
    "background": (*AGENT_READY, Step("background", (1,))),
    "asking": (*AGENT_READY, Step("offer"), Step("ask_permission", (1,))),
    "draining": (*AGENT_READY, Step("offer"), Step("drain")),
    "restarting": (*AGENT_READY, Step("offer"), Step("restart", (True,))),
    "asleep": (*AGENT_READY, Step("sleep", (301.0,)), Step("lose")),
}
EVENTS = (
    *(Step("life", (who, word)) for who in ("ours", "nobody") for word in ("queued", "started", "completed")),
    *(Step(name, (who,)) for name in ("init", "result") for who in ("ours", "nobody")),
    *(Step(name) for name in ("init_own", "result_own", "idle", "text", "request_something", "garbage", "say_late")),
    *(Step(name) for name in ("lose_conversation", "lose", "offer", "drain", "hurry", "hold_records")),
    *(Step(name, (1,)) for name in ("ask_permission", "withdraw", "background")),
    *(Step(name, (is_over,)) for name in ("message", "tool") for is_over in (False, True)),
    Step("retry", (0.5,)),
    Step("break_off"),
    Step("answer_controls", (0,)),
    Step("interrupt", ("any",)),
    Step("answer_approval", (True,)),
    Step("restart", (False,)),
    Step("sleep", (1000.0,)),
)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_everything_can_happen_in_every_state(path: tuple[Step, ...]) -> None:
    """One after the other, each followed by the end of the room."""
    for event in EVENTS:
        trio.run(play, [*path, event], clock=MockClock(autojump_threshold=0))


ORDERLY = st.lists(
    st.sampled_from(
        [
            (Step("offer"), Step("life", ("ours", "started")), Step("result", ("ours",)), Step("idle")),
            (Step("init_own"), Step("result_own"), Step("idle")),
            (Step("init_own"), Step("ask_permission", (1,)), Step("answer_approval", (True,))),
            (Step("lose"), Step("spawn", (ReadingStdin, True))),
            (Step("offer"), Step("interrupt", ("any",)), Step("answer_controls", (0,)), Step("idle")),
            (Step("offer"), Step("lose"), Step("spawn", (ReadingStdin, True))),
            (Step("restart", (False,)), Step("lose"), Step("spawn", (ReadingStdin, True))),
        ]
    ),
    max_size=10,
)


@settings(max_examples=150, deadline=None)
@given(ORDERLY, st.lists(STEPS, max_size=15))
def test_nor_does_anything_in_the_middle_of_orderly_work(orderly: list[tuple[Step, ...]], steps: list[Step]) -> None:
    """Longer lives, in which turns really run, with whatever at their end."""
    begin = Step("spawn", (ReadingStdin, True))
    trio.run(play, [begin, *(each for part in orderly for each in part), *steps], clock=MockClock(autojump_threshold=0))
