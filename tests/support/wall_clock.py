"""
The wall clock of a test's daemon, which can be set while it runs; every other clock goes on.

As a program it is put before a daemon: `python -m tests.support.wall_clock FILE PYTHON -P -m concordiad …` runs that
in its own process, with Python's wall clock off by what FILE says. What the daemon starts has the true time.
"""

import os
import runpy
import sys
import time
from pathlib import Path


class WallClock:
    """
    What daemons that are started under it take for the time of day.

    Args:
        file: where it stands how far it is off.

    Attributes:
        under: the program to start a daemon with.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.under = (sys.executable, "-P", "-m", "tests.support.wall_clock", str(file))
        self.set_off(0)

    def set_off(self, seconds: int) -> None:
        """Set it so far before (below 0) or after the true time, at once."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        os.replace(new, self._file)


def _run(file: Path, module: str, arguments: list[str]) -> None:
    true_time, true_time_ns = time.time, time.time_ns

    def off() -> int:
        return int(file.read_text())

    time.time = lambda: true_time() + off()
    time.time_ns = lambda: true_time_ns() + off() * 1_000_000_000
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[5], sys.argv[6:])
