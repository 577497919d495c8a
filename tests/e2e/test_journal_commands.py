"""`concordiactl journal` beside real daemons: check, backup, restore, prune."""

import json
import os
import subprocess
from typing import Any

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


def test_a_damaged_journal_is_refused_and_nothing_of_it_is_lost(site: Site) -> None:
    """The daemon names it and what to do; the check says the same; a backup puts things right."""
    journal, target = site.state / "journal.db", site.home / "backup.db"
    with site.running() as daemon:
        asked = ask(daemon, 3)
        run(site, "backup", str(target))
    whole = journal.read_bytes()
    journal.write_bytes(whole[:8192] + bytes([whole[8192] ^ 0xFF]) + b"\x07" * 3000 + whole[11193:])
    damaged = journal.read_bytes()
    code, log = site.refuse()
    assert (code, "concordiactl journal restore" in log, "Traceback" in log) == (FAILURE, True, False)
    assert journal.read_bytes() == damaged
    assert run(site, "check", "--state-dir", str(site.state), code=FAILURE)["problems"] != []
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
