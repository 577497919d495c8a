"""The whole file: rooms, agents, what becomes of prompts, what is kept and what is told; each with its defaults."""

import re
from collections.abc import Mapping
from typing import Final

from attrs import evolve, field, frozen

from concordiad.config.bounds import at_least, parse_credential, parse_model, parse_socket, read_by
from concordiad.config.doors import Control, Guests, Metrics
from concordiad.config.limits import Graces, Limits
from concordiad.core.addresses import parse_api_url
from concordiad.core.agents import Kind
from concordiad.core.attribution import Attribution
from concordiad.core.logbook import Format, Level
from concordiad.core.model import AfterCrash, OnDamage, Stage

ROOM_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")


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
    socket: str | None = field(default=None, validator=read_by(parse_socket))


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

    window_s: float = field(default=0.5, validator=at_least(0, 60))
    window_max_s: float = field(default=2.0, validator=at_least(0, 60))
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
    idle_s: float = field(default=0.0, validator=at_least(0))
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

    days: float = field(default=0.0, validator=at_least(0))
    bytes: int = field(default=0, validator=at_least(0))


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

    credential: str = field(default="gemini_api_key", validator=read_by(parse_credential))
    model: str = field(default="gemini-3.5-flash-lite", validator=read_by(parse_model))
    base_url: str = field(default="https://generativelanguage.googleapis.com", validator=read_by(parse_api_url))
    deadline_s: float = field(default=3.0, validator=at_least(0.1, 60))


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
class Traces:
    """
    Traces of prompts, for an OpenTelemetry collector. Without this table there are none.

    Attributes:
        endpoint: where they are sent by OTLP over HTTP; plain http only on loopback.
    """

    endpoint: str = field(default="http://127.0.0.1:4318/v1/traces", validator=read_by(parse_api_url))


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
