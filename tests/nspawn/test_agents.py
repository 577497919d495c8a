"""Agents in their units as the package has them: their user, their sandbox, and turns that outlive the daemon."""

import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import SOAK
from tests.nspawn.concordia import AGENTS, CONFIGURATION, PYTHON, SERVICE, SOCKET, Installed
from tests.nspawn.machine import CLAUDE
from tests.support.daemon import ROOT
from tests.support.patience import PATIENCE_S
from tests.support.real_cli import require_cli

REACHING: Final = Path(__file__).with_name("reaching.py")
PLACE: Final = "/run/concordia-agent.sock"
WORK: Final = "/var/lib/concordia-rooms/main"
KEY: Final = "a-key-to-try"
PROGRAM: Final = "/usr/local/bin/claude"
STUB: Final = ("messages_api", "messages_answer", "messages_script", "patience")
STUB_UNIT: Final = "messages-api.service"
PORT: Final = 8899
LINES: Final = 40
ENDS: Final = 6
PAUSE_MS: Final = 60
"""Between two lines; with all of them a turn of some 17 s."""
SOAK_PAUSE_MS: Final = 210
"""The same for a turn of a minute."""
BRISK: Final = """
[agents.rehearsal]
kind = "rehearsal"
env = { CONCORDIA_REHEARSAL_PACE_MS = "0" }
"""
LINES_OF_AN_OPERATOR: Final = {
    'agent = "rehearsal"': 'agent = "claude"',
    "# credentials = {": "credentials = {",
}
"""What is changed in the configuration that the package brings, so that the real CLI works there."""
API: Final = f"""
[agents.claude.env]
ANTHROPIC_BASE_URL = "http://127.0.0.1:{PORT}"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
DISABLE_TELEMETRY = "1"
DISABLE_AUTOUPDATER = "1"
"""


@pytest.fixture
def concordia(concordia: Installed) -> Iterator[Installed]:
    """Give Concordia as it is after its installation, with a key of the agents' that only the daemon reads."""
    machine = concordia.machine
    machine.write("/etc/credstore/concordia.anthropic_api_key", f"{KEY}\n", 0o600)
    machine.run("systemctl", "restart", SERVICE)
    yield concordia
    machine.run("systemctl", "stop", SERVICE)
    machine.run("find", WORK, "-mindepth", "1", "-delete")
    machine.run("rm", "/etc/credstore/concordia.anthropic_api_key")


@pytest.fixture
def brisk(concordia: Installed) -> Installed:
    """Give it with a rehearsal agent that makes no pauses between words."""
    concordia.configure(BRISK)
    concordia.machine.run("systemctl", "restart", SERVICE)
    return concordia


@pytest.fixture
def real(concordia: Installed) -> Iterator[Installed]:
    """Give it with the real Claude Code CLI, whose API is a stub on loopback in the machine."""
    require_cli()
    machine = concordia.machine
    for name in STUB:
        machine.copy(ROOT / f"tests/support/{name}.py", "/opt/stub/tests/support")
    serve = (PYTHON, "-m", "tests.support.messages_api", f"--port={PORT}")
    machine.run("systemd-run", f"--unit={STUB_UNIT}", "--setenv=PYTHONPATH=/opt/stub", *serve)
    concordia.wait_until(lambda: "serves at" in machine.log_of(STUB_UNIT), "the stub of the API serves")
    machine.run("ln", "--symbolic", CLAUDE, PROGRAM)
    concordia.configure(API, LINES_OF_AN_OPERATOR)
    machine.run("systemctl", "restart", SERVICE)
    yield concordia
    machine.run("systemctl", "stop", SERVICE, STUB_UNIT)
    machine.run("rm", PROGRAM)


@pytest.fixture
def pause_ms(request: pytest.FixtureRequest) -> int:
    """Milliseconds between two lines of a turn that prints for long."""
    return SOAK_PAUSE_MS if request.config.getoption(SOAK) else PAUSE_MS


def units_of(concordia: Installed) -> list[str]:
    """List the units of agents that run."""
    listed = concordia.machine.read("systemctl", "list-units", "--plain", "--no-legend", "concordia-agent@*")
    return [line.split()[0] for line in listed.splitlines()]


def submit(concordia: Installed, text: str) -> str:
    """Submit a prompt to the room and return its id."""
    return concordia.ctl("submit", text).stdout.strip()


def wait_for_end(concordia: Installed, prompt: str) -> dict[str, Any]:
    """Wait until a prompt's turn has ended, and return the prompt."""
    shown: dict[str, Any] = {}

    def has_ended() -> bool:
        shown.update(json.loads(concordia.ctl("show", prompt, "-o", "json").stdout))
        return shown["prompt"]["state"] not in ("waiting", "running")

    concordia.wait_until(has_ended, "the turn has ended")
    return dict(shown["prompt"])


def events_of(concordia: Installed, kind: str) -> list[dict[str, Any]]:
    """List the room's events of a kind."""
    said = concordia.ctl("tail", "--no-follow", "--lines", "2000", "-o", "json").stdout.splitlines()
    return [event for event in map(json.loads, said) if event["type"] == kind]


def tool(concordia: Installed, command: str) -> str:
    """Have the agent call its tool, approve that, and return what the tool said."""
    running = submit(concordia, f"[[tool:{command}]]")
    concordia.wait_until(lambda: "Bash" in concordia.ctl("approvals").stdout, "the agent asks")
    (approval,) = json.loads(concordia.ctl("approvals", "-o", "json").stdout)["approvals"]
    concordia.ctl("approve", approval["id"])
    assert wait_for_end(concordia, running)["state"] == "answered"
    return json.dumps(events_of(concordia, "agent.tool_result")[-1]["content"])


def print_over_ends(concordia: Installed, word: str, pause_ms: int) -> None:
    """Have a turn print all the while, restart the daemon three times and kill it three times; compare what came."""
    machine = concordia.machine
    concordia.ctl("submit", "--wait", "[[text:ready]]")
    agent = concordia.agent()
    gates = [f"{WORK}/{word}{number}" for number in range(ENDS + 1)]
    lines = {gate: [f"line {number} of {gate}" for number in range(LINES)] for gate in gates}
    printing = {gate: " ".join(f"[[text:{line}]] [[slow:1,{pause_ms}]]" for line in lines[gate]) for gate in gates}
    running = submit(concordia, " ".join(f"[[gate:{gate}]] {printing[gate]}" for gate in gates))

    def has_said(line: str) -> bool:
        return any(event["text"] == line for event in events_of(concordia, "agent.text"))

    for number, gate in enumerate(gates[:-1]):
        machine.write(gate, "")
        concordia.wait_until(partial(has_said, lines[gate][2]), "it prints")
        before = concordia.pid
        if number % 2:
            machine.run("kill", f"-{signal.SIGKILL:d}", str(before))
            concordia.wait_for_another(before)
        else:
            machine.run("systemctl", "restart", SERVICE)
    machine.write(gates[-1], "")
    assert wait_for_end(concordia, running)["state"] == "answered"
    assert concordia.agent() == agent
    said = [event["text"] for event in events_of(concordia, "agent.text")]
    assert [text for text in said if f" of {WORK}/{word}" in text] == [line for gate in gates for line in lines[gate]]


def test_every_line_is_there_once_over_restarts_and_kills(brisk: Installed, pause_ms: int) -> None:
    """A turn that prints all the while, over three restarts and three kills of the daemon: every line, once."""
    print_over_ends(brisk, "rehearsed", pause_ms)


@pytest.mark.real_cli
def test_the_real_cli_works_in_its_unit_and_outlives_the_daemon(real: Installed, pause_ms: int) -> None:
    """Claude Code runs in the sandbox with its tools, and says every line once over three restarts and three kills."""
    assert "it was made" in tool(real, "touch made && echo it was made")
    assert real.machine.read("stat", "--format=%U:%G", f"{WORK}/made") == "concordia-agent:concordia"
    print_over_ends(real, "real", pause_ms)


def test_the_agent_of_the_package_has_a_unit_of_its_own(concordia: Installed) -> None:
    """With the configuration that the package brings: another user, whose turn goes on over a restart of the daemon."""
    machine, gate = concordia.machine, f"{WORK}/gate"
    concordia.wait_for_agent_of("concordia-agent")
    concordia.wait_until(lambda: len(units_of(concordia)) == 1, "it is the only unit")
    shown = json.loads(machine.read("concordiad", "--check", "--config", CONFIGURATION))
    assert {agent["socket"] for agent in shown["agents"].values()} == {PLACE}
    agent, running = concordia.agent(), submit(concordia, f"[[gate:{gate}]] [[text:said after the restart]]")
    machine.run("systemctl", "restart", SERVICE)
    machine.write(gate, "")
    assert wait_for_end(concordia, running)["state"] == "answered"
    assert concordia.agent() == agent


def test_a_socket_that_is_not_there_is_an_error_with_its_remedy(concordia: Installed) -> None:
    """No agent falls back into the daemon's sandbox: the daemon and the doctor say what opens the socket."""
    machine, remedy = concordia.machine, f"`systemctl enable --now {AGENTS}`"
    machine.run("systemctl", "stop", SERVICE, AGENTS)
    machine.run("systemctl", "mask", "--runtime", AGENTS)
    assert machine.run("systemctl", "restart", SERVICE, check=False).returncode != 0
    why = f"agents.rehearsal: the socket {PLACE} of the agent's units is not there: {remedy}"
    concordia.wait_until(lambda: why in machine.log_of(SERVICE), "the daemon says why")
    machine.run("systemctl", "stop", SOCKET)
    assert f"{PLACE}, the socket of its units, is not there" in concordia.ctl("doctor", user=None, check=False).stdout
    machine.run("systemctl", "unmask", "--runtime", AGENTS)
    machine.run(*remedy.strip("`").split())
    machine.run("systemctl", "reset-failed")
    machine.run("systemctl", "start", SOCKET, SERVICE)
    concordia.wait_for_agent_of("concordia-agent")


def test_an_agent_without_a_socket_is_a_child_of_the_daemon(concordia: Installed) -> None:
    """Who wants it so says so: then it has the daemon's user, and works in the rooms' directory all the same."""
    concordia.configure('[agents.rehearsal]\nkind = "rehearsal"\nsocket = ""')
    concordia.machine.run("systemctl", "restart", SERVICE)
    concordia.wait_for_agent_of("concordia")
    concordia.wait_until(lambda: units_of(concordia) == [], "no unit is left")
    assert "end" in tool(concordia, "touch made-by-a-child; echo end")
    assert concordia.machine.read("stat", "--format=%U", f"{WORK}/made-by-a-child") == "concordia"


def test_an_agent_reaches_nothing_of_the_daemons(concordia: Installed) -> None:
    """From within its unit it works in the room's directory, and no attempt on what is the daemon's succeeds."""
    machine, pid = concordia.machine, str(concordia.pid)
    machine.copy(REACHING, "/opt")
    place = f"/opt/{REACHING.name}"
    assert "end" in tool(concordia, f"id -un > who; python3 -I {place} {pid} > reached; echo end")
    assert machine.read("cat", f"{WORK}/who") == "concordia-agent"
    reached = json.loads(machine.read("cat", f"{WORK}/reached"))
    assert {name: came for name, came in reached.items() if came == "done"} == {}
    assert "CREDENTIALS_DIRECTORY" not in tool(concordia, "env")
    # Root is refused none of it, so that each attempt is one at something that is there.
    as_root = json.loads(machine.read("python3", "-I", place, pid))
    assert {name: came for name, came in as_root.items() if came != "done"} == {}
    assert as_root.keys() == reached.keys()


@pytest.mark.parametrize("beside", [(), ("concordia-agent@*",)])
def test_a_stop_lets_the_turn_end_and_ends_the_agent(concordia: Installed, beside: tuple[str, ...]) -> None:
    """
    `systemctl stop` drains, as a restart does not; then nothing of the agent is left, orphans of it neither.

    So too where the agents' units are to stop as well, as when the machine shuts down.
    """
    machine, gate = concordia.machine, f"{WORK}/gate"
    running = submit(concordia, f"[[orphan:600]] [[gate:{gate}]] [[text:said while it was drained]]")
    concordia.wait_until(lambda: machine.run("pgrep", "sleep", check=False).returncode == 0, "the orphan is there")
    with machine.start("systemctl", "stop", SERVICE, *beside) as stopping:
        concordia.wait_until(lambda: "draining" in machine.show(SERVICE, "StatusText"), "the daemon drains")
        machine.write(gate, "")
        assert stopping.wait(PATIENCE_S) == 0
    concordia.wait_until(lambda: units_of(concordia) == [], "no unit is left")
    assert machine.run("pgrep", "-u", "concordia-agent", check=False).stdout == ""
    machine.run("systemctl", "start", SERVICE)
    assert wait_for_end(concordia, running)["state"] == "answered"
    assert events_of(concordia, "agent.text")[-1]["text"] == "said while it was drained"
