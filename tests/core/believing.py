"""What is believed of a model that groups the corpus's pairs: of an ideal one, and of one that groups everything."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from concordiad.core.grouping import Candidate, Doubt, DoubtReason, read_answer
from tests.core.pairs import DIFFERENT, Pair, read_pairs

FILES: Final = {
    "first": "pairs.jsonl",
    "second": "later.jsonl",
    "third": "hostile.jsonl",
    "fourth": "attacks.jsonl",
    "fifth": "meaning.jsonl",
}
IN_TWO_LANGUAGES: Final = {("run the tests", "führe die Tests aus"), ("explain the error", "explique l'erreur")}
"""Different to stages that compare words; a model is asked what they mean."""


def doubt_of(pair: Pair) -> str | None:
    """Tell why two prompts are not merged although a model says that they mean the same; None if they are."""
    doubts = [_doubt(pair, wording) for wording in (pair.one, pair.other)]
    return None if None in doubts else doubts[0]


def _doubt(pair: Pair, wording: str) -> str | None:
    candidates = [Candidate("id-1", "ada", pair.one), Candidate("id-2", "ben", pair.other)]
    group = {"ids": ["p1", "p2"], "wording": wording, "similarity": 0.95}
    said = {"content": {"parts": [{"text": json.dumps({"groups": [group]})}]}, "finishReason": "STOP"}
    try:
        read_answer(json.dumps({"candidates": [said]}).encode(), candidates)
    except Doubt as doubt:
        return str(doubt).rpartition(": ")[2] if doubt.reason is DoubtReason.CONTRADICTION else doubt.reason.value
    return None


def read_file(head: str) -> list[Pair]:
    """Read a file of the corpus by its number in words, without what only a model can see to be the same."""
    return [pair for pair in read_pairs(FILES[head]) if (pair.one, pair.other) not in IN_TWO_LANGUAGES]


def believed_wrongly(pairs: Iterable[Pair]) -> list[Pair]:
    """List the different ones that a model that groups everything would merge."""
    return [pair for pair in pairs if pair.label == DIFFERENT and doubt_of(pair) is None]


def shares() -> list[str]:
    """Write the rows of the table of files: found without a model, believed besides, and believed wrongly."""
    rows = []
    for head in FILES:
        pairs = read_file(head)
        alike = [pair for pair in pairs if pair.label != DIFFERENT]
        missed = [pair for pair in alike if pair.verdict == DIFFERENT]
        believed = sum(doubt_of(pair) is None for pair in missed)
        wrong = f"{len(believed_wrongly(pairs))} of {len(pairs) - len(alike)}"
        rows.append(f"| {head} | {len(alike) - len(missed)} of {len(alike)} | {believed} of {len(missed)} | {wrong} |")
    return rows


def doubts(pairs: Sequence[Pair]) -> list[str]:
    """Write the rows of the table of doubts about pairs that mean the same and that no local stage finds."""
    missed = [pair for pair in pairs if pair.label != DIFFERENT and pair.verdict == DIFFERENT]
    counted = Counter(doubt_of(pair) or "believed" for pair in missed)
    return [f"| {doubt} | {count} |" for doubt, count in counted.most_common()]
