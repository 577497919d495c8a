"""The waiting prompts against a naive model of them."""

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concordiad.core.batching import NEVER, Queue
from concordiad.core.model import Priority, Prompt
from tests.core.things import make_prompt

HIGHEST_FIRST = [Priority.HIGH, Priority.NORMAL, Priority.LOW]
PICKS = st.integers(0, 1000)


class QueueMachine(RuleBasedStateMachine):
    """Do to a queue and to two plain lists whatever a room may do, and compare them after each step."""

    @initialize()
    def begin(self) -> None:
        self.queue = Queue()
        self.waiting: list[tuple[Prompt, float]] = []  # in the order of their first arrival
        self.away: list[tuple[Prompt, float]] = []
        self.arrived: list[str] = []
        self.gone: list[Prompt] = []
        self.made = 0
        self.now = 0.0

    @property
    def by_place(self) -> list[tuple[Prompt, float]]:
        by_arrival = sorted(self.waiting, key=lambda entry: self.arrived.index(entry[0].id))
        return sorted(by_arrival, key=lambda entry: HIGHEST_FIRST.index(entry[0].priority))

    def wait(self, prompt: Prompt, deadline: float) -> None:
        if prompt.id not in self.arrived:
            self.arrived.append(prompt.id)
        self.waiting.append((prompt, deadline))
        place = self.queue.add(prompt, deadline)
        assert place == 1 + self.by_place.index((prompt, deadline))

    @rule(priority=st.sampled_from(Priority), in_s=st.sampled_from([0.0, 1.0, 2.5, NEVER]))
    def add(self, priority: Priority, in_s: float) -> None:
        self.made += 1
        self.wait(make_prompt(f"p{self.made}", priority), self.now + in_s)

    @rule()
    def take(self) -> None:
        expected = self.by_place[0] if self.waiting else None
        assert self.queue.take() == expected
        if expected is not None:
            self.waiting.remove(expected)
            self.away.append(expected)

    @precondition(lambda self: self.away)
    @rule(pick=PICKS)
    def put_back(self, pick: int) -> None:
        """A turn never began: its prompt, which is another object by now, takes its old place."""
        prompt, deadline = self.away.pop(pick % len(self.away))
        self.wait(evolve(prompt, text=prompt.text + "!"), deadline)

    @precondition(lambda self: self.away)
    @rule(pick=PICKS)
    def forget(self, pick: int) -> None:
        """A turn is over: its prompt has no old place any more."""
        prompt, _ = self.away.pop(pick % len(self.away))
        self.queue.forget([prompt.id])
        self.arrived.remove(prompt.id)
        self.gone.append(prompt)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICKS)
    def remove(self, pick: int) -> None:
        prompt, _ = self.waiting.pop(pick % len(self.waiting))
        assert self.queue.remove(prompt.id) == prompt
        self.arrived.remove(prompt.id)
        self.gone.append(prompt)

    @rule(passed_s=st.sampled_from([0.0, 0.5, 1.0, 5.0]))
    def expire(self, passed_s: float) -> None:
        self.now += passed_s
        overdue = [entry for entry in self.by_place if entry[1] <= self.now]
        assert self.queue.expire(self.now) == [prompt for prompt, _ in overdue]
        self.waiting = [entry for entry in self.waiting if entry not in overdue]
        for prompt, _ in overdue:
            self.arrived.remove(prompt.id)
            self.gone.append(prompt)

    @precondition(lambda self: self.gone)
    @rule(pick=PICKS)
    def come_again(self, pick: int) -> None:
        """What was removed, expired or forgotten is remembered by nothing: it would come in last."""
        self.wait(self.gone.pop(pick % len(self.gone)), NEVER)

    @rule()
    def look_for_strangers(self) -> None:
        """What does not wait here is not found and cannot be removed; who is away keeps its old place all the same."""
        for identity in ("nobody", *(prompt.id for prompt, _ in self.away)):
            answers = (self.queue.find(identity), self.queue.place(identity), self.queue.remove(identity))
            assert answers == (None, None, None)

    @invariant()
    def is_like_its_model(self) -> None:
        expected = [prompt for prompt, _ in self.by_place]
        assert self.queue.prompts() == expected
        assert len(self.queue) == len(expected)
        for place, prompt in enumerate(expected, 1):
            assert (self.queue.place(prompt.id), self.queue.find(prompt.id)) == (place, prompt)
        assert self.queue.next_deadline() == min((deadline for _, deadline in self.waiting), default=NEVER)


TestQueueAgainstItsModel = QueueMachine.TestCase
TestQueueAgainstItsModel.settings = settings(derandomize=True, deadline=None, max_examples=100, stateful_step_count=40)


def test_priority_first_then_arrival() -> None:
    """A high prompt goes before those that came earlier, a low one after those that come later."""
    queue = Queue()
    asked = [("a", Priority.LOW), ("b", Priority.NORMAL), ("c", Priority.HIGH), ("d", Priority.NORMAL)]
    places = [queue.add(make_prompt(identity, priority)) for identity, priority in asked]
    assert places == [1, 1, 1, 3]
    assert [prompt.id for prompt in queue.prompts()] == ["c", "b", "d", "a"]


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_put_back_takes_its_old_place(taken: int) -> None:
    """Prompts that come back in any order stand again as they stood."""
    queue = Queue()
    for identity in "abcd":
        queue.add(make_prompt(identity))
    away = [entry for entry in (queue.take() for _ in range(taken)) if entry is not None]
    queue.add(make_prompt("e"))
    for prompt, deadline in reversed(away):
        queue.add(prompt, deadline)
    assert [prompt.id for prompt in queue.prompts()] == list("abcde")


def test_deadline_that_is_now_has_come() -> None:
    """A prompt expires at its deadline, not after it."""
    queue = Queue()
    queue.add(make_prompt(), 5.0)
    assert queue.expire(4.999) == []
    assert queue.expire(5.0) == [make_prompt()]
