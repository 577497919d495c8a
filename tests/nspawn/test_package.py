"""The Debian package: what it brings, what an upgrade keeps, and what a purge leaves."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.nspawn.concordia import AGENTS, SERVICE, SOCKET, Installed
from tests.nspawn.machine import Machine, booted

PLACES: Final = ("/etc", "/opt", "/run", "/srv", "/usr", "/var")
OTHERS: Final = re.compile(
    # What dpkg, the user database and systemd keep for themselves.
    r"/var/(lib/dpkg|log|cache|lib/systemd|backups)(/|$)|/etc/(passwd|shadow|group|gshadow|subuid|subgid)-?$"
    r"|/run/(systemd|log|lock|user|dbus|utmp)|/usr/lib/python3|/var/tmp|/etc/(\.pwd\.lock|credstore)|/var/lib/deb-systemd"
)
OLD: Final = "0.0.9"


@pytest.fixture
def fresh(tree: Path) -> Iterator[Machine]:
    """Give a machine of the test's own."""
    with booted(tree) as machine:
        yield machine


def as_version(package: Path, version: str, directory: Path) -> Path:
    """
    Make the package anew as another version, with one file of the program that only this one has.

    In it agents are still the daemon's children.
    """
    unpacked = directory / "unpacked"
    subprocess.run(["dpkg-deb", "--raw-extract", package, unpacked], check=True)
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    unit, postinst = unpacked / f"usr/lib/systemd/system/{SERVICE}", unpacked / "DEBIAN/postinst"
    unit.write_text(
        re.sub(r"^(Wants|Environment=CONCORDIA_AGENT_SOCKET)=.*\n", "", unit.read_text(), flags=re.MULTILINE)
    )
    postinst.write_text(postinst.read_text().replace(f"{AGENTS} ", ""))
    (unpacked / "usr/lib/concordia/only-in-the-old-one").touch()
    made = directory / f"concordia_{version}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(unpacked), str(made)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return made


def files_of(machine: Machine) -> set[str]:
    """List what is there of whoever could be the package."""
    found = machine.read("find", *PLACES, "-xdev").splitlines()
    return {path for path in found if not OTHERS.match(path)}


def test_an_upgrade_keeps_the_state_and_a_purge_leaves_nothing(fresh: Machine, package: Path, tmp_path: Path) -> None:
    """Of one package after the other: installed, upgraded with its record kept, removed, purged."""
    before, users = files_of(fresh), fresh.read("cat", "/etc/passwd", "/etc/group")
    concordia = Installed(fresh, as_version(package, OLD, tmp_path))
    asked = concordia.ctl("submit", "--wait", "[[text:before]]").stdout
    assert "before" in asked
    fresh.write("/etc/concordia/concordiad.toml", concordia.configuration + "\n# ours\n")
    old = concordia.pid
    concordia.wait_for_agent_of("concordia")

    concordia.install(package)
    assert concordia.pid != old
    assert fresh.read("systemctl", "is-enabled", AGENTS) == "enabled"
    assert "[[text:before]]" in concordia.ctl("history").stdout
    assert concordia.ask("[[text:after]]") == "after"
    concordia.wait_for_agent_of("concordia-agent")
    assert "# ours" in fresh.read("cat", "/etc/concordia/concordiad.toml")
    assert fresh.run("test", "-e", "/usr/lib/concordia/only-in-the-old-one", check=False).returncode == 1

    # What an administrator has disabled stays so, and is not started either.
    units = (SERVICE, SOCKET, AGENTS)
    fresh.run("systemctl", "disable", "--now", *units)
    concordia.install(package)
    assert fresh.run("systemctl", "is-enabled", *units, check=False).stdout.split() == ["disabled"] * len(units)
    assert fresh.run("systemctl", "is-active", *units, check=False).stdout.split() == ["inactive"] * len(units)
    fresh.run("systemctl", "enable", "--now", *units)

    fresh.run("dpkg", "--remove", "concordia")
    assert fresh.run("systemctl", "is-active", *units, check=False).stdout.split() == ["inactive"] * len(units)
    assert fresh.run("pgrep", "-u", "concordia,concordia-agent", check=False).stdout == ""
    assert fresh.run("test", "-e", "/usr/lib/concordia", check=False).returncode == 1
    fresh.run("test", "-s", "/var/lib/concordia/journal.db")

    # Installed again it runs again; one that does not start leaves no package half installed.
    concordia.install(package)
    concordia.wait_until(
        lambda: [fresh.show(unit, "ActiveState") for unit in units] == ["active"] * len(units), "everything runs again"
    )
    fresh.write("/etc/concordia/concordiad.toml", "nothing that is known = 1\n")
    concordia.install(package)
    concordia.wait_until(lambda: fresh.show(SERVICE, "ExecMainStatus") == "78", "the daemon has refused to start")
    assert fresh.read("dpkg-query", "--show", "--showformat=${db:Status-Status}", "concordia") == "installed"

    fresh.run("dpkg", "--purge", "concordia")
    for name in ("ada", "ben"):
        fresh.run("userdel", "--remove", name)
    assert files_of(fresh) - before == set()
    assert fresh.read("cat", "/etc/passwd", "/etc/group") == users
    assert fresh.run("systemctl", "list-unit-files", "--no-legend", "concordia*", check=False).stdout == ""
    assert fresh.read("systemctl", "--failed", "--no-legend") == ""


@pytest.mark.parametrize("page", ["concordiactl.1", "concordiad.8", "concordiad.toml.5"])
def test_the_manual_is_there(installed: Installed, page: str) -> None:
    """Man finds each page and has nothing to complain of."""
    name, _, section = page.rpartition(".")
    env = {"MANROFFOPT": "-ww", "MANWIDTH": "100"}
    shown = installed.machine.run("man", "--warnings=w", section, name, env=env)
    assert f"{name.upper()}({section})" in shown.stdout
    assert shown.stderr == ""


def test_the_shells_are_taught(installed: Installed) -> None:
    """Each shell's script lies where that shell looks for it, and is what `concordiactl completion` prints."""
    for shell, place in (
        ("bash", "bash-completion/completions/concordiactl"),
        ("zsh", "zsh/vendor-completions/_concordiactl"),
        ("fish", "fish/vendor_completions.d/concordiactl.fish"),
    ):
        printed = installed.ctl("completion", shell).stdout
        assert installed.machine.run("cat", f"/usr/share/{place}").stdout == printed
