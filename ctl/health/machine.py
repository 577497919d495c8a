"""The machine: Python, SQLite, the libraries, descriptors, the clock."""

import importlib.metadata
import platform
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from concordiad.config.limits import Limits
from concordiad.errors import ConfigError
from concordiad.journal.inspect import sqlite_version
from concordiad.journal.schema import check_sqlite
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import has_systemd, has_unit
from ctl.quantities import duration, plural

LIBRARIES: Final = (
    *("trio", "attrs", "cattrs", "msgspec", "structlog", "click"),
    *("h11", "wsproto", "trio-websocket", "prompt_toolkit"),
)
OLDEST_PYTHON: Final = (3, 11)
PER_ROOM: Final = 32
"""Descriptors that a room needs at most: the agent's pipes twice over a restart, and a margin."""
OWN: Final = 128
"""Descriptors of the daemon itself: the journal, its threads, the event loop, the log, and a margin."""
BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
END: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right shows anything before or after."""
TOLERANCE_S: Final = 1.0
TIMEDATECTL_S: Final = 3.0


def check_python() -> list[Finding]:
    """Look at the interpreter, its SQLite, and the libraries."""
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        python = ok("python", f"{version}, {sys.executable}")
    else:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        python = error(
            "python", f"{version} is older than {oldest}", f"install Concordia with Python {oldest} or newer"
        )
    return [python, _check_sqlite(), _check_libraries()]


def _check_sqlite() -> Finding:
    try:
        check_sqlite()
    except ConfigError as fault:
        return error("sqlite", str(fault), "use a newer Python: it brings its own SQLite")
    return ok("sqlite", sqlite_version())


def _check_libraries() -> Finding:
    found = []
    for library in LIBRARIES:
        try:
            found.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            return error("libraries", f"{library} is not installed", "install Concordia again, with its dependencies")
    return ok("libraries", ", ".join(found))


def check_descriptors(limits: Limits, rooms: int, daemon: int | None) -> Finding:
    """Look at how many files may be open: of the daemon, where it runs and may be looked at, else of this shell."""
    needed = limits.connections + PER_ROOM * rooms + OWN
    found = None if daemon is None else _limits_of(daemon)
    whose = "this shell" if found is None else "the daemon"
    soft, hard = found or resource.getrlimit(resource.RLIMIT_NOFILE)
    if _suffices(soft, needed):
        shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        return ok("descriptors", f"{shown} for {whose}; {needed} at most are needed")
    pid = "$$" if found is None else str(daemon)
    if not _suffices(hard, needed):
        remedy = f"as root `prlimit --pid {pid} --nofile={needed}:{needed}`"
    elif found is None:
        remedy = f"`ulimit -n {needed}`"
    else:
        remedy = f"`prlimit --pid {pid} --nofile={needed}:`"
    when = ", in the shell that starts the daemon" if found is None else ", for as long as it runs"
    unit = f", or LimitNOFILE={needed} in its unit" if has_unit() else ""
    may_need = f"{plural(limits.connections, 'connection')} and {plural(rooms, 'room')} may need {needed}"
    remedy += f"{when}{unit}; or fewer limits.connections"
    return warning("descriptors", f"{soft} for {whose}; {may_need}", remedy)


def _suffices(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed


def _limits_of(process: int) -> tuple[int, int] | None:
    """Read how many files a process may open, and how many it may let itself open."""
    try:
        lines = Path(f"/proc/{process}/limits").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Max open files"):
            soft, hard = (resource.RLIM_INFINITY if limit == "unlimited" else int(limit) for limit in line.split()[3:5])
            return soft, hard
    return None


def check_clock(newest_event_at: float | None) -> Finding:
    """Look at the clock on the wall: against what cannot be, the newest event, and the network's time."""
    now = time.time()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    remedy = _set_clock(now)
    if not BEGINNING <= now < END:
        return error("clock", f"it shows {shown}, which cannot be", remedy)
    if newest_event_at is not None and newest_event_at > now + TOLERANCE_S:
        ahead = duration(newest_event_at - now)
        found = f"it shows {shown}, but the newest event is {ahead} later: it went back, or was ahead then"
        return error("clock", found, f"if it is wrong now, {remedy}; if not, wait: the transcript is dated ahead")
    if _is_synchronised() is False:
        return warning("clock", f"{shown}, not synchronised with the network's time", remedy)
    return ok("clock", shown)


def _set_clock(now: float) -> str:
    if has_systemd() and shutil.which("timedatectl") is not None:
        return "`timedatectl set-ntp true` as root"
    example = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"`date -u -s '{example}'` as root, with the right time; an NTP client keeps it right"


def _is_synchronised() -> bool | None:
    program = shutil.which("timedatectl")
    if program is None:
        return None
    try:
        asked = subprocess.run(
            [program, "show", "--property=NTPSynchronized", "--value"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEDATECTL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(asked.stdout.strip())
