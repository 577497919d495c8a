"""A named pipe through which a command of an agent's tells the test that it runs."""

import os
import select
from pathlib import Path

from tests.support.patience import PATIENCE_S


class NamedPipe:
    """The reading end of a named pipe."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    @property
    def sleeper(self) -> str:
        """A command for a shell that tells its process number here, and then runs for longer than any test."""
        return f"echo $$ > {self.path}; exec sleep 600"

    def read(self) -> bytes:
        """Return what was written next; AssertionError if nothing is in time."""
        ready, _, _ = select.select([self._reader], [], [], PATIENCE_S)
        assert ready, f"nothing was written to {self.path} within {PATIENCE_S} s"
        return os.read(self._reader, 4096)

    def close(self) -> None:
        """Close the reading end."""
        os.close(self._reader)
