"""What the tests of the command line share."""

from pathlib import Path

import pytest


@pytest.fixture
def control_socket(tmp_path: Path) -> Path:
    """Where a test's own daemon listens: the person's socket, as it is found without any option."""
    directory = tmp_path / ".local/state/concordia/run"
    directory.mkdir(parents=True)
    return directory / "control.sock"
