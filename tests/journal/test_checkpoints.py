"""The write-ahead log is copied back while commits go on, and does not grow for ever."""

from pathlib import Path

import trio

from concordiad.journal import open_journal
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.schema import LOG_PAGES
from tests.support.patience import PATIENCE_S

PAGE_BYTES = 4096
CHUNK_EVENTS = 32


def times_begun_anew(journal: Path) -> int:
    """Read how often the log was begun anew: the checkpoint sequence number in its header (sqlite.org/walformat)."""
    log = journal.with_name(journal.name + "-wal")
    return int.from_bytes(log.read_bytes()[12:16], "big")


async def test_a_writer_that_never_pauses_does_not_keep_the_log_from_beginning_anew(tmp_path: Path) -> None:
    """A checkpoint beside a busy writer always leaves something: the commits themselves see to that."""
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        first = times_begun_anew(path)
        for chunk in range(5000):
            events = [Recorded(chunk * CHUNK_EVENTS + number, b"x" * 300) for number in range(CHUNK_EVENTS)]
            await journal.record(Transaction("main", events))
            if chunk % 100 == 0 and times_begun_anew(path) >= first + 3:
                return
    raise AssertionError("the log of 5000 chunks was begun anew less than three times")


async def test_a_log_that_grows_slowly_is_copied_back_too(tmp_path: Path) -> None:
    """Small commits add whole pages to the log: it is their number that counts, not their events' bytes."""
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        # Far less than LOG_PAGES, so that no commit does it.
        for seq in range(LOG_PAGES // 10):
            await journal.record(Transaction("main", [Recorded(seq, b"{}")]))
        # Until it is first copied back, the file has its first page only, and the log everything else.
        with trio.fail_after(PATIENCE_S):
            while path.stat().st_size == PAGE_BYTES:  # noqa: ASYNC110 - SQLite has no event for it
                await trio.lowlevel.checkpoint()
