"""
Looking into a journal from outside, for `doctor`: whether a daemon writes there at the moment, or has crashed, or not.

Law: nothing is written into the journal or its log; at rest, there is not even a new file beside it.
"""

import json
import sqlite3
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from concordiad.core.wire import parse_time
from concordiad.errors import JournalError
from concordiad.journal.schema import MIGRATIONS


@frozen
class Report:
    """
    What there is to say of a journal.

    Attributes:
        format: its number; `newest_format` is the last one that this Concordia knows.
        bytes: the size of the file; `log_bytes` is that of the write-ahead log beside it.
        is_checked: whether the structure of the file was checked.
        problems: what the check found.
        newest_event_at: Unix seconds; None where there is no event yet.
    """

    format: int
    newest_format: int
    bytes: int
    log_bytes: int
    is_checked: bool
    problems: list[str]
    newest_event_at: float | None


def inspect_journal(path: Path, check_bytes: int) -> Report:
    """
    Look into a journal; one of more than so many bytes is not checked, because SQLite reads all of it for that.

    Raises:
        JournalError: it cannot be read, or is none.
    """
    log = path.with_name(path.name + "-wal")
    try:
        log_bytes = log.stat().st_size if log.exists() else 0
        # Without a log nobody writes, and SQLite is told so: else it would make one to be ready for others.
        mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
        connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=1.0, isolation_level=None)
        try:
            number = connection.execute("PRAGMA user_version").fetchone()[0]
            is_checked = path.stat().st_size <= check_bytes
            rows = connection.execute("PRAGMA quick_check(5)").fetchall() if is_checked else []
            problems = [row[0] for row in rows if row[0] != "ok"]
            newest = None if problems or not 0 < number <= len(MIGRATIONS) else _newest_event_at(connection)
        finally:
            connection.close()
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


def sqlite_version() -> str:
    """Tell which SQLite Python has."""
    return sqlite3.sqlite_version


def _newest_event_at(connection: sqlite3.Connection) -> float | None:
    row = connection.execute("SELECT json FROM events ORDER BY rowid DESC LIMIT 1").fetchone()
    return None if row is None else parse_time(json.loads(row[0])["at"])
