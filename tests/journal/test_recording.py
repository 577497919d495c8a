"""Whoever records is answered: when it is done, when it failed, and when there is no journal any more."""

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.errors import JournalError
from concordiad.journal import open_journal, open_memory_journal
from concordiad.journal.changes import Prune, Recorded, Transaction
from concordiad.journal.events import last_seq, read_events
from concordiad.journal.recorder import INBOX


def event(seq: int, *, is_durable: bool = False) -> Transaction:
    """Make a transaction of one event."""
    return Transaction("main", [Recorded(seq, b'{"seq":%d}' % seq)], is_durable=is_durable)


async def test_more_than_the_inbox_holds_are_all_recorded(tmp_path: Path) -> None:
    """Those for whom there is no place wait for one."""
    async with open_journal(tmp_path / "journal.db") as journal:
        async with trio.open_nursery() as nursery:
            for seq in range(1, INBOX * 2):
                nursery.start_soon(journal.record, event(seq, is_durable=seq % 2 == 0))
        events = await journal.read(read_events, "main", 1, INBOX * 3, 1 << 20)
    assert [each.seq for each in events] == list(range(1, INBOX * 2))


async def test_what_is_cancelled_is_recorded_all_the_same() -> None:
    """Nobody can take back what was sent, and nobody else waits for it."""
    async with open_memory_journal() as journal:
        with trio.CancelScope() as scope:
            scope.cancel()
            await journal.record(event(1))
        await journal.record(event(2))
        assert await journal.read(last_seq, "main") == 2


async def test_a_failure_is_told_to_everybody_in_the_group() -> None:
    """One event's number that is taken already spoils the commit of all; the journal ends with it."""
    complaints: list[str] = []

    async def record(seq: int) -> None:
        try:
            await journal.record(event(seq))
        except JournalError as error:
            complaints.append(str(error))

    with pytest.RaisesGroup(JournalError):
        async with open_memory_journal() as journal:
            await journal.record(event(1))
            async with trio.open_nursery() as nursery:
                for seq in (1, 2, 3):
                    nursery.start_soon(record, seq)
    assert len(complaints) == 3 and all("cannot record" in complaint for complaint in complaints)


async def test_who_waits_when_the_journal_is_cancelled_is_told() -> None:
    """Outside of its nursery nobody else would tell them."""
    complaints: list[str] = []

    async def record(seq: int) -> None:
        try:
            await journal.record(event(seq))
        except JournalError as error:
            complaints.append(str(error))

    async with trio.open_nursery() as outside:
        with trio.CancelScope() as scope:
            async with open_memory_journal() as journal:
                for seq in range(3):
                    outside.start_soon(record, seq)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        await record(4)
    assert complaints == ["the journal has ended"] * 4


async def test_a_group_forgets_only_what_it_was_told_to() -> None:
    """Events that are recorded together with the forgetting of older ones stay."""
    async with open_memory_journal() as journal:
        await journal.record(event(1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.record, Transaction("main", changes=[Prune("main", 2, 0.0)]))
            nursery.start_soon(journal.record, event(2))
        events = await journal.read(read_events, "main", 1, 10, 1000)
    assert [each.seq for each in events] == [2]
