"""The units themselves: that systemd finds no fault with them, how much they leave open, and what they add up to."""

import re
from pathlib import Path
from typing import Final

import pytest

from concordiad.agent.leftovers import END_GRACE_S
from concordiad.config.limits import Graces
from concordiad.daemon import LAST_EVENTS_S
from ctl.health.units import AFTER_GRACES_S, longest_stop_s
from shipping.install import UNITS
from tests.nspawn.concordia import AGENTS, SERVICE, SOCKET, Installed

EXPOSURE: Final = 13
"""At the most, in tenths, as `systemd-analyze security` counts it; redis has 12, tor 68."""
AGENT_EXPOSURE: Final = 25
AGENT: Final = "concordia-agent@.service"
USER_UNITS: Final = "/usr/lib/systemd/user"


@pytest.mark.parametrize("unit", [SERVICE, SOCKET, "concordiad-guests.socket", AGENTS, AGENT])
def test_systemd_finds_no_fault_with_a_unit(installed: Installed, unit: str) -> None:
    """Every directive is known, every program and every page of the manual is there."""
    done = installed.machine.run("systemd-analyze", "verify", "--man=yes", f"/usr/lib/systemd/system/{unit}")
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("unit", [SERVICE, SOCKET])
def test_systemd_finds_no_fault_with_a_users_unit(installed: Installed, unit: str) -> None:
    """The same for the units of a person."""
    command = ("systemd-analyze", "--user", "verify", f"{USER_UNITS}/{unit}")
    done = installed.machine.run(*command, user="ada", env={"XDG_RUNTIME_DIR": "/tmp"})
    assert done.stdout + done.stderr == ""


def test_verify_can_tell(installed: Installed) -> None:
    """A directive that nobody knows does not go unseen."""
    unit = "/run/concordia-misspelt.service"
    text = installed.machine.read("cat", f"/usr/lib/systemd/system/{SERVICE}")
    installed.machine.write(unit, text.replace("ProtectClock=", "ProtectClocks="))
    done = installed.machine.run("systemd-analyze", "verify", unit, check=False)
    assert "ProtectClocks" in done.stderr


def test_the_daemon_is_exposed_little(installed: Installed) -> None:
    """Nobody loosens the sandbox without seeing it here."""
    said = installed.machine.run("systemd-analyze", "security", f"--threshold={EXPOSURE}", SERVICE).stdout
    print(said)
    assert "Overall exposure level" in said


def test_an_agent_is_exposed_little(installed: Installed) -> None:
    """An agent's own unit leaves open what the agent and its tools need, and little more."""
    command = ("systemd-analyze", "security", "--offline=true", f"--threshold={AGENT_EXPOSURE}")
    said = installed.machine.run(*command, f"/usr/lib/systemd/system/{AGENT}").stdout
    print(said)
    assert "Overall exposure level" in said


def test_the_kernel_can_tell_who_calls() -> None:
    """In a user namespace of its own the daemon would take everybody for nobody."""
    assert "PrivateUsers" not in _settings(UNITS / SERVICE)
    assert "PrivateUsers" not in _settings(UNITS / "user" / SERVICE)


@pytest.mark.parametrize("unit", [SERVICE, f"user/{SERVICE}"])
def test_stopping_has_the_time_that_it_may_take(unit: str) -> None:
    """Systemd's patience is longer than the sum of the daemon's own graces, with a line that is being written."""
    assert float(_settings(UNITS / unit)["TimeoutStopSec"]) > longest_stop_s(Graces())
    assert 2 * END_GRACE_S + LAST_EVENTS_S == AFTER_GRACES_S


def _settings(unit: Path) -> dict[str, str]:
    lines = re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(lines)
