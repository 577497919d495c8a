"""
The name of a journal, read from the page alone where it stands: so that a file and a log of two are told apart.

It is written with a number that counts on with each log (journal/writing.py).
Law: no file is opened by SQLite, which would change what tells of the log.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from concordiad.errors import JournalError
from concordiad.journal.frames import PAGE_BYTES, find_versions
from concordiad.journal.schema import MIGRATIONS, make_format
from concordiad.journal.sums import META, Ledger


class Name(NamedTuple):
    """A journal's id, and its number at that time: the last epoch, and what was counted on since."""

    id: str
    epoch: int


@cache
def _pattern() -> tuple[bytes, int]:
    """Make an empty journal of the newest format; tell on which page the name is."""
    with closing(make_format(len(MIGRATIONS))) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (META.name,)).fetchone()
        return connection.serialize(), page


def page_of_name() -> int:
    """Tell which page has the name, in every journal that was made in the newest format."""
    return _pattern()[1]


class Names(NamedTuple):
    """
    The names that the commits in a log have written.

    Attributes:
        all: the oldest first; one that is not what was recorded is None.
        is_from_first: whether the first commit in the log has written the first one.
    """

    all: Sequence[Name | None]
    is_from_first: bool


def read_names(log: bytearray, frames: int) -> Names:
    """Read the names in a log, of which so many frames are right."""
    versions = find_versions(log, frames, page_of_name())
    return Names([read_name(each.content) for each in versions], bool(versions) and versions[0].commit == 0)


def read_name_of_file(path: Path) -> Name | None:
    """Read the name in a file, without what its log says; None as `read_name`. Raises OSError."""
    with path.open("rb") as file:
        file.seek((page_of_name() - 1) * PAGE_BYTES)
        return read_name(file.read(PAGE_BYTES))


def read_name(page: bytes | bytearray) -> Name | None:
    """Read the name from its page; None where it does not stand there, or is not what was recorded."""
    content, number = bytearray(_pattern()[0]), page_of_name()
    if len(page) != PAGE_BYTES:
        return None
    content[(number - 1) * PAGE_BYTES : number * PAGE_BYTES] = page
    with closing(sqlite3.connect(":memory:", factory=Ledger)) as connection:
        try:
            connection.deserialize(bytes(content))
            row = META.read_one(connection, "", ())
        except (sqlite3.Error, JournalError):
            return None
    return None if row is None else Name(row[1], row[2])
