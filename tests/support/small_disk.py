"""
A disk of one megabyte that can be filled: a tmpfs, so root is needed.

Where none can be mounted, tests that want one are skipped, unless CONCORDIA_REQUIRE_FAULTS is set.
"""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

REQUIRED: Final = "CONCORDIA_REQUIRE_FAULTS"
"""With this in the environment, a fault that cannot be made here fails its test instead of skipping it."""
DISK_BYTES: Final = 1 << 20


def cannot(why: str) -> None:
    """Skip the test, loudly; or fail it, where that is asked for."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {why}")
    pytest.skip(f"{why}: set {REQUIRED}=1 to have this fail instead")


class SmallDisk:
    """A mounted file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def fill(self, left_bytes: int = 0) -> None:
        """Leave no byte free, or so many of them, in whole pages."""
        descriptor = os.open(self._ballast, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            for size in (65536, 4096, 512, 1):
                self._write_all(descriptor, size)
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - left_bytes)
        finally:
            os.close(descriptor)

    def _write_all(self, descriptor: int, size: int) -> None:
        while True:
            try:
                os.write(descriptor, b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@contextlib.contextmanager
def small_disk(root: Path, size_bytes: int = DISK_BYTES) -> Iterator[SmallDisk]:
    """Mount a small disk at a new directory."""
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", str(root)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        cannot(f"no tmpfs can be mounted: {error}")
    try:
        yield SmallDisk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)
