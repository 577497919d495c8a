"""A queue of the core with people who ask, as the tests of merging and of its order use it."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from concordiad.core.batching import LOCAL, NEVER, NO_WINDOW, Queue, Window
from concordiad.core.groups import Changes, Joined, Parted
from concordiad.core.model import Author, AuthorKind, Prompt, Stage


def person(name: str) -> Author:
    """Make somebody, who is who the name says."""
    return Author(f"uid:{name}", name, AuthorKind.LOCAL)


class WaitingRoom:
    """
    A queue, its clock, and what was told.

    A prompt's id is its author's name and a number, so that `a1` is the first thing that `a` has asked.
    """

    def __init__(self, stages: Sequence[Stage] = LOCAL, window: Window = NO_WINDOW) -> None:
        self.queue = Queue(stages, window)
        self.now = 0.0
        self.told: list[Joined | Parted] = []
        self.rows: dict[str, Prompt] = {}
        self.away: list[tuple[Prompt, float]] = []
        self._numbers: dict[str, int] = {}

    def ask(self, who: str, text: str = "", *, expires_at: float = NEVER, is_hurried: bool = False, **more: Any) -> str:
        """Let somebody ask something, which by default is like nothing else; give the prompt's id."""
        number = self._numbers[who] = self._numbers.get(who, 0) + 1
        identity = f"{who}{number}"
        prompt = replace(Prompt(identity, "main", person(who), text or f"do {identity}", 0.0), **more)
        with self.noting() as changes:
            self.queue.add(prompt, self.now, changes, expires_at, is_hurried=is_hurried)
        return identity

    def cancel(self, identity: str) -> Prompt | None:
        """Take a prompt out for good."""
        with self.noting() as changes:
            return self.queue.remove(identity, "it is gone", changes)

    def split(self, identity: str, by: str = "") -> Prompt | None:
        """Take a prompt out of its group."""
        with self.noting() as changes:
            return self.queue.split(identity, person(by or identity[0]), changes)

    def undo(self, changes: Changes) -> None:
        """Take back what could not be recorded."""
        self.queue.undo(changes)

    def take(self) -> str:
        """Take the next turn, and give its prompts' ids."""
        self.away = self.queue.take(self.now)
        return " ".join(prompt.id for prompt, _ in self.away)

    def take_all(self) -> list[str]:
        """Take every turn."""
        turns = []
        while (turn := self.take()) != "":
            turns.append(turn)
        return turns

    def put_back(self) -> None:
        """Bring back what was taken last."""
        self.queue.put_back(self.away)
        self.away = []

    def turns(self) -> list[str]:
        """List the turns that wait, each by its prompts' ids."""
        turns: dict[int, list[str]] = {}
        for prompt, place in self.queue.prompts():
            turns.setdefault(place, []).append(prompt.id)
        assert list(turns) == list(range(1, len(turns) + 1))
        return [" ".join(turn) for turn in turns.values()]

    def prompt(self, identity: str) -> Prompt:
        """Find a waiting prompt."""
        prompt = self.queue.find(identity)
        assert prompt is not None
        return prompt

    def noting(self) -> "Noting":
        """Collect what a step changes."""
        return Noting(self)

    def restarted(self) -> "WaitingRoom":
        """Make another queue of what was recorded of this one."""
        later = WaitingRoom()
        later.queue = Queue(self.queue.stages, self.queue.window)
        later._numbers = dict(self._numbers)
        waiting = [self.rows[prompt.id] for prompt, _ in self.queue.prompts()]
        later.queue.begin(prompt.standing for prompt in waiting if prompt.standing is not None)
        for prompt in sorted(waiting, key=lambda each: each.merge is not None and each.merge.leader != each.id):
            later.queue.restore(prompt)
        later.rows = dict(self.rows)
        return later


class Noting:
    """What one step changes, kept by the room when it is over."""

    def __init__(self, room: WaitingRoom) -> None:
        self._room = room
        self._changes = Changes()

    def __enter__(self) -> Changes:
        """Give what is to be filled."""
        return self._changes

    def __exit__(self, *_: object) -> None:
        """Keep it."""
        self._room.rows |= self._changes.rows
        self._room.told += self._changes.told
