"""
What is outside a room of a language model that tells which prompts mean the same: how it is asked, and how that fails.

Law: importing this costs nothing. Only `client`, which is imported where a model is configured, needs an HTTP library.
"""

from collections.abc import Sequence
from typing import Protocol

from concordiad.core.grouping import Candidate, Grouped
from concordiad.errors import ConcordiaError


class MeaningError(ConcordiaError):
    """
    A model was not asked, did not answer, or is not believed; the message holds no prompt's text and no key.

    Attributes:
        reason: a short code: one of `Trouble`, or of `DoubtReason`.
        is_passing: whether the same question may be answered a moment later.
        retry_after_s: in how many seconds, if the service said so.
        status: of HTTP, if that was what went wrong.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        is_passing: bool = False,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = str(reason)
        self.is_passing = is_passing
        self.retry_after_s = retry_after_s
        self.status = status


class Grouper(Protocol):
    """Whoever can tell which prompts mean the same."""

    async def group(self, candidates: Sequence[Candidate]) -> list[Grouped]:
        """
        Group prompts; ends by its own deadline.

        Raises:
            MeaningError: it cannot be told, so that everything stays as it is.
        """
        ...
