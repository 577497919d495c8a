"""
Several owners' transactions as one commit; and the number that counts on with each run and each log of the journal.

Laws: all their events are written, then all their changes in order, or nothing of it. The journal's name
(journal/names.py) is written with a number that counts on in the first commit of each log, so that the log is known to
be of what the file was then, and in the last one before it is copied back, so that the file is known to be of later
than whatever was in the log before.
"""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import astuple

from concordiad.core.model import AgentSession, Approval, Invite, Member, Prompt, RoomRow, Turn
from concordiad.errors import JournalError
from concordiad.journal.changes import ApprovalResolved, Change, Heard, Held, Prune, RoomEpoch, Transaction
from concordiad.journal.events import write_events
from concordiad.journal.people import write_invite
from concordiad.journal.prompts import write_prompt
from concordiad.journal.pruning import prune
from concordiad.journal.schema import FIRST_WITH_SUMS
from concordiad.journal.sums import (
    APPROVALS,
    HEARD,
    HELD,
    MEMBERS,
    META,
    ROOM_EPOCHS,
    ROOMS,
    SESSIONS,
)
from concordiad.journal.turns import write_turn


def write(connection: sqlite3.Connection, transactions: Sequence[Transaction], *, counts_on: bool = False) -> None:
    """
    Commit several owners' transactions as one: all their events, then their changes in order.

    Args:
        connection: writes.
        transactions: what is committed.
        counts_on: whether this may be the first commit in a log, or the last one before it is copied back.

    Raises:
        sqlite3.Error: nothing was committed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if counts_on:
            _count_on(connection)
        write_events(connection, transactions)
        for transaction in transactions:
            for change in transaction.changes:
                _write_change(connection, change)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def touch(connection: sqlite3.Connection) -> None:
    """
    Commit a page that says what it said before, to see whether that works.

    Raises:
        sqlite3.Error: it does not.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Twice, because SQLite writes no page in which nothing has changed.
        for _ in range(2):
            connection.execute("UPDATE meta SET epoch = -1 - epoch")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_change(connection: sqlite3.Connection, change: Change) -> None:
    match change:
        case Prompt():
            write_prompt(connection, change)
        case Turn():
            write_turn(connection, change)
        case AgentSession():
            SESSIONS.put(connection, astuple(change))
        case RoomRow():
            ROOMS.put(connection, astuple(change))
        case Approval():
            connection.execute(APPROVALS.insert, APPROVALS.sealed(astuple(change)))
        case Invite():
            write_invite(connection, change)
        case Member():
            MEMBERS.put(connection, astuple(change))
        case ApprovalResolved():
            connection.execute("DELETE FROM approvals WHERE id = ?", change)
        case Prune():
            prune(connection, change)
        case Heard():
            HEARD.put(connection, change)
        case Held():
            HELD.put(connection, change)
        case RoomEpoch():
            ROOM_EPOCHS.put(connection, change)


def _count_on(connection: sqlite3.Connection) -> None:
    row = None
    # What is damaged is told by who reads it: to record goes on.
    with suppress(JournalError):
        row = META.read_one(connection, "", ())
    if row is not None:
        META.put(connection, (1, row[1], row[2] + 1))


def begin_epoch(connection: sqlite3.Connection) -> tuple[str, int]:
    """Raise the epoch; return the journal's id and the new epoch. Committed with the connection's synchronous mode."""
    write(connection, (), counts_on=True)
    # At least the time in milliseconds: a journal that somebody has put in this place, other than by `journal restore`,
    # must not give an epoch that clients know.
    connection.execute("BEGIN IMMEDIATE")
    try:
        row = META.read_one(connection, "", ())
        if row is None:
            raise sqlite3.DatabaseError("its row of the whole journal is missing: the database is malformed")
        epoch = max(row[2] + 1, time.time_ns() // 1_000_000)
        META.put(connection, (1, row[1], epoch))
        connection.execute("COMMIT")
    except (sqlite3.Error, JournalError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return row[1], epoch


def read_epoch(connection: sqlite3.Connection) -> int:
    """
    Read the last epoch of a journal of any format.

    Raises:
        sqlite3.Error, JournalError: there is none that is what was recorded.
    """
    if _has_sums(connection):
        row = META.read_one(connection, "", ())
    else:
        row = connection.execute("SELECT only_row, journal_id, epoch FROM meta").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("its row of the whole journal is missing")
    return int(row[2])


def raise_epoch(connection: sqlite3.Connection, *, least: int) -> None:
    """
    Have the next run of a journal of any format begin an epoch above another one.

    Raises:
        sqlite3.Error, JournalError: its row of the whole journal is not what was recorded, or cannot be written.
    """
    epoch = max(least, read_epoch(connection))
    if _has_sums(connection):
        (identity,) = connection.execute("SELECT journal_id FROM meta").fetchone()
        META.put(connection, (1, identity, epoch))
    else:
        connection.execute("UPDATE meta SET epoch = ?", (epoch,))


def _has_sums(connection: sqlite3.Connection) -> bool:
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= FIRST_WITH_SUMS
