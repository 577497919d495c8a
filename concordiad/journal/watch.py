"""
Hearing at once that the journal's files are moved, removed or replaced, though nobody records anything meanwhile.

The kernel tells of the names in a directory (inotify(7)), so that nothing has to be looked at now and then, and an idle
daemon sleeps on. Where it has no watch to give, each durable commit looks by itself (journal/recorder.py:run_journal).
"""

import ctypes
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from concordiad.errors import JournalError, JournalStalled
from concordiad.journal.faults import Health, describe
from concordiad.journal.store import Store
from concordiad.ops.threads import in_thread

_log = structlog.get_logger("concordiad.journal")

MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
DELETE: Final = 0x200
DELETE_SELF: Final = 0x400
MOVE_SELF: Final = 0x800
NAMES: Final = MOVED_FROM | MOVED_TO | DELETE | DELETE_SELF | MOVE_SELF
"""That a name in a directory, or the directory's own, leads to something else: from <sys/inotify.h>."""
EVENTS_BYTES: Final = 64 * 1024
"""More than is ever read at once: what was told matters less than that something was."""


async def run_watch(store: Store, health: Health, prove: Callable[[], Awaitable[None]]) -> None:
    """
    Have the journal's files given up for new ones as soon as they have lost their names.

    Owns: a watch of the state directory. Ends when: it is cancelled, or the journal has ended, or there is no watch.

    Args:
        store: tells whether the files are where they were.
        health: whether the journal records.
        prove: makes a durable commit, which gives them up; raises JournalError.
    """
    if store.path is None:
        return
    directory = store.path.parent
    try:
        with _open_watch() as watch:
            while await _is_served(store, health, prove, partial(_add, watch, directory)):
                await trio.lowlevel.wait_readable(watch)
                with suppress(BlockingIOError):
                    os.read(watch, EVENTS_BYTES)
    except OSError as error:
        _log.info("journal_unwatched", why=describe(error))


async def _is_served(
    store: Store, health: Health, prove: Callable[[], Awaitable[None]], watch_again: Callable[[], None]
) -> bool:
    """See that the files are in their place, and are watched there; tells whether the journal goes on."""
    while True:
        with suppress(OSError):
            # By now it may be another directory.
            watch_again()
        if await in_thread(store.is_kept):
            return True
        try:
            await prove()
        except JournalStalled:
            await health.wait_until(is_well=True)
        except JournalError:
            return False


@contextmanager
def _open_watch() -> Iterator[int]:
    descriptor = ctypes.CDLL(None, use_errno=True).inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        raise _last_error()
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _add(watch: int, directory: Path) -> None:
    added = ctypes.CDLL(None, use_errno=True).inotify_add_watch(watch, os.fsencode(directory), NAMES)
    if added < 0:
        raise _last_error()


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
