"""
Whether a journal is whole, before anything is served of it; one that is not is set aside, and what is right salvaged.

Law: a file of up to CHECK_BYTES, and one that was found damaged while it was served, is read whole; of a larger one all
but the older events, which are read later (journal/patrol.py).
"""

import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from concordiad.core.model import OnDamage
from concordiad.errors import JournalError
from concordiad.journal.check import find_problems, find_problems_for_start
from concordiad.journal.head import is_head_right
from concordiad.journal.inspect import untouched
from concordiad.journal.remains import look_at_files
from concordiad.journal.schema import FIRST_WITH_SUMS, MIGRATIONS, is_new

if TYPE_CHECKING:
    from concordiad.journal.salvage import Salvaged

CHECK_BYTES: Final = 64 * 1024**2
"""The largest journal that is read whole at every start: a second's work."""
_MARK: Final = ".suspect"
_EMPTIED: Final = "there is nothing in it, but something was wrong with it while a daemon served it"


def mark_suspect(path: Path) -> None:
    """Have the next start read all of a journal, however large it is. Raises OSError."""
    path.with_name(path.name + _MARK).touch(mode=0o600)


def make_sound(path: Path, on_damage: OnDamage, rooms: Collection[str] = ()) -> "Salvaged | None":
    """
    See whether a journal is whole; if it is not, put a new one in its place, or refuse it.

    Args:
        path: the journal.
        on_damage: which of these it is to be.
        rooms: those that are told of it even if nothing of theirs can be read.

    Raises:
        JournalError: it is damaged, and is to be refused, or cannot be salvaged.
    """
    mark = path.with_name(path.name + _MARK)
    problems, number = _find_problems(path, is_suspect=mark.exists())
    salvaged = None
    if problems:
        if on_damage is OnDamage.REFUSE or 0 < number < len(MIGRATIONS):
            raise JournalError(
                f"the journal {path} is damaged, and nothing of it is served: {problems[0]}; `concordiactl journal"
                f" restore` puts a backup in its place and keeps it{_choice(number)}"
            )
        # Only a damaged journal needs what mends one.
        from concordiad.journal.salvage import salvage  # noqa: PLC0415

        salvaged = salvage(path, problems[0], rooms)
    mark.unlink(missing_ok=True)
    return salvaged


def _choice(number: int) -> str:
    if FIRST_WITH_SUMS <= number < len(MIGRATIONS):
        return "; it is of an older format: the Concordia that wrote it can go on with what of it is right"
    if 0 < number < len(MIGRATIONS):
        return "; it is of an older Concordia, whose rows have no sums by which to tell what of it is right"
    return '; [journal] damaged = "salvage" goes on with what of it is right'


def _find_problems(path: Path, *, is_suspect: bool) -> tuple[list[str], int]:
    """Find what is wrong with a file, and its format; 0 where that is not known."""
    remains = look_at_files(path)
    if remains.problems or remains.size is None:
        # Behind what is wrong with the log, SQLite may see no format, or an older one.
        return remains.problems, 0
    number = 0
    try:
        with untouched(path) as connection:
            if not is_head_right(path, connection):
                return ["its header, or its list of tables, is not that of a journal"], 0
            number = connection.execute("PRAGMA user_version").fetchone()[0]
            if not 0 < number <= len(MIGRATIONS):
                # Empty as before the first start is over, or of a newer Concordia: whoever opens it says so.
                return [_EMPTIED] if is_suspect and number == 0 else [], number
            if is_suspect or path.stat().st_size <= CHECK_BYTES:
                problems = find_problems(connection)
                return problems or ([_EMPTIED] if is_suspect and is_new(connection) else []), number
            return find_problems_for_start(connection) if number == len(MIGRATIONS) else [], number
    except sqlite3.OperationalError as error:
        # "unsupported file format" has this code. Otherwise, whoever opens it says better what is in the way.
        return [str(error)] if error.sqlite_errorcode == sqlite3.SQLITE_ERROR else [], number
    except sqlite3.DatabaseError as error:
        return [str(error)], number
