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
from concordiad.journal.schema import FIRST_WITH_SUMS, MIGRATIONS, make_format, open_writer
from concordiad.journal.sums import EVENTS, sum_of
from concordiad.journal.upkeep import back_up, restore
from concordiad.journal.writing import raise_epoch
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


async def epoch_of(path: Path) -> int:
    """Run a journal and return its epoch."""
    async with open_journal(path) as journal:
        return journal.epoch


def set_epoch(path: Path, epoch: int) -> None:
    """Give a journal the epoch of a run at another time, as the clock told it then."""
    with closing(open_writer(path)) as connection:
        raise_epoch(connection, least=epoch)


@pytest.mark.parametrize("number", [1, FIRST_WITH_SUMS, len(MIGRATIONS)])
async def test_no_epoch_comes_again_after_a_backup_is_put_back(tmp_path: Path, number: int) -> None:
    """However far ahead the clock was when the journal that is replaced, or an earlier one, was served."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    with closing(make_format(number)) as pattern, closing(sqlite3.connect(target)) as backup:
        pattern.execute("INSERT INTO meta (only_row, journal_id, epoch) VALUES (1, 'id', 7)")
        if number >= FIRST_WITH_SUMS:
            pattern.execute(f"UPDATE meta SET sum = {sum_of((1, 'id', 7))}")
        pattern.backup(backup)
    ahead = await epoch_of(path) + 10**9
    set_epoch(path, ahead)
    restore(path, target)
    path.unlink()
    restore(path, target)
    first = await epoch_of(path)
    assert first > ahead
    restore(path, target)
    assert await epoch_of(path) > first


async def test_no_epoch_comes_again_after_one_that_cannot_be_read(tmp_path: Path) -> None:
    """The run that wrote the file began before that was written."""
    path, target = tmp_path / "journal.db", tmp_path / "backup.db"
    before = await epoch_of(path)
    back_up(path, target)
    path.write_bytes(b"no database" * 1000)
    ahead_s = before // 1000 + 10**6
    os.utime(path, (ahead_s, ahead_s))
    restore(path, target)
    assert await epoch_of(path) > ahead_s * 1000
