"""
Which agents that have failed start again at the same time: not all of them.

To start a program takes a processor for a while, a second for the real CLI. Where the agents of many rooms fall again
and again, or all at once, their starts would take every processor from the rooms whose agents are well. So they take
turns, on half of the processors. Whoever starts for the first time, or because a host wants it, waits for nobody.
"""

import os
from typing import Final

import trio

STARTING_S: Final = 5.0
"""The longest turn: an agent that takes longer to be ready mostly waits, and others may start beside it."""


class Turnstile:
    """
    So many places for those who start again.

    Args:
        places: how many; by default half of the processors that this process may use.
    """

    def __init__(self, places: int | None = None) -> None:
        self._limiter = trio.CapacityLimiter(places or max(1, len(os.sched_getaffinity(0)) // 2))

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return self._limiter.statistics().tasks_waiting

    async def enter(self) -> "Turn":
        """Wait for a turn, in the order of coming."""
        turn = Turn(self._limiter)
        await self._limiter.acquire_on_behalf_of(turn)
        return turn


class Turn:
    """A place that is had until it is left."""

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter = limiter
        self._is_over = False

    async def last_until(self, ready: trio.Event) -> None:
        """Keep the place until the agent is ready, and for no longer than a start may take others' time."""
        with trio.move_on_after(STARTING_S):
            await ready.wait()
        self.leave()

    def leave(self) -> None:
        """Let the next one in; once."""
        if not self._is_over:
            self._is_over = True
            self._limiter.release_on_behalf_of(self)
