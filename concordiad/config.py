"""
The daemon's settings: frozen classes whose fields are the keys of the TOML file, and how they are read.

Every limit and grace period has its name and its default here. An unknown key is refused with the nearest known one.
"""

import difflib
import math
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import evolve, field, frozen

from concordiad.core.agents import Kind
from concordiad.core.strict import STRUCTURE_ERRORS, FieldError, first_fault, make_strict_converter, structure_choice
from concordiad.core.wire import PROMPT_LIMIT_BYTES
from concordiad.errors import ConfigError

ROOM_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")


LONGEST_S: Final = 366 * 86400.0
"""A time that far away can still be told to people; nobody waits longer."""


def _at_least(low: float, high: float = math.inf) -> Any:
    def check(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        if value < low:
            raise FieldError(attribute.name, f"is {value:g}, it must be at least {low:g}")
        if value > high:
            raise FieldError(attribute.name, f"is {value:g}, it must be at most {high:g}")

    return check


@frozen
class Control:
    """
    Who may open the control socket.

    Attributes:
        group: a Unix group whose members are hosts; the socket is 0660 then, else 0600.
    """

    group: str | None = None


@frozen
class Limits:
    """
    How much of a thing.

    Attributes:
        prompt_bytes: a prompt's length in UTF-8.
        waiting_prompts: prompts that may wait in one room.
        line_bytes: a line of the agent that is handled whole; a longer one becomes `agent.oversize`.
        connections: open connections on the control socket.
        follower_bytes: bytes that wait for one follower before it is served from the journal.
    """

    prompt_bytes: int = field(default=PROMPT_LIMIT_BYTES, validator=_at_least(1))
    waiting_prompts: int = field(default=1000, validator=_at_least(1))
    line_bytes: int = field(default=64 * 1024 * 1024, validator=_at_least(4096))
    connections: int = field(default=512, validator=_at_least(1))
    follower_bytes: int = field(default=1024 * 1024, validator=_at_least(4096))


@frozen
class Graces:
    """
    How long a thing may take, in seconds.

    Attributes:
        approval_s: an approval that nobody answers is denied then.
        start_s: from an agent's spawn to its first answers.
        turn_s: how long a running turn may go on when the daemon is told to stop; then it is interrupted.
        interrupt_s: from an interrupt to the end of the turn; an agent that goes on is ended.
        settle_s: from a turn's result to the agent's word that it is done; an agent that never says so is ended.
        exit_s: from the end of the agent's input to SIGTERM.
        kill_s: from SIGTERM to SIGKILL.
        message_s: from the first byte of a message on the control socket to its last.
    """

    approval_s: float = field(default=600.0, validator=_at_least(1, LONGEST_S))
    start_s: float = field(default=60.0, validator=_at_least(0.1))
    turn_s: float = field(default=30.0, validator=_at_least(0))
    interrupt_s: float = field(default=5.0, validator=_at_least(0.1))
    settle_s: float = field(default=10.0, validator=_at_least(0.1))
    exit_s: float = field(default=5.0, validator=_at_least(0.1))
    kill_s: float = field(default=5.0, validator=_at_least(0.1))
    message_s: float = field(default=10.0, validator=_at_least(0.1))


@frozen
class Agent:
    """
    One way to start an agent.

    Attributes:
        kind: "claude-code" or "rehearsal".
        command: the program and its first arguments; left out, the one on PATH, else the wheel's.
        model: passed on as --model.
        permission_mode: passed on as --permission-mode.
        args: more arguments.
        env: more variables.
        credentials: variable = name of a systemd credential, or path of a file that only its owner can read.
    """

    kind: Kind = Kind.CLAUDE_CODE
    command: tuple[str, ...] | None = None
    model: str | None = None
    permission_mode: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    credentials: Mapping[str, str] = field(factory=dict)


@frozen
class Room:
    """
    One shared session.

    Attributes:
        workdir: the agent's working directory; relative ones start where the daemon starts.
        agent: the name of a table under [agents].
        model: instead of the agent's.
        permission_mode: instead of the agent's.
        idle_s: an agent that has had no turn for so long is ended, and started again for the next prompt; 0: never.
    """

    workdir: str = "."
    agent: str = "claude"
    model: str | None = None
    permission_mode: str | None = None
    idle_s: float = field(default=0.0, validator=_at_least(0))


@frozen
class Retention:
    """
    How much of what is over is kept; what has not ended is never touched.

    Attributes:
        days: events, prompts and turns older than this are forgotten; 0: never.
        bytes: events of a room beyond so many bytes are forgotten, oldest first; 0: never.
    """

    days: float = field(default=0.0, validator=_at_least(0))
    bytes: int = field(default=0, validator=_at_least(0))


@frozen
class Config:
    """The whole file, and the directories, which come from the command line or the environment."""

    control: Control = Control()
    limits: Limits = Limits()
    graces: Graces = Graces()
    retention: Retention = Retention()
    rooms: Mapping[str, Room] = field(factory=lambda: {"main": Room()})
    agents: Mapping[str, Agent] = field(factory=lambda: {"claude": Agent()})


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


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or "~").expanduser()


def _xdg(variable: str, environment: Mapping[str, str]) -> Path | None:
    # The XDG specification: a relative path in these variables is invalid and counts as unset.
    path = Path(environment.get(variable, ""))
    return path if path.is_absolute() else None


def read_config(path: Path) -> Config:
    """
    Read a configuration file.

    Raises:
        ConfigError: it cannot be read, or a key or a value is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        return parse_config(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_config(text: str) -> Config:
    """
    Check a configuration's text and make it a Config.

    Raises:
        ConfigError: naming the key, what is wrong, and what would be right.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from error
    try:
        config = _CONVERTER.structure(tables, Config)
    except STRUCTURE_ERRORS as error:
        raise ConfigError(_explain(error)) from error
    return _check(config)


def _check(config: Config) -> Config:
    agents = dict(config.agents)
    agents.setdefault("claude", Agent())
    agents.setdefault("rehearsal", Agent(kind=Kind.REHEARSAL))
    if not config.rooms:
        raise ConfigError("rooms is empty: give at least one, such as [rooms.main]")
    for name, room in config.rooms.items():
        if not ROOM_NAME.fullmatch(name):
            raise ConfigError(f"rooms.{name}: a room's name has 1 to 32 of a-z, 0-9 and -")
        if room.agent not in agents:
            raise ConfigError(
                f"rooms.{name}.agent is {room.agent!r}, but there is no [agents.{room.agent}]"
                f"{_nearest(room.agent, agents)}"
            )
    for name, agent in agents.items():
        if agent.command is not None and not agent.command:
            raise ConfigError(f"agents.{name}.command is empty: leave it out to have the CLI found")
        for variable in (*agent.env, *agent.credentials):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise ConfigError(f"agents.{name}: {variable!r} is no name of an environment variable")
    return evolve(config, agents=agents)


def _nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _explain(error: BaseException) -> str:
    fault = first_fault(error)
    return f"{fault}{_nearest(fault.field.rpartition('.')[2], list(fault.known))}"


_CONVERTER: Final = make_strict_converter()
_CONVERTER.register_structure_hook(Kind, structure_choice)


def read_credential(name: str, environment: Mapping[str, str]) -> str:
    """
    Read a credential: a systemd credential's name, or the path of a file that only its owner can read.

    Raises:
        ConfigError: it is not there, or others can read it; the message never holds its value.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(name).expanduser() if "/" in name or directory is None else Path(directory) / name
    try:
        if directory is None or "/" in name:
            mode = stat.S_IMODE(os.stat(path).st_mode)
            if mode & 0o077:
                raise ConfigError(f"the credential {path} can be read by others (mode {mode:04o}): chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"the credential {name!r} cannot be read from {path}: {error.strerror}; write it there with mode 0600,"
            " or hand it over with systemd's LoadCredential="
        ) from error
    except UnicodeDecodeError:
        # That error holds the value, and would take it along into a traceback.
        raise ConfigError(f"the credential {name!r} in {path} is not UTF-8: write it anew as plain text") from None
