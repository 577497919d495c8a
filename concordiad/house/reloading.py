"""How another configuration comes into force: first found out whole, then carried out, room by room."""

from collections.abc import Mapping, Sequence
from typing import Final

import trio
from msgspec import Struct
from msgspec.structs import replace

from concordiad.config.tables import Config
from concordiad.errors import ConfigError, RoomError
from concordiad.house.commands import Reload, Reloaded
from concordiad.house.housekeeper import Housekeeper, Starter
from concordiad.house.setup import HouseSetup, make_room_setup, make_row, read_known
from concordiad.room.setup import RoomSetup

AT_RESTART: Final = ("control", "guests", "gemini", "metrics", "traces", "journal")
"""Tables of what is bound or accepted once, at the start."""


class Plan(Struct, frozen=True):
    """What a new configuration comes to: how each room is to be, and which rooms are no more."""

    config: Config
    setups: Mapping[str, RoomSetup]
    removed: Sequence[str]


class Reloader:
    """What has the housekeeper go by another configuration."""

    def __init__(self, setup: HouseSetup, housekeeper: Housekeeper) -> None:
        self._setup = setup
        self._housekeeper = housekeeper
        self._replacing: dict[str, RoomSetup | None] = {}
        """What each room that drains for this is to be then; None: no room."""

    async def reload(self, command: Reload, start: Starter, tasks: trio.Nursery) -> None:
        """Go by another configuration; one of which a room cannot be opened changes nothing."""
        try:
            plan = await self._prepare(command.config)
        except ConfigError as error:
            command.reply.answer(RoomError.conflict(str(error)))
        else:
            command.reply.answer(await self._carry_out(plan, start, tasks))

    async def _prepare(self, config: Config) -> Plan:
        """
        Find out what a new configuration changes, while nothing is changed yet.

        Raises:
            ConfigError: a room of it cannot be opened.
        """
        known = await read_known(self._setup.journal)
        present = self._housekeeper.open
        rows = {name: opened.setup.row for name, opened in present.items() if opened.setup.row.is_created}
        rows |= {name: make_row(name, room, known) for name, room in config.rooms.items()}
        setups = {name: await make_room_setup(self._setup, row, config) for name, row in rows.items()}
        return Plan(config, setups, [name for name in present if name not in setups])

    async def _carry_out(self, plan: Plan, start: Starter, tasks: trio.Nursery) -> Reloaded:
        """Take a new configuration into force; rooms that it changes go on once what runs in them has ended."""
        before, self._housekeeper.config = self._housekeeper.config, plan.config
        changed = [name for name, setup in plan.setups.items() if self._is_another(name, setup)]
        added = [name for name in plan.setups if name not in self._housekeeper.open]
        for name in added:
            await self._housekeeper.begin(plan.setups[name], start)
        for name in (*plan.removed, *changed):
            is_on_its_way = name in self._replacing
            self._replacing[name] = plan.setups.get(name)
            if not is_on_its_way:
                tasks.start_soon(self._replace, name, start)
        at_restart = [name for name in AT_RESTART if getattr(before, name) != getattr(plan.config, name)]
        return Reloaded(added, plan.removed, changed, at_restart)

    def _is_another(self, name: str, setup: RoomSetup) -> bool:
        """Tell whether an open room would be changed, also one that is being replaced already."""
        if name not in self._housekeeper.open:
            return False
        present = self._replacing.get(name, self._housekeeper.open[name].setup)
        return present is None or not setup.is_like(present)

    async def _replace(self, name: str, start: Starter) -> None:
        """End a room as at the daemon's end, so that what waits goes on waiting, and open it anew if it is to be."""
        opened = self._housekeeper.open[name]
        await opened.end()
        known = await read_known(self._setup.journal)
        # What is wanted by now: yet another configuration may have come while the room drained.
        setup = self._replacing.pop(name)
        if self._housekeeper.open.get(name) is not opened or (name in known and known[name].is_closed):
            # Somebody has closed it for good meanwhile; who has, forgets it.
            return
        self._housekeeper.forget(opened)
        if setup is not None and not self._setup.closing.is_set():
            is_paused = name in known and known[name].is_paused
            row = replace(setup.row, is_paused=is_paused)
            await self._housekeeper.begin(replace(setup, row=row, is_changed=True), start)
