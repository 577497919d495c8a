"""
What can go wrong with the journal's file, and what is to be done about it.

Law: a fault that may pass is waited out, a sync that failed is never asked of the same file again, and anything else
ends the journal.
"""

import enum
import errno
import math
import sqlite3
from typing import Final

import trio

from concordiad.core.figures import COMMIT_S, Histogram


class Displaced(OSError):
    """The journal's files are not where the next start looks for them: moved, removed, or others are in their place."""


class Kind(enum.Enum):
    """What is to be done about a fault."""

    PASSING = "passing"
    """It may pass by itself, as a full disk does: the same is tried again."""
    UNSYNCED = "unsynced"
    """
    A sync failed: what the kernel was to write may be lost although it can still be read, and the next sync would not
    say so. The file is given up for a new one.
    """
    LASTING = "lasting"
    """The file is damaged, or we have a bug."""


PASSING: Final = frozenset(
    (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    )
)
"""SQLite's primary result codes of what may pass (sqlite.org/rescode.html)."""
UNSYNCED: Final = frozenset((sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC))
UNREACHABLE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM))
"""What no space helps against."""
NO_SPACE: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
RETRY_S: Final = 0.25
"""
How soon what may have passed is tried again, by the journal and by whoever it refused meanwhile: people are to wait
less than a second for space that has come back.
"""
_MAKE_WRITABLE: Final = "make it and its directory writable for this user, or choose another --state-dir"


def kind_of(error: Exception) -> Kind:
    """Tell what is to be done about an error of the file."""
    if isinstance(error, MemoryError | OSError):
        return Kind.PASSING
    code = getattr(error, "sqlite_errorcode", None)
    if code in UNSYNCED:
        return Kind.UNSYNCED
    return Kind.PASSING if code is not None and code & 0xFF in PASSING else Kind.LASTING


def is_damage(error: Exception) -> bool:
    """Tell whether an error says that the file is not what was written."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error may say that there is no space, as SQLite does in several ways."""
    if isinstance(error, OSError):
        return error.errno in NO_SPACE
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def describe(error: Exception) -> str:
    """Say in a few words what is wrong, without a path: guests are told it too."""
    if isinstance(error, MemoryError):
        return "memory is short"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    name = getattr(error, "sqlite_errorname", None)
    return f"{error} ({name})" if name is not None and "disk I/O" in str(error) else str(error)


def remedy(error: Exception) -> str:
    """Say what to do about an error of the file."""
    text = str(error)
    if isinstance(error, Displaced):
        return "put it back to where it was"
    if isinstance(error, OSError) and error.errno in UNREACHABLE:
        return _MAKE_WRITABLE
    if "malformed" in text or "not a database" in text:
        return "what of it is right is salvaged at the next start, or restore it from a backup"
    if "full" in text or "disk I/O" in text or isinstance(error, OSError | MemoryError):
        return "free its disk, or check the device"
    if "locked" in text:
        return "end whatever else holds it"
    return _MAKE_WRITABLE


class Health:
    """
    Whether the journal records at the moment; `run_journal` changes it, everybody may look.

    Attributes:
        fault: why it does not, in a sentence without a full stop; None while it does.
        commits: how long those took that succeeded, in seconds.
        synced_at: when the last durable commit began that has succeeded, by the loop's clock.
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        self.synced_at = -math.inf
        self.commits = Histogram(COMMIT_S)
        self._changed = trio.Event()

    def become(self, fault: str | None) -> bool:
        """Note how the journal is; tells whether it was well and is not, or was not and is well."""
        is_turn = (fault is None) != (self.fault is None)
        self.fault = fault
        if is_turn:
            self._changed.set()
            self._changed = trio.Event()
        return is_turn

    async def wait_until(self, *, is_well: bool) -> None:
        """Wait until the journal records, or until it does not."""
        while (self.fault is None) != is_well:
            await self._changed.wait()
