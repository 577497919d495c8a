"""
The journal's tables, their migrations, and how a file of them is opened.

A file that a newer Concordia wrote is refused, an older one is brought up to date in one transaction.
"""

import os
import sqlite3
import uuid
from pathlib import Path
from typing import Final

from concordiad.errors import ConfigError, JournalError
from concordiad.journal.faults import remedy

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
)
"""Each entry brings a file from the version of its index to the next; entries are never changed once released."""

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
            # SQLite gives -wal and -shm the mode of the file itself.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = _connect(path)
        _migrate(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"the journal {path} cannot be opened: {error}; {remedy(error)}") from error
    return connection


def open_memory() -> sqlite3.Connection:
    """Open an empty journal that lives in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(connection, Path(":memory:"))
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
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
    for number in range(version, len(MIGRATIONS)):
        script = f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
        connection.executescript(script)
    connection.execute("INSERT OR IGNORE INTO meta VALUES (1, ?, 0)", (uuid.uuid4().hex,))
