"""A journal of an older Concordia is brought up to date with everything that is in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from concordiad.core.model import AfterCrash, OnDamage, RoomRow
from concordiad.journal.events import last_seq
from concordiad.journal.inspect import find_damage
from concordiad.journal.people import read_guestbook
from concordiad.journal.rooms import read_rooms
from concordiad.journal.schema import FIRST_WITH_SUMS, FORMAT_MARK, MIGRATIONS, open_memory, open_writer
from concordiad.journal.starting import make_sound
from concordiad.journal.sums import EVENTS, TABLES, sum_of
from tests.journal.damage import content, fill, look


def shape_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Read what tables and indexes there are, and how they were made."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, " ".join(sql.split())) for name, sql in rows]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_older_journal_keeps_its_events(tmp_path: Path, version: int) -> None:
    """Whichever format it had, it ends up as a new one is made, with its events, and nobody invited."""
    path = tmp_path / "old.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.create_function("row_sum", -1, lambda *values: sum_of(values))
    for number, script in enumerate(MIGRATIONS[:version], 1):
        mark = f"PRAGMA application_id = {FORMAT_MARK + number};" if number >= FIRST_WITH_SUMS else ""
        old.executescript(f"{script} PRAGMA user_version = {number}; {mark}")
    row = ("main", 7, b"{}")
    values = EVENTS.sealed(row) if version >= FIRST_WITH_SUMS else row
    old.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(values))})", values)
    old.close()
    connection, fresh = open_writer(path), open_writer(tmp_path / "new.db")
    try:
        assert shape_of(connection) == shape_of(fresh)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert (last_seq(connection, "main"), read_guestbook(connection, "main", 0.0)) == (7, ([], []))
    finally:
        connection.close()
        fresh.close()


def test_rows_of_an_older_journal_get_their_sums(tmp_path: Path) -> None:
    """Every row of every table, as it is; a bit that flips afterwards is noticed."""
    new, path = tmp_path / "new.db", tmp_path / "old.db"
    with closing(open_writer(new)) as connection:
        fill(connection, 20, "rows")
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for number, script in enumerate(MIGRATIONS[:3], 1):
            old.executescript(f"{script} PRAGMA user_version = {number};")
        old.execute(f"ATTACH '{new}' AS new")
        known = {row[0] for row in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
        for table in (table for table in TABLES if table.name in known):
            had = {row[0] for row in old.execute(f"SELECT name FROM main.pragma_table_info('{table.name}')")}
            columns = ", ".join(column for column in table.columns if column in had)
            old.execute(f"INSERT INTO main.{table.name} ({columns}) SELECT {columns} FROM new.{table.name}")
    open_writer(path).close()
    later = {table.name: set[tuple[object, ...]]() for table in TABLES if table.name not in known}
    assert content(path) == content(new) | later
    assert find_damage(path) == []
    assert look(path, content(path)).salvaged is None


def test_rooms_of_the_fifth_format_get_a_rule_for_crashes(tmp_path: Path) -> None:
    """The one that held till then; a row in which something has flipped is not taken for right, whatever it holds."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.create_function("row_sum", -1, lambda *values: sum_of(values))
        for number, script in enumerate(MIGRATIONS[:5], 1):
            mark = f"PRAGMA application_id = {FORMAT_MARK + number};" if number >= FIRST_WITH_SUMS else ""
            old.executescript(f"{script} PRAGMA user_version = {number}; {mark}")
        for name in ("another", "broken", "docs"):
            row = (name, "/srv/work", "claude", "opus", None, 60.0, 1, 1, 0)
            old.execute("INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, sum_of(row)))
        old.execute("UPDATE rooms SET is_paused = 0 WHERE name = 'another'")
        old.execute("UPDATE rooms SET workdir = CAST(x'2FFF' AS TEXT) WHERE name = 'broken'")
    make_sound(path, OnDamage.SALVAGE)
    with closing(open_writer(path)) as connection:
        wanted = RoomRow("docs", "/srv/work", "claude", "opus", None, 60.0, True, True, False, AfterCrash.LEAVE)
        assert read_rooms(connection) == [wanted]
    assert find_damage(path) == [
        f"rooms: {name} of room {name} is not what was recorded" for name in ("another", "broken")
    ]


def test_the_tables_with_sums_are_all_there_are() -> None:
    """And their columns are those of the file, in its order."""
    with closing(open_memory()) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {table.name for table in TABLES}
        for table in TABLES:
            found = connection.execute(f"SELECT name, type FROM pragma_table_info('{table.name}')").fetchall()
            assert [name for name, _ in found if name not in ("ord", "sum")] == list(table.columns)
            reals = [name for name, kind in found if kind == "REAL"]
            assert [table.columns[place] for place in table.reals] == reals
