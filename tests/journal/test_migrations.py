"""A journal of an older Concordia is brought up to date with everything that is in it."""

import sqlite3
from pathlib import Path

import pytest

from concordiad.journal.rows import last_seq, read_guestbook
from concordiad.journal.schema import MIGRATIONS, open_writer


def shape_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Read what tables and indexes there are, and how they were made."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, " ".join(sql.split())) for name, sql in rows]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_older_journal_keeps_its_events(tmp_path: Path, version: int) -> None:
    """Whichever format it had, it ends up as a new one is made, with its events, and nobody invited."""
    path = tmp_path / "old.db"
    old = sqlite3.connect(path, isolation_level=None)
    for number, script in enumerate(MIGRATIONS[:version], 1):
        old.executescript(f"{script} PRAGMA user_version = {number};")
    old.execute("INSERT INTO events VALUES ('main', 7, x'7b7d')")
    old.close()
    connection, fresh = open_writer(path), open_writer(tmp_path / "new.db")
    try:
        assert shape_of(connection) == shape_of(fresh)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert (last_seq(connection, "main"), read_guestbook(connection, "main", 0.0)) == (7, ([], []))
    finally:
        connection.close()
        fresh.close()
