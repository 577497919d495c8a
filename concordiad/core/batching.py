"""
Who waits where: the order of the waiting prompts, their places, their expiry, and the limit.

Laws: a prompt's place depends on priority first and on arrival second; a prompt that comes back from a turn that never
began takes its old place; nothing here forgets a prompt that it was not told to forget.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Final, NamedTuple

from concordiad.core.model import Priority, Prompt

RANK: Final = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
NEVER: Final = float("inf")


class _Waiting(NamedTuple):
    rank: int
    arrival: int
    deadline: float
    prompt: Prompt


class Queue:
    """
    The prompts of one room that wait, next first.

    Deadlines are monotonic seconds, so that a jump of the wall clock expires nothing.
    """

    def __init__(self) -> None:
        self._order: list[_Waiting] = []
        self._arrivals: dict[str, int] = {}
        self._next_arrival = 0

    def copy(self) -> "Queue":
        """Make another one that is as this one is now."""
        twin = Queue()
        twin._order, twin._arrivals, twin._next_arrival = self._order.copy(), self._arrivals.copy(), self._next_arrival
        return twin

    def __len__(self) -> int:
        """Count the prompts that wait."""
        return len(self._order)

    def add(self, prompt: Prompt, deadline: float = NEVER) -> int:
        """Let a prompt wait; return its place, 1 for the next one. One that was here before takes its old place."""
        arrival = self._arrivals.get(prompt.id)
        if arrival is None:
            arrival, self._next_arrival = self._next_arrival, self._next_arrival + 1
        self._arrivals[prompt.id] = arrival
        waiting = _Waiting(RANK[prompt.priority], arrival, deadline, prompt)
        insort(self._order, waiting, key=lambda entry: entry[:2])
        return self._order.index(waiting) + 1

    def take(self) -> tuple[Prompt, float] | None:
        """Take the next prompt away to be handed over, with its deadline in case that it comes back."""
        if not self._order:
            return None
        waiting = self._order.pop(0)
        return waiting.prompt, waiting.deadline

    def forget(self, prompts: Iterable[str]) -> None:
        """Forget the old places of prompts that will not come back."""
        for prompt in prompts:
            self._arrivals.pop(prompt, None)

    def remove(self, prompt_id: str) -> Prompt | None:
        """Take a prompt out; None if it does not wait here."""
        for index, waiting in enumerate(self._order):
            if waiting.prompt.id == prompt_id:
                del self._order[index]
                self._arrivals.pop(prompt_id, None)
                return waiting.prompt
        return None

    def expire(self, now: float) -> list[Prompt]:
        """Take out every prompt whose deadline has come."""
        expired = [waiting.prompt for waiting in self._order if waiting.deadline <= now]
        self._order = [waiting for waiting in self._order if waiting.deadline > now]
        self.forget(prompt.id for prompt in expired)
        return expired

    def next_deadline(self) -> float:
        """Tell when the next prompt expires; NEVER if none does."""
        return min((waiting.deadline for waiting in self._order), default=NEVER)

    def prompts(self) -> list[Prompt]:
        """List the waiting prompts by place."""
        return [waiting.prompt for waiting in self._order]

    def place(self, prompt_id: str) -> int | None:
        """Tell a prompt's place, 1 for the next one; None if it does not wait here."""
        for index, waiting in enumerate(self._order, 1):
            if waiting.prompt.id == prompt_id:
                return index
        return None

    def find(self, prompt_id: str) -> Prompt | None:
        """Find a waiting prompt."""
        return next((waiting.prompt for waiting in self._order if waiting.prompt.id == prompt_id), None)
