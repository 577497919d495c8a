"""How a room's agent is started, once everything that it needs was found."""

import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from concordiad.agent.find import (
    AS_AGENT,
    CODECS,
    PROVIDER_KEYS,
    agent_environment,
    check_flags,
    find_command,
    has_credentials,
    read_version,
)
from concordiad.config.tables import Agent
from concordiad.core.agents import AgentCodec, IdSource, Kind, Settings
from concordiad.core.discreet import Discreet
from concordiad.errors import ConfigError


class AgentSpec(Discreet, frozen=True):
    """
    How a room's agent is started.

    Attributes:
        name: the table of the configuration.
        command: the program and its first arguments.
        environment: all of its variables but the mark.
        make_codec: makes the codec of one incarnation.
        version: what the program said of itself.
        secrets: values of its environment that guests must not read.
        socket: where a connection makes it a unit of its own; None for a plain child.
    """

    UNSAID = ("secrets",)

    name: str
    kind: Kind
    command: Sequence[str]
    workdir: Path
    environment: Mapping[str, str]
    settings: Settings
    make_codec: Callable[[IdSource], AgentCodec]
    version: str | None
    secrets: Sequence[str] = ()
    socket: str | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether no model is behind it."""
        return self.kind is Kind.REHEARSAL

    @property
    def likeness(self) -> str:
        """A digest of all that it is started with, but for the program's version, which may be another one any day."""
        variables = sorted(self.environment.items())
        parts = [self.name, self.socket, self.command, str(self.workdir), variables, self.settings]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def make_spec(name: str, agent: Agent, workdir: Path, environment: Mapping[str, str]) -> AgentSpec:
    """
    Find an agent's program and let it say whether it can run as configured; blocks for up to a second or two.

    Raises:
        ConfigError: what is missing, and how to mend it.
    """
    command = find_command(agent)
    variables = agent_environment(agent, environment)
    version = read_version(agent, command, variables, workdir)
    # The rehearsal agent knows our own flags as well as we do, but not what somebody has chosen.
    if agent.kind is Kind.CLAUDE_CODE or agent.model or agent.permission_mode or agent.args:
        check_flags(agent, command, variables)
    if agent.kind is Kind.CLAUDE_CODE and not has_credentials(command, variables, agent.socket):
        login = "set ANTHROPIC_API_KEY, or run `claude` once and log in"
        if agent.socket is not None:
            login = f"log in as its unit's user: `{shlex.join((*AS_AGENT, *command, 'auth', 'login'))}`"
        raise ConfigError(
            "the Claude Code CLI has no credentials: give it an API key with credentials = { ANTHROPIC_API_KEY ="
            f' "FILE" }} in its table, or {login}'
        )
    return AgentSpec(
        name=name,
        kind=agent.kind,
        command=command,
        workdir=workdir,
        environment=variables,
        settings=Settings(agent.model, agent.permission_mode, agent.args),
        make_codec=CODECS[agent.kind],
        version=version,
        secrets=[variables[name] for name in sorted({*agent.credentials, *PROVIDER_KEYS}) if variables.get(name)],
        socket=agent.socket,
    )
