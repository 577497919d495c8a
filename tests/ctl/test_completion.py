"""Completion: what a shell is told, and that shells understand it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.patient import PATIENT
from tests.ctl.program import ROOT, environment, run
from tests.ctl.samples import (
    APPROVAL,
    GUEST,
    INVITE,
    PROMPT,
    TURN,
    finished_turn,
    guest,
    invite,
    permission,
    prompt,
    room,
    running_turn,
)
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon

QUEUE = {"prompts": [prompt(text="two\nlines \x1b[2J")], "next": None}
ROOMS = {"rooms": [room(), room(name="lab", state="busy", turn=running_turn())]}


def completed(home: Path, line: str, shell: str = "fish", module: str = PATIENT) -> list[str]:
    """Complete the last word of a line; fish is told the meaning too."""
    words = line.split(" ")
    variables = {"COMP_WORDS": line, "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1)}
    ran = run(home, _CONCORDIACTL_COMPLETE=f"{shell}_complete", stdin=b"", module=module, **variables)
    assert (ran.code, ran.err) == (0, "")
    return [completion for completion in ran.out.splitlines() if completion]


def serving(*answers: tuple[str, dict[str, Any], dict[str, Any]]) -> list[Script]:
    """Answer one request on each connection, which must have these params."""

    def script(method: str, expected: dict[str, Any], result: dict[str, Any]) -> Script:
        def play(client: Client) -> None:
            assert expected == client.answer(method, result)

        return play

    return [script(*answer) for answer in answers]


SPACED = {"id": "guest:7", "name": "b b", "kind": "guest"}
WAITING = {"room": "main", "states": ["waiting"], "limit": 50}


@pytest.mark.parametrize(
    ("line", "answers", "completions"),
    [
        ("concordiactl --room ", [("room.list", {}, ROOMS)], ["plain,main\tidle", "plain,lab\tbusy"]),
        ("concordiactl room close l", [("room.list", {}, ROOMS)], ["plain,lab\tbusy"]),
        (
            "concordiactl cancel 0",
            [("prompt.list", WAITING, QUEUE)],
            [f"plain,{PROMPT}\tada: two …"],
        ),
        ("concordiactl cancel 7", [("prompt.list", WAITING, QUEUE)], []),
        ("concordiactl split 0", [("prompt.list", WAITING, QUEUE)], [f"plain,{PROMPT}\tada: two …"]),
        (
            "concordiactl --room lab interrupt --turn ",
            [("room.list", {}, ROOMS)],
            [f"plain,{TURN}\twhat is the answer?"],
        ),
        ("concordiactl interrupt --turn ", [("room.list", {}, ROOMS)], []),
        (
            "concordiactl approve --room lab ",
            [("approval.list", {"room": "lab"}, {"approvals": [permission()]})],
            [f"plain,{APPROVAL}\tBash rm -r build"],
        ),
        (
            "concordiactl invite revoke ",
            [("invite.list", {"room": "main"}, {"invites": [invite(name_hint="bob")]})],
            [f"plain,{INVITE}\tfor bob, viewer, used 0 of 1"],
        ),
        (
            "concordiactl kick ",
            [("guest.list", {"room": "main"}, {"guests": [guest(), guest(name="b b"), guest(name="al\x1b")]})],
            ["plain,eve\teve, viewer", f"plain,{GUEST}\tb b, viewer", f"plain,{GUEST}\tal␛, viewer"],
        ),
        (
            "concordiactl queue --author a",
            [("prompt.list", {"room": "main", "limit": 50}, QUEUE)],
            ["plain,ada\tada"],
        ),
        (
            "concordiactl history --author ",
            [("prompt.list", {"room": "main", "limit": 50}, {"prompts": [prompt(), prompt(author=SPACED), prompt()]})],
            ["plain,ada\tada", "plain,guest:7\tb b"],
        ),
        (
            "concordiactl room create x --agent ",
            [("room.list", {}, ROOMS)],
            [f"plain,{room()['agent']['name']}\t{room()['agent']['kind']}"],
        ),
        (
            "concordiactl kick e",
            [("guest.list", {"room": "main"}, {"guests": [guest(), guest()]})],
            [],
        ),
        (
            "concordiactl show ",
            [
                ("turn.list", {"room": "main", "limit": 50}, {"turns": [finished_turn()], "next": None}),
                ("prompt.list", WAITING, QUEUE),
            ],
            [f"plain,{PROMPT}\tada: two …", f"plain,{TURN}\twhat is the answer?"],
        ),
    ],
)
def test_what_the_daemon_knows_is_completed(
    tmp_path: Path, control_socket: Path, line: str, answers: list[Any], completions: list[str]
) -> None:
    """With what it is, in one harmless line."""
    with scripted_daemon(control_socket, *serving(*answers)):
        assert completions == completed(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("concordiactl comp", ["plain,completion"]),
        ("concordiactl room re", ["plain,resume", "plain,restart"]),
        ("concordiactl history --state c", ["plain,completed"]),
        ("concordiactl history --prompts --state c", ["plain,cancelled"]),
        ("concordiactl room create x --permission-mode d", ["plain,default", "plain,dontAsk"]),
        ("concordiactl queue --author ", []),
        ("concordiactl --version", ["plain,--version"]),
        ("concordiactl cancel ", []),
        ("concordiactl statsu comp", []),
        ("concordiactl room lsit re", []),
        ("concordiactl --socket /nowhere show ", []),
    ],
)
def test_without_a_daemon_the_rest_is_completed(tmp_path: Path, line: str, completions: list[str]) -> None:
    """And no word is said about the daemon."""
    assert completions == completed(tmp_path, line, "bash")


def test_a_daemon_that_hangs_is_not_waited_for(tmp_path: Path, control_socket: Path) -> None:
    """Whoever pressed Tab wants to go on."""

    def mute(client: Client) -> None:
        client.request("prompt.list")
        client.wait_until_gone()

    with scripted_daemon(control_socket, mute):
        assert completed(tmp_path, "concordiactl cancel ", module="ctl") == []


ASKED = {
    "bash": 'COMP_WORDS=(concordiactl room cr); COMP_CWORD=2; _concordiactl_completion concordiactl; echo "$COMPREPLY"',
    "fish": "complete -C 'concordiactl room cr'",
    # zsh completes for its line editor only: here it is seen that it takes the script.
    "zsh": "echo create $+functions[_concordiactl_completion]",
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_understands_its_script(tmp_path: Path, shell: str) -> None:
    """Where it is installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "concordiactl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m ctl "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "script"
    printed = run(tmp_path, "completion", shell)
    assert (printed.code, printed.err) == (0, "")
    script.write_text(printed.out)
    ready = "autoload -U compinit; compinit -u; " if shell == "zsh" else ""
    done = subprocess.run(
        [shell, "-c", f"{ready}source {script}; {ASKED[shell]}"],
        env=environment(tmp_path, PATH=f"{programs}:{os.environ['PATH']}", PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("create")
    assert done.stderr == ""
