"""
Whose prompts wait, each author's in their own order.

Law: of an author's prompts of one priority, the one that came first also stands first, whatever was merged. So of each
priority only the nearest one need be looked at.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator

from concordiad.core.groups import Waiting
from concordiad.core.model import OrderKey
from concordiad.core.order import RANKS

_Ranks = tuple[list[Waiting], ...]


class OwnOrder:
    """Every author's prompts by priority and arrival."""

    def __init__(self) -> None:
        self._ranks: dict[str, _Ranks] = {}

    def add(self, waiting: Waiting) -> None:
        """Note a prompt."""
        ranks = self._ranks.setdefault(waiting.author, tuple([] for _ in RANKS))
        insort(ranks[waiting.own.rank], waiting, key=_own)

    def remove(self, waiting: Waiting) -> None:
        """Forget a prompt."""
        ranks = self._ranks[waiting.author]
        del ranks[waiting.own.rank][self._index(waiting)]
        if not any(ranks):
            del self._ranks[waiting.author]

    def authors(self) -> Iterator[str]:
        """Go through the ids of the authors."""
        return iter(self._ranks)

    def of(self, author: str) -> Iterator[Waiting]:
        """Go through an author's prompts in their own order."""
        return (waiting for rank in self._ranks.get(author, ()) for waiting in rank)

    def before(self, waiting: Waiting) -> Iterator[Waiting]:
        """Give, of each priority, the last of the prompts that go before one by their author's own order."""
        for rank, mine in enumerate(self._ranks[waiting.author][: waiting.own.rank + 1]):
            end = self._index(waiting) if rank == waiting.own.rank else len(mine)
            if end:
                yield mine[end - 1]

    def after(self, waiting: Waiting) -> Iterator[Waiting]:
        """Give, of each priority, the first of those that go behind it."""
        for rank, mine in enumerate(self._ranks[waiting.author]):
            begin = self._index(waiting) + 1 if rank == waiting.own.rank else 0
            if rank >= waiting.own.rank and begin < len(mine):
                yield mine[begin]

    def _index(self, waiting: Waiting) -> int:
        return bisect_left(self._ranks[waiting.author][waiting.own.rank], waiting.own, key=_own)


def _own(waiting: Waiting) -> OrderKey:
    return waiting.own
