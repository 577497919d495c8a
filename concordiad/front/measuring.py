"""
What the daemon and its rooms do, in figures: asked of every room, and shown to hosts.

Law: a room that does not answer in time costs only its own figures.
"""

from typing import Any, Final

import trio

import concordiad
from concordiad.core.model import Outcome
from concordiad.errors import RoomError
from concordiad.house.handle import House
from concordiad.room.handle import Measures, Room

PATIENCE_S: Final = 1.0
"""How long a room may take to say how it is."""
DIGITS: Final = 6
"""Digits of seconds: more is noise."""


async def gather(house: House) -> dict[str, Measures]:
    """Ask every room; returns within PATIENCE_S and a little, with those that have answered by then."""
    told: dict[str, Measures] = {}
    with trio.move_on_after(PATIENCE_S):
        async with trio.open_nursery() as asking:
            for room in house.rooms.values():
                asking.start_soon(_ask, room, told)
    return {name: told[name] for name in house.rooms if name in told}


async def _ask(room: Room, told: dict[str, Measures]) -> None:
    try:
        told[room.name] = await room.measure()
    except RoomError:
        # It ends.
        return


async def measures_view(house: House) -> dict[str, Any]:
    """Show what the daemon does, and each room that answers."""
    began_at = trio.current_time()
    await trio.lowlevel.checkpoint()
    # One pass of the loop: everybody who was ready has had a turn.
    lag_s = trio.current_time() - began_at
    health = house.journal.health
    daemon = {
        "version": concordiad.__version__,
        "uptime_s": house.uptime_s,
        "loop_lag_s": round(lag_s, DIGITS),
        "journal_fault": health.fault,
        "commits": sum(health.commits.counts),
        "commit_p50_s": health.commits.quantile(0.5),
        "commit_p99_s": health.commits.quantile(0.99),
    }
    return {"daemon": daemon, "rooms": [_view(name, each) for name, each in (await gather(house)).items()]}


def _view(name: str, room: Measures) -> dict[str, Any]:
    turns = room.turns
    return {
        "name": name,
        "state": room.state,
        "agent_up": room.is_agent_up,
        "agent_restarts": room.restarts,
        "waiting": room.waiting,
        "oldest_s": round(room.oldest_s, DIGITS),
        "approvals": room.approvals,
        "guests": room.guests,
        "detached": room.detached,
        "followers": room.followers,
        "prompts": room.merging.prompts,
        "merged": room.merging.same + room.merging.near + room.merging.meaning,
        "outcomes": {outcome.value: turns.outcomes[outcome] for outcome in Outcome},
        "duration_p50_s": turns.durations.quantile(0.5),
        "duration_p95_s": turns.durations.quantile(0.95),
        "ttft_p50_s": turns.first_outputs.quantile(0.5),
        "ttft_p95_s": turns.first_outputs.quantile(0.95),
        "input_tokens": turns.input_tokens,
        "output_tokens": turns.output_tokens,
        "cost_usd": round(turns.cost_usd, 10),
        "api_retries": turns.api_retries,
    }
