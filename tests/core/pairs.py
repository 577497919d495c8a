"""The labelled pairs of prompts in corpus/, and how the stages that need no model do on them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from concordiad.core.model import Stage
from concordiad.core.similarity import features, judge

CORPUS: Final = Path(__file__).parent / "corpus"
LOCAL: Final = (Stage.SAME, Stage.NEAR)
DIFFERENT: Final = "different"


class Pair(NamedTuple):
    """
    Two prompts.

    Attributes:
        kind: in what they differ; of a file of several rounds, in which round, a colon, and in what.
        label: "same" for one text in other blanks, line ends or composed letters, "near" for what asks the same in
            nearly the same words, "different" for what does not, however alike.
    """

    kind: str
    label: str
    one: str
    other: str

    @property
    def verdict(self) -> str:
        """What the stages say."""
        match = judge(features(self.one), features(self.other), LOCAL)
        return DIFFERENT if match is None else match.stage.value

    @property
    def is_right(self) -> bool:
        """Whether they say what the label says; what is the same may not only be near, for that is asked of it."""
        return self.verdict == self.label or (self.label == "near" and self.verdict == "same")


def read_pairs(name: str) -> list[Pair]:
    """Read a file of the corpus."""
    return [Pair(**json.loads(line)) for line in (CORPUS / name).read_text(encoding="utf-8").split("\n") if line]


def false_merges(pairs: Iterable[Pair]) -> list[Pair]:
    """List the different ones that would be merged."""
    return [pair for pair in pairs if pair.label == DIFFERENT and pair.verdict != DIFFERENT]


def share(pairs: Iterable[Pair], label: str) -> float:
    """Tell how many of a label are found, 0 to 1."""
    found = [pair.is_right for pair in pairs if pair.label == label]
    return sum(found) / len(found)


def figures(pairs: Sequence[Pair]) -> list[str]:
    """Write the rows of the table in docs/merging.md: a kind, and how many of each label are judged right."""
    right, all_of = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for pair in pairs:
        for kind in (_row(pair), "**all**"):
            all_of[kind, pair.label] += 1
            right[kind, pair.label] += pair.is_right
    kinds = [*dict.fromkeys(map(_row, pairs)), "**all**"]
    labels = ("same", "near", DIFFERENT)
    return [
        f"| {kind} | {' | '.join(_of(right[kind, label], all_of[kind, label]) for label in labels)} |" for kind in kinds
    ]


def _row(pair: Pair) -> str:
    return pair.kind.partition(":")[0]


def _of(count: int, total: int) -> str:
    return f"{count} of {total}" if total else "–"
