"""Ids that sort in the order in which they were made, whatever the clock does."""

import uuid
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from concordiad.ops.ids import IdFactory
from tests.core.steadily import steadily

AT = 1_700_000_000.0


def milliseconds_of(identity: str) -> int:
    """Return the time that an id was made at."""
    return uuid.UUID(identity).int >> 80


@steadily
@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=50))
def test_ids_sort_by_birth(times: list[float]) -> None:
    """However the clock jumps, forward, back, or not at all, each id is greater than the one before."""
    clock: Iterator[float] = iter(times)
    new_id = IdFactory(lambda: next(clock))
    made = [new_id() for _ in times]
    assert made == sorted(set(made))


@steadily
@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=50).map(sorted))
def test_ids_tell_the_time(times: list[float]) -> None:
    """As long as the clock goes forward, an id has its time to the millisecond, or a few ids ahead of it."""
    clock = iter(times)
    new_id = IdFactory(lambda: next(clock))
    for time in times:
        assert 0 <= milliseconds_of(new_id()) - int(time * 1000) <= 1


def test_burst_runs_ahead_of_the_clock_by_little() -> None:
    """Ten thousand ids in one moment end three milliseconds ahead of it."""
    new_id = IdFactory(lambda: AT)
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert milliseconds_of(made[-1]) - milliseconds_of(made[0]) == 10_000 // 4096


def test_clock_that_was_set_back_does_not_repeat_ids() -> None:
    """After the clock was set back, ids go on from where they were."""
    times = iter([AT, AT - 3600.0, AT - 3600.0])
    new_id = IdFactory(lambda: next(times))
    first, second, third = new_id(), new_id(), new_id()
    assert first < second < third
    assert milliseconds_of(third) == milliseconds_of(first)


def test_ids_of_one_moment_differ_by_chance_too() -> None:
    """Two daemons with the same clock do not make the same ids."""
    one, other = IdFactory(lambda: AT), IdFactory(lambda: AT)
    assert one() != other()


def test_real_clock_is_the_default() -> None:
    """Without a clock of the caller's, ids have the time of day."""
    assert uuid.UUID(IdFactory()()).version == 7
