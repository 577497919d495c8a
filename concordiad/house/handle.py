"""What everybody else has of the rooms: which are open, and the ways to ask for others."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import trio
from msgspec import Struct, field
from msgspec.structs import replace

from concordiad.config.tables import Config
from concordiad.core.links import Links
from concordiad.core.model import Author, RoomRow
from concordiad.house.commands import Close, Command, Create, Pruned, PruneNow, Reload, Reloaded
from concordiad.journal import Journal
from concordiad.ops.clock import since_boot
from concordiad.ops.ids import IdFactory
from concordiad.ops.log import Log
from concordiad.room.handle import Room
from concordiad.room.messages import ask


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
    unopened: Mapping[str, Unopened] = field(default_factory=dict)
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
