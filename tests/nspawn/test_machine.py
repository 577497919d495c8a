"""The machines that the tests of this directory boot: what those rely on."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.nspawn import tree as trees
from tests.nspawn.machine import Machine, booted


def test_a_machine_boots_with_nothing_failed(machine: Machine) -> None:
    """Its service manager is the first process, and every unit that was wanted has come up."""
    assert machine.read("ps", "-o", "comm=", "1") == "systemd"
    assert machine.read("systemctl", "is-system-running", "--wait") == "running"


def test_what_runs_in_a_machine_sees_nothing_of_this_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither processes nor variables nor network are shared."""
    monkeypatch.setenv("CONCORDIA_SOCKET", "/nowhere")
    assert "CONCORDIA_SOCKET" not in machine.read("env")
    assert str(os.getpid()) not in machine.read("ps", "-e", "-o", "pid=").split()
    assert set(machine.read("ls", "/sys/class/net").split()) == {"lo"}


def test_a_program_can_be_run_as_somebody_else(machine: Machine) -> None:
    """It has that user's groups, and is refused what is root's."""
    assert machine.read("id", "--user", "--name", user="nobody") == "nobody"
    refused = machine.run("cat", "/etc/shadow", user="nobody", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_a_directory_is_copied_into_a_machine(machine: Machine, tmp_path: Path) -> None:
    """Its files are root's there, with the modes that they have here."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/hello").write_text("#!/bin/sh\nread name\necho hello, $name, $GREETING\n")
    (tmp_path / "bin/hello").chmod(0o755)
    machine.copy(tmp_path / "bin", "/opt/copied")
    assert machine.read("stat", "--format=%U %a", "/opt/copied/bin/hello") == "root 755"
    said = machine.run("/opt/copied/bin/hello", stdin="ada\n", env={"GREETING": "good morning"}).stdout
    assert said == "hello, ada, good morning\n"


def test_a_machine_leaves_nothing_in_the_tree(tree: Path, machine: Machine) -> None:
    """What one machine writes, another one that is booted beside it does not have."""
    machine.write("/etc/left-behind", "by one\n")
    with booted(tree) as other:
        assert other.run("test", "-e", "/etc/left-behind", check=False).returncode == 1
        assert not (tree / "etc/left-behind").exists()


def test_machines_that_run_at_once_have_no_control_group_in_common(tree: Path, machine: Machine) -> None:
    """Their units have the same names; what one service manager removes must not be what another one needs."""
    with booted(tree) as other:
        one, another = [Path(f"/proc/{each.leader}/cgroup").read_text().split() for each in (machine, other)]
    managed = [line for line in one if line.startswith("0::") or "name=systemd" in line]
    assert managed
    assert not set(managed) & set(another)


def test_no_machine_is_a_failure_where_one_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot be booted skips a test loudly, or fails it where CONCORDIA_REQUIRE_SYSTEMD is set."""
    monkeypatch.delenv(trees.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no debootstrap"):
        trees.cannot("no debootstrap")
    monkeypatch.setenv(trees.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="no debootstrap"):
        trees.cannot("no debootstrap")


def test_no_build_of_a_tree_is_left_half_done(tree: Path) -> None:
    """A tree that has its name is whole: it has the last of its packages configured."""
    said = subprocess.run(["chroot", tree, "dpkg", "--audit"], check=True, capture_output=True, text=True).stdout
    assert said == ""
