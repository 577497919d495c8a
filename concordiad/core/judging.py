"""
What a language model is asked about the groups that wait, and what its answer makes of them.

Laws: one question at a time, about all who wait once somebody's window has ended; nobody is held back twice; for
whatever questions, a prompt waits no longer than one may take, counted from the end of its window, whether or not it is
asked about by then; an answer counts only for groups that still wait as they were asked about, be it with more who ask
the same, and only by the queue's own rules.
"""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from concordiad.core.batching import Queue
from concordiad.core.grouping import MOST_TEXT_BYTES, Candidate, Grouped, fitting
from concordiad.core.groups import Changes, Group

CHECKED_CHARS: Final = 8 * 1024
"""Of originals that a wording is compared with besides those that the model saw: a millisecond's work, or none."""


class Asked(Struct, frozen=True):
    """A question: its number, the groups by their leaders' ids, and of whom each consisted."""

    query: int
    members: dict[str, tuple[str, ...]]


class Judging:
    """
    The questions of one room.

    Args:
        queue: whose groups are judged.
        hold_s: how long a question may take, and a prompt waits for questions, in seconds.
    """

    def __init__(self, queue: Queue, hold_s: float) -> None:
        self._queue = queue
        self._hold_s = hold_s
        self._asked: Asked | None = None
        self._queries = 0

    def next_deadline(self) -> float:
        """Tell when there may be something further to ask, or somebody's time begins, in monotonic seconds."""
        groups = (group for group in self._queue.groups() if _is_new(group) or self._is_to_be_asked(group))
        return min(map(self._queue.window_ends, groups), default=math.inf)

    def ask(self, now: float) -> tuple[int, Sequence[Candidate]] | None:
        """
        Make the next question, and hold back whom it is about for the first time; None if there is none.

        Also when there is none, the time begins of those whose window has ended.
        """
        self._begin(now)
        if self._asked is not None:
            return None
        groups = [group for group in self._queue.groups() if _may_be_judged(group)]
        due = {group.id for group in groups if not group.is_judged and self._queue.window_ends(group) <= now}
        if not due:
            return None
        # Who could go now first, then who is new, whose windows would end behind those who are gone; whoever was judged
        # before is there to be compared with.
        groups.sort(key=lambda group: (group.id not in due, group.is_judged))
        candidates = fitting(Candidate(group.id, group.leader.author, group.leader.prompt.text) for group in groups)
        taken = {candidate.id for candidate in candidates}
        is_question = len({candidate.author for candidate in candidates}) > 1
        for group in groups:
            if group.id in taken:
                group.is_judged = True
                if is_question:
                    _hold(group)
        if not is_question:
            return None
        self._queries += 1
        asked = {group.id: _ids(group) for group in groups if group.id in taken}
        self._asked = Asked(self._queries, asked)
        return self._queries, candidates

    def _begin(self, now: float) -> None:
        """Let the time begin of those who could go but for a judgement."""
        for group in self._queue.groups():
            if _is_new(group) and self._queue.window_ends(group) <= now:
                for member in group.members:
                    member.judge_by = min(member.judge_by, now + self._hold_s)

    def answer(self, query: int, groups: Sequence[Grouped], changes: Changes) -> None:
        """Take the answer to a question: what it says means the same is merged, if nothing is against that."""
        asked = self._asked
        if asked is None or asked.query != query:
            return
        self._asked = None
        waiting = {group.id: group for group in self._queue.groups() if group.id in asked.members}
        for group in waiting.values():
            group.is_held = False
        for grouped in groups:
            found = [waiting[each] for each in grouped.members if each in waiting]
            is_unchanged = all(
                _ids(group)[: len(asked.members[group.id])] == asked.members[group.id] for group in found
            )
            if len(found) == len(grouped.members) and is_unchanged and _is_covered(found, grouped.wording):
                self._queue.unite(found, grouped.wording, grouped.similarity, changes)

    def _is_to_be_asked(self, group: Group) -> bool:
        return self._asked is None and not group.is_judged and _may_be_judged(group)


def _hold(group: Group) -> None:
    if not any(member.was_held for member in group.members):
        group.is_held = True
        for member in group.members:
            member.was_held = True


def _is_new(group: Group) -> bool:
    """Tell whether the time of one of its prompts has not begun."""
    return any(member.judge_by == math.inf for member in group.members)


def _ids(group: Group) -> tuple[str, ...]:
    return tuple(member.id for member in group.members)


def _may_be_judged(group: Group) -> bool:
    return group.may_merge and len(group.leader.prompt.text.encode("utf-8", "replace")) <= MOST_TEXT_BYTES


def _is_covered(groups: Sequence[Group], wording: str) -> bool:
    """Tell whether a wording asks what those ask, too, whom the model did not see: the members of its candidates."""
    texts = [member.prompt.text for group in groups for member in group.members[1:]]
    if sum(map(len, texts)) + len(wording) > CHECKED_CHARS:
        return not texts
    # Whoever read the model's answer has imported it already.
    from concordiad.core.details import contradiction, details_of  # noqa: PLC0415

    worded = details_of(wording) if texts else None
    for text in texts:
        original = details_of(text)
        if worded is None or contradiction(worded, original) is not None or set(original.exact) - set(worded.exact):
            return False
    return True
