"""
The agent that an earlier run of the daemon has left running in a room, if the next run can go on with it.

Law: an agent is taken over whole or not at all: with its descriptors, its conversation, and what was known of it. Any
other one is ended before the room has a new one.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog
import trio

from concordiad.agent.spec import AgentSpec
from concordiad.agent.spool import remove_spool
from concordiad.agent.unit import end_unit
from concordiad.core.model import AgentSession, Prompt, Turn
from concordiad.core.turns import WriterState
from concordiad.journal import Journal
from concordiad.journal.changes import Heard
from concordiad.journal.incarnations import read_approvals, read_heard, read_held, read_session
from concordiad.journal.prompts import read_prompts_of
from concordiad.journal.sums import RowDamaged
from concordiad.journal.turns import read_running_turns, read_turn
from concordiad.ops.store import DescriptorStore
from concordiad.room.holding import Holding, Inherited

_log = structlog.get_logger("concordiad.room")


class Keeping(msgspec.Struct, frozen=True):
    """
    What lets agents outlive the daemon.

    Attributes:
        store: where their descriptors are kept.
        spools: the directory of their outputs.
        leaving: set when the daemon stops and is to leave them running.
    """

    store: DescriptorStore
    spools: Path
    leaving: trio.Event = msgspec.field(default_factory=trio.Event)


class Place(msgspec.Struct, frozen=True):
    """The place of one agent in the store."""

    _store: DescriptorStore
    _room: str
    _incarnation: str

    async def keep(self, descriptors: Mapping[str, int]) -> bool:
        """Store its descriptors; tells whether the service manager has them."""
        return await self._store.keep(self._room, self._incarnation, descriptors)

    def forget_input(self) -> None:
        """Have the service manager close its stdin."""
        self._store.forget_input(self._room, self._incarnation)


class Heritage(msgspec.Struct, frozen=True):
    """What is taken over."""

    session: AgentSession
    incarnation: str
    heard: Heard
    inherited: Inherited
    descriptors: dict[str, int]
    place: Place


async def find_heritage(
    keeping: Keeping | None, room: str, spec: AgentSpec, journal: Journal, grace_s: float
) -> Heritage | None:
    """Find the agent of a room that goes on; what came back besides is ended."""
    if keeping is None:
        await trio.lowlevel.checkpoint()
        return None
    heritage = await _find(keeping, room, spec, journal)
    for incarnation, descriptors in keeping.store.take_others(room):
        await give_up(keeping, room, incarnation, descriptors, grace_s)
    return heritage


async def give_up(keeping: Keeping, room: str, incarnation: str, descriptors: dict[str, int], grace_s: float) -> None:
    """End an agent of an earlier run that nobody can go on with."""
    _log.warning("agent_not_taken_over", room=room, incarnation=incarnation, parts=sorted(descriptors))
    await end_unit(descriptors, grace_s)
    keeping.store.drop(room, incarnation)
    remove_spool(keeping.spools, incarnation)


async def _find(keeping: Keeping, room: str, spec: AgentSpec, journal: Journal) -> Heritage | None:
    session = await journal.read(read_session, room)
    if session is None or session.incarnation is None or session.kind != spec.kind:
        return None
    held = await journal.read(read_held, room, session.incarnation)
    if held is None:
        return None
    try:
        holding = msgspec.json.decode(held.holding, type=Holding)
    except msgspec.MsgspecError:
        # Another version of Concordia wrote it.
        return None
    if holding.state in (WriterState.DOWN, WriterState.STARTING):
        return None
    turns = await _read_turns(room, session.incarnation, holding, journal)
    heard = await journal.read(read_heard, room, session.incarnation)
    if turns is None or heard is None:
        return None
    approvals = await journal.read(read_approvals, room)
    descriptors = keeping.store.take(room, session.incarnation)
    if descriptors is None:
        return None
    inherited = Inherited(held.facts, holding, turns, approvals, is_outdated=holding.likeness != spec.likeness)
    place = Place(keeping.store, room, session.incarnation)
    return Heritage(session, session.incarnation, heard, inherited, descriptors, place)


async def _read_turns(
    room: str, incarnation: str, holding: Holding, journal: Journal
) -> list[tuple[Turn, list[Prompt]]] | None:
    """Read the turns that are with the agent; None where a damaged journal has lost something of them."""
    turns = [
        (turn, await journal.read(read_prompts_of, turn.prompts))
        for turn in await journal.read(read_running_turns, room)
        if turn.incarnation == incarnation
    ]
    known = {turn.id for turn, _ in turns}
    for progress in holding.turns:
        # One that has ended by then is known to have: the agent was lost, or has not taken its line.
        if progress.turn not in known and not await _has_turn(progress.turn, journal):
            return None
    return None if any(len(prompts) < len(turn.prompts) for turn, prompts in turns) else turns


async def _has_turn(turn: str, journal: Journal) -> bool:
    try:
        return await journal.read(read_turn, turn) is not None
    except RowDamaged:
        return False
