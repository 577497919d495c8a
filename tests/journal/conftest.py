"""What several of the journal's tests begin with."""

import sqlite3
from collections.abc import Iterator

import pytest

from concordiad.journal.schema import open_memory


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """Open an empty journal."""
    connection = open_memory()
    yield connection
    connection.close()
