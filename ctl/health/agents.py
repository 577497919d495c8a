"""The agents: the program, its version, the flags that it gets, its credentials."""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from attrs import evolve

from concordiad.agent.find import (
    AS_AGENT,
    CODECS,
    agent_environment,
    check_flags,
    find_command,
    read_secret,
    read_version,
)
from concordiad.config.places import find_file
from concordiad.config.tables import Agent
from concordiad.core.agents import Kind, Launch, Settings
from concordiad.errors import ConfigError
from ctl.health import Finding, error, ok, warning
from ctl.health.placing import check_out_of_reach, is_out_of_reach, run_where_it_runs, where
from ctl.health.remedies import PASTE, type_out, write_secret
from ctl.health.store import Store

WHEEL: Final = "claude-agent-sdk"
"""What pip installs the CLI with."""
SERVICE_SECRET: Final = Path("/etc/credstore/concordia.anthropic_api_key")
"""Where the system service has its key from."""
ORGANISATIONS: Final = ("api_key", "third_party")
"""What `claude auth status` calls a login that is no person's own."""
CAUTION: Final = "one person's login for several people may break the provider's terms: for a room that is shared,"
_ADVICE: Final = re.compile(r"(?:: |; )(?:install|correct|run|chmod|write|name|update|check)\b.*$", re.DOTALL)
"""How a sentence of the daemon goes on behind what is wrong: here the advice is more exact."""


class Place(NamedTuple):
    """An agent of the configuration: its table's name, and the file of that."""

    name: str
    file: Path

    def __str__(self) -> str:
        return f"[agents.{self.name}] in {self.file}"


Choice = tuple[str | None, str | None]
"""A room's own model and permission mode, instead of the agent's."""


def check_agent(
    place: Place,
    agent: Agent,
    choices: Mapping[Choice, Iterable[str]],
    environment: Mapping[str, str],
    *,
    runs: bool,
    store: Store | None = None,
) -> Iterator[Finding]:
    """
    Look at one agent; asks its program a few questions, which takes a second or two.

    Args:
        place: where it is configured.
        agent: its settings.
        choices: what rooms want instead of them, with the rooms.
        environment: that of a daemon that is started here.
        runs: whether a daemon runs, and so has found its agents.
        store: where systemd has the service's secrets from, if the configuration is the service's.
    """
    title = f"agent {place.name}"
    if is_out_of_reach(agent):
        yield check_out_of_reach(title, agent, runs=runs)
        return
    if agent.kind is Kind.REHEARSAL:
        yield ok(title, f"the rehearsal agent: no model is behind it; {where(agent)}")
        yield from _check_rehearsal(place, evolve(agent, credentials={}), choices, environment)
        return
    try:
        command = find_command(agent)
    except ConfigError as fault:
        yield _explain_missing(title, place, agent, _fact(fault))
        return
    login = f"login of {place.name}"
    if store is not None:
        agent = store.filled(agent)
    faults = list(_check_credentials(login, place, agent, environment, runs=runs, store=store))
    if faults:
        yield from faults
        # Whatever value it has: the program is not asked about its login.
        agent = evolve(agent, credentials={})
    variables = agent_environment(agent, environment)
    update = f"`{_update(command)}`"
    try:
        version = read_version(agent, command, variables)
    except ConfigError as fault:
        is_old = " is version " in str(fault)
        other = f"name another with command under {place}"
        yield error(title, _fact(fault), f"{update}, or {other}" if is_old else f"install it anew, or {other}")
        return
    yield ok(title, f"{agent.kind.value} {version}, {command[0]}, {where(agent)}")
    for flags, written, chosen in _chosen(place, agent, choices):
        yield _check_flags(flags, chosen, command, variables, update, written)
    if not faults:
        yield _check_login(login, place, agent, command, variables)


def _chosen(place: Place, agent: Agent, choices: Mapping[Choice, Iterable[str]]) -> Iterator[tuple[str, str, Agent]]:
    """Give each way in which rooms start an agent: a finding's title, where it is configured, and its settings."""
    for (model, mode), rooms in choices.items():
        chosen = evolve(agent, model=model or agent.model, permission_mode=mode or agent.permission_mode)
        written = f"{place}" if (model, mode) == (None, None) else f"[rooms.{', '.join(rooms)}] or {place}"
        flags = f"flags of {place.name}" if (model, mode) == (None, None) else f"flags in {', '.join(rooms)}"
        yield flags, written, chosen


def _check_rehearsal(
    place: Place, agent: Agent, choices: Mapping[Choice, Iterable[str]], environment: Mapping[str, str]
) -> Iterator[Finding]:
    variables = agent_environment(agent, environment)
    for title, written, chosen in _chosen(place, agent, choices):
        if not (chosen.model or chosen.permission_mode or chosen.args):
            continue
        try:
            check_flags(chosen, find_command(agent), variables)
        except ConfigError as fault:
            yield error(title, _fact(fault), f"correct args, model or permission_mode under {written}")


def _explain_missing(title: str, place: Place, agent: Agent, fact: str) -> Finding:
    if agent.command is None:
        install = type_out(sys.executable, "-m", "pip", "install", WHEEL)
        return error(title, fact, f"`{install}`, or put `claude` on the PATH, or name it with command under {place}")
    name, other = agent.command[0], f"correct command under {place}"
    folders = [""] if "/" in name else os.get_exec_path()
    files = [path for folder in folders if (path := Path(folder, name)).is_file()]
    if not files:
        return error(title, fact, f"install it, or {other}")
    return error(title, f"{files[0]} cannot be executed", f"`{type_out('chmod', '+x', files[0])}`, or {other}")


def _update(command: Sequence[str]) -> str:
    # The binary in the wheel is pip's; any other one updates itself.
    if WHEEL.replace("-", "_") in Path(command[0]).parts:
        return type_out(sys.executable, "-m", "pip", "install", "--upgrade", WHEEL)
    return type_out(*command, "update")


def _check_credentials(
    title: str, place: Place, agent: Agent, environment: Mapping[str, str], *, runs: bool, store: Store | None
) -> Iterator[Finding]:
    for variable, name in agent.credentials.items():
        if store is not None and "/" not in name:
            yield store.explain(title, name, variable, runs=runs)
            continue
        is_systemds = "/" not in name and "CREDENTIALS_DIRECTORY" not in environment
        path = Path(name).expanduser()
        if is_systemds and not path.exists():
            found = f"{variable}: the credential {name!r} is systemd's to hand over, and cannot be seen from here"
            service = f"start a service with LoadCredential={name}:/the/whole/path, or name the path under {place}"
            yield ok(title, found) if runs else warning(title, found, service)
            continue
        write = f"`{write_secret(path)}`, {PASTE}"
        try:
            value = read_secret(variable, name, environment)
        except ConfigError as fault:
            if path.is_dir():
                yield error(title, f"{variable}: {_fact(fault)}", f"name a file in it under {place}")
                continue
            is_open = "can be read by others" in str(fault)
            yield error(title, f"{variable}: {_fact(fault)}", type_out("chmod", "600", path) if is_open else write)
        else:
            if not value:
                yield error(title, f"{variable}: the credential {path} is empty", write)


def _check_flags(
    title: str, agent: Agent, command: Sequence[str], variables: Mapping[str, str], update: str, written: str
) -> Finding:
    settings = Settings(agent.model, agent.permission_mode, agent.args)
    arguments = CODECS[agent.kind](lambda: "").arguments(settings, Launch("ID", is_resumed=False))
    flags = [argument.partition("=")[0] for argument in arguments if argument.startswith("-")]
    flags.append("--resume")
    try:
        check_flags(agent, command, variables)
    except ConfigError as fault:
        fact, correct = _fact(fault), f"correct args, model or permission_mode under {written}"
        chosen = (agent.model, agent.permission_mode, *(word.partition("=")[0] for word in agent.args))
        is_ours = not any(word and word in fact for word in chosen)
        return error(title, fact, f"{update}, or {correct}" if is_ours else correct)
    return ok(title, f"accepts all {len(flags)}: {' '.join(flags)}")


def _check_login(
    title: str, place: Place, agent: Agent, command: Sequence[str], variables: Mapping[str, str]
) -> Finding:
    login = _read_login(agent, command, variables)
    if login is None:
        remedy = f"`{type_out(*command, 'auth', 'status')}` should say it"
        return warning(title, "the program does not say whether it has any", remedy)
    secret, name = place.file.with_name("anthropic_api_key"), ""
    if agent.socket is not None and place.file == find_file({}, is_service=True):
        secret, name = SERVICE_SECRET, "anthropic_api_key"
    give = (
        f"give it an API key of your organisation: `{write_secret(secret)}`, {PASTE}; then add"
        f' credentials = {{ ANTHROPIC_API_KEY = "{name or secret}" }} under {place}'
    )
    if not login.get("loggedIn"):
        words = command if agent.socket is None else (*AS_AGENT, *command)
        return error(title, "none", f"{give}; or, for yourself alone, `{type_out(*words, 'auth', 'login')}`")
    method = login.get("authMethod")
    if method in ORGANISATIONS:
        source = login.get("apiKeySource") or login.get("apiProvider") or method
        return ok(title, f"{method}, from {source}")
    if method == "oauth_token" and "ANTHROPIC_AUTH_TOKEN" in variables:
        return ok(title, "a token for a gateway, from ANTHROPIC_AUTH_TOKEN")
    return warning(title, f"a personal login ({method})", f"{CAUTION} {give}")


def _read_login(agent: Agent, command: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any] | None:
    said = run_where_it_runs(agent, [*command, "auth", "status", "--json"], variables)
    try:
        login = json.loads(said or "")
    except ValueError:
        return None
    return login if isinstance(login, dict) else None


def _fact(fault: ConfigError) -> str:
    return _ADVICE.sub("", str(fault))
