"""
The rehearsal agent against the real CLI: the same prompts lead to the same lines in the same order.

Left out is what differs on purpose (see the package's docstring), and with partial messages the place of a tool call's
`message_stop`, which the CLI writes whenever the API gets to it.
"""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.agent.rehearsing import CLI_FLAGS, AgentProcess, Line, Rehearsal, essence
from tests.support.messages_api import MessagesApi
from tests.support.real_cli import cli_environment, require_cli

FIRST = "aaaaaaaa-0000-4000-8000-000000000001"
SECOND = "aaaaaaaa-0000-4000-8000-000000000002"
PARTIAL = "--include-partial-messages"
BASH = "--allowed-tools=Bash"
Scene = Callable[[AgentProcess], list[Line]]
OUTCOME = (
    "subtype",
    "is_error",
    "terminal_reason",
    "stop_reason",
    "num_turns",
    "api_error_status",
    "user_message_uuids",
)


def say(*orders: str) -> Scene:
    """Return a scene of one turn with these orders."""

    def play(agent: AgentProcess) -> list[Line]:
        agent.prompt("".join(f"[[{order}]]" for order in orders), FIRST)
        return agent.until("idle")

    return play


def answer(order: str, **response: object) -> Scene:
    """Return a scene in which the permission for a tool is asked for, and answered so."""

    def play(agent: AgentProcess) -> list[Line]:
        agent.prompt(f"[[{order}]]", FIRST)
        asked = agent.until("control_request")
        agent.answer(asked[-1], **response)
        return asked + agent.until("idle")

    return play


def interrupt(order: str, after: str) -> Scene:
    """Return a scene in which the turn is interrupted after a line of that essence."""

    def play(agent: AgentProcess) -> list[Line]:
        agent.prompt(f"[[{order}]]", FIRST)
        begun = agent.until(after)
        agent.control("interrupt")
        return begun + agent.until("idle")

    return play


def leave(agent: AgentProcess) -> list[Line]:
    """End the input while a permission is asked for."""
    agent.prompt("[[tool:touch ../x]]", FIRST)
    asked = agent.until("control_request")
    agent.close()
    return asked + agent.rest()


def run_on(agent: AgentProcess) -> list[Line]:
    """Have a command in the background end after its turn."""
    agent.prompt("[[background:until test -e go; do sleep 0.1; done]]", FIRST)
    lines = agent.until("idle")
    (agent.work / "go").touch()
    return lines + agent.until("idle")


def clear(agent: AgentProcess) -> list[Line]:
    """Begin a new conversation."""
    lines = say("text:hi")(agent)
    agent.send({"type": "user", "uuid": SECOND, "message": {"role": "user", "content": "/clear"}})
    return lines + agent.until("idle")


def repeat(agent: AgentProcess) -> list[Line]:
    """Send a prompt twice."""
    return say("text:hi")(agent) + say("text:hi")(agent)


SCENES: dict[str, tuple[Scene, list[str]]] = {
    "text": (say("text:hello"), []),
    "partial": (say("think:hm hm", "text:one", "text:two words"), [PARTIAL]),
    "approved": (answer("tool:touch ../x", behavior="allow"), []),
    "denied": (answer("tool:touch ../x", behavior="deny", message="no"), []),
    "denied for good": (answer("tool:touch ../x", behavior="deny", message="no", interrupt=True), []),
    "malformed": (answer("tool:touch ../x", behaviour="yes"), []),
    "nobody to ask": (say("tool:touch ../x"), ["--permission-mode=dontAsk"]),
    "failing": (say("tool:exit 3"), [BASH]),
    "max turns": (say("tool:true", "tool:true", "tool:true"), [BASH, "--max-turns=2"]),
    "interrupted text": (interrupt("hang", "stream content_block_delta"), [PARTIAL]),
    "interrupted permission": (interrupt("tool:touch ../x", "control_request"), []),
    "left alone": (leave, []),
    "background": (run_on, [BASH]),
    "error 400": (say("error:400"), []),
    "error 529": (say("error:529"), []),
    "error 529 twice": (say("error:529,2", "text:well"), [PARTIAL]),
    "clear": (clear, []),
    "repeat": (repeat, []),
}


def outline(lines: list[Line]) -> list[str]:
    """Return what the lines are about, several deltas in a row as one: how a text is cut is the API's business."""
    runs = [(name, len(list(run))) for name, run in groupby(essence(line) for line in lines)]
    return [name for name, length in runs for _ in range(1 if name == "stream content_block_delta" else length)]


def outcomes(lines: list[Line]) -> list[dict[str, Any]]:
    """Return what the result lines say of how the turns went."""
    return [{key: line.get(key) for key in OUTCOME} for line in lines if line["type"] == "result"]


def foreign_keys(lines: list[Line], known: list[Line]) -> set[tuple[str, str]]:
    """Return the keys, with their line's essence, that no known line of that essence has."""
    return {(essence(line), key) for line in lines for key in line} - {
        (essence(line), key) for line in known for key in line
    }


@pytest.mark.real_cli
@pytest.mark.parametrize("name", SCENES)
def test_likeness(tmp_path: Path, name: str) -> None:
    """Lines, outcomes and keys are the real CLI's: none is missing in the order, and no key is made up."""
    scene, flags = SCENES[name]
    real_home, home = tmp_path / "real", tmp_path / "rehearsal"
    real_home.mkdir()
    home.mkdir()
    with MessagesApi() as api:
        command = [str(require_cli()), *CLI_FLAGS, *flags]
        with AgentProcess(real_home, command, cli_environment(real_home, api.url)) as agent:
            expected = scene(agent)
    with Rehearsal(home, *flags, CLAUDE_CODE_MAX_RETRIES="2") as agent:
        actual = scene(agent)
    assert outline(expected) == outline(actual)
    assert outcomes(expected) == outcomes(actual)
    assert set() == foreign_keys(actual, expected)
