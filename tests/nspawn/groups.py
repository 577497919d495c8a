"""
Control groups of its own for each machine.

All machines would take those of the process that boots them for the root of theirs: two that run at once have units of
the same names, and the systemd of one removes the groups that the other one is about to start something in.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.patience import PATIENCE_S

SYSTEMD: Final = "name=systemd"
LOOK_S: Final = 0.05
JOIN: Final = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'


@contextlib.contextmanager
def own_groups(name: str) -> Iterator[list[str]]:
    """Make them in each hierarchy that systemd uses, and remove them; yields the words before a command that joins."""
    groups = [parent / name for parent in _find_own()]
    for group in groups:
        group.mkdir()
    try:
        yield ["sh", "-c", JOIN, "sh", *map(str, groups), "--"]
    finally:
        for group in groups:
            _remove(group)


def _find_own() -> Iterator[Path]:
    """Find the groups of this process: in the hierarchy of the second version, and in systemd's of the first one."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        own[controllers] = group
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            yield Path(place) / own[""].lstrip("/")
        elif kind == "cgroup" and SYSTEMD in options.split(","):
            yield Path(place) / own[SYSTEMD].lstrip("/")


def _remove(group: Path) -> None:
    """Remove a group with those in it; the kernel takes a moment to see that the last process has ended."""
    deadline = time.monotonic() + PATIENCE_S
    for directory, _, _ in os.walk(group, topdown=False):
        while True:
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_S)
            else:
                break
