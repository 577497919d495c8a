"""
The beginning of the file: SQLite's header, and its list of tables. All else is found by them.

What they say of a journal is known beforehand: a bit of them that has flipped is found by trying which one makes them
right again. Law: only a copy is ever written.
"""

import mmap
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from io import RawIOBase
from pathlib import Path
from typing import Final
from urllib.parse import quote

from concordiad.journal.frames import COUNTED, PAGE_BYTES, has_page
from concordiad.journal.schema import FIRST_WITH_SUMS, FORMAT_MARK, FORMATS, MIGRATIONS, make_format, open_draft
from concordiad.journal.sums import Ledger

HEADER_BYTES: Final = 100
CONSTANTS: Final = (
    (0, b"SQLite format 3\0\x10\0"),
    (20, b"\0\x40\x20\x20"),
    (44, b"\0\0\0\4"),
    (52, b"\0\0\0\0\0\0\0\1"),
    (64, bytes(4)),
    (72, bytes(20)),
)
"""What the header has in every journal, by offset (sqlite.org/fileformat2): a journal is UTF-8, and never vacuumed."""
TRYING_S: Final = 30.0
"""How long all bits may be tried: it takes that long where nothing tells which is likely, on a slow machine."""
SOME_BYTES: Final = 32
"""By so much of its beginning, or of its end, a text is found in which a bit has flipped."""
FEW: Final = 64
"""Bytes that are tried before all others: the header counts changes, and so differs in some of them."""
INTERIOR: Final = 5
"""The first byte of a page of a table that leads to other pages."""
LEAF: Final = 13
"""The first byte of a page that has rows of a table."""
_SHAPE: Final = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY name"

Shape = tuple[tuple[str, ...], ...]


@cache
def shape_of_format(number: int) -> Shape:
    """Tell which tables and indexes a journal of a format has."""
    with closing(make_format(number)) as connection:
        return tuple(connection.execute(_SHAPE).fetchall())


def is_head_right(path: Path, connection: sqlite3.Connection) -> bool:
    """
    Tell whether a file has the header and the tables that its format has; one of a newer format is not judged.

    Raises:
        sqlite3.Error, OSError: it cannot be read so far.
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    try:
        number = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        shape = tuple(connection.execute(_SHAPE).fetchall())
    except UnicodeDecodeError as error:
        # SQLite quotes what it finds in the list.
        raise sqlite3.DatabaseError("its list of tables is malformed") from error
    again = application - FORMAT_MARK if application else 0
    is_format = number < FORMATS and (number ^ len(MIGRATIONS)).bit_count() > 1
    if number > len(MIGRATIONS) and (number == again or is_format):
        return True
    if number > len(MIGRATIONS) or again != (number if number >= FIRST_WITH_SUMS else 0):
        return False
    if not header or shape != shape_of_format(number):
        return not header and not shape
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size > 0:
        # The right one may be in the log as yet.
        return is_constant_so_far(header) if has_page(log, 1) else is_constant(header)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    is_size_right = pages * PAGE_BYTES == path.stat().st_size
    return is_size_right and is_constant(header)


def is_constant(header: bytes) -> bool:
    """Tell whether a header has what it has in every journal."""
    return all(header[start : start + len(right)] == right for start, right in CONSTANTS)


def is_constant_so_far(header: bytes) -> bool:
    """Tell the same of one that is perhaps not all written yet."""
    return all(header[start : start + len(right)] in (right, bytes(len(right))) for start, right in CONSTANTS)


def mend_head(copy: Path) -> bool:
    """
    Turn the one bit back that keeps a file from being read; tells whether there was one.

    Args:
        copy: of the journal's file, with its log beside it; nobody else has it open.

    Raises:
        OSError: it cannot be read or written.
    """
    with copy.open("r+b", buffering=0) as file:
        first = file.read(PAGE_BYTES)
        if sum(_count_wrong_bits(first, *constant) for constant in CONSTANTS) > 1:
            return False
        numbers = dict.fromkeys(_pages_of_list(first))
        if not all(numbers):
            return False
        pages = {(page - 1) * PAGE_BYTES: _read_page(file, page) for page in numbers}
        if not all(_may_be_of_a_table(page, HEADER_BYTES if start == 0 else 0) for start, page in pages.items()):
            return False
        if _count_missing(copy) > 1:
            return False
        found = {start + place: byte for start, page in pages.items() for place, byte in enumerate(page)}
        likely = [place for start, page in pages.items() for place in _differing(copy, start, page)]
        until = time.monotonic() + TRYING_S
        for place in dict.fromkeys((*likely, *found)):
            if _try_byte(copy, file, place, found[place]):
                return True
            if time.monotonic() > until:
                break
    return False


def renew_head(copy: Path) -> None:
    """
    Put the header and the list of tables of an empty journal in the place of those of a file that cannot be read.

    There the tables begin where those of every journal begin that was made in the newest format.

    Args:
        copy: as of `mend_head`.

    Raises:
        OSError: it cannot be read or written.
    """
    fresh = _make_pattern(copy)
    with copy.open("r+b", buffering=0) as file:
        for page in _pages_of_list(fresh[:PAGE_BYTES]):
            begin = (page - 1) * PAGE_BYTES
            file.seek(begin)
            file.write(fresh[begin : begin + PAGE_BYTES])
        pages = file.seek(0, 2) // PAGE_BYTES
        file.seek(COUNTED.start)
        file.write(pages.to_bytes(4, "big"))


def _make_pattern(copy: Path) -> bytes:
    pattern = copy.with_name(f"{copy.name}.pattern")
    pattern.unlink(missing_ok=True)
    open_draft(pattern).close()
    fresh = pattern.read_bytes()
    pattern.unlink()
    return fresh


def _count_missing(copy: Path) -> int:
    """Count the tables and indexes of which nothing says how they were made; a bit that has flipped hides one."""
    beginnings = {sql.encode()[:SOME_BYTES] for *_, sql in shape_of_format(len(MIGRATIONS)) if sql}
    for file in (copy, copy.with_name(f"{copy.name}-wal")):
        if file.exists() and file.stat().st_size:
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                beginnings -= {text for text in beginnings if content.find(text) >= 0}
    return len(beginnings)


def _may_be_of_a_table(page: bytes, begin: int) -> bool:
    return len(page) == PAGE_BYTES and any((page[begin] ^ right).bit_count() <= 1 for right in (INTERIOR, LEAF))


def _read_page(file: RawIOBase, number: int) -> bytes:
    file.seek((number - 1) * PAGE_BYTES)
    return file.read(PAGE_BYTES) or b""


def _try_byte(copy: Path, file: RawIOBase, place: int, found: int) -> bool:
    """Turn each bit of a byte; leave it so if that makes the file readable."""
    for mask in (1 << bit for bit in range(8)):
        file.seek(place)
        file.write(bytes([found ^ mask]))
        if _reads_rightly(copy):
            return True
    file.seek(place)
    file.write(bytes([found]))
    return False


def _differing(copy: Path, start: int, page: bytes) -> Iterator[int]:
    """Find the bytes of a page by which its texts, or all of it, are others than in a new journal."""
    for *_, sql in shape_of_format(len(MIGRATIONS)):
        text = sql.encode()
        begin = page.find(text[:SOME_BYTES])
        if begin < 0:
            begin = page.find(text[-SOME_BYTES:]) + SOME_BYTES - len(text)
        if text and text not in page and begin >= 0:
            there = page[begin : begin + len(text)]
            others = [start + begin + at for at in range(len(there)) if there[at] != text[at]]
            # Of a text that is not on this page, or of another one with the same end, more is different.
            yield from others if len(others) == 1 else ()
    fresh = _make_pattern(copy)[start : start + PAGE_BYTES]
    found = [start + place for place, (one, other) in enumerate(zip(page, fresh, strict=False)) if one != other]
    if len(found) <= FEW:
        yield from found


def _count_wrong_bits(page: bytes, start: int, right: bytes) -> int:
    found = page[start : start + len(right)].ljust(len(right), b"\xff")
    return (int.from_bytes(found, "big") ^ int.from_bytes(right, "big")).bit_count()


def _pages_of_list(first: bytes) -> Iterator[int]:
    """Give the numbers of the pages of the list of tables: the first one, and those that it leads to."""
    yield 1
    if len(first) == PAGE_BYTES and first[HEADER_BYTES] == INTERIOR:
        yield int.from_bytes(first[HEADER_BYTES + 8 : HEADER_BYTES + 12], "big")
        for cell in range(int.from_bytes(first[HEADER_BYTES + 3 : HEADER_BYTES + 5], "big")):
            pointer = HEADER_BYTES + 12 + 2 * cell
            place = int.from_bytes(first[pointer : pointer + 2], "big")
            yield int.from_bytes(first[place : place + 4], "big")


def _reads_rightly(copy: Path) -> bool:
    uri = f"file:{quote(str(copy))}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True, factory=Ledger)) as connection:
        is_known = connection.execute("PRAGMA user_version").fetchone()[0] <= len(MIGRATIONS)
        return is_known and is_head_right(copy, connection)
    return False
