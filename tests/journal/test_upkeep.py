"""Copies of a journal, a copy put back, and damage that is noticed before anything is served."""

import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from concordiad.errors import JournalError
from concordiad.journal import open_journal
from concordiad.journal.inspect import find_damage
from concordiad.journal.moving import find_set_aside
from concordiad.journal.schema import open_writer
from concordiad.journal.sums import EVENTS
from concordiad.journal.upkeep import back_up, restore
from tests.journal.test_outages import event


def seqs_of(path: Path) -> list[int]:
    """Read the numbers of the events."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq")]


async def test_a_backup_beside_a_writer_is_one_whole_state(tmp_path: Path) -> None:
    """It is for its owner alone, has its name only once it is whole, and replaces nothing; recording goes on."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    backed_up = trio.Event()
    async with open_journal(path) as journal, trio.open_nursery() as nursery:

        async def go_on_recording() -> None:
            for seq in itertools.count(51):
                is_last = backed_up.is_set()
                await journal.record(event(seq))
                if is_last:
                    return

        for seq in range(1, 51):
            await journal.record(event(seq))
        nursery.start_soon(go_on_recording)
        await trio.to_thread.run_sync(back_up, path, target)
        backed_up.set()
        with pytest.raises(JournalError, match="is there already"):
            back_up(path, target)
    recorded, kept = seqs_of(path), seqs_of(target)
    assert (target.stat().st_mode & 0o777, kept) == (0o600, recorded[: len(kept)])
    assert (recorded, 50 <= len(kept) < len(recorded)) == (list(range(1, len(recorded) + 1)), True)
    assert set(os.listdir(tmp_path)) == {"journal.db", "backup.db"}
    assert find_damage(target) == []


def test_a_backup_put_back_keeps_what_was_there(tmp_path: Path) -> None:
    """Under a name that tells; a log that belonged to it is not read into the backup."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    with closing(open_writer(path)) as connection:
        connection.execute(EVENTS.insert, EVENTS.sealed(("main", 1, b'{"seq":1}')))
        back_up(path, target)
        connection.execute(EVENTS.insert, EVENTS.sealed(("main", 2, b'{"seq":2}')))
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
