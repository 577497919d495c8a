"""
The batcher between people, a writer, a model that fails in every way, a journal, and crashes.

Whatever happens, each prompt that was accepted ends in exactly one turn or one named end, everybody who asked is
answered, nobody's prompts overtake each other, and nothing waits that could go.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import trio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.limits import Limits
from concordiad.core.batching import Queue, Window
from concordiad.core.grouping import Grouped
from concordiad.core.model import Author, AuthorKind, Origin, Outcome, Priority, Prompt, PromptState, Stage, Turn
from concordiad.errors import RoomError
from concordiad.journal import Journal, open_memory_journal
from concordiad.journal.changes import Transaction
from concordiad.journal.prompts import read_prompt, read_prompts_in
from concordiad.room.ledger import InProgress, close_turn, open_turn, return_turn
from concordiad.room.to_batcher import Judged, NextTurn, Submission, TakeBack
from tests.room.batcher_bench import JUDGEMENT_S, Bench
from tests.room.samples import NOW, drafts_of, submission

WINDOW = Window(0.5, 2.0)
PEOPLE = [Author(f"uid:{name}", name, AuthorKind.LOCAL) for name in "abc"]
TEXTS = ["one", "Why does it fail?", "why does it fail ?", "what makes it fail"]
PICKS = st.integers(0, 1000)
SELDOM = st.sampled_from([False, False, True])


class Step(NamedTuple):
    """One thing that happens: its name as a method of the world, and its arguments."""

    name: str
    arguments: tuple[Any, ...] = ()


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """Make steps of one name."""
    return st.builds(Step, st.just(name), st.tuples(*arguments))


SUBMIT = step(
    "submit",
    st.sampled_from(PEOPLE),
    st.sampled_from(TEXTS),
    st.sampled_from([Priority.NORMAL, Priority.NORMAL, Priority.HIGH, Priority.LOW]),
    st.sampled_from([None, None, 1.0]),
    st.booleans(),
)
STEPS = st.one_of(
    SUBMIT,
    SUBMIT,
    SUBMIT,
    SUBMIT,
    step("crowd", st.sampled_from(TEXTS)),
    step("outage", SELDOM),
    step("cancel", PICKS),
    step("split", PICKS),
    step("take"),
    step("take"),
    step("finish", st.sampled_from(Outcome)),
    step("give_back", st.booleans()),
    step("judge", st.sampled_from(["same", "wrong", "doubt", "twice", "others", "late"]), PICKS),
    step("judge", st.just("same"), PICKS),
    step("sleep", st.just(0.5)),
    step("sleep", st.sampled_from([0.1, 2.0, 3.0])),
    step("pause", SELDOM),
    step("crash", st.booleans()),
    step("close", st.integers(0, 9)),
)
SLOWLY = st.one_of(
    step(
        "submit",
        st.sampled_from(PEOPLE),
        st.sampled_from(TEXTS),
        st.just(Priority.NORMAL),
        st.sampled_from([None, None, 1.0]),
        st.booleans(),
    ),
    step("crowd", st.sampled_from(TEXTS)),
    step("take"),
    step("finish", st.just(Outcome.COMPLETED)),
    step("judge", st.just("doubt"), PICKS),
    step("sleep", st.just(0.5)),
    step("sleep", st.sampled_from([1.0, 3.0])),
)
"""A model that mostly says nothing."""


class World:
    """Everything around the batcher, as far as it goes by the rules that its neighbours keep."""

    def __init__(self, journal: Journal, nursery: trio.Nursery) -> None:
        self._journal = journal
        self._nursery = nursery
        self._turns = 0
        self._submitted = 0
        self._running: InProgress | None = None
        self._is_closed = self._is_asked = self._is_paused = False
        self._came_at: dict[str, float] = {}
        self._free_since = trio.current_time()
        self.accepted: list[Prompt] = []
        self.handed_over: list[list[str]] = []
        self.answers = 0
        self._old: list[Bench] = []
        self.bench = self._open([])

    def _open(self, waiting: list[Prompt]) -> Bench:
        queue, prefix = Queue(list(Stage), WINDOW), f"p{len(self._old)}."
        bench = Bench(self._journal, waiting, Limits(), queue, lambda _: True, prefix)
        self._nursery.start_soon(bench.recorder.work)
        self._nursery.start_soon(bench.work)
        return bench

    async def do(self, what: Step) -> None:
        """Let one thing happen."""
        act: Callable[..., Awaitable[None]] = getattr(self, what.name)
        await act(*what.arguments)
        await wait_all_tasks_blocked()
        await self._check_nobody_waits_too_long()

    async def _check_nobody_waits_too_long(self) -> None:
        """If the agent waits for a turn, nobody has waited for longer than the window and a question may take."""
        if self.bench.recorder.is_refusing or self._is_paused or self._is_closed:
            self._free_since = trio.current_time()
        if not self._is_asked or self.bench.offers.statistics().current_buffer_used:
            return
        now = trio.current_time()
        waiting = [prompt.id for prompt in await self._waiting()]
        # Whoever has just come may hold up others by its own window, but for no longer.
        if all(now - self._came_at[identity] >= WINDOW.max_s for identity in waiting):
            since = [max(self._window_end(self._came_at[identity]), self._free_since) for identity in waiting]
            assert now - min(since, default=now) <= JUDGEMENT_S

    def _window_end(self, came_at: float) -> float:
        """Tell when nobody had asked anything for so long that one who came then could go."""
        quiet_since = came_at
        for at in sorted(self._came_at.values()):
            if quiet_since < at <= quiet_since + WINDOW.s:
                quiet_since = at
        return min(quiet_since + WINDOW.s, came_at + WINDOW.max_s)

    async def submit(self, who: Author, text: str, priority: Priority, expires_s: float | None, alone: bool) -> None:
        """Let somebody hand in a prompt; whether it is accepted is seen by the answer."""
        self._submitted += 1
        wanted = submission(text, author=who, priority=priority, expires_s=expires_s, is_alone=alone)
        self._nursery.start_soon(self._submit, self.bench, wanted)

    async def crowd(self, text: str) -> None:
        """Let everybody ask the same."""
        for who in PEOPLE:
            await self.submit(who, text, Priority.NORMAL, None, False)

    async def _submit(self, bench: Bench, wanted: Submission) -> None:
        try:
            placed = await bench.submit(wanted)
        except RoomError:
            self.answers += 1
        else:
            self.answers += 1
            self.accepted.append(placed.prompt)
            self._came_at[placed.prompt.id] = trio.current_time()

    async def _waiting(self) -> list[Prompt]:
        return [placed.prompt for placed in await self.bench.listed()]

    async def cancel(self, pick: int) -> None:
        """Cancel one that waits, or try one that does not."""
        await self._to_one(self.bench.cancel, pick)

    async def split(self, pick: int) -> None:
        """Take one that waits out of its group."""
        await self._to_one(self.bench.split, pick)

    async def _to_one(self, what: Callable[..., Awaitable[Any]], pick: int) -> None:
        known = [prompt.id for prompt in self.accepted]
        if known:
            with suppress(RoomError):
                await what(known[pick % len(known)])

    async def take(self) -> None:
        """Ask for a turn, if there is none, and hand over what is offered."""
        if self._running is not None:
            return
        if not self._is_asked:
            self._is_asked = True
            await self.bench.inbox.send(NextTurn())
            await wait_all_tasks_blocked()
        if not self.bench.offers.statistics().current_buffer_used:
            return
        offer = await self.bench.offered()
        self._is_asked = False
        self._turns += 1
        ids = tuple(prompt.id for prompt, _ in offer.prompts)
        turn = Turn(f"t{self._turns}", "main", Origin.PROMPTS, ids, offer.prompts[0][0].asked, NOW, "i1")
        entry = open_turn(turn, offer.prompts, trio.current_time(), is_rehearsal=False)
        await self._record(entry.changes)
        self._running = entry.progress
        self.handed_over.append(list(ids))

    async def _record(self, changes: list[Any]) -> None:
        await self._journal.record(Transaction("main", changes=changes, is_durable=True))

    async def finish(self, outcome: Outcome) -> None:
        """End the turn that runs."""
        if self._running is None:
            return
        entry = close_turn(self._running, outcome, None, NOW, is_rehearsal=False)
        await self._record(entry.changes)
        self._running = None

    async def give_back(self, is_recorded: bool) -> None:
        """Return the turn that runs: nobody took a byte of it."""
        if self._running is None:
            return
        entry = return_turn(self._running, "nobody took it", is_rehearsal=False)
        await self._record(entry.changes)
        await self.bench.inbox.send(TakeBack(entry.progress.prompts))
        self._running = None
        self.handed_over.pop()
        if is_recorded:
            await wait_all_tasks_blocked()

    async def judge(self, how: str, pick: int) -> None:
        """Let the model answer, if it was asked: rightly, wrongly, in doubt, twice, about others, or late."""
        if not self.bench.questions.statistics().current_buffer_used:
            return
        question = await self.bench.questions.receive()
        ids = [candidate.id for candidate in question.candidates]
        start = pick % len(ids)
        answers: dict[str, list[tuple[str, ...]]] = {
            "same": [tuple(ids[start:])],
            "late": [tuple(ids)],
            "twice": [tuple(ids[:2]), tuple(ids[1:3])],
            "wrong": [tuple(ids[::-1]), ("p9.9", *ids[:1])],
            "others": [("p9.8", "p9.9")],
            "doubt": [],
        }
        if how == "late":
            await trio.sleep(5)
        grouped = [Grouped(members, "what makes it fail", 0.9) for members in answers[how] if len(members) > 1]
        doubt = "timeout" if how == "doubt" else None
        for _ in range(1 + (how == "twice")):
            await self.bench.inbox.send(Judged(question.query, question.candidates, grouped, doubt, 1.0))

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await trio.sleep(seconds)

    async def outage(self, is_out: bool) -> None:
        """Let the journal refuse whatever is to be recorded, or take it again."""
        self.bench.recorder.is_refusing = is_out

    async def pause(self, is_paused: bool) -> None:
        """Pause or resume."""
        if not self._is_closed:
            with suppress(RoomError):
                await (self.bench.pause() if is_paused else self.bench.resume())
                self._is_paused = is_paused

    async def crash(self, is_recording: bool) -> None:
        """Kill the daemon, perhaps in the middle of a commit, and start it again."""
        if is_recording:
            self.bench.recorder.hold()
            await self.submit(PEOPLE[0], TEXTS[0], Priority.NORMAL, None, False)
            await wait_all_tasks_blocked()
            self.bench.recorder.fail()
        self.bench.scope.cancel()
        await wait_all_tasks_blocked()
        self._old.append(self.bench)
        await self.finish(Outcome.UNCERTAIN)
        waiting = await self._journal.read(read_prompts_in, "main", [PromptState.WAITING])
        self.bench = self._open(waiting)
        self._is_closed = self._is_asked = False
        # What was answered is durable, and everything else was refused.
        assert {prompt.id for prompt in waiting} <= {prompt.id for prompt in self.accepted}

    async def close(self, pick: int) -> None:
        """Close the room for good, but seldom; a later start opens it anew."""
        if not pick and not self._is_closed:
            with suppress(RoomError):
                await self.bench.cancel_all()
                self._is_closed = True

    async def go_on(self) -> None:
        """See that everything that waits has its turn, whatever was before."""
        self.bench.recorder.is_refusing = False
        if self._is_closed:
            await self.crash(False)
        await self.bench.resume()
        for _ in range(1 + len(self.accepted)):
            await self.finish(Outcome.COMPLETED)
            # The window, and a model that never answers.
            await trio.sleep(6)
            await self.take()
        await self.finish(Outcome.COMPLETED)
        assert await self._waiting() == []

    async def check(self) -> None:
        """Look at the ends of all prompts: in the journal, in the turns, and as they were told."""
        assert self.answers == self._submitted
        turns = Counter(identity for turn in self.handed_over for identity in turn)
        posts = [post for bench in (*self._old, self.bench) for post in bench.recorder.posts]
        told = [
            Counter(body["prompt"]["id"] for body in drafts_of(posts, event_type))
            for event_type in ("prompt.accepted", "prompt.cancelled", "prompt.expired")
        ]
        for accepted in self.accepted:
            prompt = await self._journal.read(read_prompt, accepted.id)
            assert prompt is not None and prompt.state not in (PromptState.WAITING, PromptState.RUNNING)
            ends = (turns[prompt.id], told[1][prompt.id], told[2][prompt.id])
            assert sorted(ends) == [0, 0, 1], (prompt.id, ends)
            assert told[0][prompt.id] == 1
            assert (prompt.turn is not None) == (turns[prompt.id] == 1)
        for turn in self.handed_over:
            authors = {prompt.author.id for prompt in self.accepted if prompt.id in turn}
            assert len(authors) == len(turn)
        self._check_order()

    def _check_order(self) -> None:
        """Of one author and priority, who came first had its turn first."""
        place = {identity: number for number, turn in enumerate(self.handed_over) for identity in turn}
        by_author: dict[tuple[str, Priority], list[int]] = {}
        for prompt in sorted(self.accepted, key=own_arrival):
            if prompt.id in place:
                by_author.setdefault((prompt.author.id, prompt.priority), []).append(place[prompt.id])
        assert all(places == sorted(places) for places in by_author.values())


def own_arrival(prompt: Prompt) -> tuple[int, int]:
    """Tell when a prompt came: in which run of the daemon, and as which of its prompts."""
    run, _, number = prompt.id.removeprefix("p").partition(".")
    return int(run), int(number)


def run(steps: list[Step]) -> None:
    """Let things happen, and look at what has become of everybody."""

    async def live() -> None:
        async with open_memory_journal() as journal, trio.open_nursery() as nursery:
            world = World(journal, nursery)
            for each in steps:
                await world.do(each)
            await world.go_on()
            await world.check()
            nursery.cancel_scope.cancel()

    trio.run(live, clock=MockClock(autojump_threshold=0.0))


@settings(derandomize=True, deadline=None, max_examples=200, phases=[Phase.generate])
@given(st.lists(STEPS, min_size=15, max_size=60))
def test_each_prompt_ends_once(steps: list[Step]) -> None:
    """In a turn, or by being cancelled, or expired; whatever the people, the model and the machine do."""
    run(steps)


@settings(derandomize=True, deadline=None, max_examples=200, phases=[Phase.generate])
@given(st.lists(SLOWLY, min_size=15, max_size=60))
def test_nobody_waits_too_long_for_a_slow_model(steps: list[Step]) -> None:
    """However its questions and the turns fall."""
    run(steps)
