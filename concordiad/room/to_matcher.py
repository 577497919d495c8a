"""What the matcher is asked by the batcher."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from concordiad.core.grouping import Candidate

QUESTIONS: Final = 1
"""Questions that wait for the matcher: the batcher asks the next one when it has the answer to the last."""


class Judge(Struct, frozen=True):
    """Ask a language model which of these prompts mean the same; `query` is whatever the batcher knows it by."""

    query: int
    candidates: Sequence[Candidate]
