"""What the machine's service gives its daemon, for whoever looks at its configuration from somewhere else."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from concordiad.config.places import AGENT_SOCKET, find_file

SERVICE: Final = "concordiad.service"
COMMAND: Final = ("systemctl", "show", "--property=Environment", "--value", SERVICE)
ANSWER_S: Final = 5.0
"""How long systemd may take: it answers within milliseconds, if the machine turns."""


def as_in_service(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """
    Say with which variables a configuration is to be read: for the service's file with what its unit says of agents.

    Asks systemd; blocks for some milliseconds. Where nobody answers, or there is no such unit, nothing is added.
    """
    if AGENT_SOCKET in environment or path.absolute() != find_file(environment, is_service=True):
        return dict(environment)
    given = {name: value for name, value in read_variables(_ask()).items() if name == AGENT_SOCKET}
    return {**environment, **given}


def read_variables(said: str) -> dict[str, str]:
    """Read a unit's variables as systemctl shows them; nothing where that makes no sense."""
    try:
        words = shlex.split(said)
    except ValueError:
        return {}
    return {name: value for name, is_set, value in (word.partition("=") for word in words) if is_set}


def _ask() -> str:
    nothing = subprocess.DEVNULL
    try:
        return subprocess.check_output(COMMAND, stdin=nothing, stderr=nothing, timeout=ANSWER_S, encoding="utf-8")
    except (OSError, subprocess.SubprocessError):
        return ""
