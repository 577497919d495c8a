"""What a benchmark comes to: rows of one table, as aligned text or as JSON, and the figures that they are made of."""

import json
import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from attrs import asdict, field, frozen

MS: Final = 1000.0
COLUMNS: Final = ("id", "what", "ours", "peer", "ratio", "target", "reached")


@frozen
class Row:
    """
    One line of the table.

    Attributes:
        id: of the target in docs/performance.md.
        what: was measured.
        ours: with its unit.
        peer: the same of what it is measured against, in the same run.
        ratio: how the two compare, in words that say which is which.
        target: what is to be reached; "–" for a row that only explains another.
        is_reached: None where there is no target.
        figures: what the row was made from, by name; seconds end in `_s`.
    """

    id: str
    what: str
    ours: str
    peer: str
    ratio: str
    target: str = "–"
    is_reached: bool | None = None
    figures: Mapping[str, float] = field(factory=dict)

    def cells(self) -> tuple[str, ...]:
        """Give the row's text, a column each."""
        reached = {None: "–", True: "yes", False: "NO"}[self.is_reached]
        return (self.id, self.what, self.ours, self.peer, self.ratio, self.target, reached)


def render_text(machine: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Write the table for people."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    named = [f"{name}: {value}" for name, value in machine.items()]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([*named, "", table[0], rule, *table[1:], "", "Only ratios within one run count."])


def render_json(machine: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Write the table for programs."""
    body: dict[str, Any] = {"machine": dict(machine), "rows": [asdict(row) for row in rows]}
    return json.dumps(body, indent=2, ensure_ascii=False)


def percentile(samples: Sequence[float], part: float) -> float:
    """Find the smallest sample that at least `part` (0 to 1) of them do not exceed."""
    return sorted(samples)[max(math.ceil(len(samples) * part) - 1, 0)]


def milliseconds(seconds: float) -> str:
    """Write a duration."""
    return f"{seconds * MS:.{1 if seconds * MS >= 10 else 2}f} ms"


def spread(name: str, samples: Sequence[float]) -> dict[str, float]:
    """Name what there is to say of some durations in seconds: how many, the middle, and the far ends."""
    return {
        f"{name}_count": len(samples),
        f"{name}_least_s": min(samples),
        f"{name}_median_s": median(samples),
        f"{name}_p90_s": percentile(samples, 0.9),
        f"{name}_most_s": max(samples),
    }
