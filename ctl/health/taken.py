"""What the configuration's file has that the daemon which runs has not taken."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from concordiad.config.tables import Config
from ctl.health import Finding, warning
from ctl.health.daemon import Daemon
from ctl.health.remedies import UNIT
from ctl.health.units import Manager

NAME: Final = "reload"


def check_taken(config: Config, path: Path, daemon: Daemon, managers: Sequence[Manager]) -> Iterator[Finding]:
    """Look for rooms of the file that the daemon does not have, or has with another agent."""
    serving = {room["name"]: room["agent"]["name"] for room in daemon.rooms}
    others = []
    for name, room in sorted(config.rooms.items()):
        if name not in serving:
            others.append(f"the room {name}")
        elif serving[name] != room.agent:
            others.append(f"the agent {room.agent} for the room {name}")
    if not others:
        return
    found = f"{path} has what the daemon that runs has not taken, and what nobody looks at here: {', '.join(others)}"
    yield warning(
        NAME, found, f"`{_reload(daemon, managers)}`; or, if the daemon has another file, name it with --config"
    )


def _reload(daemon: Daemon, managers: Sequence[Manager]) -> str:
    manager = next((manager for manager in managers if manager.service.get("MainPID") == str(daemon.pid)), None)
    return f"kill -HUP {daemon.pid}" if manager is None else manager.systemctl("reload", UNIT)
