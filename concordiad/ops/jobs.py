"""
Why the service manager stops us: to start us again, or for good.

SIGTERM does not tell, and no variable does; but whoever asks systemd which job our unit has is told (systemctl(1),
list-jobs): `restart` until we have ended, else `stop`. None is there when the signal came from somebody else.
"""

import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import trio

from concordiad.ops.threads import in_thread

CGROUP: Final = Path("/proc/self/cgroup")
ANSWER_S: Final = 5.0
"""How long systemd may take: it answers within milliseconds, if the machine turns."""
_HIERARCHY: Final = re.compile(r"^(?:0:|\d+:name=systemd):(?P<path>/.*)$", re.MULTILINE)

_log = structlog.get_logger("concordiad")


class Unit(NamedTuple):
    """A unit of systemd's, and whether it is one of a person's own manager."""

    name: str
    is_personal: bool

    @property
    def command(self) -> list[str]:
        """What asks for its jobs."""
        options = ["--user"] if self.is_personal else []
        return ["systemctl", *options, "list-jobs", "--no-legend", "--no-pager", "--full", self.name]


def find_unit(cgroups: str) -> Unit | None:
    """Find the unit of a process by its control groups (cgroups(7)); None where it is in no service's."""
    for found in _HIERARCHY.finditer(cgroups):
        services = [part for part in found["path"].split("/") if part.endswith(".service")]
        if services:
            return Unit(services[-1], any(part.startswith("user@") for part in services[:-1]))
    return None


def read_job(said: str, unit: str) -> str | None:
    """Read which job a unit has; None where it has none."""
    for line in said.splitlines():
        match line.split():
            case [_, name, job, _state] if name == unit:
                return job
    return None


async def is_for_good() -> bool:
    """Tell whether the service manager stops us without starting us again; False, too, where nobody can be asked."""
    try:
        unit = find_unit(CGROUP.read_text(encoding="utf-8"))
        if unit is None:
            await trio.lowlevel.checkpoint()
            return False
        said = await in_thread(_ask, unit)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("stop_or_restart_not_known", why=str(error))
        return False
    return read_job(said, unit.name) == "stop"


def _ask(unit: Unit) -> str:
    nothing = subprocess.DEVNULL
    return subprocess.check_output(unit.command, stdin=nothing, stderr=nothing, timeout=ANSWER_S, encoding="utf-8")
