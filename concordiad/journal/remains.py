"""
What is left of a journal's files where one of them is gone, cut, or has lost its beginning; and one file made of that.

SQLite takes a log whose header is wrong for an empty one, deletes the log of an empty file, and knows nothing of a log
that was there. So the files are looked at before SQLite is let at them. Law: only a copy is written.
"""

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from concordiad.errors import JournalError
from concordiad.journal.frames import (
    COUNTED,
    FRAME_BYTES,
    HEADER,
    HEADER_BYTES,
    PAGE_BYTES,
    Run,
    find_run,
    lay,
    read_run,
)
from concordiad.journal.head import HEADER_BYTES as FILE_HEADER_BYTES
from concordiad.journal.head import is_constant, is_constant_so_far
from concordiad.journal.names import Name, read_name_of_file, read_names
from concordiad.journal.schema import open_draft
from concordiad.journal.wal import Found, cut_at, look_at_log, turn_back
from concordiad.journal.walindex import Trace, is_of_this_boot, read_trace

TRIED_BYTES: Final = 64 * 1024**2
"""The largest journal that is read whole to see whether it is cut."""
_FORMAT: Final = slice(60, 64)
"""Where the number of its format stands."""
_LIST: Final = slice(100, 105)
_NO_TABLES: Final = bytes((13, 0, 0, 0, 0))
"""How the list of tables begins while there are none."""
EMPTY: Final = "there is nothing in it"
NOTHING: Final = Found([], None)
_WORD: Final = 0xFFFFFFFF
_FILE: Final = "file"
_LOG: Final = "log"
_BOTH: Final = "both"
_VERSIONS: Final = slice(18, 20)
"""Says that there may be a log; it is for files alone."""
_CHANGES: Final = slice(24, 28)
_COUNTED_AT: Final = slice(92, 96)
"""How many pages it has is to be believed if these two counts of changes agree (sqlite.org/fileformat2)."""


class Remains(NamedTuple):
    """
    What is left of a journal's files.

    Attributes:
        problems: what is wrong with them, in words.
        found: what is wrong with the log.
        size: of the file; None where it is not there.
        is_empty: whether nothing is left of the file itself.
        is_log_gone: whether there was a log of which something was not in the file yet.
        is_log_short: whether the end of the log is missing.
        is_log_other: whether the log is not the one that was beside the file.
        is_file_other: whether the file is not the one that the log was beside: it counts as empty.
        is_file_earlier: whether the file is of the same journal, and of before the log was begun.
        cut_pages: how many pages the file had, where it is cut.
    """

    problems: list[str]
    found: Found = NOTHING
    size: int | None = None
    is_empty: bool = True
    is_log_gone: bool = False
    is_log_short: bool = False
    is_log_other: bool = False
    is_file_other: bool = False
    is_file_earlier: bool = False
    cut_pages: int | None = None

    @property
    def is_readable(self) -> bool:
        """
        Whether SQLite sees what there is, but for bits that have flipped and what is behind a cut of the log.

        Else it is not let at the files: it would change what tells of that.
        """
        is_log_right = self.found.header is None and not self.found.is_headless
        is_log_there = is_log_right and not (self.is_log_gone or self.is_log_short or self.is_log_other)
        is_file_there = not self.is_empty and not self.is_file_earlier and self.cut_pages is None
        return not self.problems or (is_log_there and is_file_there)


class Extent(NamedTuple):
    """
    How much of a journal a file holds that was made of what is left.

    Attributes:
        is_earlier: it may be an earlier state: what waits in it was perhaps answered since.
        is_short: pages of it are missing.
    """

    is_earlier: bool
    is_short: bool


WHOLE: Final = Extent(is_earlier=False, is_short=False)


def log_of(path: Path) -> Path:
    """Name the log of a journal."""
    return path.with_name(f"{path.name}-wal")


def look_at_files(path: Path) -> Remains:
    """
    Look at the file and its log, before anybody opens them.

    Raises:
        OSError: they cannot be read.
        JournalError: there is something else than a file.
    """
    size, log_size = _size(path), _size(log_of(path)) or 0
    has_log = log_size > HEADER_BYTES
    _size(path.with_name(f"{path.name}-shm"))
    if size is None and not has_log:
        return Remains([] if read_trace(path) is None else ["it is gone, and so is its log"])
    # Before the log: whoever writes meanwhile is not taken for damage, because what is in neither was in the log.
    counted = _count_pages(path) if size else None
    name = read_name_of_file(path) if size and has_log else None
    before = read_trace(path) if has_log and is_of_this_boot(path) else None
    found = look_at_log(log_of(path))
    size = _size(path)
    trace = None if has_log and not _is_blank(log_of(path), found) else read_trace(path)
    other = _find_other(path, found, before, name) if size and has_log else None
    remains = Remains(
        problems=[],
        found=found,
        size=size,
        is_empty=not size or other == _FILE or (not has_log and _is_without_tables(path, size)),
        is_log_gone=trace is not None and trace.frames > trace.copied,
        is_log_short=before is not None and trace is None and not found.is_headless and _is_short(found, before),
        is_log_other=other == _LOG,
        is_file_other=other == _FILE,
        is_file_earlier=other == _BOTH,
        cut_pages=None if other == _FILE else _cut_pages(path, counted, size or 0, found),
    )
    problems = [*_name(remains, log_size, trace), *_name_flips(found), *_name_end(remains, before)]
    return remains._replace(problems=problems)


def _find_other(path: Path, found: Found, before: Trace | None, of_file: Name | None) -> str | None:
    """
    Find which of the two was put there from elsewhere, or from another time: _FILE, _LOG, _BOTH or neither.

    Args:
        path: the journal.
        found: what was seen of the log.
        before: what SQLite has kept in mind of a log, if that is known to be of this machine's run.
        of_file: the name in the file, as it was before the log was looked at.
    """
    if found.salts is None:
        return None
    if before is not None and before.frames and found.salts[0] not in (before.salts[0], before.salts[0] + 1 & _WORD):
        # One that begins anew counts on.
        return _LOG
    if of_file is None or log_of(path).stat().st_size < HEADER_BYTES + found.frames * (FRAME_BYTES + PAGE_BYTES):
        return None
    log = _read_log(log_of(path), found)
    if HEADER.unpack_from(log)[4:6] != found.salts or read_name_of_file(path) != of_file:
        # Somebody writes meanwhile.
        return None
    names = read_names(log, found.frames)
    last = names.all[-1] if names.all else None
    if last is None:
        return None
    if of_file.id != last.id:
        trace = read_trace(path)
        return _FILE if trace is not None and trace.frames > 0 and trace.salts == found.salts else _LOG
    if of_file.epoch > last.epoch:
        return _LOG
    first = names.all[0] if names.is_from_first else None
    # The file is as it was when the log was begun, or has got the page of the name from it since.
    is_of_log = first is None or of_file.epoch == first.epoch - 1 or of_file in names.all
    return None if is_of_log else _BOTH


def _is_short(found: Found, before: Trace) -> bool:
    """Tell whether a log had more than is left of it; one that has lost its header is ignored, and may be empty."""
    if found.salts is None:
        return before.copied < before.frames
    return found.salts == before.salts and found.frames < before.frames


def _is_blank(log: Path, found: Found) -> bool:
    if found.header is not None or found.is_headless:
        return False
    with log.open("rb") as file:
        return not any(file.read(HEADER_BYTES))


def _size(path: Path) -> int | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        # Who opens a pipe waits for somebody at its other end.
        raise JournalError(f"{path} is in the way of the journal, and is no file: move it away")
    return status.st_size


def _is_without_tables(path: Path, size: int) -> bool:
    """Tell whether a file has one page, and a list of tables in which none is."""
    if size != PAGE_BYTES:
        return False
    with path.open("rb") as file:
        page = file.read(PAGE_BYTES)
    is_numbered = any(page[_FORMAT])
    return is_constant_so_far(page[:FILE_HEADER_BYTES]) and not is_numbered and page[_LIST] == _NO_TABLES


def _count_pages(path: Path) -> int | None:
    """Tell how many pages a file says it has; None where its header is not to be believed."""
    with path.open("rb") as file:
        header = file.read(FILE_HEADER_BYTES)
    if header[_CHANGES] != header[_COUNTED_AT] or not is_constant(header):
        return None
    return int.from_bytes(header[COUNTED], "big")


def _cut_pages(path: Path, counted: int | None, size: int, found: Found) -> int | None:
    """Tell how many pages a file has had that is cut; after a checkpoint that was broken off, the log has the rest."""
    if counted is None or counted * PAGE_BYTES <= size or found.is_headless:
        return None
    log = log_of(path)
    run = read_run(_read_log(log, found)) if log.exists() and log.stat().st_size > HEADER_BYTES else None
    if run is not None:
        return None if run.covers(range(size // PAGE_BYTES + 1, run.pages + 1)) else run.pages
    return None if _is_miscounted(path, counted, size) else counted


def _is_miscounted(path: Path, counted: int, size: int) -> bool:
    """Tell whether a bit of the count has flipped, and nothing is missing (journal/head.py turns it back)."""
    pages, rest = divmod(size, PAGE_BYTES)
    if rest or (counted ^ pages).bit_count() != 1:
        return False
    if size > TRIED_BYTES:
        return counted > 2 * pages
    content = bytearray(path.read_bytes())
    content[COUNTED] = pages.to_bytes(4, "big")
    content[_VERSIONS] = b"\1\1"
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(bytes(content))
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
    except sqlite3.Error:
        return False


def _read_log(log: Path, found: Found) -> bytearray:
    """Read a log as it was written, as far as that is known."""
    content = bytearray(log.read_bytes())
    if found.header is not None:
        content[:HEADER_BYTES] = found.header
    turn_back(content, [places[0] for places in found.flips])
    return content


def _name(remains: Remains, log_size: int, trace: Trace | None) -> list[str]:
    named = []
    if remains.size is None:
        named.append(f"it is not there, but its log is, of {log_size} bytes")
    elif remains.is_file_other:
        named.append("it is not the journal that its log is of")
    elif remains.is_file_earlier:
        named.append("it is of an earlier time than its log")
    elif remains.is_empty:
        named.append(f"{EMPTY}, but {log_size} bytes in its log" if log_size > HEADER_BYTES else EMPTY)
    if remains.cut_pages is not None:
        left = (remains.size or 0) // PAGE_BYTES
        named.append(f"its end is missing: it has had {remains.cut_pages} pages, and {left} are left")
    if trace is not None and remains.is_log_gone:
        named.append(f"its log is gone: {trace.frames - trace.copied} pages in it had not been copied back yet")
    if remains.is_log_other:
        named.append("its log is not the one that was beside it")
    if remains.found.header is not None:
        named.append("the header of its log is not what was written; it can be computed")
    if remains.found.is_headless:
        named.append("the beginning of its log is not what was written")
    return named


def _name_flips(found: Found) -> list[str]:
    named = [f"a bit of its log has flipped, about byte {places[0].offset}" for places in found.flips]
    if found.cut is not None:
        behind = f"{found.cut.commits} commits from there on cannot be read"
        named.append(f"its log is not what was written, about byte {found.cut.offset}: {behind}")
    return named


def _name_end(remains: Remains, before: Trace | None) -> list[str]:
    if before is None or not remains.is_log_short or remains.is_log_other or remains.found.cut is not None:
        return []
    return [f"the end of its log is missing: {remains.found.frames} pages of {before.frames} are left of it"]


def make_one(path: Path, copy: Path, remains: Remains) -> Extent | None:
    """
    Make one file of what is left, where SQLite does not see that by itself; it has no log, if any of that was used.

    What is missing is as in an empty journal: there the tables begin where those of every journal begin.

    Args:
        path: the journal.
        copy: what is made; it has a log where the flips of that are still to be turned back.
        remains: what is left of the journal.

    Returns:
        How much of it that is; None where nothing is left of it.

    Raises:
        OSError, sqlite3.Error: it cannot be read or written.
    """
    found = remains.found
    copy.touch(mode=0o600)
    if remains.is_empty or remains.cut_pages is not None:
        open_draft(copy).close()
    if not remains.is_empty:
        with path.open("rb") as source, copy.open("r+b") as target:
            shutil.copyfileobj(source, target)
    if found.is_headless or remains.is_empty:
        return _lay_log(path, copy, remains)
    if remains.is_log_other:
        return Extent(is_earlier=True, is_short=remains.cut_pages is not None)
    if log_of(path).exists():
        log_of(copy).touch(mode=0o600)
    if found.header is not None:
        log_of(copy).write_bytes(found.header + log_of(path).read_bytes()[HEADER_BYTES:])
    elif log_of(path).exists():
        shutil.copyfile(log_of(path), log_of(copy))
    if remains.cut_pages is not None:
        with copy.open("r+b") as file:
            # SQLite reads nothing of a file that is shorter than it says; a page of zeros is only unreadable itself.
            file.truncate(remains.cut_pages * PAGE_BYTES)
    is_earlier = found.cut is not None or remains.is_log_gone or remains.is_log_short or remains.is_file_earlier
    return Extent(is_earlier, remains.cut_pages is not None or remains.is_file_earlier)


def _lay_log(path: Path, copy: Path, remains: Remains) -> Extent | None:
    log = _read_log(log_of(path), remains.found) if log_of(path).exists() else bytearray()
    if not remains.found.is_headless:
        run = read_run(log)
        if run is None:
            return None
        lay(run, copy)
        is_earlier = remains.found.cut is not None or remains.is_log_short
        return Extent(is_earlier, not run.covers(range(1, run.pages + 1)))
    trace = read_trace(path)
    is_known = trace is not None and trace.frames > 0
    run = find_run(log, trace.salts if trace is not None and is_known else None)
    if run is None or run.pages * PAGE_BYTES < (remains.size or 0):
        # No journal becomes smaller: those frames are older than the file.
        return Extent(is_earlier=True, is_short=False)
    lay(run, copy)
    cut = cut_at(log, run.frames[0].salts, run.end)
    return Extent(cut is not None or not _is_all(run, remains.size or 0, trace if is_known else None), is_short=False)


def _is_all(run: Run, size: int, trace: Trace | None) -> bool:
    """Tell whether what the log had before some frames is known not to be missing."""
    covers = run.covers(range(1, run.pages + 1))
    if trace is None:
        # Frames of before the log has begun anew are in the file, which has all those pages then.
        return covers and size < run.pages * PAGE_BYTES
    first, last = ((place - HEADER_BYTES) // (FRAME_BYTES + PAGE_BYTES) for place in (run.frames[0].start, run.end))
    return last == trace.frames and (covers or first + (not run.is_first_proved) <= trace.copied)
