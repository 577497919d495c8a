"""
What an agent leaves behind: processes that outlive it, found by the mark in their environment and ended through pidfds.

A Bash tool of the agent has a session and a process group of its own, so no group reaches it; but it inherits the
environment. Law: a signal is sent only through a pidfd that was opened before the mark was read, so that a recycled pid
is never hit. What has thrown the mark out of its environment on purpose is out of reach; only a cgroup would hold it.
"""

import os
import select
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

MARK: Final = "CONCORDIA_AGENT"
"""The variable: JOURNAL_ID/ROOM/INCARNATION; the journal's id ends with the place where it is."""
END_GRACE_S: Final = 2.0
"""How long a leftover has between SIGTERM and SIGKILL, and after that."""
ROUNDS: Final = 3
"""A process may start another one while it ends; what is still there after so many rounds starts them on purpose."""
EXEC_S: Final = 1.0
"""How long a process may be between two programs: some microseconds, unless the machine has no time for it."""
_POLL_S: Final = 0.02
_EXEC_POLL_S: Final = 0.001


def mark_of(journal_id: str, room: str = "", incarnation: str = "") -> str:
    """Write a mark, or the beginning that the marks of a room or of a whole journal have in common."""
    return f"{journal_id}/" + (f"{room}/" if room else "") + incarnation


def end_leftovers(mark: str, grace_s: float = END_GRACE_S, spared: Collection[str] = ()) -> int:
    """
    End every process whose mark begins with `mark`; blocks for up to the grace and a little, longer if one is stuck.

    Those whose whole mark is one of `spared` are left: their agents go on.

    Returns:
        How many there were.
    """
    ended: set[int] = set()
    for number in range(ROUNDS):
        marked = dict(_open_marked(mark, spared))
        if not marked:
            break
        ended |= marked.keys()
        try:
            if number == 0:
                _signal_all(marked, signal.SIGTERM)
                _wait(marked, grace_s)
            _signal_all(marked, signal.SIGKILL)
            _wait(marked, grace_s)
        finally:
            for pidfd in marked.values():
                os.close(pidfd)
    return len(ended)


def find_journals(place: str) -> set[str]:
    """Find the journals of which processes are left that were started where a journal is, whatever its name was."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            for entry in read_environment(int(name)):
                variable, _, mark = entry.decode(errors="replace").partition("=")
                journal = mark.partition("/")[0]
                if variable == MARK and journal.endswith(f"-{place}"):
                    found.add(journal)
    return found


def read_environment(pid: int) -> list[bytes]:
    """
    Read a process's environment, as its entries; a kernel thread and a zombie have none.

    In the middle of an exec there is nothing to be read although the process has an environment before and after.
    Whoever took that for "has none" would miss a process of ours.

    Raises:
        OSError: there is no such process, or it may not be looked at.
    """
    deadline = time.monotonic() + EXEC_S
    while True:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
        if environment or _has_no_environment(pid) or time.monotonic() > deadline:
            return environment.split(b"\0")
        time.sleep(_EXEC_POLL_S)


def _has_no_environment(pid: int) -> bool:
    try:
        os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return True
    with open(f"/proc/{pid}/stat", "rb") as file:
        # proc(5): env_start and env_end are fields 50 and 51; the second, the command in brackets, may hold blanks.
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[50 - 3]), int(fields[51 - 3])
    return 0 < start == end


def _wait(marked: dict[int, int], grace_s: float) -> None:
    deadline = time.monotonic() + grace_s
    while any(map(_is_alive, marked.values())) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _open_marked(mark: str, spared: Collection[str]) -> Iterator[tuple[int, int]]:
    wanted = f"{MARK}={mark}".encode()
    others = {f"{MARK}={each}".encode() for each in spared}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            pidfd = os.pidfd_open(int(name))
        except OSError:
            continue
        try:
            is_ours = any(entry.startswith(wanted) and entry not in others for entry in read_environment(int(name)))
        except OSError:
            is_ours = False
        if is_ours and _is_alive(pidfd):
            yield int(name), pidfd
        else:
            os.close(pidfd)


def _is_alive(pidfd: int) -> bool:
    # A pidfd becomes readable when its process ends; a poll, unlike select, takes any number of descriptors.
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return not poll.poll(0)


def _signal_all(marked: dict[int, int], number: signal.Signals) -> None:
    for pidfd in marked.values():
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            continue
