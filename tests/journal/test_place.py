"""Journal files that are deleted, moved or replaced while they are open: all that was recorded is carried over."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trio

from concordiad.errors import JournalError, JournalStalled
from concordiad.journal import open_journal
from concordiad.journal.events import last_seq
from concordiad.journal.faults import Health
from concordiad.journal.moving import STRAY, UNSYNCED, finish, name_whole
from concordiad.journal.schema import open_reader, open_writer
from concordiad.journal.store import Store
from concordiad.journal.watch import run_watch
from tests.journal.test_outages import event
from tests.journal.test_upkeep import seqs_of
from tests.support.patience import PATIENCE_S

ENDS: Final = ("", "-wal", "-shm")


def delete(*ends: str) -> Callable[[Path], None]:
    """Make what deletes some of a journal's files."""

    def taken(path: Path) -> None:
        for end in ends:
            path.with_name(path.name + end).unlink()

    return taken


def delete_directory(path: Path) -> None:
    """Delete a journal's directory."""
    shutil.rmtree(path.parent)


def replace_directory(path: Path) -> None:
    """Delete a journal's directory and make another one."""
    delete_directory(path)
    path.parent.mkdir()


def put_another(path: Path) -> None:
    """Put another journal in the place of one, as `mv` does."""
    other = path.with_name("other.db")
    open_writer(other).close()
    other.rename(path)


def put_another_log(path: Path) -> None:
    """Put what is no log in the place of one."""
    other = path.with_name("other")
    other.write_bytes(b"no log")
    other.rename(path.with_name(f"{path.name}-wal"))


def put_a_dead_link(path: Path) -> None:
    """Put a link that leads nowhere in the place of a journal."""
    path.unlink()
    path.symlink_to("nowhere")


WAYS: Final = {
    "all": delete(*ENDS),
    "the file": delete(""),
    "its log": delete("-wal"),
    "the directory": delete_directory,
    "another directory": replace_directory,
    "another file": put_another,
    "another log": put_another_log,
    "a dead link": put_a_dead_link,
}


def contents(*names: str) -> list[bytes]:
    """Read files."""
    return [Path(name).read_bytes() for name in names]


def inode_of(path: Path) -> int:
    """Tell which file it is."""
    return path.stat().st_ino


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a journal's place, in a directory of its own."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "journal.db"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_what_is_acknowledged_is_on_files_that_the_next_start_reads(
    path: Path, way: Callable[[Path], None]
) -> None:
    """However they are taken away, again and again: nobody is refused, and nothing of before is missing."""
    async with open_journal(path) as journal:
        await journal.record(event(1))
        for seq in (2, 3):
            way(path)
            await journal.record(event(seq, is_refusable=True))
            assert seqs_of(path) == list(range(1, seq + 1))
        assert await journal.read(last_seq, "main") == 3
    assert seqs_of(path) == [1, 2, 3]
    async with open_journal(path) as journal:
        assert await journal.read(last_seq, "main") == 3


async def test_files_taken_away_last_are_written_anew_at_the_end(path: Path) -> None:
    """Nobody records anything more, and there is no time for a look."""
    async with open_journal(path) as journal:
        await journal.record(event(1))
        delete(*ENDS)(path)
    assert (seqs_of(path), os.listdir(path.parent)) == ([1], [path.name])


async def test_what_lies_in_the_place_is_set_aside_as_it_is(path: Path) -> None:
    """A file without the log that lies beside it: whether they belong together nobody can tell."""
    other = path.with_name("other.db")
    open_writer(other).close()
    [strange] = contents(str(other))
    async with open_journal(path) as journal:
        await journal.record(event(1))
        put_another_log(path)
        other.rename(path)
        await journal.record(event(2))
        [aside] = journal.find_set_aside()
    assert Path(aside).name.startswith("journal.stray-")
    assert contents(aside, f"{aside}.log") == [strange, b"no log"]
    assert sorted(os.listdir(path.parent)) == [path.name, Path(aside).name, f"{Path(aside).name}.log"]


async def test_a_directory_that_is_away_is_waited_for(path: Path) -> None:
    """Who may be refused is, with the reason; when it is back the same files go on."""
    away = path.parent.with_name("away")
    async with open_journal(path) as journal:
        await journal.record(event(1))
        inode = inode_of(path)
        path.parent.rename(away)
        with pytest.raises(JournalStalled, match="its directory was moved away; put it back"):
            await journal.record(event(2, is_refusable=True))
        assert await journal.read(last_seq, "main") == 1
        # Another one in its place is none: whatever was recorded is in the first.
        path.parent.mkdir()
        with pytest.raises(JournalStalled, match="moved away"):
            await journal.record(event(2, is_refusable=True))
        path.parent.rmdir()
        away.rename(path.parent)
        with trio.fail_after(PATIENCE_S):
            await journal.health.wait_until(is_well=True)
        await journal.record(event(2, is_refusable=True))
        assert (inode_of(path), journal.find_set_aside()) == (inode, [])
    assert seqs_of(path) == [1, 2]


async def test_the_end_without_the_directory_is_told(path: Path) -> None:
    """Nothing is lost, but the next start would not find it."""
    away = path.parent.with_name("away")
    with pytest.RaisesGroup(pytest.RaisesExc(JournalError, match="are not where they were.*moved away")):
        async with open_journal(path) as journal:
            await journal.record(event(1))
            path.parent.rename(away)
    away.rename(path.parent)
    assert seqs_of(path) == [1]


def test_a_copy_that_was_not_needed_replaces_nothing(path: Path) -> None:
    """It was made while the files were away, and they came back: what is recorded from then on is in them."""
    store = Store(path, open_writer(path), open_reader(path), None)
    store.begin_epoch()
    stale = name_whole(path, STRAY)
    open_writer(stale).close()
    store.unfit = STRAY
    assert store.move() is None
    store.commit([event(1)])
    store.close()
    assert (finish(path), seqs_of(path)) == (None, [1])


def test_the_latest_of_several_copies_is_taken(path: Path) -> None:
    """The others are of attempts that went no further, and no later start takes one."""
    for reason, time in ((STRAY, "20261121T000000002Z"), (UNSYNCED, "20261121T000000001Z")):
        open_writer(path.with_name(f"{path.name}.whole-{reason}-{time}")).close()
    aside = finish(path)
    assert aside == path.with_name("journal.stray-20261121T000000002Z.db")
    assert (finish(path), os.listdir(path.parent)) == (None, [path.name])


async def test_the_watch_ends_with_the_journal(path: Path) -> None:
    """It asks a journal that has ended once, and no more."""
    asked: list[None] = []

    async def prove() -> None:
        await trio.lowlevel.checkpoint()
        asked.append(None)
        raise JournalError("the journal has ended")

    store = Store(path, open_writer(path), open_reader(path), None)
    store.begin_epoch()
    delete(*ENDS)(path)
    with trio.fail_after(PATIENCE_S):
        await run_watch(store, Health(), prove)
    store.close()
    assert len(asked) == 1
