"""concordiactl with the real daemon: what its commands do there, and what scripts get to know."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.ctl.program import Ran, run, start
from tests.e2e.gate import Gate
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S


def ctl(site: Site, *words: str) -> Ran:
    """Run concordiactl against a site's daemon."""
    return run(site.home, *words, CONCORDIA_SOCKET=str(site.socket))


def ctl_json(site: Site, *words: str) -> Any:
    """Run concordiactl and read the one object that it prints."""
    ran = ctl(site, *words, "-o", "json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


@contextmanager
def ctl_running(site: Site, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start concordiactl against a site's daemon."""
    with start(site.home, *words, variables={"CONCORDIA_SOCKET": str(site.socket)}) as child:
        yield child


def test_submit_waits_for_the_answer(daemon: Daemon, site: Site) -> None:
    """With --wait the answer is all that stands on standard output; with --follow too, as it comes."""
    ran = ctl(site, "submit", "--wait", "[[text:forty-two]]")
    assert (ran.code, ran.out) == (0, "forty-two\n")
    ran = ctl(site, "submit", "--follow", "[[text:forty-three]]")
    assert ran.code == 0
    assert "forty-three" in ran.out


def test_a_closed_room_can_be_read(daemon: Daemon, site: Site) -> None:
    """With the commands that are told when it is closed."""
    assert ctl(site, "room", "create", "lab", "--workdir", str(site.home), "--agent", "rehearsal").code == 0
    prompt = ctl_json(site, "submit", "--room", "lab", "--wait", "[[text:forty-two]]")["prompt"]["id"]
    closed = ctl(site, "room", "close", "lab")
    assert closed.err == "its transcript is kept: concordiactl --room lab export\n"
    for words in (("export",), ("tail", "--no-follow"), ("history",), ("show", prompt)):
        ran = ctl(site, "--room", "lab", *words)
        assert (ran.code, ran.err) == (0, "")
        assert "forty-two" in ran.out
    assert ctl(site, "tail", "--room", "lab").err.startswith("concordiactl: room lab is closed: read its record with")


def test_submit_tells_the_id_at_once(daemon: Daemon, site: Site, gate: Gate) -> None:
    """Without a flag the id is printed, and the prompt can be found by it, also in JSON."""
    ran = ctl(site, "submit", str(gate))
    assert (ran.code, ran.err) == (0, "")
    shown = ctl_json(site, "show", ran.out.strip())
    assert shown["prompt"]["text"] == str(gate)
    answer = ctl_json(site, "submit", "--key=k1", "[[text:two]]")
    assert (answer["prompt"]["state"], answer["turn"]) == ("waiting", None)
    assert ctl_json(site, "submit", "--key=k1", "[[text:two]]")["prompt"]["id"] == answer["prompt"]["id"]
    assert ctl(site, "submit", "--key=k1", "another text").code == 1
    gate.open()


GIVEN_UP = "concordiactl: the agent has failed too often; prompts wait until `concordiactl room restart` ("


def test_who_waits_for_an_agent_that_was_given_up_is_told(site: Site) -> None:
    """What to do, and that it was done; whether it was given up before the prompt came, or after."""
    site.configure({"limits": {"agent_failures": 3}})
    with site.running() as daemon:
        client = daemon.follow()
        for _ in range(2):
            client.submit("[[crash]]")
            client.next("agent.exited")
        with ctl_running(site, "submit", "--wait", "[[crash]]") as last:
            client.next("room.changed", state="agent-failing")
            assert last.stderr is not None
            assert last.wait() == 3
            waiting = ctl(site, "submit", "[[text:one]]").out
            with ctl_running(site, "submit", "--wait", "--alone", "-o", "json", "[[text:two]]") as child:
                assert child.stderr is not None
                assert child.stdout is not None
                told = child.stderr.readline().decode()
                assert told.startswith(GIVEN_UP), told
                assert "3 failures in 600 s" in told
                listed = ctl(site, "queue")
                assert (waiting.strip() in listed.out, listed.err) == (True, told)
                assert ctl(site, "room", "restart").code == 0
                assert json.loads(child.stdout.read())["turn"]["answer"] == "two"
                assert child.stderr.read().decode() == "concordiactl: the agent is started again\n"


def test_who_waits_is_told_of_a_pause(daemon: Daemon, site: Site, gate: Gate) -> None:
    """That comes while the prompt waits, and goes."""
    client = daemon.follow()
    client.submit(str(gate))
    client.next("turn.started")
    with ctl_running(site, "submit", "--wait", "[[text:at last]]") as child:
        client.next("prompt.accepted")
        assert ctl(site, "room", "pause").code == 0
        assert child.stderr is not None
        assert child.stdout is not None
        assert child.stderr.readline().decode().startswith("concordiactl: the room is held by a host: prompts wait")
        gate.open()
        assert ctl(site, "room", "resume").code == 0
        assert child.stdout.read() == b"at last\n"
        assert child.stderr.readline() == b"concordiactl: the room goes on\n"


def test_exit_status_tells_how_it_went(daemon: Daemon, site: Site) -> None:
    """A turn that failed is 3, what the daemon refuses has the status of its code, a daemon that is not there 69."""
    ran = ctl(site, "submit", "--wait", "[[error:500]]")
    assert ran.code == 3
    assert "500" in ran.err
    assert ctl(site, "submit", " ").code == 2
    assert ctl(site, "--room=mian", "submit", "hello").code == 1
    assert ctl(site, "interrupt").code == 1
    assert ctl(site, "show", "nobody-has-this").code == 1
    assert daemon.stop() == 0
    assert ctl(site, "status").code == 69
    assert ctl(site, "submit", "hello").code == 69


def test_queue_and_cancel(daemon: Daemon, site: Site, gate: Gate) -> None:
    """Waiting prompts are listed by place, and taken out by id."""
    ctl(site, "submit", str(gate))
    daemon.follow().next("turn.started")
    ids = [ctl(site, "submit", f"number {number}").out.strip() for number in range(2)]
    listed = ctl(site, "queue")
    assert listed.code == 0
    assert listed.out.index("number 0") < listed.out.index("number 1")
    assert ctl(site, "cancel", ids[0]).code == 0
    assert "number 0" not in ctl(site, "queue").out
    assert ctl(site, "cancel", ids[0]).code == 1
    gate.open()


def test_tool_is_approved_and_denied(daemon: Daemon, site: Site) -> None:
    """A pending approval is listed with its tool, answered once, and a second answer is told who was first."""
    client = daemon.follow()
    for verb, content in (("approve", "it ran"), ("deny", "denied by")):
        client.submit("[[tool:echo it ran]]")
        asked = client.next("approval.requested")["approval"]
        assert "echo it ran" in ctl(site, "approvals").out
        assert ctl(site, verb, asked["id"]).code == 0
        assert content in client.next("agent.tool_result")["content"]
        again = ctl(site, "approve", asked["id"])
        assert again.code == 1
        assert "already" in again.err


def test_question_is_answered_by_number(daemon: Daemon, site: Site) -> None:
    """A question and its choices can be named by their numbers."""
    client = daemon.follow()
    client.submit("[[ask:Which colour?|red|green]]")
    asked = client.next("approval.requested")["approval"]
    listed = ctl(site, "approvals").out
    assert all(words in listed for words in ("Which colour?", "red", "green"))
    assert ctl(site, "approve", asked["id"], "--answer", "1=2").code == 0
    assert '"Which colour?"="green"' in client.next("agent.tool_result")["content"]


def test_interrupt(daemon: Daemon, site: Site, gate: Gate) -> None:
    """Who waits for a turn that somebody interrupts is told so, with status 3."""
    with ctl_running(site, "submit", "--wait", str(gate)) as waiting:
        turn = daemon.follow().next("turn.started")["turn"]
        assert ctl(site, "interrupt", "--turn", turn["id"]).code == 0
        _, errors = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 3
    assert b"interrupted" in errors


def test_status_and_history(daemon: Daemon, site: Site) -> None:
    """Status names the room and its agent; history has the turns."""
    ctl(site, "submit", "--wait", "[[text:forty-two]]")
    status = ctl(site, "status")
    assert status.code == 0
    assert all(words in status.out for words in ("main", "rehearsal"))
    assert ctl_json(site, "status")["daemon"]["pid"] == daemon.process.pid
    assert "[[text:forty-two]]" in ctl(site, "history").out


def test_tail_goes_on_after_the_daemon_was_killed(site: Site) -> None:
    """A tail outlives kill -9 and a restart: every event once, in order, without a gap."""
    with site.running() as daemon:
        daemon.follow().submit("[[text:before]]")
        with ctl_running(site, "tail", "--since=1", "-o", "json") as tail:
            assert tail.stdout is not None
            seen = [json.loads(tail.stdout.readline())]
            while seen[-1]["type"] != "turn.finished":
                seen.append(json.loads(tail.stdout.readline()))
            daemon.kill()
            with site.running() as successor:
                successor.connect().submit("[[text:after]]")
                while seen[-1]["type"] != "turn.finished" or seen[-1]["turn"]["answer"] != "after":
                    seen.append(json.loads(tail.stdout.readline()))
            tail.send_signal(signal.SIGINT)
            tail.communicate(timeout=PATIENCE_S)
    numbers = [event["seq"] for event in seen if "seq" in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len({event["epoch"] for event in seen}) == 2


@pytest.mark.parametrize("is_running", [True, False])
def test_waiting_goes_on_after_the_daemon_was_killed(site: Site, gate: Gate, is_running: bool) -> None:
    """Who waits over kill -9 gets the answer of a prompt that waited, and is told if it was running: uncertain."""
    with site.running() as daemon:
        client = daemon.follow()
        first = client.submit("[[text:remember]]" if is_running else str(gate))
        client.until(lambda event: event["type"] == "turn.started" and first["id"] in event["turn"]["prompts"])
        text = str(gate) if is_running else "[[text:forty-two]]"
        # With a key, because the answer to the submission may be what the kill takes away.
        with ctl_running(site, "submit", "--wait", "--key=once", text) as waiting:
            client.until(lambda event: event["type"] == "prompt.accepted" and event["prompt"]["text"] == text)
            if is_running:
                client.until(lambda event: event["type"] == "turn.started" and event["turn"]["text"] == text)
            daemon.kill()
            with site.running():
                out, errors = waiting.communicate(timeout=PATIENCE_S)
    if is_running:
        assert (waiting.returncode, out) == (3, b"")
        assert b"daemon_died" in errors
    else:
        assert (waiting.returncode, out) == (0, b"forty-two\n")


def test_every_command_speaks_json(daemon: Daemon, site: Site) -> None:
    """With -o json each listing is one object that says nothing else."""
    ctl(site, "submit", "--wait", "hello")
    for command in ("status", "queue", "history", "approvals"):
        assert isinstance(ctl_json(site, command), dict)
    tail = ctl(site, "tail", "--no-follow", "-o", "json")
    assert tail.code == 0
    assert [json.loads(line)["seq"] for line in tail.out.splitlines()] == [1, 2, 3, 4, 5]
    assert re.search("hello", ctl(site, "tail", "--no-follow").out)
