"""The daemon as a process: how it stops, who may run beside it, and what comes after it was killed."""

import re
import signal
import socket
import subprocess
import time

import pytest

from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, cursor, numbers, types
from tests.support.daemon import Daemon, Site, Tables
from tests.support.named_pipe import NamedPipe
from tests.support.patience import PATIENCE_S

IMPATIENCE_S = 1.2
"""Two signals within a second are one wish: a terminal's Ctrl-C and make's, for one."""
SHORT_GRACES: Tables = {"graces": {"turn_s": 0.3, "interrupt_s": 0.3, "exit_s": 0.3, "kill_s": 0.3}}


def approve(client: ControlClient) -> None:
    """Approve the next thing that the agent asks for."""
    asked = client.next("approval.requested")["approval"]
    client.call("approval.answer", id=asked["id"], allow=True)


def wait_until_draining(client: ControlClient) -> None:
    """Ask how the room is until it drains; a question is answered in a millisecond, the drain begins in a few."""
    deadline = time.monotonic() + PATIENCE_S
    while client.call("room.list")["rooms"][0]["state"] != "draining":
        assert time.monotonic() < deadline, "the room would not drain"


def stop_impatiently(daemon: Daemon) -> int:
    """Send SIGTERM again and again until the daemon has ended; returns its exit status."""
    for _ in range(40):
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.process.wait(IMPATIENCE_S)
        except subprocess.TimeoutExpired:
            continue
        return daemon.wait()
    raise AssertionError("concordiad would not be hurried")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains(site: Site, gate: Gate, number: signal.Signals) -> None:
    """A stop lets the running turn end and keeps what waits; connected clients see it to the end, no new ones come."""
    site.configure({"graces": {"exit_s": PATIENCE_S}})
    with site.running() as daemon:
        client = daemon.follow()
        running = client.submit(f"{gate}[[text:just in time]]")
        client.next("turn.started")
        waiting = [client.submit(f"[[text:waited {place}]]")["id"] for place in range(2)]
        daemon.send_signal(number)
        wait_until_draining(client)
        with pytest.raises(ConnectionRefusedError):
            ControlClient(site.socket)
        refusal = client.refused("prompt.submit", text="one more")
        assert refusal.name == "not_now"
        gate.open()
        turn = client.finished(running["id"])
        assert (turn["outcome"], turn["answer"]) == ("completed", "just in time")
        last = client.next("agent.exited")
        assert (last["code"], last["next_attempt_s"]) == (0, None)
        client.read_to_end()
        assert daemon.wait() == 0
        assert site.leftovers() == {}
        assert not site.socket.exists()
    with site.running() as daemon:
        client = daemon.follow(after=cursor(last))
        turns = [client.finished() for _ in waiting]
        assert [turn["prompts"] for turn in turns] == [[prompt] for prompt in waiting]
        assert [turn["answer"] for turn in turns] == ["waited 0", "waited 1"]


def test_stuck_turn_is_interrupted_when_its_grace_is_over(site: Site, gate: Gate) -> None:
    """A turn that does not end within the grace of a stop is interrupted, with a reason that says why."""
    site.configure(SHORT_GRACES)
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit(str(gate))
        client.next("turn.started")
        daemon.send_signal(signal.SIGTERM)
        turn = client.finished(prompt["id"])
        assert turn["outcome"] == "interrupted"
        assert "stopped" in turn["reason"]
        client.close()
        assert daemon.wait() == 0
    with site.running() as daemon:
        assert daemon.connect().call("prompt.get", id=prompt["id"])["prompt"]["state"] == "cancelled"


def test_second_signal_hurries(site: Site, gate: Gate) -> None:
    """A second signal leaves the running turn no grace."""
    site.configure({"graces": {"turn_s": 3600}})
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit(str(gate))
        client.next("turn.started")
        assert stop_impatiently(daemon) == 0
        daemon.wait_for_log("hurrying")
        assert client.finished(prompt["id"])["outcome"] == "interrupted"
        assert site.leftovers() == {}


def test_stubborn_agent_is_ended_all_the_same(site: Site, gate: Gate) -> None:
    """An agent that heeds neither interrupt nor end of input nor SIGTERM does not keep the daemon from stopping."""
    site.configure(SHORT_GRACES)
    with site.running() as daemon:
        client = daemon.follow()
        prompt = client.submit(f"[[orphan:600]][[stubborn]]{gate}")
        client.next("agent.text")
        daemon.send_signal(signal.SIGTERM)
        assert client.finished(prompt["id"])["outcome"] == "interrupted"
        assert client.next("agent.exited")["signal"] == signal.SIGKILL
        client.close()
        assert daemon.wait() == 0
        site.wait_until_empty()


def test_stop_with_a_pending_approval(site: Site) -> None:
    """A turn that waits for people's answer does not keep the daemon from stopping."""
    site.configure(SHORT_GRACES)
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[tool:true]]")
        client.next("approval.requested")
        daemon.send_signal(signal.SIGTERM)
        assert client.next("approval.resolved")["resolution"] == "withdrawn"
        assert client.finished()["outcome"] == "interrupted"
        client.close()
        assert daemon.wait() == 0


def test_second_daemon_on_the_same_state_refuses(daemon: Daemon, site: Site) -> None:
    """A second daemon on the same state says who holds it; the first one notices nothing."""
    ended = site.refuse(f"--runtime-dir={site.runtime}2")
    assert ended.code == 78
    assert f"process {daemon.process.pid}" in ended.log
    assert str(site.state) in ended.log
    client = daemon.follow()
    client.submit("[[text:still here]]")
    assert client.finished()["answer"] == "still here"


def test_second_daemon_on_the_same_socket_refuses(daemon: Daemon, site: Site) -> None:
    """A second daemon with another state but the same runtime directory leaves the first one's socket alone."""
    ended = site.refuse(f"--state-dir={site.state}2")
    assert ended.code == 78
    assert str(site.socket) in ended.log
    client = daemon.follow()
    client.submit("[[text:still here]]")
    assert client.finished()["answer"] == "still here"


def test_foreign_listener_is_left_alone(site: Site) -> None:
    """A socket on which somebody else listens is not replaced."""
    site.runtime.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(site.socket))
        other.listen(8)
        ended = site.refuse()
    assert ended.code == 78
    assert str(site.socket) in ended.log
    assert site.socket.exists()


def test_stale_socket_file_is_replaced(site: Site) -> None:
    """The socket file of a daemon that was killed is no obstacle; the new one is for its owner alone."""
    with site.running() as daemon:
        daemon.connect().call("daemon.status")
        daemon.kill()
    assert site.socket.exists()
    with site.running() as daemon:
        assert daemon.connect().call("daemon.status")["daemon"]["pid"] == daemon.process.pid
        assert site.socket.stat().st_mode & 0o777 == 0o600
        assert site.runtime.stat().st_mode & 0o777 == 0o700
        assert site.state.stat().st_mode & 0o777 == 0o700
    assert not site.socket.exists()


def test_kill_leaves_what_waited_and_says_what_is_uncertain(site: Site, gate: Gate) -> None:
    """After kill -9 prompts wait in their order, and what was handed over is uncertain, wherever one looks."""
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[text:before]]")
        before = client.finished()
        running = client.submit(str(gate))
        turn = client.next("turn.started")["turn"]
        waiting = [client.submit("low", priority="low"), client.submit("normal")]
        seen = client.next("prompt.accepted", prompt=waiting[1])
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow(after=cursor(seen))
        uncertain = client.finished()
        assert (uncertain["id"], uncertain["outcome"], uncertain["prompts"]) == (
            turn["id"],
            "uncertain",
            [running["id"]],
        )
        assert uncertain["reason"].partition(":")[0] == "daemon_died"
        found = client.call("prompt.get", id=running["id"])
        assert (found["prompt"]["state"], found["turn"]["outcome"]) == ("uncertain", "uncertain")
        turns = [client.finished() for _ in waiting]
        assert [turn["prompts"] for turn in turns] == [[prompt["id"]] for prompt in waiting[::-1]]
        listed = client.call("turn.list")["turns"]
        assert [turn["id"] for turn in listed] == [turns[1]["id"], turns[0]["id"], turn["id"], before["id"]]
        assert [turn["outcome"] for turn in listed] == ["completed", "completed", "uncertain", "completed"]
        seqs = numbers(client.events)
        assert seqs == list(range(seen["seq"] + 1, seen["seq"] + 1 + len(seqs)))


def test_kill_leaves_no_process(site: Site, pipe: NamedPipe) -> None:
    """After kill -9 the next start ends the old agent and all that it started, whatever session that is in."""
    with site.running() as daemon:
        client = daemon.follow()
        agent = client.next("agent.started")["pid"]
        client.submit("[[orphan:600]]")
        said = re.fullmatch(r"orphan (\d+)", client.finished()["answer"])
        assert said is not None
        client.submit(f"[[stubborn]][[tool:{pipe.sleeper}]]")
        approve(client)
        old = {agent, int(said[1]), int(pipe.read())}
        daemon.kill()
    # A process that is just becoming another program shows no environment for a moment.
    deadline = time.monotonic() + PATIENCE_S
    while not old <= site.leftovers().keys():
        assert time.monotonic() < deadline
    with site.running() as daemon:
        left = site.leftovers().keys() & old
        assert left == set()
        client = daemon.follow()
        client.submit("[[text:a new one]]")
        assert client.finished(outcome="uncertain")["prompts"]
        assert client.finished()["answer"] == "a new one"
        assert [event["session"] for event in client.events if event["type"] == "agent.started"] == ["fresh", "resumed"]


def test_kill_in_the_first_turn(site: Site, gate: Gate) -> None:
    """After kill -9 in the very first turn there is nothing to resume, and the room works all the same."""
    with site.running() as daemon:
        client = daemon.follow()
        client.submit(str(gate))
        client.next("turn.started")
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow()
        assert client.finished()["outcome"] == "uncertain"
        client.submit("[[text:anew]]")
        assert client.finished()["answer"] == "anew"


def test_kill_with_a_pending_approval(site: Site) -> None:
    """What the agent asked for before kill -9 cannot be answered any more, and no list shows it."""
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[tool:true]]")
        asked = client.next("approval.requested")["approval"]
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow()
        assert client.finished()["outcome"] == "uncertain"
        assert client.call("approval.list")["approvals"] == []
        refusal = client.refused("approval.answer", id=asked["id"], allow=True)
        assert refusal.name in ("conflict", "not_found")
        resolved = [event for event in client.events if event["type"] == "approval.resolved"]
        assert [event["approval"]["id"] for event in resolved] == [asked["id"]]


def test_repeated_kills(site: Site, gate: Gate) -> None:
    """Every prompt that was acknowledged is accounted for after several kills, and numbers never repeat."""
    handed_over, acknowledged = set(), []
    for _ in range(3):
        with site.running() as daemon:
            client = daemon.follow()
            epoch = client.call("daemon.status")["daemon"]["epoch"]
            acknowledged += [client.submit(str(gate))["id"] for _ in range(3)]
            handed_over |= set(client.next("turn.started", epoch=epoch)["turn"]["prompts"])
            daemon.kill()
    gate.open()
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(acknowledged[-1])
        states = {prompt["id"]: prompt["state"] for prompt in client.call("prompt.list")["prompts"]}
        assert states.keys() == set(acknowledged)
        assert {prompt for prompt, state in states.items() if state == "uncertain"} == handed_over
        assert {states[prompt] for prompt in states.keys() - handed_over} == {"answered"}
        seqs = numbers(client.events)
        assert seqs == list(range(1, len(seqs) + 1))
        assert types(client.events).count("prompt.accepted") == len(acknowledged)
