"""The rehearsal agent's tools: permission, running, questions, and the background."""

# ruff: noqa: SIM300 - `expected == actual` is this project's order

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.agent.rehearsing import Lifeline, Line, Rehearsal, essences, texts

CALL = ["running", "queued", "started", "system init", "assistant", "requires_action", "control_request"]
ENDING = ["assistant", "result success", "completed", "idle"]


def tool_result(line: Line) -> dict[str, Any]:
    """Return the tool_result block of a user line."""
    block = line["message"]["content"][0]
    assert isinstance(block, dict)
    return block


def request(agent: Rehearsal, order: str, uuid: str = "u1") -> Line:
    """Write a prompt with one order and return the permission request that it leads to."""
    agent.prompt(f"[[{order}]]", uuid)
    return agent.last("control_request")


def test_approved_tool_has_the_recorded_order(tmp_path: Path) -> None:
    """An approved command really runs, between the lines of a real turn."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:running]][[tool:touch made]]")
        asked = agent.until("control_request")
        assert ["running", "queued", "started", "system init", "assistant", *CALL[4:]] == essences(asked)
        assert not (agent.work / "made").exists()
        agent.answer(asked[-1], behavior="allow", updatedInput=asked[-1]["request"]["input"])
        lines = agent.until("idle")
        assert ["running", "user", *ENDING] == essences(lines)
        assert (agent.work / "made").exists()
        expected = ("(Bash completed with no output)", False)
        assert expected == (tool_result(lines[1])["content"], tool_result(lines[1])["is_error"])
        assert (2, []) == (lines[-3]["num_turns"], lines[-3]["permission_denials"])


def test_permission_request(tmp_path: Path) -> None:
    """The request says which call it is about, and with which input."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[tool:ls /]]")
        lines = agent.until("control_request")
        call = next(line for line in lines if line["type"] == "assistant")["message"]["content"][0]
        expected = {
            "subtype": "can_use_tool",
            "tool_name": "Bash",
            "input": {"command": "ls /", "description": "rehearsal"},
            "tool_use_id": call["id"],
        }
        assert expected == {key: lines[-1]["request"][key] for key in expected}
        assert ("tool_use", call["input"]) == (call["type"], expected["input"])


def test_denied_tool_has_the_recorded_order(tmp_path: Path) -> None:
    """A denied command does not run, its reason reaches the agent, and the turn goes on."""
    with Rehearsal(tmp_path) as agent:
        asked = request(agent, "tool:touch made")
        agent.answer(asked, behavior="deny", message="bob said no")
        lines = agent.until("idle")
        assert ["running", "user", *ENDING] == essences(lines)
        assert ("bob said no", True) == (tool_result(lines[1])["content"], tool_result(lines[1])["is_error"])
        denial = {"tool_name": "Bash", "tool_input": asked["request"]["input"]}
        assert [denial | {"tool_use_id": asked["request"]["tool_use_id"]}] == lines[-3]["permission_denials"]
        assert not (agent.work / "made").exists()


def test_denied_with_interrupt_has_the_recorded_order(tmp_path: Path) -> None:
    """A denial that interrupts ends the turn as an interrupt would."""
    with Rehearsal(tmp_path) as agent:
        agent.answer(request(agent, "tool:touch made"), behavior="deny", message="stop", interrupt=True)
        lines = agent.until("idle")
        assert ["running", "user", "user", "result error_during_execution", "cancelled", "idle"] == essences(lines)
        assert ("aborted_tools", 3) == (lines[3]["terminal_reason"], lines[3]["num_turns"])
        assert 1 == len(lines[3]["permission_denials"])


def test_changed_input_is_what_runs(tmp_path: Path) -> None:
    """With updatedInput the changed command runs, and nothing else."""
    with Rehearsal(tmp_path) as agent:
        agent.answer(request(agent, "tool:touch one"), behavior="allow", updatedInput={"command": "touch two"})
        agent.until("idle")
        assert ["two"] == [path.name for path in agent.work.iterdir()]


def test_first_answer_counts(tmp_path: Path) -> None:
    """A second answer, and one to a request that nobody made, change nothing."""
    with Rehearsal(tmp_path) as agent:
        asked = request(agent, "tool:echo ran")
        agent.answer({"request_id": "unknown"}, behavior="deny", message="not me")
        agent.answer(asked, behavior="allow")
        agent.answer(asked, behavior="deny", message="late")
        assert "ran" == tool_result(agent.last("user"))["content"]


def test_malformed_answer_denies(tmp_path: Path) -> None:
    """An answer that says neither allow nor deny does not let the command run."""
    with Rehearsal(tmp_path) as agent:
        agent.answer(request(agent, "tool:touch made"), behaviour="yes")
        assert "invalid permission result" in tool_result(agent.last("user"))["content"]
        agent.until("idle")
        assert not (agent.work / "made").exists()


def test_error_answer_denies(tmp_path: Path) -> None:
    """An error in place of an answer is told to the agent, and the command does not run."""
    with Rehearsal(tmp_path) as agent:
        asked = request(agent, "tool:touch made")
        answer = {"subtype": "error", "request_id": asked["request_id"], "error": "nobody answered"}
        agent.send({"type": "control_response", "response": answer})
        expected = "Tool permission request failed: Error: nobody answered"
        assert expected == tool_result(agent.last("user"))["content"]
        assert 1 == len(agent.last("result success")["permission_denials"])


def test_end_of_input_while_permission_is_pending(tmp_path: Path) -> None:
    """At the end of input the open request fails, and the turn ends in peace."""
    with Rehearsal(tmp_path) as agent:
        request(agent, "tool:touch made")
        agent.close()
        lines = agent.rest()
        assert ["running", "user", *ENDING] == essences(lines)
        assert "stream closed before response received" in tool_result(lines[1])["content"]
        assert 0 == agent.status()


def test_interrupt_while_permission_is_pending(tmp_path: Path) -> None:
    """An interrupt takes the open request back before it is answered itself; a late answer is nobody's."""
    with Rehearsal(tmp_path) as agent:
        asked = request(agent, "tool:touch made")
        agent.control("interrupt")
        lines = agent.until("idle")
        ended = ["user", "user", "result error_during_execution", "cancelled", "idle"]
        assert ["control_cancel_request", "control_response", "running", *ended] == essences(lines)
        assert asked["request_id"] == lines[0]["request_id"]
        agent.answer(asked, behavior="allow")
        agent.prompt("[[text:next]]", "u2")
        assert ["next"] == texts(agent.until("idle"))
        assert not (agent.work / "made").exists()


def test_sigint_while_permission_is_pending(tmp_path: Path) -> None:
    """SIGINT takes the open request back, tells of the abortion and exits with 0."""
    with Rehearsal(tmp_path) as agent:
        request(agent, "tool:touch made")
        agent.signal(signal.SIGINT)
        expected = ["control_cancel_request", "running", "user", "user", "result error_during_execution"]
        assert (expected, 0) == (essences(agent.rest()), agent.status())


@pytest.mark.parametrize("flags", [["--allowed-tools=Bash"], ["--permission-mode=bypassPermissions"]])
def test_who_need_not_ask(tmp_path: Path, flags: list[str]) -> None:
    """With Bash allowed, or in the mode that asks nobody, a command runs at once."""
    with Rehearsal(tmp_path, *flags) as agent:
        agent.prompt("[[tool:echo ran]]")
        assert [*CALL[:5], "user", *ENDING] == essences(agent.until("idle"))


@pytest.mark.parametrize("flags", [["--permission-prompt-tool=none"], ["--permission-mode=dontAsk"]])
def test_who_must_not_ask(tmp_path: Path, flags: list[str]) -> None:
    """Where nobody can be asked, nothing runs."""
    with Rehearsal(tmp_path, *flags) as agent:
        agent.prompt("[[tool:touch made]]")
        assert [*CALL[:5], "system permission_denied", "user", *ENDING] == essences(agent.until("idle"))
        assert not (agent.work / "made").exists()


def test_permission_mode_can_change(tmp_path: Path) -> None:
    """set_permission_mode is answered, told, and obeyed by the next call."""
    with Rehearsal(tmp_path) as agent:
        agent.control("set_permission_mode", mode="dontAsk")
        assert {"mode": "dontAsk"} == agent.read()["response"]["response"]
        assert "dontAsk" == agent.last("system status")["permissionMode"]
        agent.prompt("[[tool:true]]")
        assert "system permission_denied" in essences(agent.until("idle"))


# Running


@pytest.mark.parametrize(
    ("command", "content", "is_error"),
    [
        ("echo out; echo err >&2", "out\nerr", False),
        ("echo out; exit 3", "Exit code 3\nout", True),
        ("kill -9 $$", "Exit code -9", True),
        ("pwd", "{work}", False),
        ("read line", "Exit code 1", True),
    ],
)
def test_command(tmp_path: Path, command: str, content: str, is_error: bool) -> None:
    """A command's output, its exit status, its directory and its empty input are what they should be."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt(f"[[tool:{command}]]")
        result = tool_result(agent.last("user"))
        assert (content.format(work=agent.work), is_error) == (result["content"], result["is_error"])


def test_output_is_bounded(tmp_path: Path) -> None:
    """Of an endless output the first 30 000 bytes are kept."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt("[[tool:yes | head -c 1000000]]")
        content = tool_result(agent.last("user"))["content"]
        assert ("y\n" * 15_000).rstrip("\n") + "\n[cut off here]" == content


def test_command_ends_with_its_shell(tmp_path: Path) -> None:
    """What a command leaves behind does not keep its turn from ending."""
    with Lifeline(tmp_path / "line") as line, Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt(f"[[tool:(echo alive; exec sleep 100) > {line.path} & echo done; echo $!]]")
        done, child = tool_result(agent.last("user"))["content"].split()
        line.wait_for_life()
        assert "done" == done
        agent.prompt(f"[[tool:kill {child}]]", "u2")
        line.wait_for_death()


def test_interrupt_kills_the_whole_command(tmp_path: Path) -> None:
    """An interrupt in a command kills its process group and tells so, in the recorded order."""
    with Lifeline(tmp_path / "line") as line, Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt(f"[[tool:(echo alive; exec sleep 100) > {line.path}; true]]")
        line.wait_for_life()
        agent.control("interrupt")
        lines = agent.until("idle")
        ended = ["user", "user", "result error_during_execution", "cancelled", "idle"]
        assert [*CALL[:5], "control_response", *ended] == essences(lines)
        assert ("aborted_tools", "tool_use", 3) == tuple(
            lines[-3][key] for key in ("terminal_reason", "stop_reason", "num_turns")
        )
        line.wait_for_death()


@pytest.mark.parametrize("background", [False, True])
def test_sigterm_kills_commands(tmp_path: Path, background: bool) -> None:
    """SIGTERM takes every command along, with 143 and without a result."""
    verb = "background" if background else "tool"
    with Lifeline(tmp_path / "line") as line, Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt(f"[[{verb}:(echo alive; exec sleep 100) > {line.path}; true]]")
        line.wait_for_life()
        agent.signal(signal.SIGTERM)
        line.wait_for_death()
        assert 143 == agent.status()


def test_end_of_input_waits_for_the_command(tmp_path: Path) -> None:
    """At the end of input a command still ends in its own time."""
    with Lifeline(tmp_path / "line") as line, Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt(f"[[tool:echo alive > {line.path}; until test -e go; do sleep 0.01; done; echo went]]")
        line.wait_for_life()
        agent.close()
        (agent.work / "go").touch()
        lines = agent.rest()
        assert "went" == tool_result(lines[5])["content"]
        assert (ENDING, 0) == (essences(lines)[6:], agent.status())


def test_max_turns(tmp_path: Path) -> None:
    """--max-turns counts requests to the API: the one after a tool call may be too many."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash", "--max-turns=2") as agent:
        agent.prompt("[[tool:true]][[tool:true]][[text:never]]")
        lines = agent.until("idle")
        assert [*CALL[:5], "user", "assistant", "user", "result error_max_turns", "completed", "idle"] == essences(
            lines
        )
        expected = {"is_error": True, "terminal_reason": "max_turns", "num_turns": 3}
        assert expected == {key: lines[-3][key] for key in expected}
        assert ["Reached maximum number of turns (2)"] == lines[-3]["errors"]


# Questions


def test_question(tmp_path: Path) -> None:
    """A question goes to the people with its choices, and their answer comes back."""
    with Rehearsal(tmp_path) as agent:
        asked = request(agent, "ask:Which colour?|Red|Blue")
        body = asked["request"]
        assert ("AskUserQuestion", True) == (body["tool_name"], body["requires_user_interaction"])
        (question,) = body["input"]["questions"]
        assert ("Which colour?", ["Red", "Blue"]) == (
            question["question"],
            [option["label"] for option in question["options"]],
        )
        agent.answer(asked, behavior="allow", updatedInput=body["input"] | {"answers": {"Which colour?": "Blue"}})
        told = agent.last("user")
        expected = 'Your questions have been answered: "Which colour?"="Blue".'
        assert tool_result(told)["content"].startswith(expected)
        assert {"Which colour?": "Blue"} == told["tool_use_result"]["answers"]


def test_question_is_asked_whatever_is_allowed(tmp_path: Path) -> None:
    """That Bash may run does not answer a question."""
    with Rehearsal(tmp_path, "--permission-mode=bypassPermissions") as agent:
        agent.answer(request(agent, "ask:Really?"), behavior="deny", message="ask somebody else")
        assert ["the tool did not run: ask somebody else"] == texts(agent.until("idle"))


# In the background


def test_background_command_leads_to_a_turn_of_its_own(tmp_path: Path) -> None:
    """A background command outlives its turn, and its end starts a turn that answers no prompt."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt("[[background:until test -e go; do sleep 0.01; done; echo went]]")
        lines = agent.until("idle")
        started = ["system background_tasks_changed", "system task_started", "user"]
        assert [*CALL[:5], *started, *ENDING] == essences(lines)
        task = lines[5]["tasks"][0]["task_id"]
        assert (task, task) == (lines[6]["task_id"], lines[7]["tool_use_result"]["backgroundTaskId"])
        (agent.work / "go").touch()
        lines = agent.until("idle")
        ended = ["system task_updated", "system task_notification", "system background_tasks_changed"]
        assert [*ended, "running", "system init", "assistant", "result success", "idle"] == essences(lines)
        assert ['Background command "rehearsal" completed (exit code 0)\nwent'] == texts(lines)
        result = lines[-2]
        assert ("task-notification", False) == (result["origin"]["kind"], "user_message_uuids" in result)


def test_background_ends_in_another_turn(tmp_path: Path) -> None:
    """When it ends during a turn, that is told at once and its own turn follows without an idle in between."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt("[[background:until test -e go; do sleep 0.01; done]]")
        agent.until("idle")
        agent.prompt("[[gate:end]][[text:second]]", "u2")
        agent.until("system init")
        (agent.work / "go").touch()
        agent.until("system task_notification")
        (agent.work / "end").touch()
        lines = agent.until("idle")
        second = ["system background_tasks_changed", "assistant", "result success", "completed"]
        assert [*second, "system init", "assistant", "result success", "idle"] == essences(lines)


def test_end_of_input_waits_for_the_background(tmp_path: Path) -> None:
    """At the end of input a background command and the turn that follows it are waited for."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash") as agent:
        agent.prompt("[[background:until test -e go; do sleep 0.01; done; exit 4]]")
        agent.until("idle")
        agent.close()
        (agent.work / "go").touch()
        assert ['Background command "rehearsal" failed (exit code 4)'] == texts(agent.rest())
        assert 0 == agent.status()


def test_background_can_be_forbidden(tmp_path: Path) -> None:
    """Where background tasks are disabled, Bash does not take them."""
    with Rehearsal(tmp_path, "--allowed-tools=Bash", CLAUDE_CODE_DISABLE_BACKGROUND_TASKS="1") as agent:
        agent.prompt("[[background:touch made]]")
        assert "unexpected parameter" in tool_result(agent.last("user"))["content"]
        agent.finish()
        assert not (agent.work / "made").exists()
