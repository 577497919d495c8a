"""
The journal's tables, their migrations, and how a file of them is opened.

A file that a newer Concordia wrote is refused, an older one is brought up to date in one transaction.
"""

import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from concordiad.errors import ConfigError, JournalError
from concordiad.journal.faults import remedy
from concordiad.journal.moving import remove, sync_directory, sync_file
from concordiad.journal.sums import META, Ledger, sum_of

MIGRATIONS: Final = (
    """
    CREATE TABLE meta (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        journal_id TEXT NOT NULL,
        epoch INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE room_epochs (
        room TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        PRIMARY KEY (room, epoch)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sessions (
        room TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        session_id TEXT,
        incarnation TEXT,
        has_history INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (
        room TEXT NOT NULL,
        seq INTEGER NOT NULL,
        json BLOB NOT NULL,
        PRIMARY KEY (room, seq)
    ) STRICT;
    CREATE TABLE prompts (
        ord INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        room TEXT NOT NULL,
        author_id TEXT NOT NULL,
        author_name TEXT NOT NULL,
        author_kind TEXT NOT NULL,
        text TEXT NOT NULL,
        submitted_at REAL NOT NULL,
        state TEXT NOT NULL,
        priority TEXT NOT NULL,
        key TEXT,
        expires_at REAL,
        turn TEXT,
        retry_of TEXT,
        is_raw INTEGER NOT NULL,
        is_alone INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX prompts_by_key ON prompts (room, author_id, key) WHERE key IS NOT NULL;
    CREATE INDEX prompts_by_state ON prompts (room, state);
    CREATE TABLE turns (
        ord INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        room TEXT NOT NULL,
        origin TEXT NOT NULL,
        prompts TEXT NOT NULL,
        text TEXT NOT NULL,
        started_at REAL NOT NULL,
        incarnation TEXT NOT NULL,
        state TEXT NOT NULL,
        outcome TEXT,
        reason TEXT,
        answer TEXT,
        finished_at REAL,
        duration_s REAL,
        ttft_s REAL,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cost_usd REAL,
        agent_turns INTEGER
    ) STRICT;
    CREATE INDEX turns_by_room ON turns (room, ord);
    CREATE INDEX turns_by_state ON turns (room, state);
    CREATE TABLE approvals (
        id TEXT PRIMARY KEY,
        room TEXT NOT NULL,
        request_id TEXT NOT NULL,
        turn TEXT,
        kind TEXT NOT NULL,
        tool TEXT NOT NULL,
        input BLOB NOT NULL,
        description TEXT,
        requested_at REAL NOT NULL,
        expires_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rooms (
        name TEXT PRIMARY KEY,
        workdir TEXT NOT NULL,
        agent TEXT NOT NULL,
        model TEXT,
        permission_mode TEXT,
        idle_s REAL NOT NULL,
        is_created INTEGER NOT NULL,
        is_paused INTEGER NOT NULL,
        is_closed INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE invites (
        id TEXT PRIMARY KEY,
        room TEXT NOT NULL,
        role TEXT NOT NULL,
        token_hash BLOB NOT NULL,
        created_at REAL NOT NULL,
        created_by_id TEXT NOT NULL,
        created_by_name TEXT NOT NULL,
        created_by_kind TEXT NOT NULL,
        expires_at REAL,
        uses INTEGER,
        used INTEGER NOT NULL,
        name_hint TEXT,
        may_approve INTEGER NOT NULL,
        history TEXT NOT NULL,
        revoked_at REAL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX invites_by_room ON invites (room, id);
    CREATE TABLE members (
        id TEXT PRIMARY KEY,
        room TEXT NOT NULL,
        invite TEXT NOT NULL,
        name TEXT NOT NULL,
        token_hash BLOB NOT NULL,
        key_hash BLOB,
        joined_at REAL NOT NULL,
        from_seq INTEGER NOT NULL,
        here_since REAL,
        removed_at REAL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX members_by_room ON members (room, id);
    CREATE INDEX members_by_invite ON members (invite);
    """,
    """
    ALTER TABLE prompts ADD COLUMN merged_into TEXT;
    ALTER TABLE prompts ADD COLUMN merge_stage TEXT;
    ALTER TABLE prompts ADD COLUMN similarity REAL;
    ALTER TABLE prompts ADD COLUMN standing TEXT;
    ALTER TABLE prompts ADD COLUMN wording TEXT;
    """,
    """
    ALTER TABLE meta ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE room_epochs ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sessions ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE prompts ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE turns ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE approvals ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE invites ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE members ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    UPDATE meta SET sum = row_sum(only_row, journal_id, epoch);
    UPDATE room_epochs SET sum = row_sum(room, epoch, first_seq);
    UPDATE sessions SET sum = row_sum(room, kind, session_id, incarnation, has_history);
    UPDATE events SET sum = row_sum(room, seq, json);
    UPDATE prompts SET sum = row_sum(id, room, author_id, author_name, author_kind, text, submitted_at, state,
        priority, key, expires_at, turn, retry_of, is_raw, is_alone, merged_into, merge_stage, similarity, standing,
        wording);
    UPDATE turns SET sum = row_sum(id, room, origin, prompts, text, started_at, incarnation, state, outcome, reason,
        answer, finished_at, duration_s, ttft_s, input_tokens, output_tokens, cost_usd, agent_turns);
    UPDATE approvals SET sum = row_sum(id, room, request_id, turn, kind, tool, input, description, requested_at,
        expires_at);
    UPDATE rooms SET sum = row_sum(name, workdir, agent, model, permission_mode, idle_s, is_created, is_paused,
        is_closed);
    UPDATE invites SET sum = row_sum(id, room, role, token_hash, created_at, created_by_id, created_by_name,
        created_by_kind, expires_at, uses, used, name_hint, may_approve, history, revoked_at);
    UPDATE members SET sum = row_sum(id, room, invite, name, token_hash, key_hash, joined_at, from_seq, here_since,
        removed_at);
    """,
    """
    CREATE TABLE heard (
        room TEXT PRIMARY KEY,
        incarnation TEXT NOT NULL,
        place INTEGER NOT NULL,
        facts INTEGER NOT NULL,
        said INTEGER NOT NULL,
        memory BLOB NOT NULL,
        line BLOB NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE held (
        room TEXT PRIMARY KEY,
        incarnation TEXT NOT NULL,
        facts INTEGER NOT NULL,
        holding BLOB NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE rooms ADD COLUMN after_crash TEXT NOT NULL DEFAULT 'leave';
    UPDATE rooms
        SET sum = row_sum(name, workdir, agent, model, permission_mode, idle_s, is_created, is_paused, is_closed,
            after_crash)
        WHERE sum = texts_sum(CAST(name AS BLOB), CAST(workdir AS BLOB), CAST(agent AS BLOB), CAST(model AS BLOB),
            CAST(permission_mode AS BLOB), idle_s, is_created, is_paused, is_closed);
    """,
)
"""Each entry brings a file from the version of its index to the next; entries are never changed once released.

`row_sum` is journal/sums.py:sum_of; what a row without a sum holds is taken for right, a wrong sum stays wrong.
`texts_sum` is the same for a row whose texts come as bytes: what is no UTF-8 would end a call of `row_sum`.
"""

FIRST_WITH_SUMS: Final = 4
"""The first format whose rows have sums, and whose number stands in the file's header twice."""
FORMAT_MARK: Final = 0x436F6E00
"""Begins the header's application id, which ends with the format: "Con"."""
FORMATS: Final = 1000
"""More than there will be: what has a number beyond is not newer, but damaged."""
PAGE_CACHE_KIB: Final = 8 * 1024
LOG_PAGES: Final = 1000
"""
Length of the write-ahead log from which on a commit copies back what the checkpointer has left of it: SQLite's default.

Only when nothing is left can the log begin anew, and a checkpoint beside a writer that never pauses always leaves
something: without this, 10,000 commits in a row made a log of 200 MB.
"""


OLDEST_SQLITE: Final = (3, 37, 0)
"""STRICT tables came with this version (2021-11-27)."""


def check_sqlite() -> None:
    """
    See whether Python's SQLite is new enough.

    Raises:
        ConfigError: it is not.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigError(f"Python's SQLite is {sqlite3.sqlite_version}, Concordia needs {oldest}: use a newer Python")


def open_writer(path: Path) -> sqlite3.Connection:
    """
    Open the connection that writes, creating or migrating the file.

    Raises:
        JournalError: the file is newer, is damaged, or cannot be written; the message names it and says what to do.
    """
    try:
        if not path.exists():
            _create(path)
        connection = _connect(path)
        _migrate(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"the journal {path} cannot be opened: {error}; {remedy(error)}") from error
    return connection


def _create(path: Path) -> None:
    """
    Make an empty journal that has its name only once it is whole: one that is found empty later was emptied.

    Raises:
        sqlite3.Error, OSError: it could not be done.
    """
    draft = path.with_name(f"{path.name}.copy")
    remove(draft)
    try:
        # SQLite gives -wal and -shm the mode of the file itself.
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with closing(open_draft(draft)) as connection:
            name_new(connection)
        sync_file(draft)
        os.rename(draft, path)
    finally:
        remove(draft)
    sync_directory(path.parent)


def open_memory() -> sqlite3.Connection:
    """Open an empty journal that lives in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, factory=Ledger)
    _migrate(connection, Path(":memory:"))
    return connection


def make_format(number: int) -> sqlite3.Connection:
    """Make an empty journal of a format in memory, to see what that looks like."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _bring_to(connection, number)
    return connection


def open_draft(path: Path) -> sqlite3.Connection:
    """Open a new file of the newest format, without a log, that nobody reads before it is whole."""
    connection = sqlite3.connect(path, isolation_level=None, factory=Ledger)
    # What is left of a draft is thrown away.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = OFF").fetchone()
    _bring_to(connection, len(MIGRATIONS))
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Ledger)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Ledger)
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise JournalError(
            f"the journal {path} has format {version}, this concordiad knows up to {len(MIGRATIONS)}:"
            " start the newer concordiad that wrote it, or choose another --state-dir"
        )
    _bring_to(connection, len(MIGRATIONS))
    if connection.execute("SELECT count(*) FROM meta").fetchone()[0] == 0:
        name_new(connection)


def name_new(connection: sqlite3.Connection) -> None:
    """Give a journal the row with its name; it has none yet."""
    connection.execute(META.insert, META.sealed((1, new_journal_id(), 0)))


def is_new(connection: sqlite3.Connection) -> bool:
    """Tell whether no daemon has served a journal of the newest format yet: it begins an epoch, first of all."""
    return connection.execute("SELECT epoch FROM meta").fetchall() == [(0,)]


def new_journal_id() -> str:
    """Make the name of a journal."""
    return uuid.uuid4().hex


def _sum_of_texts(*values: Any) -> int | None:
    """Compute the sum of a row whose texts come as bytes; None where one is no UTF-8, which no row is written with."""
    try:
        return sum_of([value.decode() if isinstance(value, bytes) else value for value in values])
    except UnicodeDecodeError:
        return None


def _bring_to(connection: sqlite3.Connection, number: int) -> None:
    connection.create_function("row_sum", -1, lambda *values: sum_of(values), deterministic=True)
    connection.create_function("texts_sum", -1, _sum_of_texts, deterministic=True)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in range(version, number):
        # Said twice, so that a bit that flips in the number makes no other format of it.
        twice = f"PRAGMA application_id = {FORMAT_MARK + step + 1};" if step + 1 >= FIRST_WITH_SUMS else ""
        number_it = f"PRAGMA user_version = {step + 1}; {twice}"
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]} {number_it} COMMIT;")
