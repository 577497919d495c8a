"""
What people do to a journal by hand: a copy that is whole, and a copy put back.

Laws: a copy is one state of the journal, checked and synced, of mode 0600, and has its name only once it is whole; a
journal that is replaced is kept under a name that tells, and no epoch of it comes again.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from concordiad.errors import JournalError
from concordiad.journal.inspect import find_damage, untouched
from concordiad.journal.moving import REPLACED, copy, find_set_aside, finish, sync_directory, write_whole
from concordiad.journal.remains import look_at_files
from concordiad.journal.schema import MIGRATIONS, open_reader
from concordiad.journal.writing import raise_epoch, read_epoch
from concordiad.ops.locks import hold_unserved


def back_up(path: Path, target: Path) -> int:
    """
    Copy a journal, also one that a daemon writes into meanwhile; return the copy's size in bytes.

    Raises:
        JournalError: it could not be copied, or something has the copy's name already.
    """
    if target.exists():
        raise JournalError(f"{target} is there already: choose another name, or remove it")
    if not path.exists():
        raise JournalError(f"there is no journal {path}")
    draft = target.with_name(f".{target.name}.part")
    try:
        remains = look_at_files(path)
        if not remains.is_readable:
            raise JournalError(f"{path} is damaged, and is not copied: {remains.problems[0]}")
        with closing(open_reader(path)) as source:
            copy(source, draft)
        try:
            # Unlike a rename it never replaces anything.
            os.link(draft, target)
        finally:
            draft.unlink()
        sync_directory(target.parent)
        return target.stat().st_size
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{path} cannot be copied to {target}: {error}") from error


def restore(path: Path, source: Path) -> Path | None:
    """
    Put a copy in the place of a journal that no daemon has open; return the name under which the old one is kept.

    Raises:
        JournalError: the copy is damaged or cannot be read, a daemon runs, or the disk takes no second copy.
    """
    if not source.exists():
        raise JournalError(f"there is no {source}")
    problems = find_damage(source)
    if problems:
        raise JournalError(f"{source} is damaged itself: {problems[0]}")
    with _no_daemon(path.parent):
        try:
            with closing(open_reader(source)) as connection:
                number = connection.execute("PRAGMA user_version").fetchone()[0]
                if not 0 < number <= len(MIGRATIONS):
                    raise JournalError(f"{source} is no journal that this Concordia knows: its format is {number}")
                least = max(map(_last_epoch, (path, *map(Path, find_set_aside(path)))))
                write_whole(path, connection, REPLACED, partial(raise_epoch, least=least))
            return finish(path)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"{source} cannot be put in place of {path}: {error}") from error


def _last_epoch(path: Path) -> int:
    """Find the last epoch of a journal; where it cannot be read, the time at which it was last written will do."""
    with suppress(sqlite3.Error, JournalError), untouched(path) as connection:
        return read_epoch(connection)
    files = (path.with_name(path.name + end) for end in ("", "-wal"))
    return max((file.stat().st_mtime_ns // 1_000_000 for file in files if file.exists()), default=0)


@contextmanager
def _no_daemon(directory: Path) -> Iterator[None]:
    """Be the only one on a state directory."""
    with ExitStack() as held:
        try:
            held.enter_context(hold_unserved(directory))
        except BlockingIOError as error:
            raise JournalError(f"a daemon serves {directory}: stop it first") from error
        yield
