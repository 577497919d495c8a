"""`concordiactl doctor` about the units: what it finds, and that its remedies, typed as they stand, mend it."""

import json
import re

from tests.nspawn.concordia import SERVICE, SOCKET, Installed

Findings = dict[str, tuple[str, str, str | None]]


def look(concordia: Installed, user: str | None = "ada") -> Findings:
    """Ask for its findings: by their names, each with its status, what was found, and the remedy."""
    said = concordia.machine.run("concordiactl", "doctor", "-o", "json", user=user, check=False).stdout
    found = json.loads(said)["findings"]
    return {each["name"]: (each["status"], each["found"], each["remedy"]) for each in found}


def mend(concordia: Installed, remedy: str | None) -> None:
    """Type, as root, the commands of a remedy that systemctl takes."""
    assert remedy is not None
    commands = re.findall(r"`(systemctl [^`]*)`", remedy)
    assert commands != []
    for command in commands:
        concordia.machine.run(*command.split())


def test_a_sound_service_is_found_sound(concordia: Installed) -> None:
    """A host of it sees no error, and the daemon itself behind the socket that systemd has opened."""
    findings = look(concordia)
    assert {name: found for name, found in findings.items() if found[0] == "error"} == {}
    assert findings["unit"][0] == "ok"
    assert findings["unit"][1].startswith(f"{SERVICE} is active and enabled: main ")
    assert f"process {concordia.pid}," in findings["daemon"][1]
    assert findings["runtime"][1] == "/run/concordia, of concordia, mode 0710"


def test_what_a_stopped_service_needs_is_said(concordia: Installed) -> None:
    """It looks at the service's own places although nothing answers, and says what starts it."""
    concordia.machine.run("systemctl", "stop", SOCKET, SERVICE)
    findings = look(concordia, user=None)
    assert findings["configuration"][1].startswith("/etc/concordia/concordiad.toml")
    assert findings["state"] == ("ok", "/var/lib/concordia, of concordia, mode 0700", None)
    status, _, remedy = findings["unit"]
    assert status == "warning"
    mend(concordia, remedy)
    assert look(concordia)["unit"][0] == "ok"


def test_a_failed_service_is_an_error(concordia: Installed) -> None:
    """Which status it ended with is said, where its log is, and what starts it again once that is mended."""
    concordia.configure("[rooms.docs]\nworkdri = 1")
    concordia.machine.run("systemctl", "restart", SERVICE, check=False)
    # Else the very look, which connects, would start it once more.
    concordia.machine.run("systemctl", "stop", SOCKET)
    status, found, remedy = look(concordia, user=None)["unit"]
    assert (status, found) == ("error", f"{SERVICE} does not start: something is not fit (78)")
    assert f"`journalctl --unit={SERVICE}`" in (remedy or "")
    concordia.machine.write("/etc/concordia/concordiad.toml", concordia.configuration)
    mend(concordia, remedy)
    assert look(concordia)["unit"][0] == "ok"


def test_a_daemon_that_hangs_behind_systemds_socket_is_found(concordia: Installed) -> None:
    """Who listens there is systemd, which nobody is told to kill; the unit says more."""
    concordia.drop_in("[Service]\nWatchdogSec=0\n")
    hung = str(concordia.pid)
    concordia.machine.run("kill", "-STOP", hung)
    status, found, remedy = look(concordia)["socket"]
    concordia.machine.run("kill", "-CONT", hung)
    assert status == "error" and "process 1 (systemd) of root accepts, but has not answered" in found
    assert remedy == f"the daemon that it starts does not answer: `systemctl status {SERVICE}` says why"


def test_a_service_that_will_not_be_there_tomorrow_is_found(concordia: Installed) -> None:
    """One that is not enabled, has died, or would be killed while it drains is a warning each, until it is mended."""
    machine = concordia.machine
    machine.run("systemctl", "disable", SERVICE, SOCKET)
    status, found, remedy = look(concordia)["unit"]
    assert (status, found) == ("warning", f"{SERVICE} is active, but will not be started at the next boot")
    mend(concordia, remedy)
    killed = concordia.pid
    machine.run("kill", "-KILL", str(killed))
    concordia.wait_for_another(killed)
    status, found, remedy = look(concordia)["unit"]
    assert (status, found) == ("warning", f"{SERVICE} is active, but has died 1 time since it was started")
    mend(concordia, remedy)
    concordia.drop_in("[Service]\nTimeoutStopSec=20\n")
    findings = look(concordia)
    assert findings["unit"][0] == "ok"
    assert findings["unit patience"][0] == "warning"
    assert "TimeoutStopSec is 20 s, and the daemon may take 81 s" in findings["unit patience"][1]


def test_without_the_socket_unit_a_restart_is_noticed(concordia: Installed) -> None:
    """A daemon that has opened its socket by itself is found to refuse connections while it is restarted."""
    machine = concordia.machine
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("systemctl", "mask", "--runtime", SOCKET)
    machine.run("systemctl", "start", "--job-mode=ignore-requirements", SERVICE)
    status, found, remedy = look(concordia, user=None)["unit socket"]
    assert (status, found.partition(":")[0]) == ("warning", f"{SOCKET} is not active")
    machine.run("systemctl", "unmask", "--runtime", SOCKET)
    mend(concordia, remedy)
    assert "unit socket" not in look(concordia)


def test_a_masked_service_is_unmasked(concordia: Installed) -> None:
    """Nothing starts it before that; its directories are its own all the same, and not root's."""
    machine = concordia.machine
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("systemctl", "mask", SERVICE)
    findings = look(concordia, user=None)
    assert findings["state"] == ("ok", "/var/lib/concordia, of concordia, mode 0700", None)
    status, found, remedy = findings["unit"]
    assert (status, found) == ("error", f"{SERVICE} is masked: nothing can start it")
    mend(concordia, remedy)
    assert look(concordia)["unit"][0] == "ok"


def test_a_configuration_that_only_root_can_read_is_found(concordia: Installed) -> None:
    """The daemon runs with what it has, and would not start again."""
    machine = concordia.machine
    machine.run("chmod", "0600", "/etc/concordia/concordiad.toml")
    status, found, remedy = look(concordia, user=None)["configuration"]
    assert (status, "cannot be read by concordia" in found) == ("error", True)
    for command in re.findall(r"`(ch[^`]*)`", remedy or ""):
        machine.run(*command.split())
    assert look(concordia, user=None)["configuration"][0] == "ok"
    machine.run("chown", "root:root", "/etc/concordia/concordiad.toml")
    machine.run("chmod", "0644", "/etc/concordia/concordiad.toml")


def test_who_is_no_member_is_sent_into_the_group(concordia: Installed) -> None:
    """It is the unit that lets it in, and no setting of the daemon."""
    _, _, remedy = look(concordia, user="ben")["socket"]
    assert remedy == "as root `usermod -aG concordia ben`, then log in again"
