"""What the tests of the real daemon share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gate import Gate
from tests.support.daemon import Daemon, Site
from tests.support.messages_api import MessagesApi
from tests.support.named_pipe import NamedPipe


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a place for daemons; its room `main` has a rehearsal agent."""
    site = Site(tmp_path)
    yield site
    site.clear()


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    """Give a daemon that serves there, and see to it that it drains and leaves nothing."""
    with site.running() as daemon:
        yield daemon


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """Give a stub of the API for real CLIs, and see to it that they wanted nothing else."""
    with MessagesApi() as api:
        yield api
    assert api.unexpected == []


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Give a gate for a turn."""
    return Gate(tmp_path / "gate")


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[NamedPipe]:
    """Give a named pipe that a tool can tell its process number through."""
    pipe = NamedPipe(tmp_path / "pipe")
    yield pipe
    pipe.close()
