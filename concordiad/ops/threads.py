"""
Blocking work, done in a thread; and what happens while the machine has no thread to give.

Law: want of threads (memory, or the number of processes, has run out) ends nothing and stops nothing. What is short is
done where it was asked for, so that everybody waits a little; what may take long waits until there is a thread.
"""

from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

NO_THREAD: Final = "can't start new thread"
"""What Python says; it has no class of errors for it."""
AGAIN_S: Final = 0.1
"""How often it is looked whether there is a thread."""


def is_want_of_threads(error: RuntimeError) -> bool:
    """Tell whether an error is that no thread could be started."""
    return str(error) == NO_THREAD


async def in_thread(
    work: Callable[[*Arguments], T],
    *arguments: *Arguments,
    limiter: trio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """
    Do something that blocks for some milliseconds.

    Args:
        limiter: bounds how many do it at a time.
        abandon_on_cancel: a cancellation does not wait for it; nobody hears what comes of it then.

    Raises:
        Exception: whatever the work raises.
    """
    try:
        return await trio.to_thread.run_sync(work, *arguments, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError as error:
        if not is_want_of_threads(error):
            raise
    if limiter is None:
        return work(*arguments)
    async with limiter:
        return work(*arguments)


async def long_in_thread(work: Callable[[*Arguments], T], *arguments: *Arguments, abandon_on_cancel: bool = False) -> T:
    """
    Do something that may block for seconds, once there is a thread for it.

    Args:
        abandon_on_cancel: a cancellation does not wait for it; nobody hears what comes of it then.

    Raises:
        Exception: whatever the work raises.
    """
    while True:
        try:
            return await trio.to_thread.run_sync(work, *arguments, abandon_on_cancel=abandon_on_cancel)
        except RuntimeError as error:
            if not is_want_of_threads(error):
                raise
        await trio.sleep(AGAIN_S)
