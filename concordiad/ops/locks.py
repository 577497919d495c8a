"""Locks on files: who holds one is the only one there, until the descriptor is closed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from concordiad.errors import ConfigError

LOCK: Final = "lock"
"""The file in the state directory; its text says who has it."""


@contextmanager
def hold_state(directory: Path, socket: Path) -> Iterator[None]:
    """
    Be the only daemon on a state directory.

    Raises:
        ConfigError: another one is; the message says which.
    """
    with ExitStack() as held:
        lock = open_lock(directory / LOCK, "--state-dir")
        held.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 4096).decode("utf-8", "replace").strip() or "another concordiad"
            raise ConfigError(f"{directory} is in use by {holder}: stop it, or choose another --state-dir") from error
        # On a full disk a second daemon is told less; the journal will say that it is full.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.write(lock, f"concordiad, process {os.getpid()}, socket {socket}\n".encode())
        yield


@contextmanager
def hold_unserved(directory: Path) -> Iterator[None]:
    """
    Keep daemons out of a state directory.

    Raises:
        BlockingIOError: one is there.
    """
    with ExitStack() as held:
        with suppress(FileNotFoundError):
            lock = held.enter_context((directory / LOCK).open("rb"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def open_lock(path: Path, option: str) -> int:
    """
    Open a lock file, made if it is not there.

    Raises:
        ConfigError: that cannot be; names the option that would choose another place.
    """
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be opened: {error.strerror}; remove it, or choose another {option}"
        ) from error
