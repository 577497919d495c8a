"""Rounds between authors, and patience between priorities."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.model import OrderKey, Priority
from concordiad.core.order import PATIENCE, RANKS, Passed, Rounds, in_turn, just_before
from tests.core.steadily import steadily


class Line:
    """Prompts of several authors that are taken in the order of their keys."""

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.waiting: list[tuple[OrderKey, str]] = []

    def ask(self, *authors: str, priority: Priority = Priority.NORMAL) -> None:
        """Let authors ask, one after the other."""
        for author in authors:
            mine = [key for key, who in self.waiting if who == author]
            self.waiting.append((self.rounds.next_key(author, priority, mine), author))

    def take(self, count: int = 1000) -> str:
        """Take so many, and tell whose they were."""
        taken = sorted(self.waiting)[:count]
        self.waiting = sorted(self.waiting)[count:]
        for key, author in taken:
            self.rounds.note_taken(key, [(author, key)])
        return "".join(author for _, author in taken)


def test_authors_take_turns() -> None:
    """Who has asked three times waits with the second until everybody has had one."""
    line = Line()
    line.ask(*"aaabbc")
    assert line.take() == "abcaba"


def test_who_comes_anew_joins_the_round_that_runs() -> None:
    """Neither behind all that the others have waiting, nor before them with a credit for having been silent."""
    line = Line()
    line.ask(*"aaaabbbb")
    assert line.take(5) == "ababa"
    line.ask(*"ccc")
    assert line.take() == "bcabcc"


def test_who_had_a_turn_in_this_round_waits_for_the_next() -> None:
    """Asking again as soon as one's own is taken gains nothing."""
    line = Line()
    line.ask(*"ab")
    assert line.take(1) == "a"
    line.ask("a")
    assert line.take() == "ba"


def test_rounds_are_counted_for_each_priority() -> None:
    """Who has much of low priority waiting is no later with what is normal."""
    line = Line()
    line.ask(*"aaa", priority=Priority.LOW)
    line.ask(*"ba")
    assert line.take() == "baaaa"


def test_restored_rounds_go_on() -> None:
    """After a restart the clock is that of the first that waits, and arrivals go on counting."""
    line = Line()
    line.ask(*"aaab")
    line.take(2)
    later = Line()
    later.waiting = line.waiting
    later.rounds.restore(key for key, _ in line.waiting)
    for each in (line, later):
        each.ask(*"ca")
    assert (later.take(), later.waiting) == (line.take(), [])


def test_one_of_a_worse_priority_goes_after_so_many_turns() -> None:
    """It is passed over by PATIENCE turns of a better one, and the next one of it by as many again."""
    high = [f"h{number}" for number in range(3 * PATIENCE)]
    order = list(in_turn([high, [], ["l1", "l2"]], Passed()))
    assert [order.index(each) for each in ("l1", "l2")] == [PATIENCE, 2 * PATIENCE + 1]


def test_of_two_that_were_passed_over_the_better_goes_first() -> None:
    """And then the other one."""
    high = [f"h{number}" for number in range(2 * PATIENCE)]
    order = list(in_turn([high, ["n"], ["l"]], Passed()))
    assert order[PATIENCE : PATIENCE + 2] == ["n", "l"]


@st.composite
def lines(draw: st.DrawFn) -> list[list[str]]:
    """Make what waits, by priority."""
    return [[f"{rank}.{number}" for number in range(draw(st.integers(0, 30)))] for rank in RANKS]


@steadily
@given(lines(), st.lists(st.integers(0, 2 * PATIENCE), min_size=3, max_size=3))
def test_everything_has_its_turn(waiting: list[list[str]], counts: list[int]) -> None:
    """Each once, each priority in its own order, and none waits for more better ones than PATIENCE allows."""
    order = list(in_turn(waiting, Passed(tuple(counts))))
    assert sorted(order) == sorted(each for line in waiting for each in line)
    for rank in RANKS:
        assert [each for each in order if each.startswith(f"{rank}.")] == waiting[rank]
        assert max(waits_of(order, rank), default=0) <= PATIENCE + len(RANKS)


def waits_of(order: list[str], rank: int) -> Iterator[int]:
    """Count the turns of better priorities before each turn of one."""
    count = 0
    for each in order:
        better = int(each[0])
        if better == rank:
            yield count
            count = 0
        count += better < rank


def test_just_before_is_before_and_behind_everything_else() -> None:
    """It goes before the key that it was made for, and behind whatever went before that."""
    first, second = OrderKey(1, 4, 7), OrderKey(1, 4, 8)
    assert sorted([second, just_before(second), just_before(just_before(second)), first]) == [
        first,
        just_before(just_before(second)),
        just_before(second),
        second,
    ]
