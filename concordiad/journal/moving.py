"""
Giving a journal's file up for a new one that holds everything that was committed.

The new file is written beside the old one, synced, checked, and given a name that says that it is whole
(`journal.db.whole-TIME`). From then on it is the journal, whatever happens: what is left to do is renaming, and
whoever opens the journal next finishes that. Laws: the old file and its log are kept under a name that tells; a log
never lies beside a file that it does not belong to.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from concordiad.journal.place import Identity, identify

UNSYNCED: Final = "unsynced"
"""A sync of it has failed."""
DAMAGED: Final = "damaged"
"""It holds what was never written."""
REPLACED: Final = "replaced"
"""Somebody wanted another one in its place."""
STRAY: Final = "stray"
"""It lay in the journal's place when that had been moved or removed beneath the daemon."""
REASONS: Final = (UNSYNCED, DAMAGED, REPLACED, STRAY)
FOUND: Final = (DAMAGED, UNSYNCED, STRAY)
"""Those that nobody asked for."""
STRAY_LOG: Final = ".log"
"""What is behind the name of a stray log, instead of `-wal`: SQLite is not to take it for that of a stray file."""
_WHOLE: Final = ".whole-"
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"


Amend = Callable[[sqlite3.Connection], None]
"""What is changed in a copy before anybody sees it."""


def write_whole(path: Path, source: sqlite3.Connection, reason: str, amend: Amend | None = None) -> Identity:
    """
    Write the new file, say that it is whole, and return which it is.

    Args:
        path: the journal.
        source: a connection that sees what is to be in the new file.
        reason: becomes part of the name under which the old one is kept.
        amend: what is changed in the copy.

    Raises:
        sqlite3.Error, OSError: it could not be written or is not what it should be; the old one is still the journal.
    """
    draft = path.with_name(f"{path.name}.copy")
    copy(source, draft, amend)
    identity, whole = identify(draft), name_whole(path, reason)
    os.rename(draft, whole)
    forget_whole(path, but=whole)
    sync_directory(path.parent)
    return identity


def forget_whole(path: Path, but: Path | None = None) -> None:
    """
    Remove the new files that are whole, and are not needed: those of attempts that went no further.

    Law: nothing is committed to a journal beside which there is one, because the next start would put it in its place.

    Raises:
        OSError: one cannot be removed.
    """
    for each in _find_whole(path):
        if each != but:
            each.unlink()


def _find_whole(path: Path) -> list[Path]:
    """Find the new files that are whole, the newest last."""
    return sorted(path.parent.glob(f"{path.name}{_WHOLE}*"), key=lambda each: each.name.rpartition("-")[2])


def name_whole(path: Path, reason: str) -> Path:
    """Make the name that says of a new file that it is whole, and from when on and why it is the journal."""
    now_ms = time.time_ns() // 1_000_000
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_ms // 1000)) + f"{now_ms % 1000:03d}Z"
    return path.with_name(f"{path.name}{_WHOLE}{reason}-{stamp}")


def copy(source: sqlite3.Connection, target: Path, amend: Amend | None = None) -> None:
    """
    Write everything that a connection sees into a new file of mode 0600, in one consistent state, checked and synced.

    Args:
        source: the connection.
        target: the new file.
        amend: what is changed in it then.

    Raises:
        sqlite3.Error, OSError: it could not be done, or the copy is not what it should be; nothing is left of it.
    """
    remove(target)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as connection, _standing_still(source):
            source.backup(connection)
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            _check(source, connection)
            if amend is not None:
                amend(connection)
        sync_file(target)
    except (sqlite3.Error, OSError):
        target.unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """Remove a file and what SQLite puts beside one; nothing may be there."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


@contextmanager
def _standing_still(source: sqlite3.Connection) -> Iterator[None]:
    """Let a connection see one state of the journal, whatever is recorded meanwhile."""
    source.execute("BEGIN")
    try:
        source.execute(_TABLES).fetchall()
        yield
    finally:
        source.execute("ROLLBACK")


def _check(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    found = [row[0] for row in target.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise sqlite3.DatabaseError(f"the copy is damaged: {found[0]}")
    for (table,) in target.execute(_TABLES).fetchall():
        query = f'SELECT count(*) FROM "{table}"'  # noqa: S608  # a name out of the file's own list
        theirs, ours = (each.execute(query).fetchone()[0] for each in (source, target))
        if theirs != ours:
            raise sqlite3.DatabaseError(f"the copy has {ours} rows of {table}, the original {theirs}")


def finish(path: Path) -> Path | None:
    """
    Put a new file that is whole in the place of the journal; return the name under which the old one is kept.

    Does nothing, and returns None, where there is none. It may be asked for again after it failed halfway.

    Raises:
        OSError: a file cannot be renamed.
    """
    found = _find_whole(path)
    if not found:
        return None
    whole = found[-1]
    forget_whole(path, but=whole)
    told = whole.name.removeprefix(path.name + _WHOLE)
    aside = path.with_name(f"{path.stem}.{told}{path.suffix}")
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    for end in ("-wal", ""):
        old = path.with_name(path.name + end)
        # A link that leads nowhere is in the way, too.
        if os.path.lexists(old):
            kept = STRAY_LOG if end and told.startswith(STRAY) else end
            os.rename(old, aside.with_name(aside.name + kept))
    # Otherwise a power cut might leave the old log beside the new file.
    sync_directory(path.parent)
    os.rename(whole, path)
    sync_directory(path.parent)
    return aside


def find_set_aside(path: Path, reasons: Sequence[str] = REASONS) -> list[str]:
    """List the files that were given up for another one, for any of some reasons, oldest first, by path."""
    found = (each for reason in reasons for each in path.parent.glob(f"{path.stem}.{reason}-*{path.suffix}"))
    return [str(each) for each in sorted(found, key=lambda each: each.name.rpartition("-")[2])]


def sync_file(path: Path) -> None:
    """Have a file's content on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Have a directory's names on the disk."""
    sync_file(path)
