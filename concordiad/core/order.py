"""
In which order what waits is taken: by priority, then in turns between authors, then by arrival; nobody starves.

Laws: within a priority an author who has asked twice waits with the second until everybody else has had a turn
(start-time fair queueing); what has been passed over by so many turns of a better priority goes next. A key says where
a prompt stands; it never changes because somebody else came, went, merged or split.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from concordiad.core.model import OrderKey, Priority

T = TypeVar("T")

RANK: Final = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
RANKS: Final = range(len(RANK))
PATIENCE: Final = 8
"""
Turns of a better priority after which one of a worse priority goes next.

So a worse priority has a ninth of the turns at least: little enough that "high" is worth something, and often enough
that a long flood of it holds nobody up for ever.
"""


def just_before(key: OrderKey) -> OrderKey:
    """Make the key of what goes directly before another."""
    return key._replace(ahead=key.ahead - 1)


class Rounds:
    """
    Which round each author's next prompt belongs to: a round is one prompt of everybody.

    The clock is the round of what was taken last. Who comes anew joins there: not behind everybody's waiting prompts,
    and with no credit for the time before.
    """

    def __init__(self) -> None:
        self._clock = [0 for _ in RANKS]
        self._taken: list[dict[str, int]] = [{} for _ in RANKS]
        self._next_arrival = 0

    def next_key(self, author: str, priority: Priority, waiting: Iterable[OrderKey]) -> OrderKey:
        """Give an author's further prompt its key; `waiting` are the own keys of those that it has waiting."""
        rank = RANK[priority]
        last = max((key.round for key in waiting if key.rank == rank), default=-1)
        last = max(last, self._taken[rank].get(author, -1))
        arrival, self._next_arrival = self._next_arrival, self._next_arrival + 1
        return OrderKey(rank, max(self._clock[rank], last + 1), arrival)

    def restore(self, waiting: Iterable[OrderKey]) -> None:
        """Go on from the keys of what has waited since an earlier run."""
        clock: dict[int, int] = {}
        for key in waiting:
            clock[key.rank] = min(clock.get(key.rank, key.round), key.round)
            self._next_arrival = max(self._next_arrival, key.arrival + 1)
        self._clock = [clock.get(rank, 0) for rank in RANKS]

    def note_taken(self, place: OrderKey, taken: Iterable[tuple[str, OrderKey]]) -> None:
        """Note that what stood at a place has its turn; `taken` are its authors with their own keys."""
        for author, own in taken:
            self._taken[own.rank][author] = own.round
        if place.round > self._clock[place.rank]:
            self._clock[place.rank] = place.round
            # Whose last turn was in an earlier round is as good as new.
            taken_last = self._taken[place.rank]
            self._taken[place.rank] = {who: last for who, last in taken_last.items() if last >= place.round}


class Passed(NamedTuple):
    """By how many turns of a better priority the first prompt of each priority has been passed over."""

    counts: tuple[int, ...] = tuple(0 for _ in RANKS)

    def best(self, waiting: Sequence[int]) -> int:
        """Choose whose turn it is among the priorities of which something waits."""
        return min([rank for rank in waiting if self.counts[rank] >= PATIENCE] or waiting)

    def after(self, taken: int, waiting: Sequence[int]) -> "Passed":
        """Count a turn of a priority past those of which something waits."""
        return Passed(
            tuple(0 if rank == taken else self.counts[rank] + (rank > taken and rank in waiting) for rank in RANKS)
        )


def in_turn(lines: Sequence[Sequence[T]], passed: Passed) -> Iterator[T]:
    """Go through what waits in the order of its turns, if nothing else came; `lines` has one line a priority."""
    nexts: dict[int, int] = defaultdict(int)
    waiting = [rank for rank in RANKS if lines[rank]]
    while len(waiting) > 1:
        rank = passed.best(waiting)
        yield lines[rank][nexts[rank]]
        passed = passed.after(rank, waiting)
        nexts[rank] += 1
        if nexts[rank] == len(lines[rank]):
            waiting.remove(rank)
    for rank in waiting:
        yield from lines[rank][nexts[rank] :] if nexts[rank] else lines[rank]
