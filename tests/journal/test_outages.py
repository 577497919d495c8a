"""A journal that cannot record: who is refused, who waits, what is told, and that it goes on by itself."""

import sqlite3
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.errors import JournalError, JournalStalled
from concordiad.journal import Journal, open_journal, open_memory_journal
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.events import last_seq
from concordiad.journal.faults import RETRY_S, Kind, kind_of
from concordiad.journal.recorder import LAST_TRIES
from concordiad.journal.schema import open_memory, open_writer
from concordiad.journal.writing import touch


def event(seq: int, *, is_refusable: bool = False) -> Transaction:
    """Make a transaction of one event."""
    return Transaction("main", [Recorded(seq, b'{"seq":%d}' % seq)], is_durable=True, is_refusable=is_refusable)


async def forbid(journal: Journal, *, is_forbidden: bool = True) -> None:
    """Let every write fail, as on a file system that is read-only; or let none."""

    def set_it(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA query_only = {int(is_forbidden)}")

    await journal.read(set_it)


async def test_who_may_be_refused_is_and_who_waits_is_recorded_later(autojump_clock: MockClock) -> None:
    """At once the one, as soon as it works again the other, and in between everybody can see how it is."""
    recorded: list[int] = []

    async def record(seq: int) -> None:
        await journal.record(event(seq))
        recorded.append(seq)

    async with open_memory_journal() as journal, trio.open_nursery() as nursery:
        await forbid(journal)
        with pytest.raises(JournalStalled, match="readonly"):
            await journal.record(event(1, is_refusable=True))
        assert "readonly" in (journal.health.fault or "")
        nursery.start_soon(record, 1)
        nursery.start_soon(record, 2)
        began_at = trio.current_time()
        with pytest.raises(JournalStalled):
            await journal.record(event(3, is_refusable=True))
        assert trio.current_time() == began_at
        await trio.sleep(3 * RETRY_S)
        assert recorded == []
        await forbid(journal, is_forbidden=False)
        await journal.health.wait_until(is_well=True)
        await wait_all_tasks_blocked()
        assert sorted(recorded) == [1, 2]
        await journal.record(event(3, is_refusable=True))
        assert await journal.read(last_seq, "main") == 3


async def test_it_is_well_again_though_nobody_asks(autojump_clock: MockClock) -> None:
    """It tries by itself, so that the next prompt is not refused for the sake of the last one."""
    async with open_memory_journal() as journal:
        await forbid(journal)
        with pytest.raises(JournalStalled):
            await journal.record(event(1, is_refusable=True))
        await trio.sleep(5 * RETRY_S)
        assert journal.health.fault is not None
        await forbid(journal, is_forbidden=False)
        began_at = trio.current_time()
        await journal.health.wait_until(is_well=True)
        assert trio.current_time() - began_at <= RETRY_S


async def test_proof_is_a_durable_commit_of_late_or_one_that_is_made_for_it(autojump_clock: MockClock) -> None:
    """What others had synced will do, what was only recorded will not; one that fails is an outage like any other."""
    async with open_memory_journal() as journal:
        commits = journal.health.commits
        await journal.record(event(1))
        await journal.prove(3.0)
        assert sum(commits.counts) == 1
        await trio.sleep(3.0)
        await journal.record(Transaction("main", [Recorded(2, b"{}")]))
        await journal.prove(3.0)
        assert sum(commits.counts) == 3
        await trio.sleep(3.0)
        await forbid(journal)
        with pytest.raises(JournalStalled, match="readonly"):
            await journal.prove(3.0)
        await forbid(journal, is_forbidden=False)
        await journal.health.wait_until(is_well=True)
        await journal.prove(3.0)


async def test_proof_writes_to_the_file(tmp_path: Path) -> None:
    """With nothing to record, the log grows all the same: an empty transaction would prove nothing."""
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        log = path.with_name(f"{path.name}-wal")
        before = log.stat().st_size
        await journal.prove(0.0)
        assert log.stat().st_size > before


async def test_the_end_of_a_journal_that_fails_says_what_is_lost(autojump_clock: MockClock) -> None:
    """After some last tries, in bounded time: how much, and of which rooms."""
    with pytest.RaisesGroup(pytest.RaisesExc(JournalError, match="not recorded: 1 events and 0 .* of room main")):
        async with open_memory_journal() as journal:
            await forbid(journal)
            with pytest.raises(JournalStalled):
                await journal.record(event(1, is_refusable=True))
            journal.leave(event(1))
            await wait_all_tasks_blocked()
            began_at = trio.current_time()
    assert trio.current_time() - began_at <= (LAST_TRIES + 1) * RETRY_S


async def test_the_end_of_a_journal_that_fails_but_has_all_is_no_failure(autojump_clock: MockClock) -> None:
    """Who was refused has been told."""
    async with open_memory_journal() as journal:
        await forbid(journal)
        with pytest.raises(JournalStalled):
            await journal.record(event(1, is_refusable=True))


async def test_a_file_that_lost_a_sync_is_left_as_soon_as_it_can_be(tmp_path: Path) -> None:
    """A new file that is whole, but was not yet put in its place, is put there at the next start."""
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        await journal.record(event(1))
    whole = path.with_name(f"{path.name}.whole-unsynced-20261121T000000000Z")
    path.rename(whole)
    with open_writer(path) as old:
        old.execute("UPDATE meta SET journal_id = 'old'")
    (tmp_path / "journal.db-wal").rename(tmp_path / "kept")
    old.close()
    (tmp_path / "kept").rename(tmp_path / "journal.db-wal")
    async with open_journal(path) as journal:
        assert await journal.read(last_seq, "main") == 1
        aside = tmp_path / "journal.unsynced-20261121T000000000Z.db"
        assert journal.find_set_aside() == [str(aside)]
        assert aside.with_name(f"{aside.name}-wal").exists()
    assert not whole.exists()


def test_a_touch_writes_a_page_and_changes_nothing(tmp_path: Path) -> None:
    """Otherwise it would say that a full disk has room."""
    path = tmp_path / "journal.db"
    connection = open_writer(path)
    log = path.with_name(f"{path.name}-wal")
    before = log.stat().st_size, connection.execute("SELECT * FROM meta").fetchall()
    touch(connection)
    assert log.stat().st_size > before[0]
    assert connection.execute("SELECT * FROM meta").fetchall() == before[1]
    connection.close()


def test_kinds_of_faults() -> None:
    """What may pass is waited out; what SQLite says of damage, or of a bug of ours, is not."""
    connection = open_memory()
    found = {}
    for name, statement in (
        ("readonly", "UPDATE meta SET epoch = 1"),
        ("constraint", "INSERT INTO meta VALUES (2, 'x', 1)"),
        ("bug", "SELECT nothing"),
    ):
        connection.execute(f"PRAGMA query_only = {int(name == 'readonly')}")
        with pytest.raises(sqlite3.Error) as error:
            connection.execute(statement)
        found[name] = kind_of(error.value)
    connection.close()
    assert found == {"readonly": Kind.PASSING, "constraint": Kind.LASTING, "bug": Kind.LASTING}
    assert kind_of(MemoryError()) is Kind.PASSING
