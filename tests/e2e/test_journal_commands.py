"""`concordiactl journal` beside real daemons: check, backup, restore, prune."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from tests.ctl.program import command, environment
from tests.support.control_client import numbers
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S

FAILURE = 1


def run(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    """Type `concordiactl journal …`; return what it says to programs."""
    line = command("journal", *words, "-o", "json", "--socket", str(site.socket))
    done = subprocess.run(
        line, env=environment(site.home), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return {**found, "said": done.stderr}


def ask(daemon: Daemon, count: int) -> list[str]:
    """Have so many prompts answered; return their ids."""
    client = daemon.follow()
    asked = [client.submit(f"[[text:{number}]]")["id"] for number in range(count)]
    for prompt in asked:
        client.finished(prompt)
    return asked


def test_a_backup_of_a_running_daemon_can_be_put_back(site: Site) -> None:
    """What was recorded by then is in it, and what was recorded afterwards is kept aside."""
    target = site.home / "backup.db"
    with site.running() as daemon:
        before = ask(daemon, 3)
        assert run(site, "check")["problems"] == []
        assert run(site, "backup", str(target))["path"] == str(site.state / "journal.db")
        assert target.stat().st_mode & 0o777 == 0o600
        after = ask(daemon, 1)
        assert "stop it first" in run(site, "restore", str(target), code=FAILURE)["said"]
    aside = run(site, "restore", str(target), "--state-dir", str(site.state))["set_aside"]
    assert aside is not None
    assert run(site, "check", "--state-dir", str(site.state))["set_aside"] == [aside]
    with site.running() as daemon:
        client = daemon.connect()
        for prompt in before:
            assert client.call("prompt.get", id=prompt)["prompt"]["state"] == "answered"
        assert client.refused("prompt.get", id=after[0]).name == "not_found"


def damage(site: Site, text: str) -> bytes:
    """Let a bit of a text in the journal flip; return what the file has then."""
    journal = site.state / "journal.db"
    content = bytearray(journal.read_bytes())
    place = content.find(text.encode())
    assert place > 0
    content[place] ^= 1
    journal.write_bytes(content)
    return bytes(content)


def test_a_damaged_journal_is_set_aside_and_what_is_right_goes_on(site: Site) -> None:
    """The room is told what is missing; status, doctor and check name the file until somebody moves it away."""
    with site.running() as daemon:
        asked = ask(daemon, 3)
        client = daemon.connect()
        client.call("room.pause")
        before = client.call("events.subscribe")["cursor"]
    damaged = damage(site, '"type":"prompt.accepted"')
    assert len(run(site, "check", "--state-dir", str(site.state), code=FAILURE)["problems"]) == 1
    with site.running() as daemon:
        client = daemon.connect()
        [aside] = client.call("daemon.status")["daemon"]["set_aside"]
        with open(aside, "rb") as kept:
            assert kept.read() == damaged
        events = client.call("events.list", since=1)["events"]
        assert numbers(events) == list(range(1, len(events) + 1))
        lost = [event["seq"] for event in events if event.get("code") == "event_lost"]
        [told] = [event for event in events if event.get("code") == "journal_damaged"]
        assert f"1 event ({lost[0]})" in told["message"]
        assert client.call("events.subscribe", after=before)["resync"] is True
        for prompt in asked:
            assert client.call("prompt.get", id=prompt)["prompt"]["state"] == "answered"
        assert client.call("room.list")["rooms"][0]["paused"] is True
        assert run(site, "check")["set_aside"] == [aside]
        done = subprocess.run(
            command("status", "--socket", str(site.socket)), env=environment(site.home), capture_output=True, check=True
        )
        assert f"set aside  {aside}" in " ".join(done.stdout.decode().replace("\n", " ").split(" "))
    os.rename(aside, site.home / "gone.db")
    with site.running() as daemon:
        assert daemon.connect().call("daemon.status")["daemon"]["set_aside"] == []


@pytest.mark.parametrize("is_removed", [False, True])
def test_what_a_lost_journal_knew_of_ends_and_the_room_is_told(site: Site, is_removed: bool) -> None:
    """Nothing of it can be read after a kill: it is kept, the room goes on, and its old agent's processes are ended."""
    with site.running() as daemon:
        client = daemon.follow()
        client.submit("[[orphan:600]]")
        said = re.fullmatch(r"orphan (\d+)", client.finished()["answer"])
        assert said is not None
        seen = client.events[-1]
        daemon.kill()
    files = [site.state / f"journal.db{end}" for end in ("", "-wal", "-shm")]
    for file in files:
        if is_removed:
            file.unlink()
        else:
            file.write_bytes(b"\xa5" * file.stat().st_size)
    damaged = b"" if is_removed else files[0].read_bytes()
    assert int(said[1]) in site.leftovers()
    with site.running() as daemon:
        assert int(said[1]) not in site.leftovers()
        client = daemon.follow()
        aside = client.call("daemon.status")["daemon"]["set_aside"]
        events = client.call("events.list", since=1)["events"]
        messages = [event["message"] for event in events if event.get("code") == "journal_damaged"]
        assert (len(aside), len(messages)) == ((0, 0) if is_removed else (1, 1))
        for each in aside:
            with open(each, "rb") as kept:
                assert kept.read() == damaged
        assert all("nothing of it could be read" in message for message in messages)
        assert client.call("events.subscribe", after={"epoch": seen["epoch"], "seq": seen["seq"]})["resync"] is True
        ask(daemon, 1)


def test_a_damaged_journal_can_be_refused_for_a_backup(site: Site) -> None:
    """The daemon names it and what to do; the check says the same; a backup puts things right."""
    target = site.home / "backup.db"
    with site.running() as daemon:
        asked = ask(daemon, 3)
        run(site, "backup", str(target))
    damaged = damage(site, '"type":"prompt.accepted"')
    site.configure({"journal": {"damaged": "refuse"}})
    code, log = site.refuse()
    assert (code, "concordiactl journal restore" in log, "Traceback" in log) == (FAILURE, True, False)
    assert (site.state / "journal.db").read_bytes() == damaged
    [problem] = run(site, "check", "--state-dir", str(site.state), code=FAILURE)["problems"]
    assert problem.startswith("events: ")
    aside = run(site, "restore", str(target), "--state-dir", str(site.state))["set_aside"]
    with open(aside, "rb") as kept:
        assert kept.read() == damaged
    with site.running() as daemon:
        assert daemon.connect().call("prompt.get", id=asked[-1])["prompt"]["state"] == "answered"
        assert os.listdir(site.state).count("journal.db") == 1


def test_pruning_forgets_what_is_over_and_nothing_else(site: Site) -> None:
    """The numbers go on, what is left is whole, and what waits is not touched."""
    with site.running() as daemon:
        ask(daemon, 5)
        client = daemon.connect()
        client.call("room.pause")
        (pruned,) = run(site, "prune", "--keep", "0")["rooms"]
        assert (pruned["room"], pruned["events"] > 0) == ("main", True)
        left = client.call("events.list", since=1)["events"]
        assert numbers(left) == list(range(pruned["first_seq"], pruned["first_seq"] + len(left)))
        assert run(site, "prune", "--keep", "0", "--room", "nowhere", code=FAILURE)["said"]
        client.call("room.resume")
        ask(daemon, 1)
