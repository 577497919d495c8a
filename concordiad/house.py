"""
The rooms of one daemon: opened from the configuration and the journal, created and closed by command.

Laws: one task opens and closes rooms, so that no two are opened under one name; a created room is durable before it is
opened and is opened again at every start until somebody closes it; a room that fails to open is no reason for another
not to.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import trio
from attrs import evolve
from msgspec import Struct, field
from msgspec.structs import replace

from concordiad.agent.spec import AgentSpec
from concordiad.config import ROOM_NAME, Agent, Config
from concordiad.config import Room as RoomConfig
from concordiad.core.links import Links
from concordiad.core.model import Author, PromptState, RoomRow, rfc3339
from concordiad.errors import ConfigError, JournalStalled, RoomError
from concordiad.journal import RETRY_S, Journal
from concordiad.journal.changes import Change, Prune, Transaction
from concordiad.journal.events import first_seq
from concordiad.journal.people import read_guestbook
from concordiad.journal.prompts import read_prompts_in
from concordiad.journal.pruning import find_prune_seq
from concordiad.journal.rooms import is_room_closed, read_recorded_rooms, read_rooms
from concordiad.meaning import Grouper
from concordiad.ops.clock import since_boot
from concordiad.ops.ids import IdFactory
from concordiad.ops.log import Log
from concordiad.ops.threads import in_thread, long_in_thread
from concordiad.room import run_room
from concordiad.room.handle import Room
from concordiad.room.heritage import Keeping, give_up
from concordiad.room.messages import Reply, ask, serve
from concordiad.room.setup import RoomSetup

COMMANDS: Final = 64
"""Commands about rooms that may wait: opening one takes a second or two."""
PRUNE_EVERY_S: Final = 3600.0
PRUNE_STEP: Final = 2000
"""Events forgotten in one transaction: a few milliseconds of the journal's time."""
DAY_S: Final = 86400.0

_log = structlog.get_logger("concordiad.house")

SpecMaker = Callable[[str, Agent, Path], AgentSpec]
"""Makes an agent's specification; blocks, and raises ConfigError."""


class Create(Struct, frozen=True):
    """Open a room that does not exist yet."""

    row: RoomRow
    by: Author
    reply: Reply[Room]


class Close(Struct, frozen=True):
    """Cancel what waits in a room, let what runs end, and close it."""

    room: str
    by: Author
    reply: Reply[int]


class Pruned(NamedTuple):
    """What a room has forgotten: so many events, and the number of the first one that it still has."""

    room: str
    events: int
    first_seq: int


class PruneNow(Struct, frozen=True):
    """Forget what ended longer ago than seconds, and the oldest events beyond bytes, in some rooms or in all."""

    rooms: Sequence[str]
    older_than_s: float | None
    keep_bytes: int | None
    reply: Reply[list[Pruned]]


class Reloaded(NamedTuple):
    """What a new configuration has changed: rooms by name, and the tables that only a restart brings into force."""

    opened: Sequence[str] = ()
    closed: Sequence[str] = ()
    changed: Sequence[str] = ()
    at_restart: Sequence[str] = ()


class Reload(Struct, frozen=True):
    """Go by another configuration; answered at once, rooms that it changes drain first and are opened anew."""

    config: Config
    reply: Reply[Reloaded]


Command = Create | Close | Reload | PruneNow

AT_RESTART: Final = ("control", "guests", "gemini", "metrics", "traces", "journal")
"""Tables of what is bound or accepted once, at the start."""


class Unopened(Struct, frozen=True):
    """A created room that could not be opened, and why; it is tried again at the next start, until it is closed."""

    row: RoomRow
    reason: str


class House(Struct, frozen=True):
    """
    What everybody else has of the rooms.

    Attributes:
        rooms: the open ones by name; only `run_house` changes it.
        state_dir: where the journal is.
        started_at: Unix seconds.
        ended: set when the daemon stops and every room has ended.
        page_url: what the links of invites begin with; None where there is no door for guests.
        unopened: created rooms that could not be opened, by name; only `run_house` changes it.
        links: who may read the statistics over HTTP; made and found in single synchronous steps.
        log: the daemon's log.
        new_id: makes ids.
    """

    rooms: Mapping[str, Room]
    journal: Journal
    _find_config: Callable[[], Config]
    state_dir: Path
    started_at: float
    ended: trio.Event
    _commands: trio.MemorySendChannel[Command]
    page_url: str | None = None
    unopened: Mapping[str, "Unopened"] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    log: Log = field(default_factory=Log)
    new_id: Callable[[], str] = field(default_factory=IdFactory)
    _began_at: float = field(default_factory=since_boot)

    @property
    def uptime_s(self) -> float:
        """How long the daemon has been up, whatever the wall clock says."""
        return round(since_boot() - self._began_at, 3)

    @property
    def config(self) -> Config:
        """The configuration in force; another one after a reload."""
        return self._find_config()

    async def reload(self, config: Config) -> Reloaded:
        """Go by another configuration. Raises RoomError: a room of it cannot be opened, and nothing was changed."""
        return await ask(self._commands, lambda reply: Reload(config, reply))

    async def create(self, row: RoomRow, by: Author) -> Room:
        """Open a new room; returns once it serves. Raises RoomError."""
        return await ask(self._commands, lambda reply: Create(row, by, reply))

    async def set_paused(self, room: Room, by: Author, *, is_paused: bool) -> None:
        """Hold a room's waiting prompts back and refuse new ones, or go on; kept over a restart. Raises RoomError."""
        await room.set_paused(replace(room.setup.row, is_paused=is_paused), by)

    def warnings_of(self, room: Room) -> list[str]:
        """Say what is unwise about a room as it is."""
        others = [
            other.name
            for other in self.rooms.values()
            if other is not room and other.setup.spec.workdir == room.setup.spec.workdir
        ]
        if not others:
            return []
        who = f"room {others[0]} works" if len(others) == 1 else f"rooms {', '.join(others)} work"
        return [f"{who} in {room.setup.spec.workdir} too: their agents may undo each other's work"]

    async def close(self, room: str, by: Author) -> int:
        """Close a room; returns how many waiting prompts were cancelled, once it has ended. Raises RoomError."""
        return await ask(self._commands, lambda reply: Close(room, by, reply))

    async def prune(self, rooms: Sequence[str], older_than_s: float | None, keep_bytes: int | None) -> list[Pruned]:
        """Forget what is old, in some rooms or in all; returns once that is recorded. Raises RoomError."""
        return await ask(self._commands, lambda reply: PruneNow(rooms, older_than_s, keep_bytes, reply))


class _OpenRoom:
    """One room's task, and the way to tell it to end."""

    def __init__(self, setup: RoomSetup) -> None:
        self.setup = setup
        self.ended = trio.Event()

    async def run(self, task_status: trio.TaskStatus[Room]) -> None:  # noqa: ASYNC128  # run_room tells it
        """Serve until the room is closed."""
        await run_room(self.setup, task_status=task_status)
        self.ended.set()


def make_row(name: str, room: RoomConfig) -> RoomRow:
    """Make the row of a room of the configuration."""
    return RoomRow(
        name=name,
        workdir=str(Path(room.workdir).expanduser().absolute()),
        agent=room.agent,
        model=room.model,
        permission_mode=room.permission_mode,
        idle_s=room.idle_s,
        after_crash=room.after_crash,
    )


class Housekeeper:
    """
    What opens and closes rooms.

    Args:
        rooms: the mapping behind House.rooms.
        make_spec: finds an agent's program and checks it.
        closing: set when the daemon stops.
        hurry: set when nothing has any grace any more.
        unopened: the mapping behind House.unopened.
        grouper: the language model that tells which prompts mean the same, if there is one.
        keeping: what lets agents outlive the daemon; None where they do not.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        rooms: dict[str, Room],
        make_spec: SpecMaker,
        new_id: Callable[[], str],
        now: Callable[[], float],
        closing: trio.Event,
        hurry: trio.Event,
        unopened: dict[str, Unopened],
        grouper: Grouper | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        self._keeping = keeping
        self._unopened = unopened
        self._grouper = grouper
        self.config = config
        self._journal = journal
        self._rooms = rooms
        self._make_spec = make_spec
        self._new_id = new_id
        self._now = now
        self._started_at = now() - since_boot()
        self._closing = closing
        self._hurry = hurry
        self._open: dict[str, _OpenRoom] = {}
        self._replacing: dict[str, RoomSetup | None] = {}
        self._looking = trio.CancelScope()
        """Around the look at a room's agent, while the daemon starts."""

    async def open_all(self, start: "Starter") -> None:
        """
        Open the configuration's rooms and the created ones.

        Once the daemon is told to stop no other is opened: those stay, with the agents that were kept for them, as the
        run before has left them.

        Raises:
            ConfigError: a room of the configuration cannot be opened.
        """
        known = {row.name: row for row in await self._journal.read(read_rooms)}
        for name, room in self.config.rooms.items():
            is_paused = name in known and known[name].is_paused
            await self._open_room(replace(make_row(name, room), is_paused=is_paused), start)
        for row in known.values():
            if row.is_created and not row.is_closed and row.name not in self.config.rooms:
                try:
                    await self._open_room(row, start)
                except ConfigError as error:
                    self._unopened[row.name] = Unopened(row, str(error))
                    _log.error("room_not_opened", room=row.name, why=str(error))
        if self._keeping is not None and not self._closing.is_set():
            # Of rooms that are no more.
            for left in self._keeping.store.take_rest():
                await give_up(self._keeping, *left, self.config.graces.kill_s)

    async def prepare_reload(self, config: Config) -> "Plan":
        """
        Find out what a new configuration changes, while nothing is changed yet.

        Raises:
            ConfigError: a room of it cannot be opened.
        """
        known = {row.name: row for row in await self._journal.read(read_rooms)}
        rows = {name: opened.setup.row for name, opened in self._open.items() if opened.setup.row.is_created}
        rows |= {
            name: replace(make_row(name, room), is_paused=name in known and known[name].is_paused)
            for name, room in config.rooms.items()
        }
        setups = {name: await self._make_setup(row, config) for name, row in rows.items()}
        return Plan(config, setups, [name for name in self._open if name not in setups])

    async def carry_out(self, plan: "Plan", start: "Starter", tasks: trio.Nursery) -> Reloaded:
        """Take a new configuration into force; rooms that it changes go on once what runs in them has ended."""
        before, self.config = self.config, plan.config
        changed = [name for name, setup in plan.setups.items() if self._is_another(name, setup)]
        added = [name for name in plan.setups if name not in self._open]
        for name in added:
            await self._begin(plan.setups[name], start)
        for name in (*plan.removed, *changed):
            is_on_its_way = name in self._replacing
            self._replacing[name] = plan.setups.get(name)
            if not is_on_its_way:
                tasks.start_soon(self._replace, name, start)
        at_restart = [name for name in AT_RESTART if getattr(before, name) != getattr(plan.config, name)]
        return Reloaded(added, plan.removed, changed, at_restart)

    def _is_another(self, name: str, setup: RoomSetup) -> bool:
        """Tell whether an open room would be changed, also one that is being replaced already."""
        if name not in self._open:
            return False
        present = self._replacing.get(name, self._open[name].setup)
        return present is None or not setup.is_like(present)

    async def _replace(self, name: str, start: "Starter") -> None:
        """End a room as at the daemon's end, so that what waits goes on waiting, and open it anew if it is to be."""
        opened = self._open[name]
        opened.setup.closing.set()
        await opened.ended.wait()
        # What is wanted by now: yet another configuration may have come while the room drained.
        setup = self._replacing.pop(name)
        if self._open.get(name) is not opened:
            # Somebody has closed it for good meanwhile.
            return
        self._rooms.pop(name, None)
        del self._open[name]
        if setup is not None and not self._closing.is_set():
            known = {row.name: row for row in await self._journal.read(read_rooms)}
            is_paused = name in known and known[name].is_paused
            await self._begin(replace(setup, row=replace(setup.row, is_paused=is_paused)), start)

    async def create(self, command: Create, start: "Starter") -> None:
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

    async def _create(self, row: RoomRow, start: "Starter") -> Room:
        if not ROOM_NAME.fullmatch(row.name):
            raise RoomError.invalid("name", f"{row.name[:40]!r}: a room's name has 1 to 32 of a-z, 0-9 and -")
        if row.name in self._open:
            raise RoomError.conflict(f"there is a room {row.name} already: choose another name, or close it first")
        if row.agent not in self.config.agents:
            known = ", ".join(sorted(self.config.agents))
            raise RoomError.invalid("agent", f"there is no agent {row.agent[:40]!r} in the configuration: {known}")
        setup = await self._make_setup(row, self.config)
        await self._record_opened(row, is_refusable=True)
        room = await self._begin(setup, start)
        self._unopened.pop(row.name, None)
        return room

    async def close(self, command: Close) -> int:
        """
        Close a room by command; returns once it has ended.

        Raises:
            RoomError: there is none; or it is closed, but that its invites are over is not recorded yet.
        """
        if command.room in self._unopened:
            return await self._give_up(command.room)
        opened = self._open.get(command.room)
        room = self._rooms.get(command.room)
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
        opened.setup.closing.set()
        await opened.ended.wait()
        self._rooms.pop(command.room, None)
        self._open.pop(command.room, None)
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

    async def run_pruning(self) -> None:
        """Forget, now and every hour, what retention does not keep."""
        while True:
            retention = self.config.retention
            before = self._ago(retention.days * DAY_S) if retention.days else -math.inf
            # The closed ones too: their records can be read as well.
            with suppress(JournalStalled):
                for name in await self._journal.read(read_recorded_rooms) if retention.days or retention.bytes else ():
                    await self._prune(name, before, retention.bytes or None)
            await trio.sleep(PRUNE_EVERY_S)

    def _ago(self, age_s: float) -> float:
        """
        Tell before which time, in Unix seconds, what ended is older than that.

        A clock that was set forward by mistake is to cost nobody a record: what counts then is how long we have run.
        """
        return min(self._now(), self._started_at + since_boot()) - age_s

    async def prune(self, command: PruneNow) -> list[Pruned]:
        """
        Forget by command.

        Raises:
            RoomError: the journal has no such room, or cannot record for now.
        """
        known = await self._journal.read(read_recorded_rooms)
        for name in command.rooms:
            if name not in known:
                raise RoomError.not_found(f"the journal has no room {name[:40]!r}")
        before = -math.inf if command.older_than_s is None else self._ago(command.older_than_s)
        try:
            return [await self._prune(name, before, command.keep_bytes) for name in command.rooms or known]
        except JournalStalled as error:
            raise RoomError.not_now(str(error), retry_after_s=RETRY_S) from error

    async def _prune(self, name: str, before: float, keep_bytes: int | None) -> Pruned:
        at_before = rfc3339(before) if math.isfinite(before) else None
        target = await self._journal.read(find_prune_seq, name, at_before, keep_bytes)
        began = seq = await self._journal.read(first_seq, name)
        while True:
            # In steps, so that no commit of a prompt waits long behind a deletion.
            seq = min(seq + PRUNE_STEP, target)
            if name in self._rooms:
                self._rooms[name].transcript.forget_before(seq)
            await self._journal.record(Transaction(name, changes=[Prune(name, seq, before)], is_refusable=True))
            if seq >= target:
                break
        _log.info("pruned", room=name, first_seq=target)
        return Pruned(name, max(target - began, 0), max(target, began))

    def close_all(self) -> None:
        """Let every room drain."""
        for opened in self._open.values():
            opened.setup.closing.set()

    async def _open_room(self, row: RoomRow, start: "Starter") -> None:
        if self._closing.is_set():
            return
        with trio.CancelScope() as self._looking:
            setup = await self._make_setup(row, self.config)
        if not self._looking.cancelled_caught:
            await self._begin(setup, start)

    async def look_no_more_when_closing(self) -> None:
        """
        Have the start not wait for an agent's program when the daemon is told to stop.

        Owns: nothing. Ends when: the daemon is told to stop, or it is cancelled.
        """
        await self._closing.wait()
        self._looking.cancel()

    async def _make_room_spec(self, row: RoomRow, config: Config) -> AgentSpec:
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
                raise ConfigError(
                    f"room {row.name}: its workdir {workdir} is no directory: create it, or name another one"
                )
        if agent is None:
            known = ", ".join(sorted(config.agents))
            raise ConfigError(
                f"room {row.name}: its agent {row.agent!r} is not in the configuration any more, which has {known}:"
                f" add a table [agents.{row.agent}], or close the room"
            )
        agent = evolve(
            agent, model=row.model or agent.model, permission_mode=row.permission_mode or agent.permission_mode
        )
        # Who stops the daemon does not wait for what an agent's unit answers. It would not come: systemd starts no such
        # unit while it stops the daemon. What is the daemon's child is waited for, so that it is not left behind.
        is_elsewhere = agent.socket is not None
        return await long_in_thread(self._make_spec, row.agent, agent, workdir, abandon_on_cancel=is_elsewhere)

    async def _make_setup(self, row: RoomRow, config: Config) -> RoomSetup:
        return RoomSetup(
            row=row,
            spec=await self._make_room_spec(row, config),
            limits=config.limits,
            graces=config.graces,
            merging=config.merging_of(row.name),
            journal=self._journal,
            new_id=self._new_id,
            now=self._now,
            closing=trio.Event(),
            hurry=self._hurry,
            grouper=self._grouper,
            judgement_s=0.0 if config.gemini is None else config.gemini.deadline_s,
            keeping=self._keeping,
        )

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
            now = self._now()
            invites, guests = await self._journal.read(read_guestbook, row.name, now)
            changes += [replace(invite, revoked_at=now) for invite in invites]
            changes += [replace(guest, here_since=None) for guest in guests if guest.here_since is not None]
        await self._journal.record(Transaction(row.name, changes=changes, is_durable=True, is_refusable=is_refusable))

    async def _begin(self, setup: RoomSetup, start: "Starter") -> Room:
        workdir = setup.spec.workdir
        others = [name for name, room in self._rooms.items() if room.setup.spec.workdir == workdir]
        if others:
            _log.warning("rooms_share_directory", rooms=[*others, setup.name], workdir=str(workdir))
        opened = _OpenRoom(setup)
        self._open[setup.name] = opened
        if await self._journal.read(is_room_closed, setup.name):
            # One of the configuration, which comes back at a start or a reload.
            await self._record_opened(setup.row, is_refusable=False)
        room = await start(opened)
        self._rooms[setup.name] = room
        return room


class Plan(Struct, frozen=True):
    """What a new configuration comes to: how each room is to be, and which rooms are no more."""

    config: Config
    setups: Mapping[str, RoomSetup]
    removed: Sequence[str]


Starter = Callable[[_OpenRoom], Awaitable[Room]]
"""Starts a room's task and returns once the room serves."""


async def run_house(
    housekeeper: Housekeeper,
    commands: trio.MemoryReceiveChannel[Command],
    closing: trio.Event,
    task_status: trio.TaskStatus[None],
) -> None:
    """
    Keep the rooms.

    Owns: which rooms are open. Ends when: the daemon stops and every room is drained. Raises: ConfigError when a room
    of the configuration cannot be opened, JournalError.
    """
    async with trio.open_nursery() as room_tasks:

        async def start(opened: _OpenRoom) -> Room:
            room: Room = await room_tasks.start(opened.run)
            return room

        async def close(command: Close) -> None:
            try:
                command.reply.answer(await housekeeper.close(command))
            except RoomError as error:
                command.reply.answer(error)

        async def prune(command: PruneNow) -> None:
            try:
                command.reply.answer(await housekeeper.prune(command))
            except RoomError as error:
                command.reply.answer(error)

        async def reload(command: Reload) -> None:
            try:
                plan = await housekeeper.prepare_reload(command.config)
            except ConfigError as error:
                command.reply.answer(RoomError.conflict(str(error)))
            else:
                command.reply.answer(await housekeeper.carry_out(plan, start, room_tasks))

        async with trio.open_nursery() as opening:
            opening.start_soon(housekeeper.look_no_more_when_closing)
            await housekeeper.open_all(start)
            opening.cancel_scope.cancel()
        task_status.started()
        async with trio.open_nursery() as serving:
            serving.start_soon(_cancel_when, closing, serving.cancel_scope)
            serving.start_soon(housekeeper.run_pruning)
            with serve(commands) as inbox:
                async for command in inbox:
                    match command:
                        case Create():
                            await housekeeper.create(command, start)
                        case Reload():
                            await reload(command)
                        case PruneNow():
                            # There may be much to forget.
                            serving.start_soon(prune, command)
                        case Close():
                            # A room may drain for a while; the next command need not wait for it.
                            room_tasks.start_soon(close, command)
        housekeeper.close_all()


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
