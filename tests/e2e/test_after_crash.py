"""What becomes of a turn that was with the agent when the daemon was killed, by the room's own rule."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.gate import Gate
from tests.e2e.test_real_cli_daemon import agent_table
from tests.support.control_client import ControlClient, cursor
from tests.support.daemon import Daemon, Site
from tests.support.messages_api import MessagesApi
from tests.support.patience import PATIENCE_S


def crash(daemon: Daemon, client: ControlClient, gate: Gate) -> tuple[str, str, dict[str, int]]:
    """Kill a daemon in the middle of a turn while another prompt waits; give both prompts and the last cursor."""
    running = client.submit(f"{gate}[[text:once]]")["id"]
    started = client.next("turn.started")
    waiting = client.submit("[[text:waited]]")
    seen = client.next("prompt.accepted")
    assert started["turn"]["prompts"] == [running]
    daemon.kill()
    return running, waiting["id"], cursor(seen)


def test_left_turn_waits_for_people(site: Site, gate: Gate) -> None:
    """By default it is uncertain, nothing is asked again, and a person can do so."""
    with site.running() as daemon:
        running, waiting, seen = crash(daemon, daemon.follow(), gate)
    gate.open()
    with site.running() as daemon:
        client = daemon.follow(after=seen)
        assert client.finished(running)["outcome"] == "uncertain"
        # It was the first turn of its conversation.
        assert "before its agent had saved anything" in client.next("notice", code="context_lost")["message"]
        assert client.next("agent.started")["session"] == "fresh"
        assert client.finished(waiting)["answer"] == "waited"
        again = client.call("prompt.retry", id=running)["prompt"]
        assert again["retry_of"] == running
        assert client.finished(again["id"])["answer"] == "once"


def test_turn_is_asked_again_once(site: Site, gate: Gate) -> None:
    """As a new prompt before the one that waited, told in events; after the next crash it is left."""
    site.configure({"rooms.main": {"after_crash": "ask_again"}})
    with site.running() as daemon:
        running, waiting, seen = crash(daemon, daemon.follow(), gate)
    with site.running() as daemon:
        client = daemon.follow(after=seen)
        assert client.finished(running)["outcome"] == "uncertain"
        again = client.next("prompt.accepted")["prompt"]
        assert (again["retry_of"], again["author"]["kind"]) == (running, "local")
        notice = client.next("notice", code="asked_again")
        started = client.next("turn.started")["turn"]
        assert started["prompts"] == [again["id"]]
        assert started["id"] != client.call("prompt.get", id=running)["turn"]["id"]
        daemon.kill()
    gate.open()
    with site.running() as daemon:
        client = daemon.follow(after=cursor(notice))
        assert client.finished(again["id"])["outcome"] == "uncertain"
        assert client.finished(waiting)["answer"] == "waited"
        prompts = client.call("prompt.list")["prompts"]
        assert sorted(prompt["state"] for prompt in prompts) == ["answered", "uncertain", "uncertain"]


def test_what_is_asked_again_stays_the_first(site: Site, gate: Gate) -> None:
    """Before what has a better priority too, and also after another start, for as long as it waits."""
    site.configure({"rooms.main": {"after_crash": "ask_again"}})
    with site.running() as daemon:
        client = daemon.follow()
        running = client.submit(f"{gate}[[text:once]]")["id"]
        client.next("turn.started")
        others = [client.submit(text, priority=text)["id"] for text in ("normal", "high")]
        client.call("room.pause")
        daemon.kill()
    orders = []
    for _ in range(2):
        with site.running() as daemon:
            client = daemon.connect()
            waiting = client.call("prompt.list", states=["waiting"])["prompts"]
            orders.append([(each["retry_of"], each["id"]) for each in sorted(waiting, key=lambda each: each["place"])])
            daemon.kill()
    assert [[retry_of for retry_of, _ in order] for order in orders] == [[running, None, None]] * 2
    assert [identity for _, identity in orders[0][1:]] == others[::-1]
    assert orders[0] == orders[1]
    gate.open()


def test_created_rooms_have_rules_of_their_own(site: Site, gate: Gate) -> None:
    """They outlive the daemon with the room: one asks again, the other one leaves it, as the default is."""
    rules = {"docs": "ask_again", "lab": "leave"}
    with site.running() as daemon:
        client = daemon.connect()
        workdir = str(site.work)
        shown = [
            client.call("room.create", name="docs", workdir=workdir, agent="rehearsal", after_crash="ask_again"),
            client.call("room.create", name="lab", workdir=workdir, agent="rehearsal"),
        ]
        assert {each["room"]["name"]: each["room"]["after_crash"] for each in shown} == rules
        running = {}
        for name in rules:
            client = daemon.follow(room=name, since=0)
            running[name] = client.submit(f"{gate}[[text:once]]", room=name)["id"]
            client.next("turn.started")
        daemon.kill()
    gate.open()
    with site.running() as daemon:
        rooms = {room["name"]: room["after_crash"] for room in daemon.connect().call("room.list")["rooms"]}
        assert rooms == {"main": "leave", **rules}
        client = daemon.follow(room="docs", since=0)
        assert client.finished(running["docs"])["outcome"] == "uncertain"
        again = client.next("prompt.accepted")["prompt"]
        client.next("notice", code="asked_again")
        assert again["retry_of"] == running["docs"]
        assert client.finished(again["id"])["answer"] == "once"
        prompts = daemon.connect().call("prompt.list", room="lab")["prompts"]
        assert [(prompt["id"], prompt["state"]) for prompt in prompts] == [(running["lab"], "uncertain")]


def test_history_of_the_rehearsal_agent_tells_nothing(site: Site, gate: Gate) -> None:
    """So the turn is uncertain, as by default."""
    site.configure({"rooms.main": {"after_crash": "from_history"}})
    with site.running() as daemon:
        running, _, seen = crash(daemon, daemon.follow(), gate)
    with site.running() as daemon:
        assert daemon.follow(after=seen).finished(running)["outcome"] == "uncertain"
    gate.open()


def wait_for_history(home: Path, text: str) -> None:
    """Wait until a line of the CLI's history has the model's own end and a text."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for path in home.glob(".claude/projects/*/*.jsonl"):
            if any('"end_turn"' in line and text in line for line in path.read_text().splitlines()):
                return
        time.sleep(0.05)
    raise AssertionError(f"no history has {text}")


@pytest.mark.real_cli
@pytest.mark.parametrize("is_finished", [True, False])
def test_turn_is_answered_from_the_history_of_the_cli(tmp_path: Path, gate: Gate, is_finished: bool) -> None:
    """Where the CLI had finished while nobody listened any more; else it is uncertain. The conversation goes on."""
    with MessagesApi() as api:
        site = Site(tmp_path)
        (site.home / "work").mkdir()
        room = {"agent": "claude", "workdir": str(site.home / "work"), "after_crash": "from_history"}
        site.configure({"rooms.main": room, "agents.claude": agent_table(site, api.url)})
        with site.running() as daemon:
            client = daemon.follow()
            client.finished(client.submit("[[text:before]]")["id"])
            prompt = client.submit(f"[[text:so it]]{gate}[[text:was]]" if is_finished else "[[hang]]")["id"]
            seen = client.next("agent.text", text="so it") if is_finished else client.next("turn.started")
            # The daemon hears nothing more, and the agent goes on.
            os.kill(daemon.process.pid, signal.SIGSTOP)
            if is_finished:
                gate.open()
                wait_for_history(site.home, '"was"')
            daemon.kill()
        with site.running() as daemon:
            client = daemon.follow(after=cursor(seen))
            turn = client.finished(prompt)
            told = (turn["outcome"], turn["answer"], (turn["reason"] or "").partition(":")[0])
            wanted = ("completed", "was", "from_history") if is_finished else ("uncertain", None, "daemon_died")
            assert told == wanted
            assert client.call("prompt.get", id=prompt)["prompt"]["state"] == (
                "answered" if is_finished else "uncertain"
            )
            assert client.finished(client.submit("[[text:after]]")["id"])["answer"] == "after"
        site.clear()
