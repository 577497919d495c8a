"""
Reading an agent's pipes into one block of memory that all of them share.

A read that makes a block of its own gives most of it back at once, and what was read stays in its corner: next to
that, the next block finds no place, and the heap grows with every agent that is started.
"""

import contextlib
import fcntl
import mmap
import os
from typing import Final

import trio

READ_BYTES: Final = 256 * 1024
"""Bytes taken from a pipe at once, one journal commit each: a millisecond's work where the lines are short."""
PIPE_BYTES: Final = 1024 * 1024
"""
Bytes that the pipe of stdout is made to hold, the most that pipe(7) allows everybody by default.

The usual 64 KiB make agent and pump wait for each other's turn; with this the agent goes on writing while one of its
long lines is read.
"""
_BLOCK: Final = memoryview(mmap.mmap(-1, READ_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
"""
Filled and copied from in one synchronous step, so that nobody sees what another one has read.

The kernel gives the memory as it is filled: agents who say little at once never take all of it.
"""


def widen(pipe: trio.abc.ReceiveStream) -> None:
    """Let a pipe hold more, unless its user's pipes hold as much as the kernel allows already (pipe(7))."""
    if isinstance(pipe, trio.lowlevel.FdStream):
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


async def receive(stream: trio.abc.ReceiveStream) -> bytes:
    """Wait for what comes next, and return it; nothing at the end, also where the stream is broken."""
    try:
        if isinstance(stream, trio.lowlevel.FdStream):
            return await _receive_from_pipe(stream.fileno())
        return bytes(await stream.receive_some(READ_BYTES))
    except (trio.BrokenResourceError, OSError):
        return b""


async def _receive_from_pipe(descriptor: int) -> bytes:
    await trio.lowlevel.checkpoint()
    while True:
        try:
            return bytes(_BLOCK[: os.readv(descriptor, [_BLOCK])])
        except BlockingIOError:
            await trio.lowlevel.wait_readable(descriptor)
