"""
Who has a conversation: one process of an agent at a time.

Two processes of Claude Code resume one session without an error, and one branch of it vanishes. So, before a spawn,
every process of this machine that may be looked at is asked by its command line which session it has; meanwhile the
home that the conversations lie in is locked, so that two daemons do not both find nobody. A process that has taken its
session in another way (`--continue`, a choice in a terminal) is not seen.
"""

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from concordiad.errors import AgentError
from concordiad.ops.threads import in_thread

SESSION_FLAGS: Final = ("--resume", "--session-id", "-r")
LOCK_S: Final = 10.0
"""How long another daemon may be about to start an agent in the same home: some milliseconds, unless it is stopped."""
LOCK_POLL_S: Final = 0.02
SEEN_POLL_S: Final = 0.001
"""The kernel shows the arguments of a new program some microseconds after it has begun."""


def sessions_of(command: Sequence[str]) -> set[str]:
    """Read the sessions that a command line names, `--flag=ID` and `--flag ID`; a fork of one has it for itself."""
    if "--fork-session" in command:
        return set()
    found = set()
    for index, argument in enumerate(command):
        flag, equals, value = argument.partition("=")
        if flag in SESSION_FLAGS:
            found.add(value if equals else next(iter(command[index + 1 : index + 2]), ""))
    return found - {""}


def find_owner(sessions: set[str]) -> tuple[int, str] | None:
    """Find a process that has one of some sessions: its number and the session; blocks for some milliseconds."""
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            line = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        shared = sessions & sessions_of([part.decode(errors="replace") for part in line.split(b"\0")])
        if shared:
            return int(name), min(shared)
    return None


@asynccontextmanager
async def claim(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[None]:
    """
    See to it that nobody else has the sessions of a command while it is spawned.

    Raises:
        AgentError: somebody has one of them, or another daemon has been about to start an agent for too long.
    """
    async with _locked(environment.get("CLAUDE_CONFIG_DIR") or environment.get("HOME") or "/"):
        owner = await in_thread(find_owner, sessions_of(command))
        if owner is not None:
            raise AgentError(
                f"process {owner[0]} works on the conversation {owner[1]} already, and two would spoil it: end that"
                " process, or begin a new conversation with `concordiactl room restart --fresh`"
            )
        yield


async def until_seen(process: int) -> None:
    """
    Wait until the command line of a process that was just spawned can be read by whoever looks for an owner.

    Its spawner goes on before the kernel shows that: until then, nobody is found who has the conversation.
    """
    with trio.move_on_after(LOCK_S, shield=True):
        while _is_beginning(process):  # noqa: ASYNC110  # the kernel tells nobody when it shows them
            await trio.sleep(SEEN_POLL_S)


def _is_beginning(process: int) -> bool:
    try:
        # A process that has ended has no command line either, but no program any more.
        return not Path(f"/proc/{process}/cmdline").read_bytes() and bool(os.readlink(f"/proc/{process}/exe"))
    except OSError:
        return False


@asynccontextmanager
async def _locked(home: str) -> AsyncIterator[None]:
    """Hold the lock of a directory; where there is none that could be opened, there is nobody to share it with."""
    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        deadline = trio.current_time() + LOCK_S
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if trio.current_time() >= deadline:
                raise AgentError(
                    f"somebody has held the lock of {home} for {LOCK_S:g} s: no agent can be started there"
                )
            await trio.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)
