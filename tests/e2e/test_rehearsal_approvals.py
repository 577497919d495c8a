"""Approvals, questions and interrupts: the real daemon with the rehearsal agent."""

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Event
from tests.support.daemon import Daemon, Site, wait_for_end
from tests.support.named_pipe import NamedPipe


def ask(client: ControlClient, orders: str) -> Event:
    """Hand in a prompt that makes the agent ask people, and return what it asks."""
    client.submit(orders)
    return dict(client.next("approval.requested")["approval"])


def test_approved_tool_runs(daemon: Daemon, tmp_path: Path) -> None:
    """A tool waits for people; once approved it runs, and its result is in the transcript."""
    client = daemon.follow()
    made = tmp_path / "made"
    command = f"touch {made} && echo it ran"
    asked = ask(client, f"[[tool:{command}]]")
    assert (asked["kind"], asked["tool"], asked["may_answer"]) == ("permission", "Bash", ["host", "approver"])
    assert asked["input"]["command"] == command
    assert client.call("approval.list")["approvals"] == [asked]
    assert client.call("room.list")["rooms"][0]["approvals"] == 1
    assert not made.exists()
    answer = client.call("approval.answer", id=asked["id"], allow=True)
    assert answer["resolution"] == "approved"
    resolved = client.next("approval.resolved")
    assert resolved["approval"]["id"] == asked["id"]
    assert (resolved["resolution"], resolved["by"]) == ("approved", answer["by"])
    result = client.next("agent.tool_result")
    assert (result["is_error"], result["content"]) == (False, "it ran")
    assert client.finished()["outcome"] == "completed"
    assert made.exists()
    assert client.call("approval.list")["approvals"] == []


def test_denied_tool_does_not_run(daemon: Daemon, tmp_path: Path) -> None:
    """A denied tool never runs, and the agent is told why."""
    client = daemon.follow()
    made = tmp_path / "made"
    asked = ask(client, f"[[tool:touch {made}]]")
    answer = client.call("approval.answer", id=asked["id"], allow=False, reason="not on a Friday")
    assert answer["resolution"] == "denied"
    resolved = client.next("approval.resolved")
    assert (resolved["resolution"], resolved["reason"]) == ("denied", "not on a Friday")
    result = client.next("agent.tool_result")
    assert (result["is_error"], result["content"]) == (True, "not on a Friday")
    assert client.finished()["outcome"] == "completed"
    assert not made.exists()


def test_unanswered_approval_is_denied(site: Site, tmp_path: Path) -> None:
    """What nobody answers in time is denied, and the turn goes on."""
    site.configure({"graces": {"approval_s": 1}})
    with site.running() as daemon:
        client = daemon.follow()
        made = tmp_path / "made"
        asked = ask(client, f"[[tool:touch {made}]]")
        resolved = client.next("approval.resolved")
        assert (resolved["resolution"], resolved["by"]) == ("timed_out", None)
        assert client.next("agent.tool_result")["is_error"] is True
        assert client.finished()["outcome"] == "completed"
        assert not made.exists()
        refusal = client.refused("approval.answer", id=asked["id"], allow=True)
        assert refusal.name == "conflict"
        assert "timed_out" in str(refusal)


def test_first_answer_wins(daemon: Daemon, tmp_path: Path) -> None:
    """Whoever answers second is told how it was resolved and by whom, and changes nothing."""
    one, other = daemon.follow(), daemon.connect()
    made = tmp_path / "made"
    asked = ask(one, f"[[tool:touch {made}]]")
    first = other.call("approval.answer", id=asked["id"], allow=False)
    refusal = one.refused("approval.answer", id=asked["id"], allow=True)
    assert refusal.name == "conflict"
    assert f"denied already by {first['by']['name']}" in str(refusal)
    assert one.finished()["outcome"] == "completed"
    assert not made.exists()


def test_interrupt_withdraws_what_is_pending(daemon: Daemon) -> None:
    """An interrupt while the agent waits for an answer ends the turn and the waiting."""
    client = daemon.follow()
    asked = ask(client, "[[tool:true]]")
    client.call("turn.interrupt")
    resolved = client.next("approval.resolved")
    assert (resolved["approval"]["id"], resolved["resolution"]) == (asked["id"], "withdrawn")
    assert client.finished()["outcome"] == "interrupted"
    assert client.call("approval.list")["approvals"] == []
    refusal = client.refused("approval.answer", id=asked["id"], allow=True)
    assert (refusal.name, "withdrawn" in str(refusal)) == ("conflict", True)


def test_death_of_the_agent_withdraws_what_is_pending(daemon: Daemon) -> None:
    """When the agent dies while it waits for an answer, its question is resolved and the room goes on."""
    client = daemon.follow()
    agent = client.next("agent.started")["pid"]
    asked = ask(client, "[[tool:true]]")
    os.kill(agent, signal.SIGKILL)
    resolved = client.next("approval.resolved")
    assert (resolved["approval"]["id"], resolved["resolution"]) == (asked["id"], "withdrawn")
    turn = client.finished()
    assert turn["outcome"] == "failed"
    assert "SIGKILL" in turn["reason"]
    client.submit("[[text:alive]]")
    assert client.finished()["answer"] == "alive"


def test_question_is_answered(daemon: Daemon) -> None:
    """The agent's question shows its choices, and the answer reaches the agent."""
    client = daemon.follow()
    asked = ask(client, "[[ask:Which colour?|red|green]]")
    assert (asked["kind"], asked["tool"]) == ("question", "AskUserQuestion")
    (question,) = asked["input"]["questions"]
    assert question["question"] == "Which colour?"
    assert [option["label"] for option in question["options"]] == ["red", "green"]
    client.call("approval.answer", id=asked["id"], allow=True, answers={"Which colour?": "green"})
    assert '"Which colour?"="green"' in client.next("agent.tool_result")["content"]
    assert client.finished()["outcome"] == "completed"


def test_wrong_answers_are_refused_by_name(daemon: Daemon) -> None:
    """An answer to a question that was not asked, or to none, is refused, and the question stays open."""
    client = daemon.follow()
    asked = ask(client, "[[ask:Which colour?|red|green]]")
    refusal = client.refused("approval.answer", id=asked["id"], allow=True, answers={"Which size?": "big"})
    assert (refusal.name, refusal.field) == ("invalid_params", "answers")
    assert "Which size?" in str(refusal)
    assert "Which colour?" in str(refusal)
    refusal = client.refused("approval.answer", id=asked["id"], allow=True)
    assert (refusal.name, refusal.field, "Which colour?" in str(refusal)) == ("invalid_params", "answers", True)
    refusal = client.refused("approval.answer", id=asked["id"], allow=True, answers={"Which colour?": 7})
    assert (refusal.name, "Which colour?" in str(refusal)) == ("invalid_params", True)
    assert client.call("approval.list")["approvals"] == [asked]
    client.call("approval.answer", id=asked["id"], allow=False, reason="ask me tomorrow")
    assert client.next("agent.tool_result")["content"] == "ask me tomorrow"
    assert client.finished()["outcome"] == "completed"


def test_answers_to_a_permission_are_refused(daemon: Daemon) -> None:
    """A permission takes no answers: they may have been meant for another request."""
    client = daemon.follow()
    asked = ask(client, "[[tool:true]]")
    refusal = client.refused("approval.answer", id=asked["id"], allow=True, answers={"Which colour?": "red"})
    assert (refusal.name, refusal.field) == ("invalid_params", "answers")
    client.call("approval.answer", id=asked["id"], allow=True)
    assert client.finished()["outcome"] == "completed"


@pytest.mark.parametrize("orders", ["{gate}", "[[hang]]"])
def test_running_turn_is_interrupted(daemon: Daemon, gate: Gate, orders: str) -> None:
    """An interrupt stops the turn at once, says who wanted it, and the next prompt is answered."""
    client = daemon.follow()
    prompt = client.submit(orders.format(gate=gate))
    turn = client.next("turn.started")["turn"]
    after = client.submit("[[text:and on]]")
    assert client.call("turn.interrupt")["turn"]["id"] == turn["id"]
    event = client.until(lambda event: event["type"] == "turn.finished")[-1]
    assert event["turn"]["outcome"] == "interrupted"
    assert event["by"] == prompt["author"]
    assert event["turn"]["reason"] == f"interrupted by {prompt['author']['name']}"
    assert client.call("prompt.get", id=prompt["id"])["prompt"]["state"] == "cancelled"
    assert client.finished(after["id"])["answer"] == "and on"


def test_interrupt_can_name_its_turn(daemon: Daemon, gate: Gate) -> None:
    """With a turn named, only that one is stopped: a finished one is a conflict, and the running one goes on."""
    client = daemon.follow()
    client.submit("[[text:over soon]]")
    over = client.finished()
    client.submit(str(gate))
    running = client.next("turn.started")["turn"]
    refusal = client.refused("turn.interrupt", turn=over["id"])
    assert refusal.name == "conflict"
    assert "over already" in str(refusal)
    assert client.call("room.list")["rooms"][0]["turn"]["id"] == running["id"]
    assert client.call("turn.interrupt", turn=running["id"])["turn"]["id"] == running["id"]
    assert client.finished()["outcome"] == "interrupted"
    assert client.refused("turn.interrupt", turn=running["id"]).name == "conflict"


def test_interrupt_of_nothing_is_a_conflict(daemon: Daemon) -> None:
    """Where no turn runs there is nothing to stop, and it says so."""
    client = daemon.follow()
    refusal = client.refused("turn.interrupt")
    assert refusal.name == "conflict"
    assert "no turn is running" in str(refusal)


def test_interrupt_ends_a_running_tool(daemon: Daemon, pipe: NamedPipe) -> None:
    """An interrupt in the middle of a tool ends the tool's process too."""
    client = daemon.follow()
    asked = ask(client, f"[[tool:{pipe.sleeper}]]")
    client.call("approval.answer", id=asked["id"], allow=True)
    tool = int(pipe.read())
    client.call("turn.interrupt")
    assert client.finished()["outcome"] == "interrupted"
    wait_for_end(tool)
