"""
Whether the journal's files are where the next start looks for them.

A file that is deleted, moved away or replaced stays open and takes whatever is recorded, and all of it is lost with the
process. Law: nothing is acknowledged as durable while the name of the journal, or of its log, leads to another file or
to none; what was recorded by then is carried over from the files that are open (journal/store.py:Store.move).
"""

import errno
import os
from pathlib import Path
from typing import Final, NamedTuple

from concordiad.journal.faults import Displaced

LOG: Final = "-wal"
"""What SQLite puts behind a file's name for its log."""


class Identity(NamedTuple):
    """Which file it is, whatever its name: no other one has these numbers for as long as it is open."""

    device: int
    inode: int


def identify(path: str | Path) -> Identity:
    """Tell which file a name leads to. Raises OSError."""
    status = os.stat(path)
    return Identity(status.st_dev, status.st_ino)


class Place:
    """
    The names of a journal's files, and what they are to lead to.

    Args:
        path: the file; its log has the same name and LOG.

    Raises:
        OSError: the directory cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._directory = _open_directory(path.parent)
        self._files: tuple[tuple[str, Identity], ...] = ()

    def settle(self, expected: Identity | None = None) -> None:
        """
        Take the files of these names, which were opened just now, for the journal's.

        Args:
            expected: which one the first is to be; None: whichever it is.

        Raises:
            OSError: there are none, or it is another one: what was taken before stays.
        """
        # SQLite puts the log beside what a link leads to.
        names = (str(self._path), f"{os.path.realpath(self._path)}{LOG}")
        files = tuple((name, identify(name)) for name in names)
        if expected not in (None, files[0][1]):
            raise Displaced(errno.ENOENT, "another file is in its place")
        self._files = files

    def is_kept(self) -> bool:
        """
        Tell whether the names still lead to the files that are open: some microseconds' work.

        Raises:
            OSError: it cannot be seen.
        """
        return all(leads_to(name, identity) for name, identity in self._files)

    def make_ready(self) -> None:
        """
        See that there is a directory for a new file: the journal's own, or another one where that was deleted.

        Raises:
            Displaced: the journal's own was moved, and can come back.
            OSError: it was deleted, and cannot be made again.
        """
        try:
            there = identify(self._path.parent)
        except FileNotFoundError:
            there = None
        status = os.fstat(self._directory)
        if there == Identity(status.st_dev, status.st_ino):
            return
        if status.st_nlink > 0:
            raise Displaced(errno.ENOENT, "its directory was moved away")
        if there is None:
            self._path.parent.mkdir(mode=0o700)
        directory, self._directory = self._directory, _open_directory(self._path.parent)
        os.close(directory)

    def remove_own_log(self) -> None:
        """Remove the log whose file has lost its name, once all that is in it is elsewhere. Raises OSError."""
        [(_, ours), (name, log)] = self._files
        if leads_to(name, log) and not leads_to(name.removesuffix(LOG), ours):
            os.unlink(name)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._directory)


def leads_to(name: str | Path, identity: Identity) -> bool:
    """
    Tell whether a name leads to a file.

    Raises:
        OSError: it cannot be seen.
    """
    try:
        status = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return status.st_ino == identity.inode and status.st_dev == identity.device


def _open_directory(path: Path) -> int:
    # With O_PATH it is only held, so that its number is not given to another one.
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
