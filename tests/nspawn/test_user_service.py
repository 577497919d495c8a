"""The units of one person, run by that person's own service manager."""

import json
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.nspawn.concordia import SERVICE, SOCKET, Installed

CONFIGURATION: Final = '[rooms.main]\nworkdir = "."\nagent = "rehearsal"\n'


class Person:
    """Somebody who has a service manager and is not in the group `concordia`."""

    def __init__(self, installed: Installed, name: str) -> None:
        self.name = name
        self.machine = installed.machine
        self.installed = installed
        self.number = self.machine.read("id", "--user", name)
        self.manager = f"user@{self.number}.service"
        self.machine.run("loginctl", "enable-linger", name)
        self.machine.run("systemctl", "start", self.manager)

    def run(self, *command: str, stdin: str | None = None, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a program in that person's session."""
        env = {"XDG_RUNTIME_DIR": f"/run/user/{self.number}"}
        return self.machine.run(*command, user=self.name, env=env, stdin=stdin, check=check)

    def show(self, what: str) -> str:
        """Return a property of the service."""
        return self.run("systemctl", "--user", "show", "--value", f"--property={what}", SERVICE).stdout.strip()


@pytest.fixture
def ben(installed: Installed) -> Iterator[Person]:
    """Give ben with a daemon of his own."""
    ben = Person(installed, "ben")
    ben.run("mkdir", "--parents", "/home/ben/.config/concordia")
    ben.run("dd", "status=none", "of=/home/ben/.config/concordia/concordiad.toml", stdin=CONFIGURATION)
    ben.run("systemctl", "--user", "enable", "--now", SOCKET, SERVICE)
    yield ben
    ben.run("systemctl", "--user", "disable", "--now", SOCKET, SERVICE)
    ben.machine.run("loginctl", "disable-linger", "ben")
    ben.machine.run("systemctl", "stop", ben.manager)


def test_a_person_has_a_daemon_of_ones_own(ben: Person) -> None:
    """It is ready in that person's places, serves that person, is back when it died, and drains when it is stopped."""
    assert ben.show("StatusText").startswith("main ")
    assert ben.run("concordiactl", "submit", "--wait", "[[text:mine]]").stdout.strip() == "mine"
    (turn,) = json.loads(ben.run("concordiactl", "history", "-o", "json").stdout)["turns"]
    assert [author["name"] for author in turn["authors"]] == ["ben"]
    about = json.loads(ben.run("concordiactl", "status", "-o", "json").stdout)
    assert about["daemon"]["state_dir"] == "/home/ben/.local/state/concordia"
    assert about["rooms"][0]["workdir"] == "/home/ben"

    killed = ben.show("MainPID")
    ben.run("kill", "-KILL", killed)
    ben.installed.wait_until(
        lambda: ben.show("ActiveState") == "active" and ben.show("MainPID") not in ("0", killed), "it is back"
    )
    assert ben.run("concordiactl", "submit", "--wait", "[[text:back]]").stdout.strip() == "back"

    ben.run("systemctl", "--user", "stop", SOCKET, SERVICE)
    assert ben.show("Result") == "success"
    assert ben.run("test", "-e", f"/run/user/{ben.number}/concordia/control.sock", check=False).returncode == 1


def test_doctor_says_when_a_persons_daemon_ends_with_the_session(ben: Person) -> None:
    """Without lingering it is a warning, whose remedy, typed as it stands, mends it."""
    machine = ben.machine
    # What `loginctl disable-linger` removes, but for ending the manager of somebody who is not logged in.
    machine.run("rm", "/var/lib/systemd/linger/ben")
    status, found, remedy = look(ben)["linger"]
    assert (status, found) == ("warning", "it ends when you log out")
    machine.run(*str(remedy).split())
    findings = look(ben)
    assert "linger" not in findings
    assert findings["user unit"][0] == "ok"


def look(person: Person) -> dict[str, tuple[str, str, str | None]]:
    """Ask for the doctor's findings, by their names: each with its status, what was found, and the remedy."""
    said = person.run("concordiactl", "doctor", "-o", "json", check=False).stdout
    return {each["name"]: (each["status"], each["found"], each["remedy"]) for each in json.loads(said)["findings"]}


def test_nobody_else_gets_at_a_persons_daemon(ben: Person) -> None:
    """Another person, a host of the system's daemon, finds neither the socket nor the state."""
    for place in (f"/run/user/{ben.number}/concordia", "/home/ben/.local/state/concordia"):
        assert ben.machine.run("ls", place, user="ada", check=False).returncode != 0
