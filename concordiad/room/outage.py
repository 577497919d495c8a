"""Telling a room that the journal cannot record, while that is so, and that it can again."""

import trio

from concordiad.core.views import members
from concordiad.journal.faults import Health
from concordiad.room.messages import Draft, Post


def _changed(state: str, reason: str | None, *, is_live: bool) -> Draft:
    return Draft("room.changed", members(state=state, reason=reason, by=None), is_live)


async def run_outage(health: Health, fanout: trio.MemorySendChannel[Post]) -> None:
    """
    Tell the room when the journal begins to fail, live, and when it has recovered, for the record.

    Owns: nothing. Ends when: it is cancelled.
    """
    with fanout:
        while True:
            await health.wait_until(is_well=False)
            began_at = trio.current_time()
            await fanout.send(Post([_changed("journal-failing", health.fault, is_live=True)], is_now=True))
            await health.wait_until(is_well=True)
            reason = f"the journal could not record for {trio.current_time() - began_at:.1f} s"
            await fanout.send(Post([_changed("journal-recovered", reason, is_live=False)], is_durable=True))
