"""The control socket, and who listens there."""

import errno
import os
import re
import socket
import stat
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import concordiad
from ctl.connection import Connection
from ctl.failures import Failure
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import UNIT, join, move_away, name_user, start_daemon, type_out
from ctl.lines import LineStream
from ctl.quantities import duration, plural

ANSWER_S: Final = 5.0
"""Patience with the daemon: it answers in a millisecond."""
PATH_BYTES: Final = 107
"""The longest path of a Unix socket on Linux (unix(7): 108 with its closing zero)."""
NAME: Final = "socket"
CLOSED: Final = "name another with --socket, or ask its owner to set control.group"
CALLED: Final = "control.sock"
SERVICE_MANAGER: Final = "systemd"
_UCRED: Final = struct.Struct("3i")


class Daemon(NamedTuple):
    """
    One that answers: its socket, its process, its user, and what `daemon.status` says.

    Attributes:
        is_open_to_group: the socket's file is for a group, too.
    """

    socket: Path
    pid: int
    uid: int
    about: dict[str, Any]
    rooms: list[dict[str, Any]]
    is_open_to_group: bool = False


def find_daemon(paths: Sequence[str], state: Path, options: Sequence[str]) -> tuple[Daemon | None, list[Finding]]:
    """
    Look for a daemon at the sockets that every command would try.

    Args:
        paths: the sockets.
        state: the state directory, where a daemon may hold the lock and listen elsewhere.
        options: those that a daemon has to be started with, to listen there.
    """
    findings: list[Finding] = []
    start = start_daemon(options)
    for path in paths:
        daemon, finding = _ask(Path(path), start)
        findings += [] if finding is None else [finding]
        if daemon is not None:
            return daemon, [*findings, *_check_daemon(daemon, is_named=bool(options))]
    holder = _holder_of(state / "lock")
    if holder is not None and not (findings and holder[1] in paths):
        return None, [_check_holder(state, *holder)]
    if Path(paths[0]).name != CALLED:
        start = f"name another with --socket: a daemon's is called {CALLED}"
    return None, findings or [warning(NAME, f"no daemon listens at {' or '.join(paths)}", start)]


def _ask(path: Path, start: str) -> tuple[Daemon | None, Finding | None]:
    if len(os.fsencode(path)) > PATH_BYTES:
        found = f"the path {path} is longer than the {PATH_BYTES} bytes that a socket's may have"
        return None, error(NAME, found, "choose a shorter --runtime-dir")
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as fault:
        found = f"{path} cannot be looked at: {fault.strerror}"
        return None, error(NAME, found, _pass(path.parent) or CLOSED)
    if not stat.S_ISSOCK(status.st_mode):
        return None, error(NAME, f"{path} is no socket", move_away(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(ANSWER_S)
        try:
            stream.connect(str(path))
            pid, uid, _ = _UCRED.unpack(stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        except OSError as fault:
            return None, _explain(path, status, fault, start)
        return _talk(stream, path, stat.S_IMODE(status.st_mode), pid, uid)


def _talk(stream: socket.socket, path: Path, mode: int, pid: int, uid: int) -> tuple[Daemon | None, Finding]:
    who = f"process {pid} ({_name_of(pid)}) of {name_user(uid)}"
    remedy = f"if nobody needs it, `kill {pid}`; else choose another place with --runtime-dir"
    connection = Connection(LineStream(stream, str(path)))
    try:
        connection.request("daemon.status")
        answer = connection.answer(time.monotonic() + ANSWER_S)
        daemon = None if answer is None else _read_daemon(path, pid, uid, answer, is_open_to_group=bool(mode & 0o060))
    except (OSError, Failure, LookupError, TypeError, AttributeError) as fault:
        why = fault.message if isinstance(fault, Failure) else f"its answer makes no sense ({fault!r})"
        if _name_of(pid) == SERVICE_MANAGER:
            remedy = _ask_manager(pid)
        return None, error(NAME, f"{path}: {who} listens there, and does not answer as a concordiad: {why}", remedy)
    if daemon is None:
        found = f"{path}: {who} accepts, but has not answered for {ANSWER_S:g} s"
        if _name_of(pid) == SERVICE_MANAGER:
            # Who connects has it start the daemon, and waits for that one.
            return None, error(NAME, found, _ask_manager(pid))
        return None, error(NAME, found, f"look at its log; if it hangs, `kill {pid}`")
    if mode & 0o007:
        found = f"{path} is open to everybody on this machine (mode {mode:04o}), and who may connect is a host"
        return daemon, error(NAME, found, type_out("chmod", "o=", path))
    return daemon, ok(NAME, f"{path}, mode {mode:04o}")


def _ask_manager(pid: int) -> str:
    ask = f"systemctl {'' if pid == 1 else '--user '}status {UNIT}"
    return f"the daemon that it starts does not answer: `{ask}` says why"


def _read_daemon(path: Path, pid: int, uid: int, answer: dict[str, Any], *, is_open_to_group: bool) -> Daemon:
    """Read the answer; LookupError or TypeError: it lacks what is looked at here."""
    about, rooms = answer["daemon"], answer["rooms"]
    for key in ("version", "uptime_s", "state_dir"):
        _ = about[key]
    for room in rooms:
        _ = room["name"], room["state"], room["reason"], room["workdir"], room["agent"]["name"]
    return Daemon(path, *_behind(pid, uid, about.get("pid")), about, rooms, is_open_to_group)


def _behind(pid: int, uid: int, said: object) -> tuple[int, int]:
    """
    Find the daemon's process and user behind a socket that its service manager has opened.

    The kernel names whoever has opened it, and the daemon itself. A daemon of another user may hide from us; then the
    kernel's word stands.
    """
    if isinstance(said, int) and _name_of(pid) == SERVICE_MANAGER:
        try:
            return said, os.stat(f"/proc/{said}").st_uid
        except OSError:
            return pid, uid
    return pid, uid


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "gone"


def _pass(directory: Path) -> str | None:
    """Write what lets somebody pass a directory that is a group's; None where that would not."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return join(status.st_gid) if status.st_mode & stat.S_IXGRP and os.geteuid() != status.st_uid else None


def _explain(path: Path, status: os.stat_result, fault: OSError, start: str) -> Finding:
    if isinstance(fault, PermissionError):
        owner = name_user(status.st_uid)
        found = f"{path} is of {owner}, and you may not use it (mode {stat.S_IMODE(status.st_mode):04o})"
        let_in = join(status.st_gid) if status.st_mode & stat.S_IWGRP else None
        return error(NAME, found, let_in or f"ask {owner} to set control.group, and to let you into that group")
    if fault.errno == errno.ECONNREFUSED:
        return warning(NAME, f"{path} is stale: nobody listens there any more", f"`{start}` replaces it")
    if fault.errno == errno.EPROTOTYPE:
        return error(
            NAME, f"{path} is another program's: no stream of bytes", "choose another place with --runtime-dir"
        )
    if fault.errno == errno.EAGAIN:
        found = f"{path}: somebody listens there, but accepts nobody"
        return error(NAME, found, f"`{type_out('ss', '-xlp', 'src', path)}` says who; end it if it hangs")
    return error(NAME, f"{path}: {fault.strerror or fault}", "choose another place with --runtime-dir")


def _check_daemon(daemon: Daemon, *, is_named: bool) -> Iterator[Finding]:
    version, rooms = daemon.about["version"], plural(len(daemon.rooms), "room")
    found = f"concordiad {version}, process {daemon.pid}, up {duration(daemon.about['uptime_s'])}, {rooms}"
    if version != concordiad.__version__:
        found += f"; concordiactl is {concordiad.__version__}"
        yield warning("daemon", found, "restart the daemon, so that both are of one version")
    else:
        yield ok("daemon", found)
    ctl = ["concordiactl", *(["--socket", str(daemon.socket)] if is_named else [])]
    for room in daemon.rooms:
        if room["state"] in ("agent-failing", "agent-down", "api-failing"):
            tail = type_out(*ctl, "tail", "--room", room["name"], "--no-follow")
            remedy = f"`{tail}` shows what happened; see the lines about its agent, too"
            yield warning(f"room {room['name']}", f"{room['state']}: {room['reason']}", remedy)


def _holder_of(lock: Path) -> tuple[int, str] | None:
    """Find the process that holds a daemon's lock, and the socket that it wrote there."""
    try:
        inode = lock.stat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii")
        said = lock.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    by = re.search(rf"FLOCK +\S+ +WRITE (\d+) \S+:{inode} ", held)
    where = re.search(r"socket (.+)$", said.strip())
    return None if by is None or where is None else (int(by[1]), where[1])


def _check_holder(state: Path, pid: int, path: str) -> Finding:
    if os.path.exists(path):  # Path.exists can raise
        found = f"process {pid} works in {state}, but listens at {path}"
        return error(NAME, found, type_out("concordiactl", "--socket", path, "doctor"))
    found = f"process {pid} works in {state}, but its socket {path} was removed"
    return error(NAME, found, f"`kill {pid}`, and start it again")
