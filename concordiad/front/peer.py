"""
Who is at the other end of the control socket, as the kernel knows it, and whether an agent of ours started it.

Law: a caller that an agent started gets no methods. That guards against accident, an agent that is talked into driving
its own daemon. With the same uid it is no wall: such a process can shed its parents and its environment on purpose.
"""

import os
import pwd
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio
from msgspec import Struct

from concordiad.agent.leftovers import MARK, mark_of
from concordiad.core.model import Author, AuthorKind
from concordiad.front.scarcity import SCARCE

SO_PEERPIDFD: Final = 77
"""Linux 6.5; Python has no name for it yet."""
_UCRED: Final = struct.Struct("3i")


class Peer(Struct, frozen=True):
    """
    A process that connected.

    Attributes:
        author: whom its prompts are by.
        is_agents: an agent of ours started it, or it is gone already, so that nobody can know.
    """

    author: Author
    is_agents: bool


def identify(stream: trio.SocketStream, journal_id: str) -> Peer:
    """
    Ask the kernel who is at the other end; blocks for a few reads of /proc.

    Raises:
        OSError: nobody can know at the moment, for want of descriptors.
    """
    pid, uid, _ = _UCRED.unpack(stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    author = Author(f"uid:{uid}", name, AuthorKind.LOCAL)
    try:
        pidfd = _pidfd_of(stream, pid)
    except OSError as error:
        if error.errno in SCARCE:
            raise
        return Peer(author, is_agents=True)
    try:
        is_agents = is_started_by_agent(pid, journal_id)
        # Only if the process still lives was it this pid's chain that was read.
        return Peer(author, is_agents or _has_ended(pidfd))
    finally:
        os.close(pidfd)


def _pidfd_of(stream: trio.SocketStream, pid: int) -> int:
    try:
        raw = stream.socket.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, struct.calcsize("i"))
    except OSError:
        # An older kernel: the pid may have been used again between the connection and now.
        return os.pidfd_open(pid)
    return int(struct.unpack("i", raw)[0])


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def is_started_by_agent(pid: int, journal_id: str) -> bool:
    """Tell whether a process descends from this daemon or carries the mark of one of its agents."""
    wanted = f"{MARK}={mark_of(journal_id)}".encode()
    for link in (pid, *_parents(pid)):
        if link == os.getpid() and link != pid:
            return True
        if any(entry.startswith(wanted) for entry in _environment(link)):
            return True
    # A parent may end while the chain is read: then its child hangs elsewhere, and a second look sees that.
    return os.getpid() in _parents(pid)


def _parents(pid: int) -> Iterator[int]:
    seen = {pid}
    while pid > 1:
        status = _read(f"/proc/{pid}/stat")
        if not status:
            return
        # The name in parentheses may hold anything, also parentheses and blanks (proc(5)).
        pid = int(status.rpartition(b")")[2].split()[1])
        if pid in seen:
            return
        seen.add(pid)
        yield pid


def _environment(pid: int) -> list[bytes]:
    return _read(f"/proc/{pid}/environ").split(b"\0")


def _read(path: str) -> bytes:
    """Read what is there of a process; nothing if it has ended or is not ours to see."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        # What could not be read must not pass for what is not there.
        if error.errno in SCARCE:
            raise
        return b""
