"""Where that is which no file can say: the file itself, the directories, the socket that a service gives agents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from concordiad.config.bounds import parse_socket
from concordiad.errors import ConfigError

AGENT_SOCKET: Final = "CONCORDIA_AGENT_SOCKET"
"""The variable by which a service says where its agents get units of their own, unless they say something else."""


@frozen
class Directories:
    """Where the state and the socket are; both 0700."""

    state: Path
    runtime: Path

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.runtime / "control.sock"

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.state / "journal.db"


def find_directories(state: Path | None, runtime: Path | None, environment: Mapping[str, str]) -> Directories:
    """Find the directories: as told, else systemd's, else the person's by the XDG rules."""
    if state is None and "STATE_DIRECTORY" in environment:
        state = Path(environment["STATE_DIRECTORY"].partition(":")[0])
    if state is None:
        state = (_xdg("XDG_STATE_HOME", environment) or _home(environment) / ".local" / "state") / "concordia"
    if runtime is None and "RUNTIME_DIRECTORY" in environment:
        runtime = Path(environment["RUNTIME_DIRECTORY"].partition(":")[0])
    if runtime is None:
        base = _xdg("XDG_RUNTIME_DIR", environment)
        runtime = base / "concordia" if base is not None else state / "run"
    return Directories(state.absolute(), runtime.absolute())


def find_file(environment: Mapping[str, str], *, is_service: bool) -> Path:
    """Find the configuration file's default place: the system's for a system service, else the person's."""
    if is_service:
        return Path("/etc/concordia/concordiad.toml")
    base = _xdg("XDG_CONFIG_HOME", environment) or _home(environment) / ".config"
    return base / "concordia" / "concordiad.toml"


def find_agent_socket(environment: Mapping[str, str]) -> str | None:
    """
    Find the socket of those agents that name none: the service's, where it gives one.

    Raises:
        ConfigError: what it gives is none.
    """
    try:
        return parse_socket(environment.get(AGENT_SOCKET, "")) or None
    except ValueError as error:
        raise ConfigError(f"the variable {AGENT_SOCKET} {error}: correct it in the service's unit") from error


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or "~").expanduser()


def _xdg(variable: str, environment: Mapping[str, str]) -> Path | None:
    # The XDG specification: a relative path in these variables is invalid and counts as unset.
    path = Path(environment.get(variable, ""))
    return path if path.is_absolute() else None
