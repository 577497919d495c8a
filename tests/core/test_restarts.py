"""Whether and when an agent is started again: plain numbers, no clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.restarts import BACKOFF_MOST_S, LIVED_S, Restarts


def fail(restarts: Restarts, now: float, lived_s: float = 0.0, chance: float = 1.0, **more: bool) -> float | None:
    """Note a failure that nothing speaks for."""
    has_answered, is_final = more.get("has_answered", False), more.get("is_final", False)
    return restarts.fail(now, lived_s, has_answered=has_answered, is_final=is_final, chance=chance)


def test_waits_double_up_to_a_minute() -> None:
    """Half a second first."""
    restarts = Restarts(0, 600)
    waits = [fail(restarts, 0) for _ in range(10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(chance=st.floats(0, 1), failures=st.integers(1, 200))
def test_chance_shortens_a_wait_to_no_less_than_half(chance: float, failures: int) -> None:
    """However often it has failed, and whatever chance says."""
    restarts, longest = Restarts(0, 600), Restarts(0, 600)
    for _ in range(failures):
        wait, most = fail(restarts, 0, chance=chance) or 0, fail(longest, 0) or 0
        assert 0 < most / 2 <= wait <= most <= BACKOFF_MOST_S


def test_so_many_failures_within_the_period_are_enough() -> None:
    """The tenth is the last one."""
    restarts = Restarts(10, 600)
    assert [fail(restarts, at) is None for at in range(10)] == [*[False] * 9, True]
    assert restarts.count == 10


def test_failures_of_long_ago_do_not_count() -> None:
    """One every two minutes goes on for ever."""
    restarts = Restarts(10, 600)
    assert all(fail(restarts, at * 120.0) is not None for at in range(100))


def test_living_and_answering_shorten_the_wait_and_not_the_count() -> None:
    """An agent that dies in every turn is given up too."""
    restarts = Restarts(4, 600)
    assert fail(restarts, 0) == 0.5
    assert fail(restarts, 1) == 1
    assert fail(restarts, 2, has_answered=True) == 0.5
    assert fail(restarts, 3, lived_s=LIVED_S) is None


def test_an_incarnation_that_lived_is_replaced_at_once() -> None:
    """And the next failure waits as shortly as a first one."""
    restarts = Restarts(0, 600)
    fail(restarts, 0)
    assert fail(restarts, 100, lived_s=LIVED_S) == 0
    assert fail(restarts, 101) == 0.5


def test_what_would_fail_again_is_not_tried_again() -> None:
    """Not even once."""
    assert fail(Restarts(10, 600), 0, is_final=True) is None


@pytest.mark.parametrize("is_cleared", [True, False])
def test_a_fresh_start_forgets_what_failed(is_cleared: bool) -> None:
    """A host's word clears the count, an end that was wanted only the backoff."""
    restarts = Restarts(3, 600)
    fail(restarts, 0)
    fail(restarts, 1)
    if is_cleared:
        restarts.clear()
    else:
        restarts.end_well()
    assert fail(restarts, 2) == (0.5 if is_cleared else None)
