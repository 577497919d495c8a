"""A start that cannot be recorded: waited for as long as there is patience, then given up, at once if it is to end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from concordiad.errors import JournalError
from concordiad.journal.faults import Health


@asynccontextmanager
async def giving_up(
    health: Health, patience_s: float, tell: Callable[[str], None], closing: trio.Event
) -> AsyncIterator[None]:
    """
    Give the block up where the journal does not record.

    What the rooms record before they serve waits for the disk, which may be full by then.

    Args:
        health: how the journal is.
        patience_s: how long that is waited for, each time.
        tell: is told, in words, that it is waited for.
        closing: set once the daemon is to end.

    Raises:
        JournalError: it was given up (in a group).
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, health, patience_s, tell, closing)
        yield
        nursery.cancel_scope.cancel()


async def _watch(health: Health, patience_s: float, tell: Callable[[str], None], closing: trio.Event) -> None:
    while True:
        await health.wait_until(is_well=False)
        fault = health.fault
        tell(f"waits for space: {fault}")
        with trio.move_on_after(patience_s) as patience:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, closing, patience)
                await health.wait_until(is_well=True)
                nursery.cancel_scope.cancel()
        if patience.cancelled_caught:
            raise JournalError(f"{fault}")


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
