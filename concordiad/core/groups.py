"""
What waits: prompts, each in a group of those that share a turn, and what changes among them.

A group is named after its leader, its first prompt. Every prompt is in exactly one group, most of them alone in it.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from concordiad.core.model import Author, Merge, OrderKey, Prompt, Stage, Standing
from concordiad.core.similarity import Features, Match
from concordiad.errors import LocalProtocolError


class Joined(NamedTuple):
    """A prompt shares the turn of others from now on."""

    prompt: Prompt
    others: tuple[Prompt, ...]


class Parted(NamedTuple):
    """
    A prompt has a turn for itself again.

    Attributes:
        others: the ids of those that it would have shared one with.
        by: who took it out; None where the others left it, then `reason` says how.
    """

    prompt: Prompt
    others: tuple[str, ...]
    by: Author | None
    reason: str | None


class Waiting(Struct, eq=False):
    """
    A prompt that waits.

    Attributes:
        deadline: monotonic seconds at which it expires.
        since: monotonic seconds from which its window counts; -inf for one that waits for nobody.
        features: what it is compared by; None for one that is never merged.
        was_held: whether it was held back once for a judgement, which happens once.
        judge_by: monotonic seconds until which it waits for judgements at most, its own or another's; inf until its
            window has ended.
        asked_at: monotonic seconds at which it was submitted; below 0 for one of an earlier run.
    """

    prompt: Prompt
    deadline: float
    since: float
    features: Features | None
    was_held: bool = False
    judge_by: float = math.inf
    asked_at: float = 0.0
    _group: "Group | None" = None

    @property
    def id(self) -> str:
        """The prompt's id."""
        return self.prompt.id

    @property
    def author(self) -> str:
        """Its author's id."""
        return self.prompt.author.id

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        if self.prompt.standing is None:
            raise LocalProtocolError(f"prompt {self.id} waits without a place")
        return self.prompt.standing

    @property
    def own(self) -> OrderKey:
        """Its own key."""
        return self.standing.own

    @property
    def group(self) -> "Group":
        """The group that it is in."""
        if self._group is None:
            raise LocalProtocolError(f"prompt {self.id} waits in no group")
        return self._group

    def set_group(self, group: "Group") -> None:
        """Put it into a group."""
        self._group = group

    def change(self, changes: "Changes", *, merge: Merge | None, place: OrderKey | None = None) -> None:
        """Note with whom it shares a turn from now on, and where it stands."""
        standing = self.standing if place is None else Standing(self.own, place)
        if (merge, standing) != (self.prompt.merge, self.prompt.standing):
            changes.note(self)
            self.prompt = changes.rows[self.id] = replace(self.prompt, merge=merge, standing=standing)


class Before(NamedTuple):
    """A prompt that waits, as it was."""

    waiting: Waiting
    prompt: Prompt
    features: Features | None


class Changes(Struct):
    """
    What a caller has recorded before anybody is told.

    Attributes:
        rows: prompts as they are from now on, by their ids.
        told: what there is to be told, in order.
        before: those prompts as they were, in case that nothing can be recorded; None for those that did not wait.
    """

    rows: dict[str, Prompt] = field(default_factory=dict)
    told: list[Joined | Parted] = field(default_factory=list)
    before: dict[str, Before | None] = field(default_factory=dict)

    def note(self, waiting: Waiting) -> None:
        """Keep how a prompt is before it is changed for the first time."""
        self.before.setdefault(waiting.id, Before(waiting, waiting.prompt, waiting.features))


class Group(Struct, eq=False):
    """
    Prompts that share a turn, the leader first.

    Attributes:
        key: the place in the queue; it only ever gets better.
        wording: what is asked where that is not the leader's own text.
        is_held: whether it waits for a judgement.
        is_judged: whether a language model was asked about it.
    """

    members: list[Waiting]
    key: OrderKey
    wording: str | None = None
    is_held: bool = False
    is_judged: bool = False

    def __post_init__(self) -> None:
        """Let the members know."""
        for member in self.members:
            member.set_group(self)

    @property
    def leader(self) -> Waiting:
        """Its first prompt."""
        return self.members[0]

    @property
    def id(self) -> str:
        """Its leader's id."""
        return self.leader.id

    @property
    def order(self) -> tuple[OrderKey, int]:
        """What it is sorted by: groups that were one before have one key, and then the leader's arrival decides."""
        return self.key, self.leader.own.arrival

    @property
    def asked(self) -> str:
        """What is asked for all of its members."""
        return self.leader.prompt.text if self.wording is None else self.wording

    @property
    def since(self) -> float:
        """Since when its window counts, in monotonic seconds."""
        return min(member.since for member in self.members)

    @property
    def judge_by(self) -> float:
        """Until when it waits for judgements at most, in monotonic seconds."""
        return min(member.judge_by for member in self.members)

    @property
    def may_merge(self) -> bool:
        """Whether others may join."""
        return self.leader.features is not None

    def authors(self) -> set[str]:
        """Give the ids of those who asked."""
        return {member.author for member in self.members}

    def others(self, member: Waiting) -> Iterator[Prompt]:
        """Go through the prompts that share the turn with one."""
        return (other.prompt for other in self.members if other is not member)

    def say(self, led: list[Waiting], similarity: float | None, changes: "Changes") -> None:
        """Say to all members what is asked for them now; those that the leader did not lead before meant the same."""
        for member in self.members:
            before = member.prompt.merge
            stage, measured = (None, None) if before is None else (before.stage, before.similarity)
            if member not in led:
                stage, measured = Stage.MEANING, similarity
            elif member is self.leader:
                stage, measured = None, None
            member.change(changes, merge=Merge(self.id, stage, measured, self.asked), place=self.key)
        changes.told += [Joined(member.prompt, tuple(self.others(member))) for member in self.members]

    def admit(self, newcomer: Waiting, match: Match, changes: Changes) -> None:
        """Take one more prompt in, and say so."""
        if len(self.members) == 1:
            self.leader.change(changes, merge=Merge(self.id, None, None, self.asked))
        self.members.append(newcomer)
        newcomer.set_group(self)
        newcomer.change(changes, merge=Merge(self.id, match.stage, match.similarity, self.asked), place=self.key)
        changes.told.append(Joined(newcomer.prompt, tuple(self.others(newcomer))))
