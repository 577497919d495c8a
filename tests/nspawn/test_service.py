"""The system service, as the package installs it, under a real systemd."""

import json
import re
from pathlib import Path
from typing import Final

from tests.nspawn.concordia import CONTROL, PYTHON, SERVICE, SOCKET, Installed
from tests.support.patience import PATIENCE_S

KNOCKING: Final = (Path(__file__).with_name("knocking.py")).read_text(encoding="utf-8")
ASKING: Final = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 9464)
connection.request("GET", f"/{sys.argv[1]}", headers={"Authorization": f"Bearer {sys.argv[2:] and sys.argv[2]}"})
print(connection.getresponse().read().decode())
"""
NOT_ALLOWED: Final = 4
CONFIG_FAULT: Final = 78


def test_it_is_ready_and_says_how_it_is(concordia: Installed) -> None:
    """After the installation it is started, enabled, and its status is a sentence."""
    machine = concordia.machine
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.show(SERVICE, "StatusText").startswith("main ")
    assert machine.read("systemctl", "is-enabled", SERVICE, SOCKET).split() == ["enabled", "enabled"]
    assert machine.read("systemctl", "is-system-running", "--wait") == "running"


def test_a_member_of_the_group_is_known_by_name(concordia: Installed) -> None:
    """The kernel tells who asks, through the socket that systemd opened and the daemon's sandbox."""
    assert concordia.ask("[[text:good morning]]") == "good morning"
    (last, *_) = json.loads(concordia.ctl("history", "-o", "json").stdout)["turns"]
    assert [author["name"] for author in last["authors"]] == ["ada"]


def test_nobody_else_is_let_in(concordia: Installed) -> None:
    """Who is not in the group is told so, and reads neither the state nor who is in the runtime directory."""
    refused = concordia.ctl("submit", "hello", user="ben", check=False)
    assert refused.returncode == NOT_ALLOWED
    assert f"not allowed to use {CONTROL}" in refused.stderr
    for place in ("/var/lib/concordia", "/run/concordia"):
        for user in ("ada", "ben"):
            assert concordia.machine.run("ls", place, user=user, check=False).returncode != 0


def test_a_connection_starts_it(concordia: Installed) -> None:
    """The socket is there without the daemon, and whoever connects waits until it serves."""
    concordia.machine.run("systemctl", "stop", SERVICE)
    assert concordia.machine.show(SERVICE, "ActiveState") == "inactive"
    assert concordia.ask("[[text:woken]]") == "woken"
    assert concordia.machine.show(SERVICE, "ActiveState") == "active"


def test_a_hung_loop_is_ended_and_another_begins(concordia: Installed) -> None:
    """A daemon that says nothing any more is ended by the watchdog; the next one answers."""
    # Longer than a machine may stand still, so that no other daemon is taken for hung.
    concordia.drop_in("[Service]\nWatchdogSec=10\n")
    hung = concordia.pid
    concordia.machine.run("kill", "-STOP", str(hung))
    concordia.wait_for_another(hung)
    log = concordia.machine.log_of(SERVICE)
    assert "Watchdog timeout" in log
    assert "Fatal Python error: Aborted" in log
    assert concordia.ask("[[text:back]]") == "back"


def test_a_killed_daemon_is_back(concordia: Installed) -> None:
    """SIGKILL is answered by a new daemon on the same sockets, with what was asked before."""
    killed = concordia.pid
    answered = concordia.ctl("submit", "--wait", "-o", "json", "[[text:kept]]").stdout
    turn = json.loads(answered.splitlines()[-1])
    concordia.machine.run("kill", "-KILL", str(killed))
    concordia.wait_for_another(killed)
    assert turn["turn"]["id"] in concordia.ctl("history", "-o", "json").stdout


def test_a_restart_refuses_nobody(concordia: Installed) -> None:
    """Over three restarts every connection is taken: who comes in between waits for the next daemon."""
    machine = concordia.machine
    with machine.start(PYTHON, "-c", KNOCKING, CONTROL, user="ada", stdin=-1, stdout=-1, text=True) as knocking:
        assert knocking.stdin is not None
        assert knocking.stdout is not None
        for number in range(3):
            assert knocking.stdout.readline() == f"answered in turn {number}\n"
            before = concordia.pid
            machine.run("systemctl", "restart", SERVICE)
            assert concordia.pid != before
            knocking.stdin.write("restarted\n")
            knocking.stdin.flush()
        said, _ = knocking.communicate(timeout=PATIENCE_S)
    result = json.loads(said.splitlines()[-1])
    assert result["refused"] == 0
    assert result["pids"] == 4


def test_a_turn_is_one_entry_with_its_fields(concordia: Installed) -> None:
    """In systemd's journal each thing is a field; a host who may not read that is told the same by the daemon."""
    machine = concordia.machine
    told = json.loads(concordia.ctl("submit", "--wait", "-o", "json", "[[text:logged]]").stdout.splitlines()[-1])
    turn, prompt = told["turn"]["id"], told["prompt"]["id"]
    chosen = ("CONCORDIA_EVENT=turn_finished", f"CONCORDIA_TURN={turn}")
    command = ("journalctl", "--output=json", f"--unit={SERVICE}", *chosen)
    concordia.wait_until(lambda: machine.read(*command) != "", "the journal has the turn")
    (entry,) = map(json.loads, machine.read(*command).splitlines())
    assert entry["PRIORITY"] == "6"
    assert entry["SYSLOG_IDENTIFIER"] == "concordiad"
    assert entry["_SYSTEMD_UNIT"] == SERVICE
    assert entry["MESSAGE"].startswith("turn_finished ")
    assert (entry["CONCORDIA_ROOM"], entry["CONCORDIA_OUTCOME"]) == ("main", "completed")
    assert json.loads(entry["CONCORDIA_PROMPTS"]) == [prompt]
    assert "logged" not in json.dumps(entry)

    for user in ("root", "ada"):
        of_turn = concordia.ctl("logs", "--turn", turn, "-o", "json", user=user)
        (line,) = map(json.loads, of_turn.stdout.splitlines())
        assert (line["event"], line["prompts"], of_turn.stderr) == ("turn_finished", [prompt], "")
    assert concordia.ctl("logs", user="ben", check=False).returncode == NOT_ALLOWED


def test_a_good_configuration_is_taken_and_a_bad_one_is_not(concordia: Installed) -> None:
    """A reload opens a new room while a turn of another one goes on; a bad file changes nothing and says why."""
    machine, pid = concordia.machine, concordia.pid
    running = concordia.ctl("submit", "[[gate:/var/lib/concordia-rooms/main/gate]] [[text:through]]").stdout.strip()
    concordia.configure('[rooms.docs]\nworkdir = "/var/lib/concordia-rooms/main"\nagent = "rehearsal"')
    machine.run("systemctl", "reload", SERVICE)
    concordia.wait_until(lambda: concordia.rooms() == {"main", "docs"}, "there are two rooms")
    concordia.configure("[rooms.docs]\nworkdri = 1")
    machine.run("systemctl", "reload", SERVICE)
    concordia.wait_until(
        lambda: "refused" in machine.show(SERVICE, "StatusText"), "the status says that it was refused"
    )
    assert "did you mean 'workdir'" in machine.show(SERVICE, "StatusText")
    assert concordia.rooms() == {"main", "docs"}
    machine.write("/var/lib/concordia-rooms/main/gate", "")
    concordia.wait_until(lambda: "completed" in concordia.ctl("show", running).stdout, "the turn goes on")
    machine.run("rm", "/var/lib/concordia-rooms/main/gate")
    assert concordia.pid == pid


def test_a_wrong_configuration_is_not_tried_again_and_again(concordia: Installed) -> None:
    """A daemon that cannot start with what it reads ends with 78, once, and systemctl says why."""
    machine = concordia.machine
    concordia.configure("[rooms.docs]\nworkdri = 1")
    assert machine.run("systemctl", "restart", SERVICE, check=False).returncode != 0
    assert machine.show(SERVICE, "ExecMainStatus") == str(CONFIG_FAULT)
    assert machine.show(SERVICE, "ActiveState") == "failed"
    assert machine.show(SERVICE, "NRestarts") == "0"
    assert "did you mean 'workdir'" in machine.log_of(SERVICE)


def test_a_secret_is_the_daemons_alone(concordia: Installed) -> None:
    """What lies in the credential store reaches the daemon, and no other person of the machine."""
    machine = concordia.machine
    machine.write("/etc/credstore/concordia.gemini_api_key", "a-key-to-try\n", 0o600)
    concordia.configure("[gemini]")
    machine.run("systemctl", "restart", SERVICE)
    place = f"/run/credentials/{SERVICE}/gemini_api_key"
    assert machine.read("nsenter", f"--target={concordia.pid}", "--mount", "cat", place) == "a-key-to-try"
    for user in ("ada", "ben"):
        for secret in (place, "/etc/credstore/concordia.gemini_api_key"):
            assert machine.run("cat", secret, user=user, check=False).returncode != 0
    assert "a-key-to-try" not in machine.log_of(SERVICE)
    machine.run("rm", "/etc/credstore/concordia.gemini_api_key")


def test_measures_are_for_who_has_the_credential(concordia: Installed) -> None:
    """It comes out of the credential store by itself; whether the daemon is ready is told to everybody."""
    machine, token = concordia.machine, "0123456789abcdef-token"
    machine.write("/etc/credstore/concordia.metrics_token", f"{token}\n", 0o600)
    concordia.configure("[metrics]")
    machine.run("systemctl", "restart", SERVICE)

    def is_told(what: str, *words: str) -> bool:
        return what in machine.read(PYTHON, "-c", ASKING, *words, user="ben")

    concordia.wait_until(lambda: is_told('concordia_room_up{room="main"} 1', "metrics", token), "there are measures")
    concordia.wait_until(lambda: is_told("ok", "readyz"), "a daemon that serves is ready")
    assert is_told("not for you", "metrics")
    machine.run("rm", "/etc/credstore/concordia.metrics_token")


def test_the_port_for_guests_stays_open_over_a_restart(concordia: Installed) -> None:
    """With its socket unit, enabled while the daemon runs, its next run serves the port that systemd has opened."""
    machine = concordia.machine
    concordia.configure("[guests]")
    machine.run("systemctl", "enable", "concordiad-guests.socket")
    machine.run("systemctl", "restart", SERVICE)
    try:
        healthz = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8765/healthz').status)"
        assert machine.read(PYTHON, "-c", healthz) == "200"
        assert machine.show("concordiad-guests.socket", "ActiveState") == "active"
        assert re.search(r'"door_opened"|guests: http', machine.log_of(SERVICE))
    finally:
        machine.run("systemctl", "disable", "concordiad-guests.socket")
        machine.run("systemctl", "stop", "concordiad-guests.socket", SERVICE)


def test_stopping_drains_and_leaves_no_process(concordia: Installed) -> None:
    """`systemctl stop` ends the agents too, within its time; with the socket unit its file goes as well."""
    machine = concordia.machine
    concordia.ask("[[text:once]]")
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    assert machine.show(SERVICE, "Result") == "success"
    assert machine.run("ps", "-u", "concordia", check=False).returncode == 1
    assert machine.run("test", "-e", CONTROL, check=False).returncode == 1


def test_the_journal_is_backed_up_and_restored(concordia: Installed) -> None:
    """As docs/operation.md types it: once the copy is restored, what was said after it is gone."""
    machine, place = concordia.machine, "/var/backups/concordia"
    machine.run("install", "-d", "-o", "concordia", "-g", "concordia", "-m", "0700", place)
    journal = ("--state-dir", "/var/lib/concordia", f"{place}/journal.db")
    concordia.ask("[[text:kept]]")
    machine.run("concordiactl", "journal", "backup", *journal, user="concordia")
    assert machine.read("stat", "--format=%U %a", f"{place}/journal.db") == "concordia 600"
    concordia.ask("[[text:lost]]")
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("concordiactl", "journal", "restore", *journal, user="concordia")
    machine.run("systemctl", "start", SERVICE)
    shown = concordia.ctl("history").stdout
    assert "[[text:kept]]" in shown
    assert "[[text:lost]]" not in shown
    machine.run("rm", "--recursive", place)
