"""The control socket, who listens there, and the journal."""

import errno
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import concordiad
from concordiad.errors import JournalError
from concordiad.journal.inspect import Report, inspect_journal
from ctl.connection import Connection
from ctl.failures import Failure
from ctl.health import Finding, error, ok, warning
from ctl.lines import LineStream
from ctl.quantities import duration, plural

ANSWER_S: Final = 5.0
"""Patience with the daemon: it answers in a millisecond."""
CHECK_BYTES: Final = 2 * 1024**3
"""The largest journal that is checked: a second where it is in memory, ten from a plain disk."""
START: Final = "start one with `concordiad --try` (in a checkout: `make run`), or `systemctl start concordiad`"
_UCRED: Final = struct.Struct("3i")


class Daemon(NamedTuple):
    """One that answers: its socket, its process, its user, and what `daemon.status` says."""

    socket: Path
    pid: int
    uid: int
    about: dict[str, Any]
    rooms: list[dict[str, Any]]


def find_daemon(paths: list[str]) -> tuple[Daemon | None, list[Finding]]:
    """Look for a daemon at the sockets that every command would try."""
    findings = []
    for path in paths:
        daemon, finding = _ask(Path(path))
        findings += [] if finding is None else [finding]
        if daemon is not None:
            return daemon, [*findings, *_check_daemon(daemon)]
    return None, findings or [warning("socket", f"no daemon listens at {' or '.join(paths)}", START)]


def _ask(path: Path) -> tuple[Daemon | None, Finding | None]:
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as fault:
        return None, error("socket", f"{path} cannot be looked at: {fault.strerror}", "name another with --socket")
    if not stat.S_ISSOCK(status.st_mode):
        return None, error("socket", f"{path} is no socket", f"remove {path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(ANSWER_S)
        try:
            stream.connect(str(path))
            pid, uid, _ = _UCRED.unpack(stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
            answer = _status(Connection(LineStream(stream, str(path))))
        except (OSError, Failure) as fault:
            return None, _explain(path, fault)
    if answer is None:
        found = f"{path}: process {pid} accepts, but has not answered for {ANSWER_S:g} s"
        return None, error("socket", found, f"look at its log, and end it with `kill {pid}` if it hangs")
    if stat.S_IMODE(status.st_mode) & 0o007:
        open_to_all = f"{path} is open to everybody on this machine (mode {stat.S_IMODE(status.st_mode):04o})"
        finding = error("socket", open_to_all, f"chmod o= {path}: who may connect is a host")
    else:
        finding = ok("socket", f"{path}, mode {stat.S_IMODE(status.st_mode):04o}")
    return Daemon(path, pid, uid, answer["daemon"], answer["rooms"]), finding


def _status(connection: Connection) -> dict[str, Any] | None:
    connection.request("daemon.status")
    return connection.answer(time.monotonic() + ANSWER_S)


def _explain(path: Path, fault: OSError | Failure) -> Finding:
    if isinstance(fault, Failure):
        return error("socket", f"{path}: {fault.message}", "look at the daemon's log")
    if isinstance(fault, PermissionError):
        return error("socket", f"{path} may not be used by you", "ask its owner to let you into the socket's group")
    if fault.errno == errno.ECONNREFUSED:
        return warning("socket", f"{path} is stale: nobody listens there any more", f"{START}; it replaces the socket")
    return error("socket", f"{path}: {fault.strerror or fault}", "look at the daemon's log")


def _check_daemon(daemon: Daemon) -> Iterator[Finding]:
    version, rooms = daemon.about["version"], plural(len(daemon.rooms), "room")
    found = f"concordiad {version}, process {daemon.pid}, up {duration(daemon.about['uptime_s'])}, {rooms}"
    if version != concordiad.__version__:
        found += f"; concordiactl is {concordiad.__version__}"
        yield warning("daemon", found, "restart the daemon, so that both are of one version")
    else:
        yield ok("daemon", found)
    for room in daemon.rooms:
        if room["state"] in ("agent-failing", "agent-down"):
            remedy = f"see `concordiactl tail --room {room['name']} --no-follow`, and the lines about its agent here"
            yield warning(f"room {room['name']}", f"{room['state']}: {room['reason']}", remedy)


def check_journal(path: Path) -> tuple[Report | None, Finding]:
    """Look into the journal without touching it."""
    if not path.exists():
        return None, ok("journal", f"{path} is not there yet: the daemon makes it when it starts")
    if not os.access(path, os.R_OK):
        return None, warning("journal", f"{path} may not be read by you", "look as the user of the daemon")
    restore = "stop the daemon, keep the file, and restore it from a backup (docs/operation.md)"
    try:
        report = inspect_journal(path, CHECK_BYTES)
    except JournalError as fault:
        return None, error("journal", str(fault), restore)
    size = f"{(report.bytes + report.log_bytes) / 1024**2:.1f} MiB"
    found = f"{path}, {size}, format {report.format}"
    if report.format > report.newest_format:
        newest = f"this Concordia knows up to {report.newest_format}"
        return report, error("journal", f"{found}: {newest}", "install the newer Concordia that wrote it")
    if report.problems:
        return report, error("journal", f"{found}, damaged: {'; '.join(report.problems)}", restore)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return report, error("journal", f"{path} can be read by others (mode {mode:04o})", f"chmod 0600 {path}")
    checked = "sound" if report.is_checked else "too large to be checked here"
    return report, ok("journal", f"{found}, {checked}")
