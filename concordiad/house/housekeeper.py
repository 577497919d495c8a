"""
What opens and closes rooms.

Laws: a created room is durable before it is opened and is opened again at every start until somebody closes it; a room
that fails to open is no reason for another not to.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio
from msgspec.structs import replace

from concordiad.config.tables import ROOM_NAME, Config
from concordiad.core.model import PromptState, RoomRow
from concordiad.errors import ConfigError, JournalStalled, RoomError
from concordiad.house.commands import Close, Create
from concordiad.house.handle import Unopened
from concordiad.house.setup import HouseSetup, make_room_setup, make_row, read_known
from concordiad.journal.changes import Change, Transaction
from concordiad.journal.faults import RETRY_S
from concordiad.journal.people import read_guestbook
from concordiad.journal.prompts import read_prompts_in
from concordiad.journal.rooms import is_room_closed
from concordiad.room import run_room
from concordiad.room.handle import Room
from concordiad.room.heritage import give_up
from concordiad.room.setup import RoomSetup

_log = structlog.get_logger("concordiad.house")


class OpenRoom:
    """One room's task, and the way to tell it to end."""

    def __init__(self, setup: RoomSetup) -> None:
        self.setup = setup
        self.ended = trio.Event()

    async def run(self, task_status: trio.TaskStatus[Room]) -> None:  # noqa: ASYNC128  # run_room tells it
        """Serve until the room is closed."""
        await run_room(self.setup, task_status=task_status)
        self.ended.set()

    async def end(self) -> None:
        """Let the room drain; returns once it has ended."""
        self.setup.closing.set()
        await self.ended.wait()


Starter = Callable[[OpenRoom], Awaitable[Room]]
"""Starts a room's task and returns once the room serves."""


class Housekeeper:
    """
    Which rooms are open.

    Args:
        rooms: the mapping behind House.rooms.
        unopened: the mapping behind House.unopened.

    Attributes:
        config: the configuration in force.
        open: the rooms that were begun and have not ended, by name.
    """

    def __init__(
        self, setup: HouseSetup, config: Config, rooms: dict[str, Room], unopened: dict[str, Unopened]
    ) -> None:
        self.setup = setup
        self.config = config
        self.rooms = rooms
        self.open: dict[str, OpenRoom] = {}
        self._unopened = unopened
        self._journal = setup.journal
        self._looking = trio.CancelScope()
        """Around the look at a room's agent, while the daemon starts."""

    async def open_all(self, start: Starter) -> None:
        """
        Open the configuration's rooms and the created ones.

        Once the daemon is told to stop no other is opened: those stay, with the agents that were kept for them, as the
        run before has left them.

        Raises:
            ConfigError: a room of the configuration cannot be opened.
        """
        known = await read_known(self._journal)
        for name, room in self.config.rooms.items():
            await self._open_room(make_row(name, room, known), start)
        for row in known.values():
            if row.is_created and not row.is_closed and row.name not in self.config.rooms:
                try:
                    await self._open_room(row, start)
                except ConfigError as error:
                    self._unopened[row.name] = Unopened(row, str(error))
                    _log.error("room_not_opened", room=row.name, why=str(error))
        keeping = self.setup.keeping
        if keeping is not None and not self.setup.closing.is_set():
            # Of rooms that are no more.
            for left in keeping.store.take_rest():
                await give_up(keeping, *left, self.config.graces.kill_s)

    async def create(self, command: Create, start: Starter) -> None:
        """Open a room by command."""
        try:
            room = await self._create(command.row, start)
        except ConfigError as error:
            command.reply.answer(RoomError.conflict(str(error)))
        except RoomError as error:
            command.reply.answer(error)
        except JournalStalled as error:
            command.reply.answer(RoomError.not_now(str(error), retry_after_s=RETRY_S))
        else:
            command.reply.answer(room)

    async def _create(self, row: RoomRow, start: Starter) -> Room:
        if not ROOM_NAME.fullmatch(row.name):
            raise RoomError.invalid("name", f"{row.name[:40]!r}: a room's name has 1 to 32 of a-z, 0-9 and -")
        if row.name in self.open:
            raise RoomError.conflict(f"there is a room {row.name} already: choose another name, or close it first")
        if row.agent not in self.config.agents:
            known = ", ".join(sorted(self.config.agents))
            raise RoomError.invalid("agent", f"there is no agent {row.agent[:40]!r} in the configuration: {known}")
        setup = await make_room_setup(self.setup, row, self.config)
        await self._record_opened(row, is_refusable=True)
        room = await self.begin(setup, start)
        self._unopened.pop(row.name, None)
        return room

    async def close(self, command: Close) -> None:
        """Close a room by command; returns once it has ended."""
        try:
            command.reply.answer(await self._close(command))
        except RoomError as error:
            command.reply.answer(error)

    async def _close(self, command: Close) -> int:
        """
        Close a room, and return how many of its prompts were cancelled.

        Raises:
            RoomError: there is none; or it is closed, but that its invites are over is not recorded yet.
        """
        if command.room in self._unopened:
            return await self._give_up(command.room)
        opened = self.open.get(command.room)
        room = self.rooms.get(command.room)
        if opened is None or room is None:
            raise RoomError.not_found(f"there is no room {command.room[:40]!r}")
        row = replace(opened.setup.row, is_closed=True)
        cancelled = await room.cancel_all(row, command.by)
        late: RoomError | None = None
        try:
            # A room that is opened under this name later is another one, to which nobody has been invited yet.
            await room.end_invites(command.by)
        except RoomError as error:
            # It is closed already: nothing could be refused any more.
            late = error
        await opened.end()
        self.forget(opened)
        if late is not None:
            raise RoomError(late.code, f"room {command.room} is closed, and nobody is invited any more: {late}")
        return cancelled

    async def _give_up(self, name: str) -> int:
        """Close a room that could not be opened; nobody follows it, so its prompts end in the ledger alone."""
        waiting = await self._journal.read(read_prompts_in, name, [PromptState.WAITING])
        ended = [replace(prompt, state=PromptState.CANCELLED) for prompt in waiting]
        row = replace(self._unopened[name].row, is_closed=True)
        try:
            await self._journal.record(Transaction(name, changes=[*ended, row], is_durable=True, is_refusable=True))
        except JournalStalled as error:
            raise RoomError.not_now(str(error), retry_after_s=RETRY_S) from error
        del self._unopened[name]
        return len(ended)

    def forget(self, opened: OpenRoom) -> None:
        """Have a room that has ended be open no more; another one of its name stays."""
        name = opened.setup.name
        if self.open.get(name) is opened:
            self.rooms.pop(name, None)
            del self.open[name]

    def close_all(self) -> None:
        """Let every room drain."""
        for opened in self.open.values():
            opened.setup.closing.set()

    async def _open_room(self, row: RoomRow, start: Starter) -> None:
        if self.setup.closing.is_set():
            return
        with trio.CancelScope() as self._looking:
            setup = await make_room_setup(self.setup, row, self.config)
        if not self._looking.cancelled_caught:
            await self.begin(setup, start)

    async def look_no_more_when_closing(self) -> None:
        """
        Have the start not wait for an agent's program when the daemon is told to stop.

        Owns: nothing. Ends when: the daemon is told to stop, or it is cancelled.
        """
        await self.setup.closing.wait()
        self._looking.cancel()

    async def _record_opened(self, row: RoomRow, *, is_refusable: bool) -> None:
        """
        Record a room that is opened, and that nobody is invited any more who was to a closed one of its name.

        Their invites ended with that room, but this may not be recorded: the daemon was killed before it could be, or
        the room could not be opened.

        Raises:
            JournalStalled: the journal cannot record for now, and may refuse.
        """
        changes: list[Change] = [row]
        if await self._journal.read(is_room_closed, row.name):
            now = self.setup.now()
            invites, guests = await self._journal.read(read_guestbook, row.name, now)
            changes += [replace(invite, revoked_at=now) for invite in invites]
            changes += [replace(guest, here_since=None) for guest in guests if guest.here_since is not None]
        await self._journal.record(Transaction(row.name, changes=changes, is_durable=True, is_refusable=is_refusable))

    async def begin(self, setup: RoomSetup, start: Starter) -> Room:
        """Open a room for which everything is there; returns once it serves."""
        workdir = setup.spec.workdir
        others = [name for name, room in self.rooms.items() if room.setup.spec.workdir == workdir]
        if others:
            _log.warning("rooms_share_directory", rooms=[*others, setup.name], workdir=str(workdir))
        opened = OpenRoom(setup)
        self.open[setup.name] = opened
        if await self._journal.read(is_room_closed, setup.name):
            # One of the configuration, which comes back at a start or a reload.
            await self._record_opened(setup.row, is_refusable=False)
        room = await start(opened)
        self.rooms[setup.name] = room
        return room
