"""
The rooms of one daemon: opened from the configuration and the journal, created, changed and closed by command.

    House.create ─┐                    ┌─▶ Housekeeper ── opens, closes ──▶ a run_room each
    House.close  ─┤                    │        ▲
    House.reload ─┼─ commands ─▶ run_house ─▶ Reloader
    House.prune  ─┘                    │
                                       └─▶ Pruner, by the hour too ──▶ journal

Law: one task opens and closes rooms, so that no two are opened under one name. What takes long is done beside it, so
that the next command need not wait.

Order of ending is the indentation of `run_house`: first what serves commands, then the rooms, each of which drains.
"""

import trio

from concordiad.house.commands import Close, Command, Create, PruneNow, Reload
from concordiad.house.housekeeper import Housekeeper, OpenRoom
from concordiad.house.pruning import Pruner
from concordiad.house.reloading import Reloader
from concordiad.room.handle import Room
from concordiad.room.messages import serve


async def run_house(
    housekeeper: Housekeeper,
    commands: trio.MemoryReceiveChannel[Command],
    task_status: trio.TaskStatus[None],
) -> None:
    """
    Keep the rooms.

    Owns: which rooms are open. Ends when: the daemon stops and every room is drained. Raises: ConfigError when a room
    of the configuration cannot be opened, JournalError.
    """
    setup = housekeeper.setup
    reloader = Reloader(setup, housekeeper)
    pruner = Pruner(setup.journal, housekeeper.rooms, setup.now, lambda: housekeeper.config)

    async with trio.open_nursery() as room_tasks:

        async def start(opened: OpenRoom) -> Room:
            room: Room = await room_tasks.start(opened.run)
            return room

        async with trio.open_nursery() as opening:
            opening.start_soon(housekeeper.look_no_more_when_closing)
            await housekeeper.open_all(start)
            opening.cancel_scope.cancel()
        task_status.started()
        async with trio.open_nursery() as serving:
            serving.start_soon(_cancel_when, setup.closing, serving.cancel_scope)
            serving.start_soon(pruner.run)
            with serve(commands) as inbox:
                async for command in inbox:
                    match command:
                        case Create():
                            await housekeeper.create(command, start)
                        case Reload():
                            await reloader.reload(command, start, room_tasks)
                        case PruneNow():
                            # There may be much to forget.
                            serving.start_soon(pruner.prune, command)
                        case Close():
                            # A room may drain for a while; the next command need not wait for it.
                            room_tasks.start_soon(housekeeper.close, command)
        housekeeper.close_all()


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
