"""The units of systemd that run a daemon: the machine's, and one's own."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from concordiad.config.limits import Graces
from concordiad.core.codes import EXIT_CONFIG
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import UNIT, has_systemd, name_user
from ctl.quantities import plural

SOCKET_UNIT: Final = "concordiad.socket"
PROPERTIES: Final = (
    *("Id", "LoadState", "ActiveState", "Result", "UnitFileState", "MainPID", "NRestarts"),
    *("StatusText", "User", "ExecMainStatus", "TimeoutStopUSec", "NeedDaemonReload"),
)
REFUSED: Final = "the configuration was refused"
"""How the daemon's status begins after a reload that it could not follow."""
MASKED: Final = "masked"
SERVICE_USER: Final = "concordia"
IN_USE: Final = ("enabled", "enabled-runtime", "linked")
AFTER_GRACES_S: Final = 6.0
"""What stopping takes beside the configured graces: 4 s for an agent's leftovers, 2 s for who reads the last events."""
PATIENCE_S: Final = 20.0
"""A service manager answers in milliseconds, but not while the machine has no time for it."""
_PARTS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

Properties = Mapping[str, str]


class Manager(NamedTuple):
    """
    A service manager, and what it says.

    Attributes:
        name: how its findings are called.
        options: of every systemctl.
        service: the daemon's unit.
        socket: the control socket's.
    """

    name: str
    options: tuple[str, ...]
    service: Properties
    socket: Properties

    @property
    def is_in_use(self) -> bool:
        """Tell whether somebody wants it to run a daemon, or it does."""
        return any(
            unit.get("UnitFileState") in IN_USE or unit.get("ActiveState", "inactive") != "inactive"
            for unit in (self.service, self.socket)
        )

    @property
    def user(self) -> str:
        """Name the user of its daemon; of a masked unit nothing is known, so it is whom we install."""
        return SERVICE_USER if _is_masked(self.service) else self.service.get("User", "")

    @property
    def unmask(self) -> str | None:
        """Write what lets its units be started again; None where none is masked."""
        units = [(name, unit) for name, unit in ((SOCKET_UNIT, self.socket), (UNIT, self.service)) if _is_masked(unit)]
        if not units:
            return None
        is_passing = any(unit.get("UnitFileState") == "masked-runtime" for _, unit in units)
        return self.systemctl("unmask", *(["--runtime"] if is_passing else []), *(name for name, _ in units))

    def systemctl(self, *words: str) -> str:
        """Write what tells it something."""
        return " ".join(("systemctl", *self.options, *words))

    def log(self) -> str:
        """Write what shows the daemon's log."""
        return " ".join(("journalctl", *self.options, f"--unit={UNIT}" if not self.options else f"--user-unit={UNIT}"))


def _is_masked(unit: Properties) -> bool:
    return unit.get("LoadState") == MASKED


def longest_stop_s(graces: Graces) -> float:
    """Say how long a daemon with these graces may take to stop."""
    agent = graces.turn_s + graces.interrupt_s + graces.exit_s + graces.kill_s
    return agent + graces.write_s + AFTER_GRACES_S


def user_of_service(managers: Sequence[Manager]) -> str | None:
    """Name the user whom the machine's service runs as, where that one is in use and none of one's own."""
    in_use = [manager for manager in managers if manager.is_in_use]
    return in_use[0].user if len(in_use) == 1 and not in_use[0].options else None


def check_units(managers: Sequence[Manager], pid: int | None, graces: Graces) -> Iterator[Finding]:
    """
    Look at how systemd runs the daemon.

    Args:
        managers: those that have units of ours.
        pid: the daemon that answers, if one does.
        graces: those that are configured.
    """
    in_use = [manager for manager in managers if manager.is_in_use]
    for manager in in_use:
        yield from _check(manager, pid, graces)
    if managers and not in_use and pid is None:
        start = managers[0].systemctl("enable", "--now", SOCKET_UNIT, UNIT)
        if managers[0].unmask is not None:
            yield _explain_mask(managers[0], managers[0].unmask, start)
            return
        yield warning(managers[0].name, f"{UNIT} is installed, but neither enabled nor started", f"`{start}`")


def find_managers() -> Iterator[Manager]:
    """Find the service managers that have units of ours: the machine's, then one's own."""
    program = shutil.which("systemctl")
    if program is None or not has_systemd():
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    choices = [("unit", ())] + ([("user unit", ("--user",))] if Path(runtime, "systemd").is_dir() and runtime else [])
    for name, options in choices:
        found = _show(program, options)
        service = found.get(UNIT, {})
        if service.get("LoadState", "not-found") != "not-found":
            yield Manager(name, options, service, found.get(SOCKET_UNIT, {}))


def _show(program: str, options: tuple[str, ...]) -> dict[str, Properties]:
    """Ask for the properties of both units, by their names; nothing where nobody answers."""
    command = [program, *options, "show", f"--property={','.join(PROPERTIES)}", UNIT, SOCKET_UNIT]
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    units = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in said.split("\n\n")]
    return {unit.get("Id", ""): unit for unit in units}


def _check(manager: Manager, pid: int | None, graces: Graces) -> Iterator[Finding]:
    yield _check_service(manager, pid)
    if manager.service.get("ActiveState") != "active":
        return
    if manager.socket.get("ActiveState") != "active":
        # A socket unit cannot open what the daemon listens on by itself.
        turn = f"`{manager.systemctl('stop', UNIT)}`, then `{manager.systemctl('enable', '--now', SOCKET_UNIT, UNIT)}`"
        found = f"{SOCKET_UNIT} is not active: whoever connects while the daemon is restarted is refused"
        yield warning(f"{manager.name} socket", found, turn)
    needed = longest_stop_s(graces)
    granted = _seconds(manager.service.get("TimeoutStopUSec", ""))
    if granted is not None and granted < needed:
        found = f"TimeoutStopSec is {granted:g} s, and the daemon may take {needed:g} s to drain: it would be killed"
        edit = manager.systemctl("edit", UNIT)
        yield warning(f"{manager.name} patience", found, f"`{edit}`: [Service] TimeoutStopSec={needed:.0f}")
    if manager.options and _lingers() is False:
        found = "it ends when you log out"
        yield warning("linger", found, f"loginctl enable-linger {name_user(os.getuid())}")


def _explain_mask(manager: Manager, unmask: str, start: str) -> Finding:
    found = f"{UNIT} is masked: nothing can start it" if _is_masked(manager.service) else f"{SOCKET_UNIT} is masked"
    return error(manager.name, found, f"`{unmask}`, then `{start}`")


def _check_service(manager: Manager, pid: int | None) -> Finding:
    service, name = manager.service, manager.name
    state = service.get("ActiveState", "")
    if state != "active" and manager.unmask is not None:
        return _explain_mask(manager, manager.unmask, manager.systemctl("enable", "--now", SOCKET_UNIT, UNIT))
    if state == "failed":
        return _explain(manager)
    if state != "active":
        start = manager.systemctl("start", UNIT)
        return warning(name, f"{UNIT} is {state}; the next connection starts it", f"`{start}`")
    main = service.get("MainPID")
    if pid is not None and main != str(pid):
        found = f"{UNIT} is process {main}, but another daemon, process {pid}, answers first"
        return warning(name, found, f"`kill {pid}` drains that one; or name the socket that you mean with --socket")
    if manager.unmask is not None and _is_masked(service):
        found = f"{UNIT} is active, but masked: once it ends, nothing can start it"
        return warning(name, found, f"`{manager.unmask}`")
    if service.get("UnitFileState") not in IN_USE:
        enable = manager.systemctl("enable", SOCKET_UNIT, UNIT)
        return warning(name, f"{UNIT} is active, but will not be started at the next boot", f"`{enable}`")
    if service.get("NeedDaemonReload") == "yes":
        return warning(name, f"{UNIT} was changed since it was read", f"`{manager.systemctl('daemon-reload')}`")
    status = service.get("StatusText") or "no status"
    if status.startswith(REFUSED):
        again = f"`{manager.systemctl('reload', UNIT)}`"
        return warning(name, f"{UNIT} is active, but {status}", f"correct that, then {again}")
    restarts = int(service.get("NRestarts") or 0)
    if restarts:
        found = f"{UNIT} is active, but has died {plural(restarts, 'time')} since it was started"
        return warning(name, found, f"`{manager.log()}` says why; `{manager.systemctl('restart', UNIT)}` forgets it")
    return ok(name, f"{UNIT} is active and enabled: {status}")


def _explain(manager: Manager) -> Finding:
    """Say how a unit has failed."""
    status, result = manager.service.get("ExecMainStatus", ""), manager.service.get("Result", "")
    again = f"`{manager.systemctl('reset-failed', UNIT)}` and `{manager.systemctl('start', UNIT)}`"
    why = f"`{manager.log()}` says why"
    if status == str(EXIT_CONFIG):
        return error(manager.name, f"{UNIT} does not start: something is not fit ({status})", f"{why}; then {again}")
    return error(manager.name, f"{UNIT} has failed: {result}, status {status}", f"{why}; then {again}")


def _seconds(text: str) -> float | None:
    """Read a time span as systemctl shows it, such as `1min 30s`; None for `infinity` and what is no such span."""
    total = 0.0
    for part in text.split():
        digits = part.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = part[len(digits) :]
        if unit not in _PARTS:
            return None
        total += float(digits) * _PARTS[unit]
    return total or None


NOT_THERE: Final = "not logged in or lingering"
"""What logind says of somebody whom it has forgotten, though the manager still runs (systemd's logind-dbus.c)."""


def _lingers() -> bool | None:
    """Tell whether one's own service manager goes on after logout; None where nobody knows."""
    program = shutil.which("loginctl")
    if program is None:
        return None
    command = [program, "show-user", str(os.getuid()), "--property=Linger", "--value"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if NOT_THERE in done.stderr:
        return False
    return {"yes": True, "no": False}.get(done.stdout.strip())
