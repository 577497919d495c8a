"""
What turns came to: counted, by day and by person.

Laws: a turn counts on the day on which it began; what one turn cost is shared equally among those whose prompts it was,
so that the shares of all people are the whole.
"""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field

from concordiad.core.model import Author, Outcome

MIDDLE: Final = 0.5
FAR: Final = 0.95
"""Which of a day's figures are shown, as shares: half of them are no larger than the one, nearly all than the other."""


class TurnFigures(Struct, frozen=True):
    """
    One turn that is over.

    Attributes:
        started_at: Unix seconds.
        authors: one for each prompt that is known still; none for a turn that the agent began by itself.
        waits_s: how long each of those prompts had waited.
    """

    started_at: float
    outcome: Outcome
    duration_s: float | None
    ttft_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    authors: Sequence[Author]
    waits_s: Sequence[float]


class Sums(Struct):
    """
    What turns came to, or somebody's share of it.

    Attributes:
        prompts: how many were asked.
        turns: how many turns those were in; of a person: in how many turns it had a part.
        duration_s: of the agent's time.
    """

    prompts: int = 0
    turns: int = 0
    duration_s: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost_usd: float = 0.0

    def add(self, turn: TurnFigures, prompts: int, people: int) -> None:
        """Add one turn, of which so many prompts are meant, as one of so many people."""
        self.prompts += prompts
        self.turns += 1
        self.duration_s += (turn.duration_s or 0.0) / people
        self.input_tokens += (turn.input_tokens or 0) / people
        self.output_tokens += (turn.output_tokens or 0) / people
        self.cost_usd += (turn.cost_usd or 0.0) / people

    def join(self, other: "Sums") -> None:
        """Add what another time came to."""
        self.prompts += other.prompts
        self.turns += other.turns
        self.duration_s += other.duration_s
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_usd += other.cost_usd


class Period(Struct):
    """A day, or all of the time: its sums, its outcomes, and how long things took."""

    sums: Sums = field(default_factory=Sums)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)
    ttfts_s: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    def add(self, turn: TurnFigures) -> None:
        """Add one turn."""
        self.sums.add(turn, len(turn.authors), 1)
        self.outcomes[turn.outcome] += 1
        self.durations_s += [] if turn.duration_s is None else [turn.duration_s]
        self.ttfts_s += [] if turn.ttft_s is None else [turn.ttft_s]
        self.waits_s += turn.waits_s


class Statistics(Struct):
    """
    Turns of some time.

    Attributes:
        utc_offset_s: days begin at midnight where clocks are so many seconds ahead of UTC.
        days: by their date, YYYY-MM-DD.
        people: who asked, by id, under the name of their latest prompt.
        shares: by date and by id; None for turns that the agent began by itself, or whose prompts are forgotten.
    """

    utc_offset_s: int
    whole: Period = field(default_factory=Period)
    days: dict[str, Period] = field(default_factory=dict)
    people: dict[str, Author] = field(default_factory=dict)
    shares: dict[tuple[str, str | None], Sums] = field(default_factory=dict)

    def add(self, turn: TurnFigures) -> None:
        """Count one turn, which is no older than the one before."""
        day = datetime.fromtimestamp(turn.started_at + self.utc_offset_s, UTC).strftime("%Y-%m-%d")
        self.whole.add(turn)
        self.days.setdefault(day, Period()).add(turn)
        self.people.update((author.id, author) for author in turn.authors)
        prompts: Counter[str | None] = Counter(author.id for author in turn.authors)
        for person in prompts or (None,):
            share = self.shares.setdefault((day, person), Sums())
            share.add(turn, prompts[person], len(prompts) or 1)

    def of_people(self) -> dict[str | None, Sums]:
        """Add up everybody's shares over the days; who caused the highest cost comes first."""
        found: dict[str | None, Sums] = {}
        for (_, person), share in self.shares.items():
            found.setdefault(person, Sums()).join(share)
        return dict(sorted(found.items(), key=lambda each: (-each[1].cost_usd, -each[1].turns, each[0] or "")))


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed; None of nothing."""
    return sorted(values)[max(math.ceil(len(values) * share), 1) - 1] if values else None
