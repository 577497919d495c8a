"""The agents: the program, its version, the flags that it gets, its credentials."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from concordiad.agent.find import CODECS, PROBE_S, QUIET, agent_environment, check_flags, find_command, read_version
from concordiad.config import Agent
from concordiad.core.agents import Kind, Launch, Settings
from concordiad.errors import ConfigError
from ctl.health import Finding, error, ok, warning

ORGANISATIONS: Final = ("api_key", "third_party")
"""What `claude auth status` calls a login that is no person's own."""
CAUTION: Final = (
    "for a room that several people share give the agent an API key of your organisation: one person's login for"
    " several people may break the provider's terms"
)
LOG_IN: Final = (
    'give it an API key with credentials = { ANTHROPIC_API_KEY = "FILE" } in the agent\'s table, or set'
    " ANTHROPIC_API_KEY where the daemon is started, or run `claude` once and log in"
)


def check_agent(name: str, agent: Agent, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at one agent of the configuration; asks its program a few questions, which takes a second or two."""
    title = f"agent {name}"
    if agent.kind is Kind.REHEARSAL:
        yield ok(title, "the rehearsal agent: no model is behind it")
        return
    try:
        command = find_command(agent)
    except ConfigError as fault:
        yield error(title, *_split(fault))
        return
    try:
        variables = agent_environment(agent, environment)
    except ConfigError as fault:
        yield error(f"login of {name}", *_split(fault))
        return
    try:
        version = read_version(agent, command, variables)
    except ConfigError as fault:
        yield error(title, *_split(fault))
        return
    yield ok(title, f"{agent.kind.value} {version}, {command[0]}")
    yield _check_flags(f"flags of {name}", agent, command, variables)
    yield _check_login(f"login of {name}", command, variables)


def _check_flags(title: str, agent: Agent, command: Sequence[str], variables: Mapping[str, str]) -> Finding:
    settings = Settings(agent.model, agent.permission_mode, agent.args)
    arguments = CODECS[agent.kind](lambda: "").arguments(settings, Launch("ID", is_resumed=False))
    flags = [argument.partition("=")[0] for argument in arguments if argument.startswith("-")]
    try:
        check_flags(agent, command, variables)
    except ConfigError as fault:
        return error(title, *_split(fault))
    return ok(title, f"accepts all {len(flags)}: {' '.join(flags)}")


def _check_login(title: str, command: Sequence[str], variables: Mapping[str, str]) -> Finding:
    login = _read_login(command, variables)
    if login is None:
        return warning(title, "the program does not say whether it has any", "run `claude auth status` to see")
    if not login.get("loggedIn"):
        return error(title, "none", LOG_IN)
    method = login.get("authMethod")
    if method in ORGANISATIONS:
        source = login.get("apiKeySource") or login.get("apiProvider") or method
        return ok(title, f"{method}, from {source}")
    if method == "oauth_token" and "ANTHROPIC_AUTH_TOKEN" in variables:
        return ok(title, "a token for a gateway, from ANTHROPIC_AUTH_TOKEN")
    return warning(title, f"a personal login ({method})", CAUTION)


def _read_login(command: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        asked = subprocess.run(
            [*command, "auth", "status", "--json"],
            env={**variables, **QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_S,
            check=False,
        )
        login = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return login if isinstance(login, dict) else None


def _split(fault: ConfigError) -> tuple[str, str]:
    """Take a sentence of the form «what is wrong: what to do» apart, or «what is wrong; what to do»."""
    message = str(fault)
    found, sign, remedy = message.rpartition(": ")
    if not sign or ";" in remedy:
        found, sign, remedy = message.rpartition("; ")
    return (found, remedy) if sign else (message, "correct the agent's table in the configuration")
