"""How the owners of a room learn that the daemon stops or the room closes: by a message each, never by a flag."""

import trio

from concordiad.room.heritage import Heritage
from concordiad.room.messages import Drain
from concordiad.room.setup import RoomSetup
from concordiad.room.to_batcher import ToBatcher
from concordiad.room.to_writer import HandOver, Hurry, ToWriter


async def pass_on_closing(
    setup: RoomSetup,
    heritage: Heritage | None,
    batcher: trio.MemorySendChannel[ToBatcher],
    writer: trio.MemorySendChannel[ToWriter],
) -> None:
    """Tell the owners, through their inboxes, what the daemon was told."""
    await setup.closing.wait()
    try:
        await batcher.send(Drain())
        if heritage is not None:
            # The writer cannot leave to another run what it does not have yet.
            await heritage.inherited.taken.wait()
        is_leaving = setup.keeping is not None and setup.keeping.leaving.is_set()
        await writer.send(HandOver() if is_leaving else Drain())
        await setup.hurry.wait()
        await writer.send(Hurry())
    except trio.BrokenResourceError:
        # Who has ended meanwhile need not be told.
        return
