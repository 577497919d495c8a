"""
Which program an agent is, whether it is fit, and the environment that it gets.

Whoever starts an installed daemon is told at the start what is missing and how to mend it, not at the first prompt.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from concordiad.agent.unit import UnitFault, run_in_unit
from concordiad.config.credentials import read_credential, read_key
from concordiad.config.tables import Agent
from concordiad.core.agents import Kind, Launch, Settings
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.core.agents.rehearsal import Rehearsal
from concordiad.errors import ConfigError, NotAnswered

CODECS: Final = {Kind.CLAUDE_CODE: ClaudeCode, Kind.REHEARSAL: Rehearsal}
PROBE_S: Final = 30.0
"""How long a program may take to tell its version: 0.03 s when its pages are warm, seconds on a cold disk."""
OLDEST_VERSION: Final = (2, 1, 0)
"""The first version line whose flags and lines are those that Concordia was measured with (2.1.329)."""

PROVIDER_KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
"""Variables that hold a key of the provider's, wherever they come from (the CLI's documentation, 2.1)."""

MAX_RETRIES: Final = "4"
"""The CLI's own default of 10 retries keeps a turn without an answer for minutes while an API is down."""

AGENT_HOME: Final = "/var/lib/concordia-agent"
AS_AGENT: Final = (
    *("runuser", "-u", "concordia-agent", "--"),
    *("env", f"HOME={AGENT_HOME}", f"CLAUDE_CONFIG_DIR={AGENT_HOME}/.claude"),
)
"""What an administrator types before a command that the user of the agents' units is to run in its home."""

QUIET: Final = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
}
"""What keeps a probe of the CLI from calling home; an agent at work has its own configuration."""

NOWHERE: Final = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
"""Which API the CLI has while its flags are probed: without a network it waits 18 s for the provider's (2.1.329)."""

WITHHELD: Final = re.compile(
    r"CONCORDIA_.*|NOTIFY_SOCKET|WATCHDOG_(USEC|PID)|LISTEN_(FDS|PID|PIDFDID|FDNAMES)|FDSTORE|INVOCATION_ID"
    r"|(MAIN|MANAGER)PID(FDID)?"
    r"|(CREDENTIALS|STATE|RUNTIME|CACHE|LOGS|CONFIGURATION)_DIRECTORY|JOURNAL_STREAM|SYSTEMD_EXEC_PID|MEMORY_PRESSURE_.*"
    # Claude Code refuses to run inside itself, where somebody tries Concordia from a shell of it.
    r"|CLAUDECODE|CLAUDE_CODE_(ENTRYPOINT|SSE_PORT|SESSION_ID|CHILD_SESSION)"
)
"""The daemon's own variables: an agent could speak to systemd, or read our secrets, with them."""


def agent_environment(agent: Agent, environment: Mapping[str, str]) -> dict[str, str]:
    """
    Make an agent's environment: the daemon's own less what is withheld, then the configured variables and credentials.

    What is set neither there nor here has a default where the CLI's own is unfit for a shared room. An agent in a unit
    of its own gets nothing of the daemon's: another user has another home, and the unit sets its own variables.

    Raises:
        ConfigError: a credential cannot be read.
    """
    inherited = environment if agent.socket is None else {}
    kept = {name: value for name, value in inherited.items() if not WITHHELD.fullmatch(name)}
    secrets = {variable: read_secret(variable, name, environment) for variable, name in agent.credentials.items()}
    defaults = {"CLAUDE_CODE_MAX_RETRIES": MAX_RETRIES} if agent.kind is Kind.CLAUDE_CODE else {}
    return {**defaults, **kept, **agent.env, **secrets}


def read_secret(variable: str, name: str, environment: Mapping[str, str]) -> str:
    """
    Read the credential for a variable.

    Raises:
        ConfigError: it cannot be read, or is no key where it should be one; the message never holds its value.
    """
    return (read_key if variable in PROVIDER_KEYS else read_credential)(name, environment)


def find_command(agent: Agent) -> list[str]:
    """
    Find the program: as configured, else the one on PATH, else the one that a wheel brought.

    What an agent's own unit has is not for the daemon to see: there the unit's PATH is searched when it is run.

    Raises:
        ConfigError: there is none.
    """
    if agent.command is not None and agent.socket is not None:
        return list(agent.command)
    if agent.command is not None:
        found = shutil.which(agent.command[0])
        if found is None:
            raise ConfigError(
                f"the agent's command {agent.command[0]!r} is not there or cannot be executed: install it, or correct"
                " command in the configuration"
            )
        return [found, *agent.command[1:]]
    if agent.kind is Kind.REHEARSAL:
        return [sys.executable, "-P", "-m", "concordiad.agent.rehearsal"]
    found = shutil.which("claude") or _find_in_wheel()
    if agent.socket is not None:
        return [found or "claude"]
    if found is None:
        raise ConfigError(
            "the Claude Code CLI is missing: install it so that `claude` is on PATH, or pip install claude-agent-sdk,"
            " or name it with command in the configuration"
        )
    return [found]


def _find_in_wheel() -> str | None:
    spec = importlib.util.find_spec("claude_agent_sdk")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        bundled = Path(place) / "_bundled" / "claude"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return None


def read_version(
    agent: Agent, command: Sequence[str], environment: Mapping[str, str], workdir: Path = Path("/")
) -> str:
    """
    Ask the program for its version; in its unit, where it has one, and in the directory where it will work.

    Raises:
        ConfigError: it does not run, is too old, or does not know a flag; NotAnswered where it says nothing.
    """
    probe = _run([*command, "--version"], environment, agent.socket, workdir)
    text = probe.stdout.strip()
    if probe.returncode != 0:
        why = _last_line(probe.stderr) or "it says nothing"
        raise ConfigError(f"{command[0]} --version failed (status {probe.returncode}): {why}; check the command")
    version = text.split(" ", 1)[0]
    if agent.kind is Kind.CLAUDE_CODE:
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        if numbers < OLDEST_VERSION:
            oldest = ".".join(map(str, OLDEST_VERSION))
            raise ConfigError(
                f"{command[0]} is version {version}, Concordia needs {oldest} or newer: run `claude update`"
            )
    return version


def check_flags(agent: Agent, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """
    Let the program read its whole command line and an empty input: it says which flag it does not know.

    It is asked twice: as it is started at first, and as it is after that, which continues a conversation.

    Raises:
        ConfigError: naming the flag.
    """
    codec = CODECS[agent.kind](lambda: "")
    settings = Settings(agent.model, agent.permission_mode, agent.args)
    for is_resumed in (False, True):
        launch = Launch("00000000-0000-7000-8000-000000000000", is_resumed=is_resumed)
        arguments = [*codec.arguments(settings, launch), "--no-session-persistence"]
        probe = _run([*command, *arguments], {**environment, **NOWHERE}, agent.socket)
        said = _last_line(probe.stderr) or f"status {probe.returncode}"
        # There is no such conversation to continue: that it says so is no fault of its flag.
        if probe.returncode != 0 and (not is_resumed or "--resume" in said):
            raise ConfigError(
                f"{command[0]} refuses to start: {said}; update it, or correct args, model or permission_mode of the"
                " agent or of its room"
            )


def has_credentials(command: Sequence[str], environment: Mapping[str, str], socket: str | None = None) -> bool:
    """Ask the Claude Code CLI whether it has credentials; a CLI that cannot tell is believed to have them."""
    probe = _run([*command, "auth", "status", "--json"], environment, socket)
    try:
        return bool(json.loads(probe.stdout)["loggedIn"])
    except (ValueError, KeyError, TypeError):
        return True


def _run(
    command: Sequence[str], environment: Mapping[str, str], socket: str | None, workdir: Path = Path("/")
) -> "subprocess.CompletedProcess[str]":
    """Run a probe where the agent itself will run."""
    try:
        if socket is not None:
            return run_in_unit(socket, command, {**environment, **QUIET}, PROBE_S, workdir)
        return subprocess.run(
            command,
            env={**environment, **QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROBE_S,
            check=False,
        )
    except UnitFault as error:
        raise ConfigError(f"{error}{_remedy(error, command, workdir)}") from error
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be run: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(
            f"{command[0]} cannot be run: {error}; correct its command, args, env or credentials"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NotAnswered(
            f"{' '.join(command[:2])} gave no answer within {PROBE_S:g} s: the machine is busy, or the program hangs"
        ) from error


def _remedy(fault: UnitFault, command: Sequence[str], workdir: Path) -> str:
    """Say how to mend what an agent's unit cannot use: the room's directory, or the program."""
    if fault.path == str(workdir):
        make = shlex.join(("install", "-d", "-o", "concordia-agent", "-g", "concordia", "-m", "2770", str(workdir)))
        return f"; the room's directory has to be there for the agent's user: `{make}`, or name another one"
    if fault.path == command[0]:
        return "; install it so that it is on the unit's PATH and not in a home, or name it with command"
    return ""


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:500]
