"""
What an agent says, on its way through files, so that not a byte of it is lost with the daemon that reads it.

The kernel moves the bytes from the agent's pipe into the file (splice(2)): what has left the pipe is in the file,
whenever the daemon is killed. Laws: a byte's place is its number since the agent's start; a file is named by the place
that it begins with; only the last file grows, and one is removed only when all of it was recorded.
"""

import mmap
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import trio

FILE_BYTES: Final = 8 * 1024 * 1024
"""From this size on a file is followed by another one."""
MOVE_BYTES: Final = 1024 * 1024
"""Bytes moved at once, the most that a pipe holds."""
READ_BYTES: Final = 256 * 1024
"""Bytes read at once, at the most."""
_BLOCK: Final = memoryview(mmap.mmap(-1, READ_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
"""
Filled and copied from in one synchronous step, so that nobody sees what another one has read.

The kernel gives the memory as it is filled (as that of `room/pipes.py`): without agents that are kept, none.
"""
RETRY_S: Final = 0.25
"""How soon it is tried again where the disk takes no more; meanwhile the agent's pipe fills, and the agent waits."""


def files_of(directory: Path, incarnation: str = "") -> list[Path]:
    """List the files of an incarnation, or all of them, in their order."""
    try:
        return sorted(path for path in directory.iterdir() if path.name.startswith(incarnation))
    except FileNotFoundError:
        return []


def remove_spool(directory: Path, incarnation: str) -> None:
    """Remove what one agent has left."""
    for path in files_of(directory, incarnation):
        path.unlink(missing_ok=True)


def remove_spools(directory: Path, spared: set[str]) -> None:
    """Remove what agents that are no more have left."""
    for path in files_of(directory):
        if path.name.partition(".")[0] not in spared:
            path.unlink(missing_ok=True)


class SpooledOutput(trio.abc.ReceiveStream):
    """
    An agent's stdout, read by way of its spool.

    Args:
        pipe: the read end.
        directory: where the files are; made once there is something to write.
        incarnation: whose they are.
        place: where to begin to read.

    Attributes:
        pipe: that end.
        when_stuck: called as long as the disk takes no more, every RETRY_S.
    """

    def __init__(self, pipe: trio.lowlevel.FdStream, directory: Path, incarnation: str, place: int = 0) -> None:
        self.pipe = pipe
        self.when_stuck: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self._directory = directory
        self._incarnation = incarnation
        files = files_of(directory, incarnation)
        self._starts = [_start_of(path) for path in files] or [0]
        self._end = self._starts[-1] + (files[-1].stat().st_size if files else 0)
        self._place = place
        self._writing: int | None = None
        self._reading: tuple[int, int] | None = None
        self._has_ended = False

    @property
    def has_old(self) -> bool:
        """Whether there is a file that could be removed once it was recorded."""
        return len(self._starts) > 1 and self._starts[1] <= self._place

    def forget(self, before: int) -> None:
        """Remove the files of which everything is before a place."""
        while len(self._starts) > 1 and self._starts[1] <= before:
            self._path(self._starts.pop(0)).unlink(missing_ok=True)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for the next bytes; nothing at the end of the output."""
        await trio.lowlevel.checkpoint()
        while not (chunk := self._read(max_bytes or READ_BYTES)) and not self._has_ended:
            await self._fill()
        return chunk

    async def aclose(self) -> None:
        """Close the pipe and the files; those stay."""
        self._close_files()
        await self.pipe.aclose()

    def _close_files(self) -> None:
        if self._reading is not None:
            os.close(self._reading[1])
            self._reading = None
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    def _path(self, start: int) -> Path:
        return self._directory / f"{self._incarnation}.{start:016d}"

    def _open(self, start: int) -> int:
        return os.open(self._path(start), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _read(self, max_bytes: int) -> bytes:
        if self._place >= self._end:
            return b""
        start = max(each for each in self._starts if each <= self._place)
        if self._reading is None or self._reading[0] != start:
            if self._reading is not None:
                os.close(self._reading[1])
            self._reading = (start, self._open(start))
        block = _BLOCK[: min(max_bytes, READ_BYTES)]
        chunk = bytes(block[: os.preadv(self._reading[1], [block], self._place - start)])
        self._place += len(chunk)
        return chunk

    async def _fill(self) -> None:
        """Have the kernel move what is in the pipe; waits until there is something."""
        try:
            moved = os.splice(
                self.pipe.fileno(),
                self._open_last(),
                MOVE_BYTES,
                offset_dst=self._end - self._starts[-1],
                flags=os.SPLICE_F_NONBLOCK,
            )
        except BlockingIOError:
            await trio.lowlevel.wait_readable(self.pipe.fileno())
        except OSError:
            await self.when_stuck()
            await trio.sleep(RETRY_S)
        else:
            self._end += moved
            self._has_ended = moved == 0

    def _open_last(self) -> int:
        """Return the file that grows, which is another one once that is large enough."""
        if self._writing is None:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._writing = self._open(self._starts[-1])
        elif self._end - self._starts[-1] >= FILE_BYTES:
            following = self._open(self._end)
            os.close(self._writing)
            self._writing = following
            self._starts.append(self._end)
        return self._writing


def _start_of(path: Path) -> int:
    return int(path.name.rpartition(".")[2])
