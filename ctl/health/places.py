"""The configuration, and the directories of the daemon and of its rooms."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from concordiad.agent.service import as_in_service
from concordiad.config import read_config
from concordiad.config.places import find_agent_socket
from concordiad.config.tables import Agent, Config
from concordiad.errors import ConfigError
from ctl.health import Finding, Status, error, ok, warning
from ctl.health.placing import check_workdir_of_unit
from ctl.health.remedies import move_away, name_user, type_out

LITTLE_BYTES: Final = 1024**3
TOO_LITTLE_BYTES: Final = 64 * 1024**2
"""A few long answers, and a journal cannot be written any more."""
TEST_S: Final = 20.0
"""test(1) answers at once, but not while the machine has no time for it."""


def check_configuration(path: Path, *, is_named: bool, service_uid: int | None = None) -> tuple[Config | None, Finding]:
    """
    Read the configuration as the daemon would; None where it is wrong, or is not for us to read.

    Args:
        path: the file.
        is_named: somebody has named it.
        service_uid: the user of the service whose file it is, if it is a service's.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if is_named:
            return None, error("configuration", f"{path} is not there", "name another with --config, or leave it out")
        return Config(), ok("configuration", f"none at {path}: the defaults are in force")
    except OSError as fault:
        found = f"{path} cannot be read by you: {fault.strerror}"
        return None, warning("configuration", found, "look as the user of the daemon")
    if service_uid not in (None, os.geteuid()) and not os.access(path, os.R_OK):
        return None, warning("configuration", f"{path} cannot be read by you", "look as root")
    try:
        config = read_config(path, find_agent_socket(as_in_service(path, os.environ)))
    except ConfigError as fault:
        return None, error("configuration", str(fault), f"correct {path}; docs/configuration.md explains every key")
    barrier = None if service_uid is None else find_barrier(path, service_uid)
    if barrier is not None:
        return config, _explain_barrier(path, barrier, service_uid or 0)
    rooms = ", ".join(sorted(config.rooms))
    return config, ok("configuration", f"{path}, with the rooms {rooms}")


def find_barrier(path: Path, uid: int) -> Path | None:
    """
    Find what keeps a user from reading a file: itself, or the first directory above it that lets nobody like that pass.

    Only root can look as somebody else; for anybody else, and where that user is not known, there is none.
    """
    if os.geteuid() != 0 or uid == 0 or _may(uid, "-r", path):
        return None
    return next((place for place in reversed(path.parents) if not _may(uid, "-x", place)), path)


def _may(uid: int, what: str, path: Path) -> bool:
    """Ask the kernel as that user, by test(1)."""
    try:
        user = pwd.getpwuid(uid)
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        command = ["test", what, str(path)]
        tried = subprocess.run(
            command, user=uid, group=user.pw_gid, extra_groups=groups, cwd="/", timeout=TEST_S, check=False
        )
    except (KeyError, OSError, subprocess.SubprocessError):
        return True
    return tried.returncode == 0


def _explain_barrier(path: Path, barrier: Path, uid: int) -> Finding:
    group = grp.getgrgid(pwd.getpwuid(uid).pw_gid).gr_name
    mode = "ug+r" if barrier == path else "ug+x"
    found = f"{path} cannot be read by {name_user(uid)}, the daemon's user"
    if barrier != path:
        found += f", who may not pass {barrier}"
    change = f"`{type_out('chgrp', group, barrier)}` and `{type_out('chmod', mode, barrier)}` as root"
    return error("configuration", found, f"{change}; then restart the daemon")


def check_group(group: str) -> Finding:
    """Look at the group whose members may use the socket: the daemon has to be in it, or be root."""
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        found = f"control.group: there is no group {group!r} on this machine"
        return error("group", found, f"`{type_out('groupadd', group)}` as root, or correct control.group")
    if os.geteuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        user = name_user(os.geteuid())
        remedy = f"`{type_out('usermod', '-aG', group, user)}` as root, then log in again"
        return warning("group", f"control.group: you, {user}, are no member of {group}", remedy)
    return ok("group", f"the members of {group} are hosts")


def check_directory(name: str, path: Path, *, may_group_pass: bool, daemon_uid: int | None) -> Finding:
    """Look at one of the daemon's own directories: whose it is, and that nobody else can look into it."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _check_missing(name, path)
    except OSError as fault:
        return warning(name, f"{path} cannot be looked at: {fault.strerror}", "look as the user of the daemon")
    elsewhere = f"choose another place with --{name}-dir"
    if not stat.S_ISDIR(status.st_mode):
        return error(name, f"{path} is no directory", f"`{move_away(path)}`, or {elsewhere}")
    mode = stat.S_IMODE(status.st_mode)
    owner = daemon_uid if daemon_uid is not None else os.geteuid()
    if status.st_uid != owner:
        theirs, ours = name_user(status.st_uid), name_user(owner)
        chown = type_out("chown", "-R", ours, path)
        remedy = (
            f"look and start the daemon as {theirs}, or {elsewhere}; or, if it should be {ours}'s, `{chown}` as root"
        )
        return error(name, f"{path} belongs to {theirs}, not to {ours}", remedy)
    if mode & (0o067 if may_group_pass else 0o077):
        right = "0710" if may_group_pass else "0700"
        return error(name, f"{path} is open to others (mode {mode:04o})", type_out("chmod", right, path))
    if mode & 0o700 != 0o700:
        remedy = type_out("chmod", "0700", path)
        return error(name, f"{path} cannot be written by its owner (mode {mode:04o})", remedy)
    if _is_read_only(path):
        remedy = f"`{type_out('mount', '-o', 'remount,rw', _mount_of(path))}` as root, or {elsewhere}"
        return error(name, f"{path} is on a read-only file system", remedy)
    return ok(name, f"{path}, of {name_user(status.st_uid)}, mode {mode:04o}")


def _check_missing(name: str, path: Path) -> Finding:
    parent = _nearest(path)
    elsewhere = f"choose another place with --{name}-dir"
    if not parent.is_dir():
        return error(name, f"{parent} is in the way: it is no directory", f"`{move_away(parent)}`, or {elsewhere}")
    if os.access(parent, os.W_OK | os.X_OK):
        return ok(name, f"{path} is not there yet: the daemon makes it when it starts")
    found = f"{path} is not there, and {parent} cannot be written"
    make = type_out("install", "-d", "-m", "700", "-o", name_user(os.geteuid()), path)
    return error(name, found, elsewhere if _is_read_only(parent) else f"`{make}` as root, or {elsewhere}")


def number_of(user: str) -> int | None:
    """Find a user's number; None if there is no such user."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def check_disk(path: Path) -> Finding:
    """Look at how much room there is for the journal."""
    place = _nearest(path)
    usage, counts = shutil.disk_usage(place), os.statvfs(place)
    mount = _mount_of(place)
    where = f"{mount}" if mount == path else f"{mount}, where {path} is,"
    remedy = f"`{type_out('du', '-xh', '--max-depth=2', mount)}` shows what fills it; or keep less with [retention]"
    if usage.total < TOO_LITTLE_BYTES:
        found = f"{where} has {_size(usage.total)} in all"
        return error("disk", found, "choose a larger one with --state-dir")
    if usage.free < TOO_LITTLE_BYTES:
        return error("disk", f"{where} has {_size(usage.free)} free", remedy)
    if counts.f_files > 0 and counts.f_favail == 0:
        return error("disk", f"{where} has no inode left", "remove files that nobody needs")
    found = f"{_size(usage.free)} are free for {place}"
    return warning("disk", found, remedy) if usage.free < LITTLE_BYTES else ok("disk", found)


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= LITTLE_BYTES else f"{count / 1024**2:.0f} MiB"


def check_workdirs(workdirs: dict[str, Path], agents: Mapping[str, Agent]) -> Iterator[Finding]:
    """Look at the directories in which agents work, by their rooms, as far as known with their agents."""
    for room, path in workdirs.items():
        agent, elsewhere = agents.get(room, Agent()), f"correct rooms.{room}.workdir"
        finding = (
            _check_workdir(f"room {room}", path, elsewhere)
            if agent.socket is None
            else check_workdir_of_unit(f"room {room}", path, agent, elsewhere)
        )
        others = [other for other, place in workdirs.items() if other != room and place == path]
        if finding.status is Status.OK and others:
            remedy = "give each room a directory of its own, such as a git worktree"
            work = "works" if len(others) == 1 else "work"
            finding = warning(finding.name, f"{path}, where {', '.join(others)} {work} too", remedy)
        yield finding


def _check_workdir(name: str, path: Path, elsewhere: str) -> Finding:
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        remedy = f"`{type_out('mkdir', '-p', path)}`, or {elsewhere}"
        return error(name, f"its directory {path} is not there", remedy)
    except OSError as fault:
        found = f"its directory {path} cannot be looked at by you: {fault.strerror}"
        return warning(name, found, "look as the user of the daemon")
    if not is_directory:
        return error(name, f"{path} is no directory", elsewhere)
    if not os.access(path, os.W_OK | os.X_OK):
        found = f"its directory {path} cannot be written by you: the agent can only read there, if that"
        return warning(name, found, f"let the daemon's user write there, or {elsewhere}")
    return ok(name, str(path))


def _nearest(path: Path) -> Path:
    """Find the place itself, or the nearest one above it that is there and may be seen."""
    return next(place for place in (path, *path.parents) if os.path.exists(place))  # Path.exists can raise


def _mount_of(path: Path) -> Path:
    return next(place for place in (path.resolve(), *path.resolve().parents) if place.is_mount())


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
