"""Copies of a journal, a copy put back, and damage that is noticed before anything is served."""

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from concordiad.errors import JournalError
from concordiad.journal import open_journal
from concordiad.journal.inspect import find_damage, refuse_damaged
from concordiad.journal.moving import find_set_aside
from concordiad.journal.rows import last_seq, read_events
from concordiad.journal.schema import open_writer
from concordiad.journal.upkeep import back_up, restore
from tests.journal.test_outages import event

SEED = 20261121
MUCH = 1 << 40


def seqs_of(path: Path) -> list[int]:
    """Read the numbers of the events."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq")]


async def test_a_backup_beside_a_writer_is_one_whole_state(tmp_path: Path) -> None:
    """It is for its owner alone, has its name only once it is whole, and replaces nothing."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    async with open_journal(path) as journal:
        for seq in range(1, 51):
            await journal.record(event(seq))
        await trio.to_thread.run_sync(back_up, path, target)
        await journal.record(event(51))
        with pytest.raises(JournalError, match="is there already"):
            back_up(path, target)
    assert (target.stat().st_mode & 0o777, seqs_of(target)) == (0o600, list(range(1, 51)))
    assert set(os.listdir(tmp_path)) == {"journal.db", "backup.db"}
    assert find_damage(target) == []


def test_a_backup_put_back_keeps_what_was_there(tmp_path: Path) -> None:
    """Under a name that tells; a log that belonged to it is not read into the backup."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    with closing(open_writer(path)) as connection:
        connection.execute("INSERT INTO events VALUES ('main', 1, ?)", (b'{"seq":1}',))
        back_up(path, target)
        connection.execute("INSERT INTO events VALUES ('main', 2, ?)", (b'{"seq":2}',))
        aside = restore(path, target)
    assert aside is not None
    assert (seqs_of(path), seqs_of(aside), find_set_aside(path)) == ([1], [1, 2], [str(aside)])


def test_a_damaged_backup_is_not_put_back(tmp_path: Path) -> None:
    """The journal stays as it is."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    open_writer(path).close()
    back_up(path, target)
    target.write_bytes(target.read_bytes()[:4096] + b"\x07" * 8192)
    with pytest.raises(JournalError):
        restore(path, target)
    assert find_set_aside(path) == []


async def make_journal(path: Path) -> None:
    """Record some events and return the file's bytes, after a clean end."""
    async with open_journal(path) as journal:
        for seq in range(1, 200):
            await journal.record(event(seq))


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    """Over many places: the start refuses the file, or every event is exactly what was recorded."""
    path = tmp_path / "journal.db"
    trio.run(make_journal, path)
    whole = path.read_bytes()
    chance = random.Random(SEED)
    refused = 0
    for _ in range(150):
        place = chance.randrange(len(whole) * 8)
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            refuse_damaged(path)
            with closing(open_writer(path)) as connection:
                assert last_seq(connection, "main") == 199, place
                events = read_events(connection, "main", 1, 1000, MUCH)
                assert [each.json for each in events] == [b'{"seq":%d}' % seq for seq in range(1, 200)], place
        except (JournalError, sqlite3.DatabaseError):
            # At the start, or, where no check can see it, when it is read.
            refused += 1
    assert refused > 0
