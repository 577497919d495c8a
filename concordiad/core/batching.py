"""
The prompts of one room that wait: who shares a turn with whom, whose turn is next, and when.

Laws: every prompt that waits is in exactly one group, and a group becomes one turn; two prompts of one author never
share one; an author's own prompts are taken in their own order; by what happens to others' prompts nobody loses its
place; while anybody has waited for judgements as long as it should, nobody waits for any; nothing here forgets a
prompt that it was not told to forget.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from concordiad.core.groups import Changes, Group, Parted, Waiting
from concordiad.core.model import Author, OrderKey, Prompt, Stage, Standing
from concordiad.core.order import RANKS, Passed, Rounds, in_turn, just_before
from concordiad.core.own_order import OwnOrder
from concordiad.core.similarity import Features, Index, Match, features
from concordiad.errors import LocalProtocolError

NEVER: Final = math.inf
AT_ONCE: Final = -math.inf

GROUP_LIMIT: Final = 100
"""Prompts in one group: what is told of it stays small, and taking it apart a matter of milliseconds."""
LOCAL: Final = (Stage.SAME, Stage.NEAR)
"""What needs nobody outside."""


class Window(NamedTuple):
    """
    How long a prompt waits for others that mean the same, in seconds.

    Attributes:
        s: since the last prompt of the room; 0: not at all.
        max_s: since its own arrival.
    """

    s: float = 0.0
    max_s: float = 0.0


NO_WINDOW: Final = Window()


class Queue:
    """
    The prompts that wait, next first. All times are monotonic seconds: a jump of the wall clock expires nothing.

    Args:
        stages: by what prompts are merged.
        window: how long one waits for others.
    """

    def __init__(self, stages: Collection[Stage] = LOCAL, window: Window = NO_WINDOW) -> None:
        self.stages: Final = frozenset(stages)
        self.window: Final = window
        self._last_arrival = AT_ONCE
        self._rounds = Rounds()
        self._passed = Passed()
        self._passed_before = Passed()
        self._lines: list[list[Group]] = [[] for _ in RANKS]
        self._waiting: dict[str, Waiting] = {}
        self._own_order = OwnOrder()
        self._index = Index()
        self._deadlines: dict[str, float] = {}
        self._away: tuple[Waiting, ...] = ()

    def __len__(self) -> int:
        """Count the prompts that wait."""
        return len(self._waiting)

    def count_of(self, author: str) -> int:
        """Count those of an author."""
        return sum(waiting.id in self._waiting for waiting in self._own_order.of(author))

    def is_only(self, author: str) -> bool:
        """Tell whether nobody else's prompt waits."""
        return all(who == author or not self.count_of(who) for who in self._own_order.authors())

    def find(self, prompt_id: str) -> Prompt | None:
        """Find a waiting prompt."""
        waiting = self._waiting.get(prompt_id)
        return None if waiting is None else waiting.prompt

    def add(
        self,
        prompt: Prompt,
        now: float,
        changes: Changes,
        deadline: float = NEVER,
        *,
        is_hurried: bool = False,
        known: Features | None = None,
    ) -> Prompt:
        """
        Let a prompt wait, with others if it asks what they ask.

        Args:
            prompt: a new one.
            deadline: when it expires.
            is_hurried: whether there is nobody to wait for.
            known: what it is compared by, if it was read already; else it is read here, if it is compared at all.
        """
        read = self._read(prompt, known)
        if read is not None:
            self._last_arrival = now
        waiting = Waiting(
            self._with_standing(prompt),
            deadline,
            AT_ONCE if is_hurried or read is None else now,
            read,
            asked_at=now,
        )
        changes.before[prompt.id] = None
        self._keep(waiting)
        self._settle(waiting, changes)
        changes.rows[prompt.id] = waiting.prompt
        return waiting.prompt

    def first_place_of(self, author: str) -> int:
        """Tell the first place of an author's waiting prompts; 1 if it has none."""
        mine = (waiting.id for waiting in self._own_order.of(author))
        return min(self.places(list(mine)).values(), default=1)

    def begin(self, standings: Iterable[Standing]) -> None:
        """Go on from the standings of prompts that have waited since an earlier run; `restore` brings the prompts."""
        self._rounds.restore(key for standing in standings for key in standing)

    def restore(
        self, prompt: Prompt, deadline: float = NEVER, asked_at: float = 0.0, *, known: Features | None = None
    ) -> Prompt:
        """Let a prompt wait as it did before, in its group if it had one; the leader is restored first."""
        read = self._read(prompt, known)
        standing = self._with_standing(prompt)
        waiting = Waiting(standing, deadline, AT_ONCE, read, was_held=True, judge_by=AT_ONCE, asked_at=asked_at)
        self._rejoin(waiting)
        return waiting.prompt

    def put_back(self, prompts: Sequence[tuple[Prompt, float]]) -> None:
        """Let what was taken last wait again, as the group that it was, at its old place."""
        away = {waiting.id: waiting for waiting in self._away}
        self.forget_taken()
        self._passed = self._passed_before
        for prompt, _ in prompts:
            waiting = away.get(prompt.id)
            if waiting is None:
                raise LocalProtocolError(f"prompt {prompt.id} comes back, but it was not the one taken last")
            waiting.prompt, waiting.since = prompt, AT_ONCE
            self._rejoin(waiting)

    def may_merge(self, prompt: Prompt) -> bool:
        """Tell whether a prompt is compared with others, if it does not speak of its author."""
        return not (prompt.is_alone or prompt.is_raw) and bool(self.stages)

    def _read(self, prompt: Prompt, known: Features | None) -> Features | None:
        """Read what a prompt is compared by; None if it is never merged."""
        read = (known or features(prompt.text)) if self.may_merge(prompt) else None
        # Only prompts of several authors are merged, and "my branch" is another one from each of them.
        return None if read is None or read.is_own else read

    def _with_standing(self, prompt: Prompt) -> Prompt:
        if prompt.standing is not None:
            return prompt
        mine = (waiting.own for waiting in self._own_order.of(prompt.author.id))
        key = self._rounds.next_key(prompt.author.id, prompt.priority, mine)
        return replace(prompt, standing=Standing(key, key))

    def _rejoin(self, waiting: Waiting) -> None:
        self._keep(waiting)
        merge = waiting.prompt.merge
        leader = None if merge is None else self._waiting.get(merge.leader)
        if leader is not None and leader is not waiting:
            leader.group.members.append(waiting)
            waiting.set_group(leader.group)
            if waiting.prompt.text == leader.group.wording:
                self._list(leader.group)
            return
        is_worded = merge is not None and merge.asked != waiting.prompt.text
        wording = waiting.prompt.asked if is_worded else None
        self._stand(Group([waiting], waiting.standing.place, wording))

    def take(self, now: float) -> list[tuple[Prompt, float]]:
        """
        Take the next turn's prompts away to be handed over: those of the first group that is ready.

        Returns:
            Them, each with its deadline in case that they come back; none if nobody is ready.
        """
        self.forget_taken()
        overtaken: set[str] = set()
        for group in self._in_turn():
            authors, ready_at = group.authors(), self.ready_at(group)
            if group.is_held and ready_at > now:
                if not self._has_waited_enough(now):
                    # It waits for a judgement, but not for long: nobody gets a whole turn ahead of it for that.
                    return []
                ready_at = self.window_ends(group)
            # Who is ready overtakes who is not, but never its own prompts, nor just because it is never merged.
            if ready_at <= now and not overtaken & authors and (group.may_merge or not overtaken):
                if not self._overtakes_its_own(group):
                    return self._take(group)
                continue
            overtaken |= authors
        return []

    def _overtakes_its_own(self, group: Group) -> bool:
        """
        Tell whether one of its authors has asked something of the same priority before, which waits in another group.

        That stands in front of it, unless this one's priority is due after so many turns of a better one, to which a
        merge has brought the other: then this one waits for it.
        """
        return any(
            before.own.rank == member.own.rank and before.id in self._waiting and before.group is not group
            for member in group.members
            for before in self._own_order.before(member)
        )

    def _take(self, group: Group) -> list[tuple[Prompt, float]]:
        self._leave_line(group)
        self._passed_before = self._passed
        self._passed = self._passed.after(group.key.rank, [rank for rank in RANKS if self._lines[rank]])
        self._rounds.note_taken(group.key, [(member.author, member.own) for member in group.members])
        # Until it is certain that they will not come back, their authors' further prompts stay behind them.
        self._away = tuple(group.members)
        for member in group.members:
            del self._waiting[member.id]
            self._deadlines.pop(member.id, None)
        return [(member.prompt, member.deadline) for member in group.members]

    def forget_taken(self) -> None:
        """Note that what was taken last does not come back, or has come back."""
        for waiting in self._away:
            self._own_order.remove(waiting)
        self._away = ()

    def remove(self, prompt_id: str, reason: str, changes: Changes) -> Prompt | None:
        """Take a prompt out for good; None if it does not wait here. Who is alone by that is told the reason."""
        waiting = self._waiting.get(prompt_id)
        if waiting is None:
            return None
        changes.note(waiting)
        self._part(waiting, reason, changes)
        del self._waiting[prompt_id]
        self._deadlines.pop(prompt_id, None)
        self._own_order.remove(waiting)
        return waiting.prompt

    def split(self, prompt_id: str, by: Author, changes: Changes) -> Prompt | None:
        """
        Give a prompt a turn for itself, whatever comes; None if it does not wait here.

        It stands where it would stand by itself; only if its author's next prompt has come to an earlier place by a
        merge, then directly before that.
        """
        waiting = self._waiting.get(prompt_id)
        if waiting is None or waiting.prompt.is_alone:
            return None if waiting is None else waiting.prompt
        changes.note(waiting)
        parted = len(changes.told)
        others = tuple(other.id for other in waiting.group.others(waiting))
        self._part(waiting, f"{by.name} took a prompt back out", changes)
        waiting.features = None
        waiting.prompt = replace(waiting.prompt, is_alone=True)
        place = waiting.own if others else waiting.standing.place
        for following in self._own_order.after(waiting):
            if following.standing.place > waiting.standing.place:
                place = min(place, just_before(following.standing.place))
        waiting.change(changes, merge=None, place=place)
        changes.rows[waiting.id] = waiting.prompt
        self._stand(Group([waiting], place))
        changes.told.insert(parted, Parted(waiting.prompt, others, by, None))
        return waiting.prompt

    def undo(self, changes: Changes) -> None:
        """Let everything wait again as it did before some changes, of which nothing could be recorded."""
        waiting = dict(self._waiting)
        for prompt_id, before in changes.before.items():
            if before is None:
                waiting.pop(prompt_id, None)
            else:
                waiting[prompt_id] = before.waiting
                before.waiting.prompt, before.waiting.features = before.prompt, before.features
        self._lines = [[] for _ in RANKS]
        self._waiting, self._deadlines = {}, {}
        self._index, self._own_order = Index(), OwnOrder()
        for each in self._away:
            self._own_order.add(each)
        for each in sorted(waiting.values(), key=_is_led):
            self._rejoin(each)

    def overdue(self, now: float) -> list[str]:
        """List the prompts whose deadline has come."""
        return [prompt_id for prompt_id, deadline in self._deadlines.items() if deadline <= now]

    def next_deadline(self) -> float:
        """Tell when the next prompt expires; NEVER if none does."""
        return min(self._deadlines.values(), default=NEVER)

    def next_ready(self, now: float) -> float:
        """Tell when a further group is ready, or ends the waiting for judgements; NEVER if all are and have."""
        times = (at for group in self._in_turn() for at in (self.ready_at(group), group.judge_by))
        return min((at for at in times if at > now), default=NEVER)

    def ready_at(self, group: Group) -> float:
        """Tell when a group may be taken."""
        # What comes while it is held opens its window again, but nobody waits for longer because of a judgement.
        return group.judge_by if group.is_held else min(self.window_ends(group), group.judge_by)

    def _has_waited_enough(self, now: float) -> bool:
        """Tell whether anybody has waited for judgements as long as it should."""
        return any(group.judge_by <= now for group in self._in_turn())

    def window_ends(self, group: Group) -> float:
        """Tell when a group has waited for others as long as it should."""
        return min(self._last_arrival + self.window.s, group.since + self.window.max_s)

    def prompts(self) -> list[tuple[Prompt, int]]:
        """List the waiting prompts with their places, 1 for the next turn; those of a group share one."""
        return [(member.prompt, place) for place, group in enumerate(self._in_turn(), 1) for member in group.members]

    def oldest_at(self) -> float | None:
        """Tell since when the oldest of them waits, in monotonic seconds; None if none does."""
        return min((waiting.asked_at for waiting in self._waiting.values()), default=None)

    def places(self, wanted: Collection[str]) -> dict[str, int]:
        """Tell the places of some prompts, as far as they wait here."""
        waiting = [self._waiting[prompt_id] for prompt_id in wanted if prompt_id in self._waiting]
        of_groups: dict[Group, list[str]] = {}
        for each in waiting:
            of_groups.setdefault(each.group, []).append(each.id)
        found: dict[str, int] = {}
        turns = enumerate(self._in_turn(), 1)
        while of_groups:
            place, group = next(turns)
            # Of the many before it mostly nobody is wanted: they are only counted.
            for prompt_id in of_groups.pop(group, ()):
                found[prompt_id] = place
        return found

    def is_held(self, now: float) -> bool:
        """Tell whether somebody waits for a judgement and for nothing else."""
        return any(group.is_held and self.window_ends(group) <= now < group.judge_by for group in self._in_turn())

    def groups(self) -> Iterator[Group]:
        """Go through the groups in the order of their turns."""
        return self._in_turn()

    def unite(self, groups: Sequence[Group], wording: str, similarity: float | None, changes: Changes) -> bool:
        """Make one group of several that mean the same, and ask that for all of them; tells whether that may be."""
        groups = sorted(groups, key=_order)
        members = [member for group in groups for member in group.members]
        key = groups[0].key
        if len({member.author for member in members}) < len(members) or len(members) > GROUP_LIMIT:
            return False
        if not all(group.may_merge for group in groups):
            return False
        if not all(self._may_stand(member, key) for group in groups for member in group.members if key < group.key):
            return False
        for group in groups:
            self._leave_line(group)
        united = Group(members, key, wording, is_judged=True)
        self._stand(united)
        united.say(groups[0].members, similarity, changes)
        return True

    def _in_turn(self) -> Iterator[Group]:
        return in_turn(self._lines, self._passed)

    def _settle(self, waiting: Waiting, changes: Changes) -> None:
        """Let a prompt join the best of the groups that ask the same, or lead one of its own."""
        for leader, match in self._matches(waiting):
            group = self._waiting[leader].group
            if self._may_join(waiting, group):
                self._move(group, min(group.key, waiting.standing.place), changes)
                group.admit(waiting, match, changes)
                return
        self._stand(Group([waiting], waiting.standing.place))

    def _matches(self, waiting: Waiting) -> list[tuple[str, Match]]:
        if waiting.features is None:
            return []
        found = self._index.matches(waiting.features, self.stages)
        return sorted(found, key=lambda each: (*_rank(each[1]), self._waiting[each[0]].group.order))

    def _may_join(self, waiting: Waiting, group: Group) -> bool:
        if waiting.author in group.authors() or len(group.members) >= GROUP_LIMIT:
            return False
        key = min(group.key, waiting.standing.place)
        moved = [waiting] if key < waiting.standing.place else group.members if key < group.key else []
        return all(self._may_stand(each, key) for each in moved)

    def _may_stand(self, waiting: Waiting, key: OrderKey) -> bool:
        """Tell whether a prompt may move up to a place without overtaking one of its own author."""
        return all(before.standing.place < key for before in self._own_order.before(waiting))

    def _part(self, waiting: Waiting, reason: str, changes: Changes) -> None:
        """Take a prompt out of its group, whose others keep its place."""
        group = waiting.group
        if len(group.members) == 1:
            self._leave_line(group)
            return
        was_leader = waiting is group.leader
        if was_leader or group.wording is not None:
            # What is asked was the wish of the one who goes, too: the others are looked at anew.
            self._leave_line(group)
            rest = sorted((member for member in group.members if member is not waiting), key=_own)
            ids = tuple(member.id for member in group.members)
            for member in rest:
                member.change(changes, merge=None)
                self._settle(member, changes)
        else:
            group.members.remove(waiting)
            rest, ids = [group.leader], (group.id, waiting.id)
        waiting.change(changes, merge=None)
        for member in rest:
            if len(member.group.members) == 1:
                member.change(changes, merge=None)
                others = tuple(other for other in ids if other != member.id)
                changes.told.append(Parted(member.prompt, others, None, reason))

    def _move(self, group: Group, key: OrderKey, changes: Changes) -> None:
        """Let a group stand at another place."""
        if key == group.key:
            return
        line = self._lines[group.key.rank]
        del line[bisect_left(line, group.order, key=_order)]
        group.key = key
        insort(self._lines[key.rank], group, key=_order)
        for member in group.members:
            member.change(changes, merge=member.prompt.merge, place=key)

    def _stand(self, group: Group) -> None:
        """Let a group wait in its line."""
        insort(self._lines[group.key.rank], group, key=_order)
        self._list(group)

    def _list(self, group: Group) -> None:
        """Let others find it by its leader's text, and by what is asked for it where a model has chosen another one."""
        if group.leader.features is not None:
            worded = (member.features for member in group.members[1:] if member.prompt.text == group.wording)
            self._index.add(group.id, group.leader.features, *(each for each in worded if each is not None))

    def _leave_line(self, group: Group) -> None:
        line = self._lines[group.key.rank]
        del line[bisect_left(line, group.order, key=_order)]
        self._index.remove(group.id)

    def _keep(self, waiting: Waiting) -> None:
        self._waiting[waiting.id] = waiting
        self._own_order.add(waiting)
        if waiting.deadline < NEVER:
            self._deadlines[waiting.id] = waiting.deadline


def _own(waiting: Waiting) -> OrderKey:
    return waiting.own


def _is_led(waiting: Waiting) -> tuple[bool, OrderKey]:
    merge = waiting.prompt.merge
    return merge is not None and merge.leader != waiting.id, waiting.own


def _order(group: Group) -> tuple[OrderKey, int]:
    return group.order


def _rank(match: Match) -> tuple[bool, float]:
    return match.stage is not Stage.SAME, -match.similarity
