"""
Plain tallies that owners keep of their work, since the daemon's start.

Law: a tally has one owner, who counts; whoever wants to know asks, and gets a copy.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from concordiad.core.model import Outcome, Turn

TURN_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Bounds in seconds for what an agent does: from a word to an hour of tools."""
COMMIT_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Bounds for a commit: half a millisecond is a good disk's sync, a second is a sick one's."""
LAG_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Bounds for how late the loop is."""


class Histogram:
    """
    How often a value was at most each of some bounds.

    Attributes:
        counts: how many values fell behind the bound before and up to this one; the last is for what is beyond all.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds: Final = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def note(self, value: float | None) -> None:
        """Count a value; one that is not known does not count."""
        if value is not None:
            self.counts[bisect_left(self.bounds, value)] += 1
            self.sum += value

    def quantile(self, part: float) -> float | None:
        """Estimate the value that so large a part lies below, between two bounds evenly; None where none was seen."""
        wanted, before, low = sum(self.counts) * part, 0, 0.0
        if not any(self.counts):
            return None
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if before + count >= wanted and count:
                return round(low + (bound - low) * (wanted - before) / count, 6)
            before, low = before + count, bound
        return low


def _of_turns() -> Histogram:
    return Histogram(TURN_S)


class TurnFigures(Struct):
    """
    What became of a room's turns.

    Attributes:
        outcomes: how many ended how.
        durations, first_outputs, queued: seconds: from the hand-over to the end and to the first output, and from the
            submission of the first prompt to the hand-over.
    """

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    durations: Histogram = field(default_factory=_of_turns)
    first_outputs: Histogram = field(default_factory=_of_turns)
    queued: Histogram = field(default_factory=_of_turns)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    api_retries: int = 0

    def count(self, turn: Turn, queued_s: float | None, api_retries: int) -> None:
        """Count a turn that has ended."""
        if turn.outcome is not None:
            self.outcomes[turn.outcome] += 1
        self.durations.note(turn.duration_s)
        self.first_outputs.note(turn.ttft_s)
        self.queued.note(queued_s)
        self.input_tokens += turn.input_tokens or 0
        self.output_tokens += turn.output_tokens or 0
        self.cost_usd += turn.cost_usd or 0.0
        self.api_retries += api_retries
