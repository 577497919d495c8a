"""Looking into a journal from outside: what is seen, and that nothing is changed."""

import os
import sqlite3
from pathlib import Path

import pytest

from concordiad.errors import JournalError
from concordiad.journal.inspect import inspect_journal
from concordiad.journal.schema import MIGRATIONS, open_writer
from concordiad.journal.sums import EVENTS

MUCH = 1 << 30
AT = "2026-11-21T01:30:58.123Z"


def write_event(connection: sqlite3.Connection, seq: int, size: int = 0) -> None:
    """Record an event of so many bytes at least."""
    json = f'{{"seq":{seq},"at":"{AT}","x":"{"x" * size}"}}'.encode()
    connection.execute(EVENTS.insert, EVENTS.sealed(("main", seq, json)))


def content(directory: Path) -> dict[str, bytes]:
    """Read every file of a directory."""
    return {name: (directory / name).read_bytes() for name in os.listdir(directory)}


def test_a_journal_at_rest_is_not_touched(tmp_path: Path) -> None:
    """No byte of it, and no file beside it."""
    path = tmp_path / "a journal?#.db"
    with open_writer(path) as connection:
        write_event(connection, 1)
    connection.close()
    before = content(tmp_path)
    report = inspect_journal(path, MUCH)
    assert (report.format, report.newest_format) == (len(MIGRATIONS), len(MIGRATIONS))
    assert (report.is_checked, report.problems, report.log_bytes) == (True, [], 0)
    assert report.newest_event_at == pytest.approx(1795224658.123)
    assert before == content(tmp_path)


def test_a_journal_in_use_is_read_as_it_is(tmp_path: Path) -> None:
    """Also what is in the log only, and what comes between two looks."""
    path = tmp_path / "journal.db"
    connection = open_writer(path)
    try:
        assert inspect_journal(path, MUCH).newest_event_at is None
        write_event(connection, 1)
        report = inspect_journal(path, MUCH)
        assert report.newest_event_at is not None
        assert report.log_bytes > 0
        write_event(connection, 2)
    finally:
        connection.close()


def test_a_journal_of_a_crash_is_read(tmp_path: Path) -> None:
    """Its log is still to be copied back: that is left to the next daemon."""
    path = tmp_path / "journal.db"
    connection = open_writer(path)
    write_event(connection, 1)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    connection.close()
    assert inspect_journal(copy / "journal.db", MUCH).newest_event_at is not None
    assert (copy / "journal.db-wal").stat().st_size > 0


def test_a_large_journal_is_not_checked(tmp_path: Path) -> None:
    """Nor is it called sound."""
    path = tmp_path / "journal.db"
    with open_writer(path) as connection:
        write_event(connection, 1)
    connection.close()
    report = inspect_journal(path, path.stat().st_size - 1)
    assert (report.is_checked, report.problems) == (False, [])
    assert report.newest_event_at is not None


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    """By what SQLite finds wrong with it."""
    path = tmp_path / "journal.db"
    with open_writer(path) as connection:
        for seq in range(200):
            write_event(connection, seq, 2000)
    connection.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = b"\x07" * 20_000
    path.write_bytes(data)
    assert inspect_journal(path, MUCH).problems != []


@pytest.mark.parametrize("data", [b"no database" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_no_journal_is_refused(tmp_path: Path, data: bytes) -> None:
    """In one sentence that names it."""
    path = tmp_path / "journal.db"
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"journal\.db cannot be read"):
        inspect_journal(path, MUCH)


def test_a_newer_journal_is_known_by_its_number(tmp_path: Path) -> None:
    """Nothing more is asked of its tables."""
    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    report = inspect_journal(path, MUCH)
    assert (report.format, report.newest_event_at) == (99, None)
