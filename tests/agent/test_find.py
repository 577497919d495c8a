"""Which program an agent is, whether it is fit, and what environment it gets; the programs are real, if small."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from concordiad.agent.find import (
    MAX_RETRIES,
    NOWHERE,
    QUIET,
    agent_environment,
    check_flags,
    find_command,
    has_credentials,
    read_version,
)
from concordiad.config.tables import Agent
from concordiad.core.agents import Kind
from concordiad.errors import ConfigError

PATH = {"PATH": os.environ["PATH"]}
REHEARSAL = Agent(kind=Kind.REHEARSAL)
OURS = [
    *("CONCORDIA_SOCKET", "CONCORDIA_AGENT", "CONCORDIA_TOKEN", "CONCORDIA_"),
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES"),
    *("MAINPID", "MAINPIDFDID", "MANAGERPID", "MANAGERPIDFDID", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "JOURNAL_STREAM"),
    *("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY"),
    *("CONFIGURATION_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
    *(
        "CLAUDECODE",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_CHILD_SESSION",
    ),
]
NOT_OURS = [
    *("HOME", "USER", "LANG", "SHELL", "TERM", "HTTPS_PROXY", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_USE_BEDROCK"),
    *("MY_STATE_DIRECTORY", "STATE_DIRECTORY_2", "LISTEN_ADDRESS", "CONCORDIA", "NOTIFY_SOCKET_2", "X_NOTIFY_SOCKET"),
]


def environment_in_child(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a program that is started with an environment finds there."""
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    output = subprocess.run(
        [sys.executable, "-ISc", program], env=dict(environment), stdout=subprocess.PIPE, check=True
    )
    seen: dict[str, str] = json.loads(output.stdout)
    # Python sets this one for itself where there is no locale.
    seen.pop("LC_CTYPE", None)
    return seen


def script(directory: Path, lines: str, name: str = "claude") -> str:
    """Write a program that stands in for an agent."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


def test_what_is_ours_is_withheld() -> None:
    """An agent finds neither a way to systemd nor to our files and secrets, and everything else as it was."""
    daemons = {**PATH, **dict.fromkeys([*OURS, *NOT_OURS], "x")}
    assert environment_in_child(agent_environment(REHEARSAL, daemons)) == {**PATH, **dict.fromkeys(NOT_OURS, "x")}


def test_configured_variables_come_before_the_daemons() -> None:
    """A variable of the configuration replaces the daemon's own; nothing is withheld that somebody asked for."""
    agent = Agent(kind=Kind.REHEARSAL, env={"HOME": "/home/agent", "NOTIFY_SOCKET": "/mine"})
    assert agent_environment(agent, {"HOME": "/home/daemon", "LANG": "C", "NOTIFY_SOCKET": "/ours"}) == {
        "HOME": "/home/agent",
        "LANG": "C",
        "NOTIFY_SOCKET": "/mine",
    }


def test_silent_retries_are_few_unless_somebody_says_otherwise() -> None:
    """The CLI gets a default where its own is unfit for a room; whatever somebody has said comes before it."""
    name = "CLAUDE_CODE_MAX_RETRIES"
    assert agent_environment(Agent(), {}) == {name: MAX_RETRIES}
    assert agent_environment(Agent(), {name: "7"}) == {name: "7"}
    assert agent_environment(Agent(env={name: "8"}), {name: "7"}) == {name: "8"}
    assert agent_environment(REHEARSAL, {}) == {}


def test_credentials_are_variables_of_the_agent_alone(tmp_path: Path) -> None:
    """A credential's value is in the variable that it is for, whatever else says something of it."""
    (tmp_path / "key").write_text("hush\n")
    agent = Agent(kind=Kind.REHEARSAL, env={"KEY": "shown"}, credentials={"KEY": "key"})
    daemons = {"CREDENTIALS_DIRECTORY": str(tmp_path), "KEY": "old"}
    assert agent_environment(agent, daemons) == {"KEY": "hush"}
    assert daemons["KEY"] == "old"


def test_missing_credential_is_told(tmp_path: Path) -> None:
    """An agent is not started without what it was promised."""
    with pytest.raises(ConfigError, match="the credential 'key' cannot be read"):
        agent_environment(Agent(credentials={"KEY": "key"}), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize("middle", ["\n", "\r\n", "\t", "\x1b"])
def test_key_of_several_lines_is_refused(tmp_path: Path, middle: str) -> None:
    """The provider's could not be sent, and nothing of it is told; what another variable holds is not ours to judge."""
    (tmp_path / "key").write_text(f"hush{middle}more\n", newline="")
    daemons = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    with pytest.raises(ConfigError, match="'key' is more than one line of text") as caught:
        agent_environment(Agent(credentials={"ANTHROPIC_API_KEY": "key"}), daemons)
    assert "hush" not in repr(caught.value)
    assert "hush" in agent_environment(Agent(credentials={"DEPLOY_KEY": "key"}), daemons)["DEPLOY_KEY"]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one directory on PATH, empty."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a wheel puts its CLI, empty: the package is there, whatever else is installed."""
    bundled = tmp_path / "site" / "claude_agent_sdk" / "_bundled"
    bundled.mkdir(parents=True)
    (bundled.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "claude_agent_sdk", raising=False)
    return bundled


def test_command_of_the_configuration(on_path: Path) -> None:
    """A configured command is looked up on PATH or by its path, and keeps its first arguments."""
    program = script(on_path, "", "agent")
    assert find_command(Agent(command=("agent", "--x"))) == [program, "--x"]
    assert find_command(Agent(kind=Kind.REHEARSAL, command=(program,))) == [program]


@pytest.mark.parametrize("name", ["missing", "text", "./text"])
def test_command_that_cannot_be_executed(on_path: Path, name: str) -> None:
    """A command that is not there, or is no program, is named, with what to do."""
    (on_path / "text").write_text("hello")
    with pytest.raises(ConfigError, match=f"^the agent's command '{name}' is not there or cannot be executed: install"):
        find_command(Agent(command=(name,)))


def test_cli_on_path_comes_before_the_wheels(on_path: Path, wheel: Path) -> None:
    """The CLI that a person has installed is theirs to use; a wheel's stands in for it."""
    bundled = script(wheel, "")
    assert find_command(Agent()) == [bundled]
    installed = script(on_path, "")
    assert find_command(Agent()) == [installed]


def test_missing_cli(on_path: Path, wheel: Path) -> None:
    """With no CLI anywhere, each of the ways to one is told."""
    (wheel / "claude").write_text("no program")
    with pytest.raises(ConfigError) as caught:
        find_command(Agent())
    for way in ("`claude` is on PATH", "pip install claude-agent-sdk", "name it with command"):
        assert way in str(caught.value)
    assert list(on_path.iterdir()) == []


def test_rehearsal_agent_is_always_there(on_path: Path) -> None:
    """It runs with the daemon's own Python, and takes no module from the room's directory."""
    assert find_command(REHEARSAL) == [sys.executable, "-P", "-m", "concordiad.agent.rehearsal"]
    assert list(on_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "version"), [("2.1.329 (Claude Code)", "2.1.329"), ("2.1.0", "2.1.0"), ("10.0.0 (Claude Code)", "10.0.0")]
)
def test_version(tmp_path: Path, said: str, version: str) -> None:
    """A program's version is the first word that it says of itself."""
    assert read_version(Agent(), [script(tmp_path, f"echo '{said}'")], PATH) == version


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("echo '2.0.99 (Claude Code)'", "is version 2.0.99, Concordia needs 2.1.0 or newer: run `claude update`"),
        ("echo 1.999.999", "is version 1.999.999, Concordia needs"),
        ("echo hello", "is version hello, Concordia needs"),
        ("", "is version , Concordia needs"),
        ("echo one >&2; echo two >&2; exit 3", "--version failed (status 3): two"),
        ("exit 3", "--version failed (status 3): it says nothing"),
        ("kill -9 $$", "--version failed (status -9)"),
    ],
)
def test_unfit_version(tmp_path: Path, lines: str, why: str) -> None:
    """A program that is too old, is another one, or does not run is refused with its name."""
    program = script(tmp_path, lines)
    with pytest.raises(ConfigError) as caught:
        read_version(Agent(), [program], PATH)
    assert str(caught.value).startswith(f"{program} ")
    assert why in str(caught.value)


def test_other_agents_have_versions_of_their_own(tmp_path: Path) -> None:
    """Only the CLI is measured by the CLI's versions."""
    assert read_version(REHEARSAL, [script(tmp_path, "echo 0.1.0")], PATH) == "0.1.0"


@pytest.mark.parametrize(("content", "why"), [("#!/nonexistent\n", "No such file"), ("", "Exec format error")])
def test_program_that_does_not_start(tmp_path: Path, content: str, why: str) -> None:
    """A program that the system refuses to start is told as a mistake of the configuration."""
    program = tmp_path / "claude"
    program.write_text(content)
    program.chmod(0o755)
    with pytest.raises(ConfigError, match=f"^{program} cannot be run: {why}"):
        read_version(Agent(), [str(program)], PATH)


def test_flags_are_those_of_a_real_start(tmp_path: Path) -> None:
    """The program is shown its whole command line, and an empty input."""
    arguments, variables = tmp_path / "arguments", tmp_path / "environment"
    lines = f'for each in "$@"; do echo "$each"; done > {arguments}; env > {variables}; [ -z "$(cat)" ]'
    agent = Agent(model="opus", permission_mode="plan", args=("--add-dir=/srv",))
    check_flags(agent, [script(tmp_path, lines), "first"], PATH)
    said = arguments.read_text().split()
    assert said[0] == "first"
    assert said[-4:] == ["--model=opus", "--permission-mode=plan", "--add-dir=/srv", "--no-session-persistence"]
    assert {f"{name}={value}" for name, value in QUIET.items()} <= set(variables.read_text().splitlines())


def test_both_kinds_of_start_are_tried(tmp_path: Path) -> None:
    """A program must know how to continue a conversation; that there is none to be continued is no fault of it."""
    lines = 'case "$*" in *--resume*) echo "%s" >&2; exit 1;; esac'
    check_flags(Agent(), [script(tmp_path, lines % "No conversation found with session ID: 0")], PATH)
    with pytest.raises(ConfigError, match="refuses to start: error: unknown option --resume; update it"):
        check_flags(Agent(), [script(tmp_path, lines % "error: unknown option --resume")], PATH)


def test_flags_are_tried_without_the_providers_api(tmp_path: Path) -> None:
    """Without a network the CLI would wait for it; a proxy is no way there either."""
    variables = tmp_path / "environment"
    daemons = {**PATH, "ANTHROPIC_BASE_URL": "https://example.org", "NO_PROXY": "example.org"}
    check_flags(Agent(), [script(tmp_path, f"env > {variables}")], daemons)
    assert {f"{name}={value}" for name, value in NOWHERE.items()} <= set(variables.read_text().splitlines())


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            "echo \"error: unknown option '--x'\" >&2; exit 1",
            "refuses to start: error: unknown option '--x'; update it",
        ),
        ("exit 7", "refuses to start: status 7; update it"),
    ],
)
def test_refused_flag_is_told(tmp_path: Path, lines: str, why: str) -> None:
    """What the program says of a flag is told, with where the flag may come from."""
    with pytest.raises(ConfigError) as caught:
        check_flags(Agent(), [script(tmp_path, lines)], PATH)
    assert why in str(caught.value)
    assert "args, model or permission_mode" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "has"),
    [
        ('{"loggedIn": true}', True),
        ('{"loggedIn": false}', False),
        ("{}", True),
        ("[]", True),
        ("error: unknown command", True),
        ("", True),
    ],
)
def test_credentials_of_the_cli(tmp_path: Path, said: str, has: bool) -> None:
    """Only a program that says so has no credentials; its exit status is no answer."""
    lines = f"[ \"$*\" = 'auth status --json' ] || exit 9; echo '{said}'; exit 1"
    assert has_credentials([script(tmp_path, lines)], PATH) is has
