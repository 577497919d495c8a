"""The configuration, and the directories of the daemon and of its rooms."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from concordiad.config import Config, read_config
from concordiad.errors import ConfigError
from ctl.health import Finding, error, ok, warning

LITTLE_BYTES: Final = 1024**3
TOO_LITTLE_BYTES: Final = 64 * 1024**2
"""A few long answers, and a journal cannot be written any more."""


def check_configuration(path: Path) -> tuple[Config | None, Finding]:
    """Read the configuration as the daemon would; None where it is wrong."""
    if not path.exists():
        return Config(), ok("configuration", f"none at {path}: the defaults are in force")
    try:
        config = read_config(path)
    except ConfigError as fault:
        return None, error("configuration", str(fault), f"correct {path}; docs/configuration.md explains every key")
    rooms = ", ".join(sorted(config.rooms))
    return config, ok("configuration", f"{path}, with the rooms {rooms}")


def check_directory(name: str, path: Path, *, may_group_pass: bool, daemon_uid: int | None) -> Finding:
    """Look at one of the daemon's own directories: whose it is, and that nobody else can look into it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return _check_missing(name, path)
    except OSError as fault:
        return warning(name, f"{path} cannot be looked at: {fault.strerror}", "look as the user of the daemon")
    if not stat.S_ISDIR(status.st_mode):
        return error(name, f"{path} is no directory", f"remove {path}, or choose another place")
    mode = stat.S_IMODE(status.st_mode)
    owner = daemon_uid if daemon_uid is not None else os.geteuid()
    if status.st_uid != owner:
        names = f"{_user(status.st_uid)}, not to {_user(owner)}"
        return error(name, f"{path} belongs to {names}", f"chown {_user(owner)} {path}")
    if mode & (0o067 if may_group_pass else 0o077):
        return error(
            name, f"{path} is open to others (mode {mode:04o})", f"chmod {'0710' if may_group_pass else '0700'} {path}"
        )
    if mode & 0o700 != 0o700:
        return error(name, f"{path} cannot be written by its owner (mode {mode:04o})", f"chmod 0700 {path}")
    return ok(name, f"{path}, of {_user(status.st_uid)}, mode {mode:04o}")


def _check_missing(name: str, path: Path) -> Finding:
    parent = next(parent for parent in path.parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return ok(name, f"{path} is not there yet: the daemon makes it when it starts")
    return error(name, f"{path} is not there, and {parent} cannot be written", f"make {path}, or choose another place")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def check_disk(path: Path) -> Finding:
    """Look at how much room there is for the journal."""
    place = next(place for place in (path, *path.parents) if place.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB are free for {place}"
    remedy = "make room, or set `retention` so that old events are forgotten"
    if free < TOO_LITTLE_BYTES:
        return error("disk", f"{free / 1024**2:.0f} MiB are free for {place}", remedy)
    return warning("disk", found, remedy) if free < LITTLE_BYTES else ok("disk", found)


def check_workdirs(workdirs: dict[str, Path]) -> Iterator[Finding]:
    """Look at the directories in which agents work, by their rooms."""
    for room, path in workdirs.items():
        name = f"room {room}"
        others = [other for other, place in workdirs.items() if other != room and place == path]
        if not path.is_dir():
            yield error(name, f"its directory {path} is not there", f"make {path}, or correct rooms.{room}.workdir")
        elif not os.access(path, os.W_OK | os.X_OK):
            yield warning(name, f"its directory {path} cannot be written by you", "let the daemon's user write there")
        elif others:
            remedy = "give each room a directory of its own, such as a git worktree"
            yield warning(name, f"{path}, where {', '.join(others)} works too", remedy)
        else:
            yield ok(name, str(path))
