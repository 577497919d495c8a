"""
How far the output of an agent that outlives the daemon was heard, so that the next run goes on exactly there.

Facts are numbered as the output states them; what is only live has no number. Laws: the same output gives the same
numbers, however it is cut; the transcript knows the last number that is in it, the writer the last one that it has
taken (`room/holding.py`), each recorded with what came of it; so what is heard again is known, and passed over.
"""

from collections.abc import Callable
from typing import Final

from concordiad.agent.spool import FILE_BYTES, SpooledOutput
from concordiad.core.agents import AgentCodec, BrokeOff, Fact, Said
from concordiad.core.lines import LineSplitter
from concordiad.journal.changes import Heard

PAGE_BYTES: Final = FILE_BYTES
"""So much output is not kept in the spool for being heard again, also if it has stated nothing."""


class Bookmark:
    """
    Counts what is heard.

    Args:
        heard: how far an earlier run came; the codec goes on there.
        taken: the number of the last fact that the writer has taken.
        own_turn: the turn that the agent had begun by itself, if one runs.
        new_id: makes ids of such turns.

    Attributes:
        spool: where the output is kept until it is passed.
        line: what an earlier run has remembered of a line over the limit.
    """

    def __init__(
        self,
        heard: Heard,
        taken: int,
        own_turn: str | None,
        new_id: Callable[[], str],
        spool: SpooledOutput,
    ) -> None:
        self.line = heard.line
        self._heard = heard
        self._taken = taken
        self._own_turn = own_turn
        self._new_id = new_id
        self._number = heard.facts
        self._bytes = heard.place
        self.spool = spool

    @property
    def is_behind(self) -> bool:
        """Whether what is heard was heard before."""
        return self._number < max(self._taken, self._heard.said)

    def name_turn(self) -> str:
        """Name a turn that the agent begins by itself: as before, where it began before."""
        return self._own_turn if self._own_turn is not None and self.is_behind else self._new_id()

    def count(self, fact: Fact) -> int | None:
        """Number a fact, 0 for what has none; None for what is recorded already."""
        if isinstance(fact, Said):
            if fact.is_live:
                return None if self.is_behind else 0
            self._number += 1
            return None if self._number <= self._heard.said else self._number
        if isinstance(fact, BrokeOff):
            # The end of the output is met again by whoever goes on.
            return 0
        self._number += 1
        return None if self._number <= self._taken else self._number

    def note_said(self, number: int) -> Heard:
        """Write down that what was said is in the transcript up to a number."""
        self._heard = self._heard._replace(said=max(self._heard.said, number))
        return self._heard

    def feed(self, count: int) -> None:
        """Note that so many bytes were read."""
        self._bytes += count

    def turn_page(self, codec: AgentCodec, splitter: LineSplitter) -> Heard | None:
        """Write down where things stand after whole lines, or in one over the limit; None if there is nothing new."""
        heard, place = self._heard, self._bytes - splitter.needed_bytes
        if self.is_behind or (self._number == heard.facts and place - heard.place < PAGE_BYTES):
            return None
        self._heard = heard._replace(
            place=place,
            facts=self._number,
            said=max(self._number, heard.said),
            memory=codec.remember(),
            line=splitter.remember(),
        )
        return self._heard
