"""What the tests with a real systemd share: one machine for all of them, as far as they leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipping.deb import build
from tests.nspawn.concordia import Installed
from tests.nspawn.machine import Machine, booted
from tests.nspawn.tree import debian_tree


@pytest.fixture(scope="session")
def tree() -> Path:
    """Give the tree that machines boot from."""
    return debian_tree()


@pytest.fixture(scope="session")
def package(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Debian package of this checkout; made only where a machine can be booted for it."""
    return build(tmp_path_factory.mktemp("package"), "0.1.0", "none")


@pytest.fixture(scope="package")
def machine(tree: Path) -> Iterator[Machine]:
    """Give a machine that all tests of a worker use one after the other."""
    with booted(tree) as machine:
        yield machine


@pytest.fixture(scope="package")
def installed(machine: Machine, package: Path) -> Installed:
    """Give that machine with Concordia installed, where ada is a member of its group and ben is not."""
    return Installed(machine, package)


@pytest.fixture
def concordia(installed: Installed) -> Iterator[Installed]:
    """Give Concordia as it is after its installation; what a test changes about it is undone."""
    yield installed
    installed.reset()
