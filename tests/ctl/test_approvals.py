"""approvals, approve, deny."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import run
from tests.ctl.samples import APPROVAL, BOB, permission, question
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon


def listing(*approvals: dict[str, Any]) -> Script:
    """Have these waiting."""

    def script(client: Client) -> None:
        client.answer("approval.list", {"approvals": list(approvals)})

    return script


def deciding(approval: dict[str, Any], resolution: str, **expected: Any) -> Script:
    """Have one waiting, and take a decision that must be this one."""

    def script(client: Client) -> None:
        if expected["allow"]:
            client.answer("approval.list", {"approvals": [approval]})
        result = {"approval": approval, "resolution": resolution, "by": BOB}
        assert {"room": "main", "id": APPROVAL} | expected == client.answer("approval.answer", result)

    return script


def test_a_command_is_shown_as_one_would_type_it(tmp_path: Path, control_socket: Path) -> None:
    """With the two things that can be done about it."""
    with scripted_daemon(control_socket, listing(permission())):
        out = run(tmp_path, "approvals").out
    assert out.startswith(f"{APPROVAL}  the agent asks to use Bash (expires ")
    assert "\n  $ rm -r build\n  description: Remove the build\n" in out
    assert out.endswith(f"\nconcordiactl approve {APPROVAL}\nconcordiactl deny {APPROVAL}\n")


@pytest.mark.parametrize(
    ("tool", "request_", "lines"),
    [
        ("Bash", {"command": "a\nb"}, "  $ a\n    b\n"),
        ("Write", {"file_path": "/x", "content": "one\ntwo\n"}, "  file_path: /x\n  content:\n    one\n    two\n"),
        ("mcp__x", {"n": 1, "deep": {"a": [1]}}, '  n: 1\n  deep: {"a": [1]}\n'),
        ("Bash", {"command": "\x1b[2Jrm"}, "  $ ␛[2Jrm\n"),
    ],
)
def test_any_input_is_readable(
    tmp_path: Path, control_socket: Path, tool: str, request_: dict[str, Any], lines: str
) -> None:
    """Nobody should allow what they cannot see."""
    with scripted_daemon(control_socket, listing(permission(tool=tool, input=request_, description=None))):
        assert lines in run(tmp_path, "approvals").out


def test_a_question_is_shown_with_numbered_choices(tmp_path: Path, control_socket: Path) -> None:
    """As --answer takes them."""
    with scripted_daemon(control_socket, listing(question())):
        out = run(tmp_path, "approvals").out
    assert "  1. Which colour?  [Colour]\n       1) red  like fire\n       2) blue\n" in out
    assert "  2. Which tools?  [Tools]  (several may be chosen)\n       1) hammer\n" in out


def test_several_are_told_apart(tmp_path: Path, control_socket: Path) -> None:
    """One after the other, with a line between them; in JSON, one object."""
    both = (permission(), question(id="other"))
    with scripted_daemon(control_socket, listing(*both), listing(*both)):
        out, as_json = run(tmp_path, "approvals").out, run(tmp_path, "approvals", "-o", "json").out
    assert "\n\nother  the agent has a question" in out
    assert {"approvals": list(both)} == json.loads(as_json)


def test_nothing_that_waits_is_no_data(tmp_path: Path, control_socket: Path) -> None:
    """The sentence about it is for people."""
    with scripted_daemon(control_socket, listing()):
        assert run(tmp_path, "approvals") == (0, "", "nothing waits for an answer in room main\n")


def test_a_permission_is_given(tmp_path: Path, control_socket: Path) -> None:
    """And said back."""
    with scripted_daemon(control_socket, deciding(permission(), "approved", allow=True)):
        ran = run(tmp_path, "approve", APPROVAL)
    assert (0, f"approved {APPROVAL}: Bash  rm -r build\n", "") == ran


@pytest.mark.parametrize("typed", [APPROVAL, APPROVAL[:6].upper()])
def test_a_question_is_answered(tmp_path: Path, control_socket: Path, typed: str) -> None:
    """Under its own text, with the label of what was chosen."""
    answers = {"Which colour?": "blue", "Which tools?": "hammer, file"}
    with scripted_daemon(control_socket, deciding(question(), "approved", allow=True, answers=answers)):
        assert run(tmp_path, "approve", typed, "--answer", "1=2", "--answer", "tools=1,3").code == 0


@pytest.mark.parametrize(("words", "params"), [((), {}), (("--reason", "not now"), {"reason": "not now"})])
def test_a_permission_is_refused(
    tmp_path: Path, control_socket: Path, words: tuple[str, ...], params: dict[str, str]
) -> None:
    """With a reason for the agent, if there is one."""
    with scripted_daemon(control_socket, deciding(permission(), "denied", allow=False, **params)):
        ran = run(tmp_path, "deny", APPROVAL, *words)
    assert (0, f"denied {APPROVAL}: Bash  rm -r build\n", "") == ran


@pytest.mark.parametrize(
    ("approval", "words", "sentence"),
    [
        (permission(), ("--answer", "1=1"), "Bash asks no question: approve it without --answer"),
        (question(), (), "no answer to question 1 and 2: add for example --answer 1=1 --answer 2=1"),
        (question(), ("--answer", "1=9"), "question 1 has choices 1 to 2, not 9"),
    ],
)
def test_an_answer_that_does_not_fit_is_not_sent(
    tmp_path: Path, control_socket: Path, approval: dict[str, Any], words: tuple[str, ...], sentence: str
) -> None:
    """The agent would take it seriously."""
    with scripted_daemon(control_socket, listing(approval)):
        ran = run(tmp_path, "approve", APPROVAL, *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


def test_what_is_gone_is_the_daemons_to_say(tmp_path: Path, control_socket: Path) -> None:
    """It knows who was first."""

    def script(client: Client) -> None:
        client.answer("approval.list", {"approvals": []})
        client.request("approval.answer")
        client.error(-32004, "bob was first")

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, "approve", APPROVAL) == (1, "", "concordiactl: bob was first\n")


def test_an_id_is_needed(tmp_path: Path) -> None:
    """What is allowed is never guessed."""
    assert run(tmp_path, "approve").code == 2
