"""What a room is made of: its row, the agent that is found for it, and what the house has for every room."""

from collections.abc import Callable
from pathlib import Path

import trio
from attrs import evolve
from msgspec import Struct, field

from concordiad.agent.spec import AgentSpec
from concordiad.config.tables import Agent, Config
from concordiad.config.tables import Room as RoomConfig
from concordiad.core.model import RoomRow
from concordiad.errors import ConfigError
from concordiad.journal import Journal
from concordiad.journal.rooms import read_rooms
from concordiad.meaning import Grouper
from concordiad.ops.threads import in_thread, long_in_thread
from concordiad.room.heritage import Keeping
from concordiad.room.setup import RoomSetup
from concordiad.room.turnstile import Turnstile

SpecMaker = Callable[[str, Agent, Path], AgentSpec]
"""Makes an agent's specification; blocks, and raises ConfigError."""


class HouseSetup(Struct, frozen=True):
    """
    What is the same for every room, and stays as it is while the daemon runs.

    Attributes:
        make_spec: finds an agent's program and checks it.
        closing: set when the daemon stops.
        hurry: set when nothing has any grace any more.
        grouper: the language model that tells which prompts mean the same, if there is one.
        keeping: what lets agents outlive the daemon; None where they do not.
        turnstile: where agents that start again after a failure take turns.
    """

    journal: Journal
    make_spec: SpecMaker
    new_id: Callable[[], str]
    now: Callable[[], float]
    closing: trio.Event
    hurry: trio.Event
    grouper: Grouper | None = None
    keeping: Keeping | None = None
    turnstile: Turnstile = field(default_factory=Turnstile)


async def read_known(journal: Journal) -> dict[str, RoomRow]:
    """Read the rooms that the journal knows, by name."""
    return {row.name: row for row in await journal.read(read_rooms)}


def make_row(name: str, room: RoomConfig, known: dict[str, RoomRow]) -> RoomRow:
    """Make the row of a room of the configuration; it is paused if the journal knows it as that."""
    return RoomRow(
        name=name,
        workdir=str(Path(room.workdir).expanduser().absolute()),
        agent=room.agent,
        model=room.model,
        permission_mode=room.permission_mode,
        idle_s=room.idle_s,
        after_crash=room.after_crash,
        is_paused=name in known and known[name].is_paused,
    )


async def make_room_setup(house: HouseSetup, row: RoomRow, config: Config) -> RoomSetup:
    """
    Find out all that a room needs to be opened.

    Raises:
        ConfigError: its directory or its agent is not there.
    """
    return RoomSetup(
        row=row,
        spec=await _make_spec(house.make_spec, row, config),
        limits=config.limits,
        graces=config.graces,
        merging=config.merging_of(row.name),
        journal=house.journal,
        new_id=house.new_id,
        now=house.now,
        closing=trio.Event(),
        hurry=house.hurry,
        turnstile=house.turnstile,
        grouper=house.grouper,
        judgement_s=0.0 if config.gemini is None else config.gemini.deadline_s,
        keeping=house.keeping,
    )


async def _make_spec(make_spec: SpecMaker, row: RoomRow, config: Config) -> AgentSpec:
    workdir = Path(row.workdir)
    agent = config.agents.get(row.agent)
    # What an agent's own unit may see is not for the daemon to look at.
    if agent is None or agent.socket is None:
        try:
            is_directory = await in_thread(workdir.is_dir)
        except OSError as error:
            # It is above all that another user's directories are closed to us.
            raise ConfigError(f"room {row.name}: its workdir {workdir} cannot be used: {error.strerror}") from error
        if not is_directory:
            raise ConfigError(f"room {row.name}: its workdir {workdir} is no directory: create it, or name another one")
    if agent is None:
        known = ", ".join(sorted(config.agents))
        raise ConfigError(
            f"room {row.name}: its agent {row.agent!r} is not in the configuration any more, which has {known}:"
            f" add a table [agents.{row.agent}], or close the room"
        )
    agent = evolve(agent, model=row.model or agent.model, permission_mode=row.permission_mode or agent.permission_mode)
    # Who stops the daemon does not wait for what an agent's unit answers. It would not come: systemd starts no such
    # unit while it stops the daemon. What is the daemon's child is waited for, so that it is not left behind.
    is_elsewhere = agent.socket is not None
    return await long_in_thread(make_spec, row.agent, agent, workdir, abandon_on_cancel=is_elsewhere)
