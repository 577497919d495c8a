"""The write-ahead log is copied back while commits go on, and does not grow for ever."""

from pathlib import Path

import trio

from concordiad.journal import open_journal
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.names import read_names
from concordiad.journal.remains import log_of, look_at_files
from concordiad.journal.schema import LOG_PAGES
from concordiad.journal.wal import look_at_log
from tests.support.patience import PATIENCE_S

PAGE_BYTES = 4096
CHUNK_EVENTS = 32
LOGS = 12


def times_begun_anew(journal: Path) -> int:
    """Read how often the log was begun anew: the checkpoint sequence number in its header (sqlite.org/walformat)."""
    return int.from_bytes(log_of(journal).read_bytes()[12:16], "big")


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


async def test_every_log_begins_with_the_name_of_its_journal(tmp_path: Path) -> None:
    """Whenever the daemon is killed, it is known that file and log belong together."""
    path = tmp_path / "journal.db"
    numbers: dict[int, int] = {}
    async with open_journal(path) as journal:
        for chunk in range(5000):
            text = b"x" * (300, 2000, 20000)[chunk % 3]
            events = [Recorded(chunk * CHUNK_EVENTS + number, text) for number in range(CHUNK_EVENTS)]
            await journal.record(Transaction("main", events))
            log = times_begun_anew(path)
            if log in numbers:
                continue
            names = read_names(bytearray(log_of(path).read_bytes()), look_at_log(log_of(path)).frames)
            assert names.is_from_first, f"log {log}, chunk {chunk}"
            assert names.all[0] is not None
            numbers[log] = names.all[0].epoch
            assert look_at_files(path).problems == []
            if len(numbers) == LOGS:
                break
    assert list(numbers.values()) == sorted(set(numbers.values()))
    assert len(numbers) == LOGS
