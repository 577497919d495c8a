"""
Looking into a journal from outside, for `doctor`: whether a daemon writes there at the moment, or has crashed, or not.

Law: nothing is written into the journal or its log; at rest, there is not even a new file beside it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from concordiad.core.checks import parse_time
from concordiad.errors import JournalError
from concordiad.journal.check import find_problems
from concordiad.journal.head import is_head_right
from concordiad.journal.remains import Remains, log_of, look_at_files
from concordiad.journal.schema import MIGRATIONS
from concordiad.journal.sums import Ledger


class Report(Struct, frozen=True):
    """
    What there is to say of a journal.

    Attributes:
        format: its number, 0 where that is not known; `newest_format` is the last one that this Concordia knows.
        bytes: the size of the file; `log_bytes` is that of the write-ahead log beside it.
        is_checked: whether the structure of the file was checked.
        problems: what the check found, in its structure and in the events.
        newest_event_at: Unix seconds; None where there is no event yet.
    """

    format: int
    newest_format: int
    bytes: int
    log_bytes: int
    is_checked: bool
    problems: list[str]
    newest_event_at: float | None = None


def inspect_journal(path: Path, check_bytes: int) -> Report:
    """
    Look into a journal; one of more than so many bytes is not checked, because SQLite reads all of it for that.

    Raises:
        JournalError: it cannot be read, or is none.
    """
    try:
        remains = look_at_files(path)
        if not remains.is_readable:
            size, newest_format = remains.size or 0, len(MIGRATIONS)
            return Report(0, newest_format, size, _log_bytes(path), is_checked=True, problems=remains.problems)
        with untouched(path) as connection:
            number = connection.execute("PRAGMA user_version").fetchone()[0]
            is_checked = path.stat().st_size <= check_bytes
            problems = _find_within(path, remains, connection) if is_checked else []
            newest = None if problems or not 0 < number <= len(MIGRATIONS) else _newest_event_at(connection)
        log_bytes = _log_bytes(path)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    return Report(
        format=number,
        newest_format=len(MIGRATIONS),
        bytes=path.stat().st_size,
        log_bytes=log_bytes,
        is_checked=is_checked,
        problems=problems,
        newest_event_at=newest,
    )


@contextmanager
def untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal without changing anything about it."""
    # Without a log nobody writes, and SQLite is told so: else it would make one to be ready for others. It would delete
    # the log of an empty file.
    is_in_use = log_of(path).exists() and path.exists() and path.stat().st_size > 0
    mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
    uri = f"file:{quote(str(path))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None, factory=Ledger)
    try:
        yield connection
    finally:
        connection.close()


def _log_bytes(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def sqlite_version() -> str:
    """Tell which SQLite Python has."""
    return sqlite3.sqlite_version


def _newest_event_at(connection: sqlite3.Connection) -> float | None:
    row = connection.execute("SELECT json FROM events ORDER BY rowid DESC LIMIT 1").fetchone()
    return None if row is None else parse_time(json.loads(row[0])["at"])


def _find_within(path: Path, remains: Remains, connection: sqlite3.Connection) -> list[str]:
    if not is_head_right(path, connection):
        return [*remains.problems, "its header, or its list of tables, is not that of a journal"]
    return remains.problems + find_problems(connection)


def find_damage(path: Path) -> list[str]:
    """
    Read all of a journal and find what is wrong with it.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        remains = look_at_files(path)
        if not remains.is_readable:
            # SQLite would see something else than was recorded, and changes what tells of it.
            return remains.problems
        with untouched(path) as connection:
            return _find_within(path, remains, connection)
    except sqlite3.OperationalError as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        return [str(error)]
