"""Telling a room that the journal cannot record, while that is so, and that it can again."""

import math
from typing import Final

import trio

from concordiad.core.views import members
from concordiad.journal.faults import Health
from concordiad.room.to_fanout import Draft, Post

CALM_S: Final = 10.0
"""So seldom is a room told that the journal has recovered: where it fails again and again, that it does is enough."""


def _changed(state: str, reason: str | None, *, is_live: bool) -> Draft:
    return Draft("room.changed", members(state=state, reason=reason, by=None), is_live)


async def run_outage(health: Health, fanout: trio.MemorySendChannel[Post]) -> None:
    """
    Tell the room when the journal begins to fail, live, and when it has recovered, for the record.

    One that fails again soon after it has recovered has not recovered until that has lasted.

    Owns: nothing. Ends when: it is cancelled.
    """
    calm_at = -math.inf
    with fanout:
        while True:
            await health.wait_until(is_well=False)
            began_at = trio.current_time()
            await fanout.send(Post([_changed("journal-failing", health.fault, is_live=True)], is_now=True))
            ended_at = await _wait_until_well(health, calm_at)
            calm_at = trio.current_time() + CALM_S
            reason = f"the journal could not record for {ended_at - began_at:.1f} s"
            await fanout.send(Post([_changed("journal-recovered", reason, is_live=False)], is_durable=True))


async def _wait_until_well(health: Health, calm_at: float) -> float:
    """Wait until the journal records, and has done so until a time if that is to come; returns since when it does."""
    while True:
        await health.wait_until(is_well=True)
        since = trio.current_time()
        with trio.move_on_at(calm_at) as calm:
            await health.wait_until(is_well=False)
        if calm.cancelled_caught:
            return since
