"""What the tests with a real systemd share: one machine for all of them, as far as they leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nspawn.machine import Machine, booted
from tests.nspawn.tree import debian_tree


@pytest.fixture(scope="session")
def tree() -> Path:
    """Give the tree that machines boot from."""
    return debian_tree()


@pytest.fixture(scope="package")
def machine(tree: Path) -> Iterator[Machine]:
    """Give a machine that all tests use one after the other."""
    with booted(tree) as machine:
        yield machine
