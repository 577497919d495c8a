"""Where an agent runs: as a child of the daemon, or in units of its own, which not everybody may make."""

import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from concordiad.agent.find import PROBE_S, QUIET
from concordiad.agent.unit import OPEN, UnitFault, run_in_unit
from concordiad.config.tables import Agent
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import type_out

CHILD: Final = "a child of the daemon"
UNIT_LOG: Final = "`journalctl --unit='concordia-agent@*'` as root says more"


def where(agent: Agent) -> str:
    """Say where an agent runs, as it stands behind what else is said of it."""
    return CHILD if agent.socket is None else f"in a unit of its own, by {agent.socket}"


def is_out_of_reach(agent: Agent) -> bool:
    """Tell whether an agent runs in units that are not for us to make."""
    return agent.socket is not None and not os.access(agent.socket, os.W_OK)


def check_out_of_reach(title: str, agent: Agent, *, runs: bool) -> Finding:
    """Look at an agent whose units are not for us to make, or cannot be made at all."""
    path = Path(agent.socket or "")
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return error(title, f"{path}, the socket of its units, is not there", f"`{OPEN}`")
    if not is_socket:
        return error(title, f"{path}, the socket of its units, is no socket", f"correct socket of {title}")
    found = f"{agent.kind.value}, {where(agent)}, which only the daemon may use"
    return ok(title, found) if runs else warning(title, f"{found}: it cannot be asked from here", "look as root")


def run_where_it_runs(agent: Agent, command: Sequence[str], variables: Mapping[str, str]) -> str | None:
    """Run a program where an agent runs, and return what it says on standard output; None where it cannot be run."""
    environment = {**variables, **QUIET}
    try:
        if agent.socket is not None:
            return run_in_unit(agent.socket, command, environment, PROBE_S).stdout
        nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
        done = subprocess.run(
            command, env=environment, stdin=nothing, stdout=pipe, stderr=nothing, timeout=PROBE_S, check=False
        )
        return done.stdout.decode("utf-8", "replace")
    except (OSError, ValueError, UnitFault, subprocess.TimeoutExpired):
        return None


def check_workdir_of_unit(title: str, path: Path, agent: Agent, elsewhere: str) -> Finding:
    """Look whether an agent in a unit can work in a room's directory: by asking the unit, where that may be done."""
    own = f"`{type_out('install', '-d', '-o', 'concordia-agent', '-g', 'concordia', '-m', '2770', path)}` as root"
    if is_out_of_reach(agent):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return error(title, f"its directory {path} is not there", f"{own}, or {elsewhere}")
        except OSError:
            return ok(title, f"{path}, which the agent's user may see and you may not")
        return ok(title, str(path))
    try:
        tried = run_in_unit(agent.socket or "", ["test", "-w", "."], {}, PROBE_S, path)
    except UnitFault as fault:
        return error(title, str(fault), f"{own}, or {elsewhere}" if fault.path == str(path) else UNIT_LOG)
    except subprocess.TimeoutExpired:
        return warning(title, f"{path}: the agent's unit gave no answer within {PROBE_S:g} s", "look again")
    if tried.returncode == 0:
        return ok(title, f"{path}, where the agent's user may write")
    drop_in = f"`systemctl edit concordia-agent@.service` with [Service] ReadWritePaths={path}"
    found = f"its directory {path} cannot be written by the agent's user, or not from within its unit"
    return warning(title, found, f"{own}; outside of /var/lib/concordia-rooms also {drop_in}")
