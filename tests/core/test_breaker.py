"""The breaker, with the clock in hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.breaker import Breaker, BreakerInput, BreakerState
from concordiad.errors import LocalProtocolError

SUCCEEDED, FAILED, GIVEN_UP = BreakerInput.SUCCEEDED, BreakerInput.FAILED, BreakerInput.GIVEN_UP


def call(breaker: Breaker, how: BreakerInput, now: float) -> bool:
    """Make one call that ends at once; tell whether it was let through."""
    entry = breaker.enter(now)
    if entry is not None:
        breaker.leave(entry, how, now)
    return entry is not None


def state_of(breaker: Breaker) -> BreakerState:
    """Ask anew: a type checker takes a property for what it was."""
    return breaker.state


def opened(now: float = 0.0) -> Breaker:
    """Make a breaker that has just opened after three failures, for ten seconds."""
    breaker = Breaker(3, 10.0, 60.0)
    assert [call(breaker, FAILED, now) for _ in range(3)] == [True] * 3
    assert state_of(breaker) is BreakerState.OPEN
    return breaker


def test_single_failures_do_not_open_it() -> None:
    """Only failures in a row count: a success between them begins anew."""
    breaker = Breaker(3, 10.0, 60.0)
    for how in (FAILED, FAILED, SUCCEEDED, FAILED, FAILED):
        assert call(breaker, how, 0.0)
    assert (breaker.state, breaker.wait_s(0.0)) == (BreakerState.CLOSED, 0.0)


def test_nobody_calls_while_it_is_open() -> None:
    """After failures in a row nobody is let through, and it tells for how long."""
    breaker = opened()
    assert not call(breaker, SUCCEEDED, 0.0)
    assert not call(breaker, SUCCEEDED, 9.9)
    assert breaker.wait_s(4.0) == 6.0


def test_one_call_tries_and_closes_it() -> None:
    """When its time is over one call is let through and no second one beside it; its success closes it."""
    breaker = opened()
    entry = breaker.enter(10.0)
    assert entry is not None and breaker.enter(10.0) is None
    breaker.leave(entry, SUCCEEDED, 11.0)
    assert state_of(breaker) is BreakerState.CLOSED
    assert [call(breaker, FAILED, 11.0) for _ in range(2)] == [True] * 2
    assert state_of(breaker) is BreakerState.CLOSED, "failures from before it opened count no more"


def test_each_failed_try_doubles_the_wait_up_to_a_bound() -> None:
    """A service that stays away is asked less and less often, but never given up; a success makes all as at first."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(5):
        now += breaker.wait_s(now)
        assert call(breaker, FAILED, now)
        waits.append(breaker.wait_s(now))
    assert waits == [20.0, 40.0, 60.0, 60.0, 60.0]
    now += 60.0
    assert call(breaker, SUCCEEDED, now)
    for _ in range(3):
        call(breaker, FAILED, now)
    assert breaker.wait_s(now) == 10.0


@pytest.mark.parametrize(
    ("open_s", "left_s", "wait_s", "next_s"),
    [
        (20.0, 5.0, 5.0, 40.0),
        (20.0, -86_400.0, 0.0, 40.0),
        (20.0, 86_400.0, 20.0, 40.0),
        (600.0, 500.0, 60.0, 60.0),
    ],
    ids=["on the way", "over, or a clock set forward", "a clock set back", "less is allowed by now"],
)
def test_it_is_opened_again_as_another_one_was(open_s: float, left_s: float, wait_s: float, next_s: float) -> None:
    """For what is left, within its own bounds; then one call tries, and the time doubles from where it was."""
    breaker = Breaker(3, 10.0, 60.0)
    breaker.reopen(open_s, left_s, 100.0)
    assert breaker.wait_s(100.0) == wait_s
    assert call(breaker, FAILED, 100.0 + wait_s)
    assert breaker.wait_s(100.0 + wait_s) == next_s
    assert call(breaker, SUCCEEDED, 100.0 + wait_s + next_s)
    assert state_of(breaker) is BreakerState.CLOSED


def test_a_try_that_is_given_up_is_made_again_at_once() -> None:
    """Who was cancelled during the try has learnt nothing, so the breaker is open and may be tried without waiting."""
    breaker = opened()
    assert call(breaker, GIVEN_UP, 10.0)
    assert state_of(breaker) is BreakerState.OPEN
    assert call(breaker, SUCCEEDED, 10.0)
    assert state_of(breaker) is BreakerState.CLOSED


def test_a_call_that_is_given_up_counts_neither_way() -> None:
    """Failures before and after it are still in a row."""
    breaker = Breaker(2, 10.0, 60.0)
    for how in (FAILED, GIVEN_UP, FAILED):
        call(breaker, how, 0.0)
    assert state_of(breaker) is BreakerState.OPEN


@pytest.mark.parametrize("how", [SUCCEEDED, FAILED])
def test_late_ends_say_nothing_about_now(how: BreakerInput) -> None:
    """A call that began while it was closed and ends during the try neither closes nor opens it."""
    breaker = Breaker(1, 10.0, 60.0)
    slow = breaker.enter(0.0)
    assert slow is not None and call(breaker, FAILED, 0.0)
    probe = breaker.enter(10.0)
    assert probe is not None
    breaker.leave(slow, how, 11.0)
    assert state_of(breaker) is BreakerState.TRYING
    breaker.leave(probe, SUCCEEDED, 12.0)
    assert state_of(breaker) is BreakerState.CLOSED


def test_what_cannot_come_is_a_bug() -> None:
    """An end that no call has is refused loudly."""
    breaker = Breaker(3, 10.0, 60.0)
    with pytest.raises(LocalProtocolError):
        breaker.leave(0, BreakerInput.TRIED, 0.0)


@given(st.lists(st.tuples(st.sampled_from([SUCCEEDED, FAILED, GIVEN_UP]), st.floats(0, 30)), max_size=60))
def test_it_always_lets_somebody_try_in_time(steps: list[tuple[BreakerInput, float]]) -> None:
    """Whatever happens, the next try is at most the longest wait away, and a success there closes it."""
    breaker, now = Breaker(3, 10.0, 60.0), 0.0
    for how, later in steps:
        now += later
        was_allowed = breaker.wait_s(now) == 0
        assert call(breaker, how, now) is was_allowed
        assert breaker.wait_s(now) <= 60.0
    now += breaker.wait_s(now)
    assert call(breaker, SUCCEEDED, now)
    assert state_of(breaker) is BreakerState.CLOSED
