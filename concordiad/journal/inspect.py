"""
Looking into a journal from outside, for `doctor`: whether a daemon writes there at the moment, or has crashed, or not.

Law: nothing is written into the journal or its log; at rest, there is not even a new file beside it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from attrs import frozen

from concordiad.core.wire import parse_time
from concordiad.errors import JournalError
from concordiad.journal.schema import MIGRATIONS

CHECK_BYTES: Final = 256 * 1024**2
"""The largest journal that is checked at every start: half a second's work."""


@frozen
class Report:
    """
    What there is to say of a journal.

    Attributes:
        format: its number; `newest_format` is the last one that this Concordia knows.
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
    newest_event_at: float | None


def inspect_journal(path: Path, check_bytes: int) -> Report:
    """
    Look into a journal; one of more than so many bytes is not checked, because SQLite reads all of it for that.

    Raises:
        JournalError: it cannot be read, or is none.
    """
    try:
        with _untouched(path) as connection:
            number = connection.execute("PRAGMA user_version").fetchone()[0]
            is_checked = path.stat().st_size <= check_bytes
            problems = _find_problems(connection) if is_checked else []
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
def _untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal without changing anything about it."""
    # Without a log nobody writes, and SQLite is told so: else it would make one to be ready for others.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=1.0, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def _log_bytes(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _find_problems(connection: sqlite3.Connection) -> list[str]:
    """Find what is wrong with the structure of a journal, or, where that is in order, with its events."""
    problems = [row[0] for row in connection.execute("PRAGMA quick_check(5)") if row[0] != "ok"]
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    return problems if problems or not 0 < number <= len(MIGRATIONS) else _unsound_events(connection)


def sqlite_version() -> str:
    """Tell which SQLite Python has."""
    return sqlite3.sqlite_version


_UNSOUND: Final = """
    SELECT room, seq FROM events
    WHERE iif(json_valid(CAST(json AS TEXT)), json_extract(CAST(json AS TEXT), '$.seq') IS NOT seq, 1) LIMIT 5
"""


def _unsound_events(connection: sqlite3.Connection) -> list[str]:
    """Find events that are not what was recorded: no JSON, of another number, or with one missing between."""
    found = [f"event {seq} of room {room} is not what was recorded" for room, seq in connection.execute(_UNSOUND)]
    counted = connection.execute("SELECT room, count(*), min(seq), max(seq) FROM events GROUP BY room")
    found += [
        f"room {room} has {count} events from {first} to {last}"
        for room, count, first, last in counted
        if count != last - first + 1
    ]
    return found


def _newest_event_at(connection: sqlite3.Connection) -> float | None:
    row = connection.execute("SELECT json FROM events ORDER BY rowid DESC LIMIT 1").fetchone()
    return None if row is None else parse_time(json.loads(row[0])["at"])


def find_damage(path: Path) -> list[str]:
    """
    Read all of a journal and find what is wrong with it.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        with _untouched(path) as connection:
            return _find_problems(connection)
    except sqlite3.OperationalError as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        return [str(error)]


def refuse_damaged(path: Path) -> None:
    """
    See whether a journal is whole before anything is served of it; one of more than CHECK_BYTES is not looked at.

    Raises:
        JournalError: it is not.
    """
    if not path.exists() or path.stat().st_size > CHECK_BYTES:
        return
    try:
        problems = find_damage(path)
    except JournalError:
        # Whoever opens it says better what is in the way.
        return
    if problems:
        raise JournalError(
            f"the journal {path} is damaged, and nothing of it is served: {problems[0]}; `concordiactl journal restore`"
            " puts a backup in its place and keeps it"
        )
