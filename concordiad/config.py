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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import evolve, field, frozen

from concordiad.core.addresses import Address, parse_api_url, parse_host, parse_listen, parse_loopback, parse_origin
from concordiad.core.agents import Kind
from concordiad.core.attribution import Attribution
from concordiad.core.logbook import Format, Level
from concordiad.core.model import AfterCrash, OnDamage, Stage
from concordiad.core.strict import (
    STRUCTURE_ERRORS,
    FieldError,
    first_fault,
    make_strict_converter,
    quote,
    structure_choice,
)
from concordiad.core.wire import PROMPT_LIMIT_BYTES
from concordiad.errors import ConfigError

ROOM_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")


DEFAULT_LISTEN: Final = "127.0.0.1:8765"
AGENT_SOCKET: Final = "CONCORDIA_AGENT_SOCKET"
"""The variable by which a service says where its agents get units of their own, unless they say something else."""
LONGEST_S: Final = 366 * 86400.0
"""A time that far away can still be told to people; nobody waits longer."""


def _at_least(low: float, high: float = math.inf) -> Any:
    def check(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        if value < low:
            raise FieldError(attribute.name, f"is {value:g}, it must be at least {low:g}")
        if value > high:
            raise FieldError(attribute.name, f"is {value:g}, it must be at most {high:g}")

    return check


def _zero_or_at_least(low: float) -> Any:
    check_sign = _at_least(0)

    def check(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        check_sign(instance, attribute, value)
        if 0 < value < low:
            raise FieldError(attribute.name, f"is {value:g}, it must be 0 (never) or at least {low:g}")

    return check


def _read_by(parse: Callable[[str], object]) -> Any:
    """Make a validator of a reader: of one text, of each of several, or of none."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: str | tuple[str, ...] | None) -> None:
        for each in (value,) if isinstance(value, str) else value or ():
            try:
                parse(each)
            except ValueError as error:
                raise FieldError(attribute.name, f"{quote(each)} {error}") from error

    return check


def _parse_socket(text: str) -> str:
    # sun_path of unix(7) has 108 bytes, the last of them a zero.
    if text and (not text.startswith("/") or len(os.fsencode(text)) > 107):
        raise ValueError("is no absolute path of a socket, of at most 107 bytes")
    return text


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
        waiting_prompts_per_author: and of one author among them.
        prompt_burst: prompts of one author that a room takes at once: a script hands in a list.
        prompts_per_minute: and how many more later.
        line_bytes: a line of the agent that is handled whole; a longer one becomes `agent.oversize`.
        connections: open connections on the control socket.
        follower_bytes: bytes that wait for one follower before it is served from the journal.
        agent_failures: so many unwanted ends of a room's agent within graces.failures_s, and it is not started again
            until a host restarts it; 0: it always is.
        api_failures: so many turns in a row that failed because of the agent's API, and the room's queue waits for a
            while; 0: it never does.
    """

    prompt_bytes: int = field(default=PROMPT_LIMIT_BYTES, validator=_at_least(1))
    waiting_prompts: int = field(default=1000, validator=_at_least(1))
    waiting_prompts_per_author: int = field(default=250, validator=_at_least(1))
    prompt_burst: int = field(default=200, validator=_at_least(1))
    prompts_per_minute: float = field(default=600.0, validator=_at_least(0.1))
    line_bytes: int = field(default=64 * 1024 * 1024, validator=_at_least(4096))
    connections: int = field(default=512, validator=_at_least(1))
    follower_bytes: int = field(default=1024 * 1024, validator=_at_least(4096))
    agent_failures: int = field(default=10, validator=_at_least(0))
    api_failures: int = field(default=3, validator=_at_least(0))


@frozen
class Graces:
    """
    How long a thing may take, in seconds.

    Attributes:
        approval_s: an approval that nobody answers is denied then.
        start_s: from an agent's spawn to its first answers.
        failures_s: the period in which limits.agent_failures counts.
        api_wait_s: for how long a room's queue waits at first after limits.api_failures; twice as long after each try
            that fails.
        api_wait_most_s: and at the most.
        write_s: how long one line to an agent may take to be written; one that reads nothing for so long is ended.
        ack_s: from a turn's line to the agent's word that it has it, or anything else of that turn: then the turn is
            stopped; 0: never. The CLI says so within milliseconds, whatever it works on.
        first_output_s: from a turn's line to its first text, thought or tool: then the turn is stopped; 0: never. It
            begins anew when the agent says that it tries its API again, which the CLI does after 600 s at most.
        turn_s: how long a running turn may go on when the daemon is told to stop; then it is interrupted.
        silence_s: a turn whose agent says nothing for so long is stopped; 0: never. It does not count while a tool
            runs, people are asked, or the agent waits to try its API again. The CLI itself gives a request to its API
            600 s before it says that it tries again: with a minute more, its own word comes first.
        turn_limit_s: a turn that takes so long in all is stopped; 0: never.
        interrupt_s: from an interrupt to the end of the turn; an agent that goes on is ended.
        settle_s: from a turn's result to the agent's word that it is done; an agent that never says so is ended.
        exit_s: from the end of the agent's input to SIGTERM.
        kill_s: from SIGTERM to SIGKILL.
        message_s: from the first byte of a message on the control socket to its last.
        head_s: from a connection on the guests' port, or the answer before, to the last byte of a request's head.
        hello_s: from the acceptance of a guest's WebSocket to its hello.
    """

    approval_s: float = field(default=600.0, validator=_at_least(1, LONGEST_S))
    start_s: float = field(default=60.0, validator=_at_least(0.1))
    failures_s: float = field(default=600.0, validator=_at_least(1))
    api_wait_s: float = field(default=30.0, validator=_at_least(0.1))
    api_wait_most_s: float = field(default=600.0, validator=_at_least(0.1))
    write_s: float = field(default=30.0, validator=_at_least(0.1))
    ack_s: float = field(default=60.0, validator=_zero_or_at_least(0.1))
    first_output_s: float = field(default=900.0, validator=_zero_or_at_least(1))
    turn_s: float = field(default=30.0, validator=_at_least(0))
    silence_s: float = field(default=660.0, validator=_zero_or_at_least(1))
    turn_limit_s: float = field(default=0.0, validator=_zero_or_at_least(1))
    interrupt_s: float = field(default=5.0, validator=_at_least(0.1))
    settle_s: float = field(default=10.0, validator=_at_least(0.1))
    exit_s: float = field(default=5.0, validator=_at_least(0.1))
    kill_s: float = field(default=5.0, validator=_at_least(0.1))
    message_s: float = field(default=10.0, validator=_at_least(0.1))
    head_s: float = field(default=5.0, validator=_at_least(0.1))
    hello_s: float = field(default=5.0, validator=_at_least(0.1))


@frozen
class Log:
    """
    What the daemon says of its work, on standard error or in systemd's journal.

    Attributes:
        format: "text", "json" or "journal", systemd's own with a field for each thing; "auto" takes what standard error
            is: text for a terminal, the journal's where it leads there, else JSON.
        level: the least that is told: "debug", "info", "warning" or "error".
    """

    format: Format = Format.AUTO
    level: Level = Level.INFO


@frozen
class Guests:
    """
    The one TCP port for guests: the page and the WebSocket behind it. Without this table there is none.

    Attributes:
        listen: the address and the port; anything but loopback needs TLS, here or in a proxy.
        public_url: what invites are made of, where it is not the address above.
        behind_proxy: a proxy on this machine passes requests on, and names whom they are from in X-Forwarded-For.
        tls_certificate: a file with the certificate and its chain, in PEM.
        tls_key: a file with its key.
        hosts: more values of Host that are answered; else only public_url's and the address's own.
        origins: more pages that may connect; else only our own under those names.
        connections: guests at once; each costs a descriptor, and up to guest_bytes and some of memory.
        half_open: connections besides that are no admitted guest's yet; the one that waits longest makes room.
        half_open_per_source: the same for one address: a browser opens six at once, an office has many browsers.
        joins_burst: joins from one address at once, before anybody knows who it is.
        joins_per_minute: and how many more later. A reconnect is a join, and a whole office may have one address.
        head_bytes: a request's head; browsers send less than 2 KiB, proxies add some.
        message_bytes: one message of a guest: a prompt of limits.prompt_bytes fits four times, for JSON's escapes.
        request_burst: requests of one guest at once: a page that opens asks for several things.
        requests_per_s: and how many more a second later; nobody types so fast.
        guest_bytes: what may wait for one guest before it is detached, and caught up from the journal later.
        keepalive_s: how often a silent guest is asked whether it is there; NATs forget after 60 s or more.
    """

    listen: str = field(default=DEFAULT_LISTEN, validator=_read_by(parse_listen))
    public_url: str | None = field(default=None, validator=_read_by(parse_origin))
    behind_proxy: bool = False
    tls_certificate: str | None = None
    tls_key: str | None = None
    hosts: tuple[str, ...] = field(default=(), validator=_read_by(parse_host))
    origins: tuple[str, ...] = field(default=(), validator=_read_by(parse_origin))
    connections: int = field(default=1200, validator=_at_least(1))
    half_open: int = field(default=256, validator=_at_least(1))
    half_open_per_source: int = field(default=64, validator=_at_least(1))
    joins_burst: int = field(default=100, validator=_at_least(1))
    joins_per_minute: float = field(default=120.0, validator=_at_least(1))
    head_bytes: int = field(default=16 * 1024, validator=_at_least(1024))
    message_bytes: int = field(default=1024 * 1024, validator=_at_least(4096))
    request_burst: int = field(default=50, validator=_at_least(1))
    requests_per_s: float = field(default=10.0, validator=_at_least(0.1))
    guest_bytes: int = field(default=256 * 1024, validator=_at_least(4096))
    keepalive_s: float = field(default=30.0, validator=_at_least(1))

    @property
    def address(self) -> Address:
        """What it listens on."""
        return parse_listen(self.listen)

    @property
    def has_tls(self) -> bool:
        """Tell whether the daemon itself speaks TLS."""
        return self.tls_certificate is not None


def _parse_credential(text: str) -> str:
    if "/" not in text and text in {"", ".", ".."}:
        raise ValueError('is no name of a credential: give a name such as "gemini_api_key", or the path of a file')
    return text


@frozen
class Metrics:
    """
    Measures for Prometheus, over a port of their own. Without this table there are none.

    Attributes:
        listen: the address and the port, on loopback: what is told is in plain text, and so is the credential.
        credential: what whoever asks has to show: a path, or the name of a systemd credential or of a file beside the
            person's configuration.
    """

    listen: str = field(default="127.0.0.1:9464", validator=_read_by(parse_loopback))
    credential: str = field(default="metrics_token", validator=_read_by(_parse_credential))

    @property
    def address(self) -> Address:
        """What it listens on."""
        return parse_listen(self.listen)


@frozen
class Traces:
    """
    Traces of prompts, for an OpenTelemetry collector. Without this table there are none.

    Attributes:
        endpoint: where they are sent by OTLP over HTTP; plain http only on loopback.
    """

    endpoint: str = field(default="http://127.0.0.1:4318/v1/traces", validator=_read_by(parse_api_url))


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
        socket: where a connection makes it a unit of its own (systemd/concordia-agent.socket). In the file, left out is
            the service's own, AGENT_SOCKET, and empty is none; once it was read, None is a plain child of the daemon.
    """

    kind: Kind = Kind.CLAUDE_CODE
    command: tuple[str, ...] | None = None
    model: str | None = None
    permission_mode: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    credentials: Mapping[str, str] = field(factory=dict)
    socket: str | None = field(default=None, validator=_read_by(_parse_socket))


@frozen
class Merging:
    """
    How prompts that ask the same become one turn.

    Attributes:
        window_s: a prompt waits until nobody has asked anything for so long; 0: nobody waits.
        window_max_s: but never longer than this.
        stages: how it is found out that two ask the same; left out, by all that there is.
        attribution: what the agent is told of who asks.
    """

    window_s: float = field(default=0.5, validator=_at_least(0, 60))
    window_max_s: float = field(default=2.0, validator=_at_least(0, 60))
    stages: tuple[Stage, ...] | None = None
    attribution: Attribution = Attribution.NAMES


@frozen
class Room:
    """
    One shared session.

    Attributes:
        workdir: the agent's working directory; relative ones start where the daemon starts.
        agent: the name of a table under [agents].
        model: instead of the agent's.
        permission_mode: instead of the agent's.
        idle_s: an agent that has had no turn, and no task in the background, for so long is ended, and started again
            for the next prompt; 0: never.
        after_crash: what becomes of a turn that was with the agent when the daemon was killed.
        merging: instead of the table [merging].
    """

    workdir: str = "."
    agent: str = "claude"
    model: str | None = None
    permission_mode: str | None = None
    idle_s: float = field(default=0.0, validator=_at_least(0))
    after_crash: AfterCrash = AfterCrash.LEAVE
    merging: Merging | None = None


@frozen
class JournalSettings:
    """
    The daemon's own record.

    Attributes:
        damaged: what becomes of one that is found damaged at the start.
    """

    damaged: OnDamage = OnDamage.SALVAGE


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


def _parse_model(text: str) -> str:
    # It stands in a URL, and whatever else would fit there is no model's name.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ValueError('is no name of a model: write it as "gemini-…", without "models/"')
    return text


@frozen
class Gemini:
    """
    The language model that tells which prompts mean the same. Without this table none is asked.

    Attributes:
        credential: where the key is: a path, or a name: of a systemd credential, else of a file beside the person's
            configuration. Where there is none, the variable GEMINI_API_KEY is taken.
        model: which one; small and fast is what is wanted.
        base_url: where the API is; plain http only on loopback.
        deadline_s: how long a question may take, with all its tries; prompts that it is about wait no longer.
    """

    credential: str = field(default="gemini_api_key", validator=_read_by(_parse_credential))
    model: str = field(default="gemini-3.5-flash-lite", validator=_read_by(_parse_model))
    base_url: str = field(default="https://generativelanguage.googleapis.com", validator=_read_by(parse_api_url))
    deadline_s: float = field(default=3.0, validator=_at_least(0.1, 60))


@frozen
class Config:
    """The whole file, and the directories, which come from the command line or the environment."""

    control: Control = Control()
    limits: Limits = Limits()
    graces: Graces = Graces()
    log: Log = Log()
    guests: Guests | None = None
    merging: Merging = Merging()
    gemini: Gemini | None = None
    metrics: Metrics | None = None
    traces: Traces | None = None
    retention: Retention = Retention()
    journal: JournalSettings = JournalSettings()
    rooms: Mapping[str, Room] = field(factory=lambda: {"main": Room()})
    agents: Mapping[str, Agent] = field(factory=lambda: {"claude": Agent()})

    def merging_of(self, room: str) -> Merging:
        """Find how a room merges: its own table, else the one for all rooms; with a model, also by meaning."""
        configured = self.rooms.get(room)
        merging = self.merging if configured is None else configured.merging or self.merging
        local = (Stage.SAME, Stage.NEAR)
        stages = local if self.gemini is None else (*local, Stage.MEANING)
        return evolve(merging, stages=stages) if merging.stages is None else merging


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


def find_agent_socket(environment: Mapping[str, str]) -> str | None:
    """
    Find the socket of those agents that name none: the service's, where it gives one.

    Raises:
        ConfigError: what it gives is none.
    """
    try:
        return _parse_socket(environment.get(AGENT_SOCKET, "")) or None
    except ValueError as error:
        raise ConfigError(f"the variable {AGENT_SOCKET} {error}: correct it in the service's unit") from error


def read_config(path: Path, agent_socket: str | None = None) -> Config:
    """
    Read a configuration file; `agent_socket` is that of agents that name none.

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
        return parse_config(text, agent_socket)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_config(text: str, agent_socket: str | None = None) -> Config:
    """
    Check a configuration's text and make it a Config; `agent_socket` is that of agents that name none.

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
    return _check(config, agent_socket)


def _check(config: Config, agent_socket: str | None) -> Config:
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
    if config.guests is not None:
        _check_guests(config.guests)
    _check_merging(config)
    return evolve(config, agents={name: _place(agent, agent_socket) for name, agent in agents.items()})


def _place(agent: Agent, default: str | None) -> Agent:
    """Say where an agent runs: as its table says, else as those that say nothing of it; empty is a plain child."""
    return evolve(agent, socket=(default if agent.socket is None else agent.socket) or None)


def _check_merging(config: Config) -> None:
    tables = {f"rooms.{name}.merging": room.merging for name, room in config.rooms.items()}
    for where, merging in {"merging": config.merging, **tables}.items():
        if merging is None:
            continue
        stages = merging.stages or ()
        if Stage.MEANING in stages and config.gemini is None:
            raise ConfigError(
                f'{where}.stages has "meaning", but there is no [gemini]: add that table, or leave it out'
            )
        twice = next((stage for stage in stages if stages.count(stage) > 1), None)
        if twice is not None:
            raise ConfigError(f'{where}.stages has "{twice}" more than once: name each stage once')
        if merging.window_max_s < merging.window_s:
            raise ConfigError(
                f"{where}.window_max_s is {merging.window_max_s:g}, which is less than {where}.window_s"
                f" ({merging.window_s:g}): raise it to that at least, or set window_s = 0 for no window"
            )


def _check_guests(guests: Guests) -> None:
    if (guests.tls_certificate is None) != (guests.tls_key is None):
        raise ConfigError("guests.tls_certificate and guests.tls_key go together: give both, or neither")
    if not guests.address.is_loopback and not guests.has_tls and not guests.behind_proxy:
        raise ConfigError(
            f"guests.listen is {guests.listen}, which other machines can reach, and without TLS everybody on the way"
            " could read along and take the links: give tls_certificate and tls_key, or set behind_proxy = true if a"
            f' proxy in front of it speaks TLS, or listen on "{DEFAULT_LISTEN}"'
        )
    if guests.address.is_wildcard and guests.public_url is None:
        raise ConfigError(
            f"guests.listen is {guests.listen}, every address of this machine, which no link can be made of: give"
            ' public_url = "https://…", as people will reach it'
        )


def _nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _explain(error: BaseException) -> str:
    fault = first_fault(error)
    return f"{fault}{_nearest(fault.field.rpartition('.')[2], list(fault.known))}"


_CONVERTER: Final = make_strict_converter()
for _choices in (Kind, AfterCrash, OnDamage, Stage, Attribution, Format, Level):
    _CONVERTER.register_structure_hook(_choices, structure_choice)


def read_key(name: str, environment: Mapping[str, str]) -> str:
    """
    Read a credential that is sent in a header of HTTP, which holds neither a line break nor a control character.

    Raises:
        ConfigError: it cannot be read, or is no key; the message never holds its value.
    """
    value = read_credential(name, environment)
    if not value.isprintable():
        raise ConfigError(f"the credential {name!r} is more than one line of text: write nothing there but the key")
    return value


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
            mode = os.stat(path).st_mode
            if stat.S_ISDIR(mode):
                raise ConfigError(f"the credential {path} is a directory: name a file in it")
            mode = stat.S_IMODE(mode)
            if mode & 0o077:
                raise ConfigError(f"the credential {path} can be read by others (mode {mode:04o}): chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        remedy = "write it there with mode 0600, or hand it over with systemd's LoadCredential="
        if directory is not None and "/" not in name:
            # Nobody can write there: it is filled when the service starts.
            remedy = (
                f"write it into /etc/credstore/concordia.{name}, root's and with mode 0600, and restart the daemon;"
                " its unit hands over what it names with LoadCredential="
            )
        raise ConfigError(f"the credential {name!r} cannot be read from {path}: {error.strerror}; {remedy}") from error
    except UnicodeDecodeError:
        # That error holds the value, and would take it along into a traceback.
        raise ConfigError(f"the credential {name!r} in {path} is not UTF-8: write it anew as plain text") from None
