"""Whatever may happen to prompts that wait, in any order: none is lost, none overtakes its own author, none starves."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concordiad.core.batching import NEVER, Window
from concordiad.core.model import OrderKey, Priority, Prompt
from concordiad.core.order import PATIENCE
from tests.core.waiting_room import WaitingRoom

WHO = st.sampled_from("abcd")
TEXTS = st.sampled_from(["one", "two", "three", "Why does it fail?", "why does it fail ?"])
PRIORITIES = st.sampled_from([Priority.NORMAL, Priority.NORMAL, Priority.HIGH, Priority.LOW])
PICKS = st.integers(0, 1000)
WINDOW = Window(0.5, 2.0)


class WaitingMachine(RuleBasedStateMachine):
    """Do to a queue whatever a room may do, and look at all of it after each step."""

    @initialize()
    def begin(self) -> None:
        self.room = WaitingRoom(window=WINDOW)
        self.waiting: dict[str, Prompt] = {}
        self.away: list[str] = []
        self.turns_left: dict[str, int] = {}
        self.places: dict[str, OrderKey] = {}
        self.in_order: set[tuple[str, str]] = set()

    @rule(who=WHO, text=TEXTS, priority=PRIORITIES, alone=st.booleans(), in_s=st.sampled_from([NEVER, NEVER, 1.0]))
    def ask(self, who: str, text: str, priority: Priority, in_s: float, *, alone: bool) -> None:
        before = sum(1 for prompt in self.waiting.values() if prompt.author.name == who)
        identity = self.room.ask(
            who, text, priority=priority, is_alone=alone and in_s == NEVER, expires_at=self.room.now + in_s
        )
        self.waiting[identity] = self.room.prompt(identity)
        # One round for each of one's own, of one turn of each of the four, each with its share of other priorities.
        self.turns_left[identity] = (before + 2) * 4 * (PATIENCE + 2) * 2

    @rule()
    def take(self) -> None:
        turns = self.room.turns()
        taken = self.room.take()
        self.gone(self.away)
        self.away = taken.split()
        if self.room.queue.next_ready(self.room.now) == NEVER:
            assert taken == (turns[0] if turns else "")
        for identity in self.away:
            del self.waiting[identity]
        if taken:
            for identity in self.waiting:
                self.turns_left[identity] -= 1
                assert self.turns_left[identity] > 0

    @precondition(lambda self: self.away)
    @rule()
    def put_back(self) -> None:
        self.room.put_back()
        for identity in self.away:
            self.waiting[identity] = self.room.prompt(identity)
            self.turns_left[identity] += 1
        for identity in self.waiting.keys() - set(self.away):
            self.turns_left[identity] += 1
        self.away = []

    @precondition(lambda self: self.waiting)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        identity = self.pick(pick)
        cancelled = self.room.cancel(identity)
        assert cancelled is not None and cancelled.merge is None
        del self.waiting[identity]
        self.gone([identity])

    @precondition(lambda self: self.waiting)
    @rule(pick=PICKS)
    def split(self, pick: int) -> None:
        identity = self.pick(pick)
        split = self.room.split(identity)
        assert split is not None and split.is_alone and split.merge is None
        # Whoever takes a prompt back out gives up the place that the merge brought it.
        self.places.pop(identity)

    @rule(passed_s=st.sampled_from([0.1, 0.5, 2.0]))
    def wait(self, passed_s: float) -> None:
        self.room.now += passed_s
        for identity in self.room.queue.overdue(self.room.now):
            assert self.room.cancel(identity) is not None
            del self.waiting[identity]
            self.gone([identity])
        if passed_s == WINDOW.max_s:
            assert self.room.queue.next_ready(self.room.now) == NEVER

    @rule()
    def restart(self) -> None:
        """What runs is uncertain then; what waits, waits as it did."""
        expected = {prompt.id: prompt for prompt, _ in self.room.queue.prompts()}
        groups = {frozenset(turn.split()) for turn in self.room.turns()}
        self.room = self.room.restarted()
        assert {prompt.id: prompt for prompt, _ in self.room.queue.prompts()} == expected
        assert {frozenset(turn.split()) for turn in self.room.turns()} == groups
        self.gone(self.away)
        self.away = []
        # Whose patience with better priorities was counted is not recorded: it begins anew.
        for identity in self.waiting:
            self.turns_left[identity] += PATIENCE

    def pick(self, pick: int) -> str:
        """Choose one of those that wait."""
        return list(self.waiting)[pick % len(self.waiting)]

    def gone(self, ids: list[str]) -> None:
        """Forget prompts that never come back."""
        for identity in ids:
            self.places.pop(identity, None)

    @invariant()
    def everyone_waits_once(self) -> None:
        assert sorted(" ".join(self.room.turns()).split()) == sorted(self.waiting)
        assert len(self.room.queue) == len(self.waiting)

    @invariant()
    def rows_are_what_waits(self) -> None:
        for identity in self.waiting:
            assert self.room.rows[identity] == self.room.prompt(identity)

    @invariant()
    def groups_are_as_their_members_say(self) -> None:
        for turn in self.room.turns():
            members = [self.room.prompt(identity) for identity in turn.split()]
            assert len({member.author.id for member in members}) == len(members)
            if len(members) == 1:
                assert members[0].merge is None
                continue
            for member in members:
                assert member.merge is not None and not member.is_alone
                assert (member.merge.leader, member.asked) == (members[0].id, members[0].text)
                assert (member.merge.stage is None) == (member is members[0])

    @invariant()
    def nobody_overtakes_its_own_author(self) -> None:
        """Who stood before another one of its author's still does; of one priority always who came first."""
        prompts = [prompt for prompt, _ in self.room.queue.prompts()]
        in_order = {
            (first.id, second.id)
            for first, second in itertools.permutations(prompts, 2)
            if first.author == second.author and own_of(first) < own_of(second) and place_of(first) < place_of(second)
        }
        by_arrival = {
            (first.id, second.id)
            for first, second in itertools.permutations(prompts, 2)
            if (first.author, first.priority) == (second.author, second.priority)
            and own_of(first).arrival < own_of(second).arrival
        }
        assert {pair for pair in self.in_order if set(pair) <= self.waiting.keys()} <= in_order
        assert by_arrival <= in_order
        self.in_order = in_order

    @invariant()
    def nobody_is_moved_back(self) -> None:
        for identity in self.waiting:
            place = place_of(self.room.prompt(identity))
            assert place <= self.places.get(identity, place)
            self.places[identity] = place


def own_of(prompt: Prompt) -> OrderKey:
    """Give a prompt's own key."""
    assert prompt.standing is not None
    return prompt.standing.own


def place_of(prompt: Prompt) -> OrderKey:
    """Give the key that a prompt goes by."""
    assert prompt.standing is not None
    return prompt.standing.place


TestWhateverMayHappen = WaitingMachine.TestCase
TestWhateverMayHappen.settings = settings(derandomize=True, deadline=None, max_examples=150, stateful_step_count=40)
