"""Recent events by number, and cursors, against what a reader can really have seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.backlog import Backlog, EpochStart, can_continue
from tests.core.steadily import steadily


@steadily
@given(
    first=st.integers(0, 5),
    lines=st.lists(st.binary(min_size=1, max_size=6), max_size=30),
    limit_events=st.integers(1, 10),
    limit_bytes=st.integers(1, 40),
)
def test_after_is_the_exact_suffix_or_nothing(
    first: int, lines: list[bytes], limit_events: int, limit_bytes: int
) -> None:
    """After any number come all later lines, or None if one of them has fallen out; never a part of them."""
    backlog = Backlog(first, limit_events, limit_bytes)
    for line in lines:
        backlog.append(line)
    assert backlog.last_seq == first + len(lines)
    for seq in range(first + len(lines) + 1):
        given_lines = backlog.after(seq)
        if given_lines is not None:
            assert seq >= first
            assert given_lines == lines[seq - first :]


@steadily
@given(
    lines=st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=30),
    limit_events=st.integers(1, 10),
    limit_bytes=st.integers(1, 40),
)
def test_backlog_keeps_what_fits(lines: list[bytes], limit_events: int, limit_bytes: int) -> None:
    """The newest lines are kept as long as both limits hold, and the very last one in any case."""
    backlog = Backlog(0, limit_events, limit_bytes)
    for line in lines:
        backlog.append(line)
    kept = [
        count
        for count in range(len(lines) + 1)
        if count <= limit_events and (count <= 1 or sum(map(len, lines[len(lines) - count :])) <= limit_bytes)
    ]
    served = [seq for seq in range(len(lines) + 1) if backlog.after(seq) is not None]
    assert served == list(range(len(lines) - max(kept), len(lines) + 1))


def test_nothing_comes_after_the_last() -> None:
    """A reader that has everything, or more than there is, is given nothing, and that is no gap."""
    backlog = Backlog(3)
    assert (backlog.after(3), backlog.after(4), backlog.after(2)) == ([], [], None)


class Story:
    """
    What befell a room: in each epoch events were published, and at its end the last of them lost with a power cut.

    Every event ever published is another object, so a reader and a transcript can be compared by what they hold.
    """

    def __init__(self, epochs: list[tuple[int, int]]) -> None:
        self.recorded: list[object] = []
        self.starts: list[EpochStart] = []
        self._seen: dict[int, list[object]] = {}
        for epoch, (published, lost) in enumerate(epochs, 1):
            self.starts.append(EpochStart(epoch, len(self.recorded) + 1))
            self._seen[epoch] = self.recorded + [object() for _ in range(published)]
            is_running = epoch == len(epochs)
            end = len(self._seen[epoch]) - (0 if is_running else min(lost, published))
            self.recorded = self._seen[epoch][:end]

    def misses_nothing(self, epoch: int, seq: int, first_kept_seq: int) -> bool:
        """Tell whether who saw everything up to `seq` in `epoch` can go on with the next recorded event."""
        if epoch not in self._seen:
            return False
        seen = self._seen[epoch][:seq]
        return len(seen) == seq and seen == self.recorded[:seq] and seq + 1 >= first_kept_seq


@steadily
@given(
    story=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=5).map(Story),
    first_kept_seq=st.integers(1, 8),
)
def test_cursor_is_good_only_if_nothing_is_missed(story: Story, first_kept_seq: int) -> None:
    """Every cursor there is or could be claimed continues if, and only if, its reader has no gap and tells no lie."""
    last_seq = len(story.recorded)
    cursors = [(epoch, seq) for epoch in range(len(story.starts) + 2) for seq in range(last_seq + 5)]
    expected = [cursor for cursor in cursors if story.misses_nothing(*cursor, first_kept_seq)]
    good = [cursor for cursor in cursors if can_continue(*cursor, story.starts, last_seq, first_kept_seq)]
    assert good == expected


@pytest.mark.parametrize(
    ("epoch", "seq", "is_good"),
    [
        (1, 5, True),  # all that epoch 1 recorded
        (1, 6, False),  # published in epoch 1, lost, and 6 is another event now
        (2, 6, True),
        (2, 9, True),
        (2, 10, False),  # nobody can have seen that
        (3, 1, False),  # no such epoch
        (1, 2, True),
        (1, 1, False),  # 2 was pruned
    ],
)
def test_cursors_after_a_power_cut(epoch: int, seq: int, is_good: bool) -> None:
    """Epoch 2 began with number 6, the last is 9, the first two events are pruned."""
    starts = [EpochStart(1, 1), EpochStart(2, 6)]
    assert can_continue(epoch, seq, starts, last_seq=9, first_kept_seq=3) == is_good
