"""Several rooms in one real daemon: created, paused, restarted, put to sleep, closed, and kept apart."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Refused
from tests.support.daemon import Daemon, Site, Tables


def make_room(client: ControlClient, site: Site, name: str, **params: Any) -> dict[str, Any]:
    """Create a room with a directory of its own."""
    workdir = site.work / name
    workdir.mkdir(exist_ok=True)
    return client.call("room.create", name=name, workdir=str(workdir), agent="rehearsal", **params)


def room_of(client: ControlClient, name: str) -> dict[str, Any]:
    """Return a room as room.list shows it."""
    return next(room for room in client.call("room.list")["rooms"] if room["name"] == name)


def ask(client: ControlClient, room: str, text: str) -> dict[str, Any]:
    """Submit a prompt and return its finished turn; the client follows the room."""
    prompt = client.call("prompt.submit", room=room, text=text)["prompt"]
    while True:
        event = client.next("turn.finished", room=room)
        if prompt["id"] in event["turn"]["prompts"]:
            return dict(event["turn"])


def test_created_room_answers_and_comes_back_after_a_restart(site: Site) -> None:
    """A created room serves at once, with its own agent and directory, and again after a restart of the daemon."""
    with site.running() as daemon:
        client = daemon.connect()
        created = make_room(client, site, "two")
        assert created["warnings"] == []
        assert created["room"]["workdir"] == str(site.work / "two")
        client.call("events.subscribe", room="two", since=0)
        assert ask(client, "two", "[[text:here]]")["answer"] == "here"
    with site.running() as daemon:
        client = daemon.connect()
        client.call("events.subscribe", room="two", since=0)
        assert ask(client, "two", "[[text:again]]")["answer"] == "again"
        started = [event for event in client.events if event["type"] == "agent.started"]
        assert [event["session"] for event in started] == ["fresh", "resumed"]


def test_closed_room_stays_closed(site: Site, gate: Gate) -> None:
    """Closing cancels what waits, lets what runs end, names who did it, and lasts over a restart."""
    with site.running() as daemon:
        client = daemon.connect()
        make_room(client, site, "two")
        client.call("events.subscribe", room="two", since=0)
        client.call("prompt.submit", room="two", text=f"{gate} [[text:done]]")
        client.next("turn.started", room="two")
        waiting = client.call("prompt.submit", room="two", text="never asked")["prompt"]
        other = daemon.connect()
        closing = other.request("room.close", room="two")
        assert client.next("prompt.cancelled")["prompt"]["id"] == waiting["id"]
        assert client.next("room.changed")["state"] == "closed"
        gate.open()
        assert client.next("turn.finished")["turn"]["answer"] == "done"
        assert other.answer(closing) == {"room": "two", "cancelled": 1}
        with pytest.raises(Refused, match="room two is closed: read its record"):
            client.call("prompt.submit", room="two", text="too late")
    with site.running() as daemon:
        assert [room["name"] for room in daemon.connect().call("room.list")["rooms"]] == ["main"]


def test_name_of_a_closed_room_can_be_used_again(daemon: Daemon, site: Site) -> None:
    """A room made under the name of a closed one goes on with its transcript, its numbers and its conversation."""
    client = daemon.connect()
    first = make_room(client, site, "two")["room"]["cursor"]["seq"]
    client.call("events.subscribe", room="two", since=0)
    assert ask(client, "two", "[[text:hi]]")["answer"] == "hi"
    client.call("room.close", room="two")
    assert make_room(client, site, "two")["room"]["cursor"]["seq"] > first
    client.call("events.subscribe", room="two", since=0)
    assert client.next("agent.started", room="two", session="resumed")


def test_record_of_a_closed_room_can_be_read(site: Site) -> None:
    """By everything that reads, and only that, over a restart as well; a room that never was is none."""
    with site.running() as daemon:
        client = daemon.connect()
        make_room(client, site, "two")
        client.call("events.subscribe", room="two", since=0)
        prompt = client.call("prompt.submit", room="two", text="[[text:hi]]")["prompt"]["id"]
        client.next("turn.finished", room="two")
        client.call("room.close", room="two")
        at_close = read_whole(client, "two", prompt)
        assert [event["type"] for event in at_close["events"]][-2:] == ["room.changed", "agent.exited"]
    with site.running() as daemon:
        client = daemon.connect()
        assert read_whole(client, "two", prompt) == at_close
        for method in ("events.subscribe", "room.restart", "approval.list", "guest.list"):
            assert client.refused(method, room="two").name == "not_found"
        assert client.refused("prompt.cancel", room="two", id=prompt).name == "not_found"
        assert client.refused("events.list", room="tow").name == "not_found"


def read_whole(client: ControlClient, name: str, prompt: str) -> dict[str, Any]:
    """Read all that there is of a room in which one prompt was answered."""
    shown = client.call("prompt.get", room=name, id=prompt[:-1])
    turn = client.call("turn.get", room=name, id=shown["turn"]["id"])
    assert [row["id"] for row in client.call("prompt.list", room=name)["prompts"]] == [prompt]
    assert [row["id"] for row in client.call("turn.list", room=name)["turns"]] == [shown["turn"]["id"]]
    assert client.call("prompt.list", room=name, states=["waiting"])["prompts"] == []
    return {"shown": shown, "turn": turn, **client.call("events.list", room=name, since=1)}


def test_paused_room_refuses_and_holds_back(site: Site, gate: Gate) -> None:
    """A paused room hands nothing over and refuses new prompts, also after a restart, until it is resumed."""
    with site.running() as daemon:
        client = daemon.follow()
        client.call("prompt.submit", text=f"{gate}")
        client.next("turn.started")
        held = client.call("prompt.submit", text="[[text:held]]")["prompt"]
        assert client.call("room.pause")["room"]["paused"] is True
        gate.open()
        client.next("turn.finished")
        assert client.refused("prompt.submit", text="now?").name == "not_now"
        assert room_of(client, "main")["paused"] is True
    with site.running() as daemon:
        client = daemon.follow()
        assert client.call("prompt.get", id=held["id"])["prompt"]["state"] == "waiting"
        assert client.refused("prompt.submit", text="now?").name == "not_now"
        client.call("room.resume")
        while held["id"] not in (turn := client.next("turn.finished")["turn"])["prompts"]:
            pass
        assert turn["answer"] == "held"


@pytest.mark.parametrize("is_fresh", [False, True])
def test_restart_begins_another_incarnation(daemon: Daemon, is_fresh: bool) -> None:
    """A restarted room has a new agent process; with fresh a new conversation, else the same one."""
    client = daemon.follow()
    client.call("prompt.submit", text="[[text:a]]")
    client.next("turn.finished")
    before = room_of(client, "main")["agent"]
    client.call("room.restart", fresh=is_fresh)
    changed = client.next("room.changed")
    assert (changed["state"], changed["fresh"], changed["by"]["kind"]) == ("restarted", is_fresh, "local")
    client.call("prompt.submit", text="[[text:b]]")
    client.next("turn.finished")
    after = room_of(client, "main")["agent"]
    assert after["pid"] != before["pid"]
    assert (after["session_id"] == before["session_id"]) is not is_fresh


def test_restart_waits_for_the_turn(daemon: Daemon, gate: Gate) -> None:
    """A restart lets the running turn end; what waits is answered by the next agent."""
    client = daemon.follow()
    client.call("prompt.submit", text=f"{gate} [[text:first]]")
    client.next("turn.started")
    client.call("prompt.submit", text="[[text:second]]")
    restart = client.request("room.restart")
    gate.open()
    client.answer(restart)
    client.next("turn.finished")
    client.next("turn.finished")
    finished = [event["turn"]["answer"] for event in client.events if event["type"] == "turn.finished"]
    assert finished == ["first", "second"]


def test_idle_agent_sleeps_and_wakes(site: Site) -> None:
    """An agent that has had no turn for the configured time is ended; the next prompt wakes it where it was."""
    site.configure({"rooms.main": {"workdir": str(site.work), "agent": "rehearsal", "idle_s": 0.2}})
    with site.running() as daemon:
        client = daemon.follow()
        client.call("prompt.submit", text="[[text:a]]")
        client.next("turn.finished")
        client.next("agent.exited")
        room = room_of(client, "main")
        assert (room["state"], room["agent"]["pid"]) == ("asleep", None)
        client.call("prompt.submit", text="[[text:b]]")
        assert client.next("agent.started")["session"] == "resumed"
        assert client.next("turn.finished")["turn"]["answer"] == "b"


def test_rooms_in_one_directory_are_warned_of(daemon: Daemon, site: Site) -> None:
    """A further room in a directory is made, with a warning that names the others, and a line of the log for it."""
    client = daemon.connect()
    warned = [
        client.call("room.create", name=name, workdir=str(site.work), agent="rehearsal")["warnings"]
        for name in ("two", "three")
    ]
    works = f"in {site.work} too: their agents may undo each other's work"
    assert warned == [[f"room main works {works}"], [f"rooms main, two work {works}"]]
    daemon.wait_for_log('"main", "two", "three"')
    logged = [json.loads(line)["rooms"] for line in daemon.lines if "rooms_share_directory" in line]
    assert logged == [["main", "two"], ["main", "two", "three"]]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"name": "Main Room"}, "name"),
        ({"workdir": "relative/path"}, "workdir"),
        ({"agent": "nobody"}, "agent"),
        ({"idle_s": -1}, "idle_s"),
    ],
)
def test_bad_room_is_refused_by_field(daemon: Daemon, site: Site, params: dict[str, Any], field: str) -> None:
    """A room that cannot be is refused with the name of the field, and nothing is left of it."""
    client = daemon.connect()
    refused = client.refused(
        "room.create", **{"name": "two", "workdir": str(site.work), "agent": "rehearsal", **params}
    )
    assert refused.field == field
    assert len(client.call("room.list")["rooms"]) == 1


def test_room_in_a_directory_that_cannot_even_be_looked_at_is_refused(daemon: Daemon) -> None:
    """The kernel's word for it is told, and the daemon goes on: here it is a name that is too long."""
    client = daemon.connect()
    refused = client.refused("room.create", name="two", workdir=f"/{'x' * 300}", agent="rehearsal")
    assert str(refused).endswith(" cannot be used: File name too long")
    assert len(client.call("room.list")["rooms"]) == 1


@pytest.mark.parametrize("kind", ["rehearsal", "claude-code"])
def test_room_whose_agent_would_not_start_is_refused(site: Site, kind: str) -> None:
    """A mode that the agent does not know is told with its own words, not by a room whose agent is down for ever."""
    site.configure({"agents.missing": {"kind": kind, "command": ["nobody-has-this"]}})
    agent = "rehearsal" if kind == "rehearsal" else "missing"
    with site.running("--try") as daemon:
        client = daemon.connect()
        params = {"name": "two", "workdir": str(site.work), "agent": agent, "permission_mode": "yolo"}
        assert "'yolo' is invalid" in str(client.refused("room.create", **params))
        assert len(client.call("room.list")["rooms"]) == 1
        assert client.call("room.create", **params | {"permission_mode": "plan"})["room"]["name"] == "two"


def test_failing_room_does_not_hold_up_another(site: Site, tmp_path: Path) -> None:
    """A room whose agent dies at every start is named as failing; another room answers as ever."""
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && exit\necho no-such-flag >&2; exit 1\n")
    program.chmod(0o755)
    tables: Tables = {
        "agents.broken": {"kind": "rehearsal", "command": [str(program)]},
        "rooms.bad": {"workdir": str(site.home), "agent": "broken"},
        "limits": {"agent_failures": 10_000},
    }
    site.configure(tables)
    with site.running() as daemon:
        client = daemon.follow()
        client.call("events.subscribe", room="bad", since=0)
        exited = client.next("agent.exited", room="bad")
        assert "no-such-flag" in exited["reason"]
        assert ask(client, "main", "[[text:fine]]")["answer"] == "fine"
        # It is tried again all the while.
        assert room_of(client, "bad")["state"] in ("agent-down", "starting")


def test_flooding_room_does_not_lose_or_mix(site: Site) -> None:
    """While one room streams ten megabytes, another is answered, and each transcript is whole and its own."""
    with site.running() as daemon:
        client = daemon.connect()
        make_room(client, site, "flood")
        watcher = daemon.connect()
        watcher.call("events.subscribe", room="flood", since=0)
        client.call("events.subscribe", room="main", since=0)
        client.call("prompt.submit", room="flood", text="[[size:10000000]]")
        assert [ask(client, "main", f"[[text:{number}]]")["answer"] for number in range(5)] == list("01234")
        turn = watcher.next("turn.finished", room="flood")["turn"]
        assert turn["answer_bytes"] == 10_000_000
        assert {event["room"] for event in watcher.events} == {"flood"}


def test_a_created_room_that_cannot_be_opened_is_told_of(site: Site, tmp_path: Path) -> None:
    """Its directory or its agent's table is gone: the others are served, and it can be seen, mended, or closed."""
    extra = {"agents.extra": {"kind": "rehearsal"}}
    site.configure(extra)
    with site.running() as daemon:
        client = daemon.connect()
        for name, agent in (("placeless", "rehearsal"), ("agentless", "extra")):
            (tmp_path / name).mkdir()
            client.call("room.create", name=name, workdir=str(tmp_path / name), agent=agent)
        client.call("room.pause", room="placeless")
    (tmp_path / "placeless").rmdir()
    site.configure({})
    with site.running() as daemon:
        client = daemon.connect()
        listed = client.call("room.list")
        assert [room["name"] for room in listed["rooms"]] == ["main"]
        reasons = {room["name"]: room["reason"] for room in listed["unopened"]}
        assert reasons.keys() == {"placeless", "agentless"}
        assert "is no directory" in reasons["placeless"]
        assert "[agents.extra]" in reasons["agentless"]
        assert "could not be opened" in str(client.refused("prompt.submit", room="agentless", text="x"))
        assert client.call("room.close", room="agentless") == {"room": "agentless", "cancelled": 0}
    (tmp_path / "placeless").mkdir()
    with site.running() as daemon:
        listed = daemon.connect().call("daemon.status")
        assert ([room["name"] for room in listed["rooms"]], listed["unopened"]) == (["main", "placeless"], [])


def test_retention_never_forgets_what_has_not_ended(site: Site) -> None:
    """The events of a prompt that waits stay, however old or large what came after it is."""
    with site.running() as daemon:
        client = daemon.follow()
        client.call("room.pause")
        client.call("room.resume")
        running = client.submit("[[hang]]")
        client.next("turn.started")
        waiting = client.submit("waits")
        for number in range(30):
            client.call("prompt.cancel", id=client.submit(f"{number}")["id"])
        client.call("room.pause")
        client.call("turn.interrupt")
        client.finished(running["id"])
    site.configure({"retention": {"bytes": 500, "days": 0.0000001}})
    with site.running() as daemon:
        daemon.wait_for_log("pruned")
        events = daemon.connect().call("events.list", since=0)["events"]
        accepted = [event["prompt"]["id"] for event in events if event["type"] == "prompt.accepted"]
        assert waiting["id"] in accepted
        assert running["id"] not in accepted


def test_retention_forgets_only_what_is_over(site: Site) -> None:
    """Events beyond the configured size are forgotten at the start; waiting prompts and the numbers are not."""
    with site.running() as daemon:
        client = daemon.follow()
        for number in range(5):
            ask(client, "main", f"[[text:{number}]]")
        client.call("room.pause")
        last = room_of(client, "main")["cursor"]["seq"]
    site.configure({"retention": {"bytes": 2000}})
    with site.running() as daemon:
        daemon.wait_for_log("pruned")
        client = daemon.connect()
        listed = client.call("events.list", since=0)
        assert listed["events"][0]["seq"] > 1
        assert sum(len(json.dumps(event)) for event in listed["events"]) < 20_000
        assert listed["cursor"]["seq"] >= last
        old = client.call("events.subscribe", after={"epoch": 1, "seq": 1})
        assert old["resync"] is True
    with sqlite3.connect(site.state / "journal.db") as connection:
        assert connection.execute("SELECT count(*) FROM turns").fetchone() == (5,)


def test_retention_forgets_of_closed_rooms_too(site: Site) -> None:
    """Their records can be read, so they are no place for what was to be forgotten."""
    with site.running() as daemon:
        client = daemon.connect()
        make_room(client, site, "two")
        client.call("events.subscribe", room="two", since=0)
        for number in range(5):
            ask(client, "two", f"[[text:{number}]]")
        client.call("room.close", room="two")
        last = client.call("events.list", room="two", since=0)["cursor"]
    site.configure({"retention": {"bytes": 2000}})
    with site.running() as daemon:
        daemon.wait_for_log('{"room": "two", "first_seq": ')
        listed = daemon.connect().call("events.list", room="two", since=0)
        assert listed["events"][0]["seq"] > 1
        assert listed["events"][-1]["seq"] == last["seq"]
        assert listed["cursor"] == last


def test_ten_rooms_answer_side_by_side(site: Site, tmp_path: Path) -> None:
    """Ten busy rooms each answer their own prompts, in their own order."""
    with site.running() as daemon:
        client = daemon.connect()
        names = [f"room-{number}" for number in range(10)]
        for name in names:
            make_room(client, site, name)
            client.call("events.subscribe", room=name, since=0)
        for turn in range(3):
            for name in names:
                client.call("prompt.submit", room=name, text=f"[[text:{name} {turn}]]")
        answers: dict[str, list[str]] = {name: [] for name in names}
        for _ in range(30):
            event = client.next("turn.finished")
            answers[event["room"]].append(event["turn"]["answer"])
        # Events read while an answer was awaited are kept, so every one is seen.
        assert all(answers[name] == [f"{name} {turn}" for turn in range(3)] for name in names)
