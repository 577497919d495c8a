"""Whether the service manager stops the daemon for good: by its answer, and by what there is without one."""

from pathlib import Path

import pytest
import trio

from concordiad.ops import jobs
from concordiad.ops.jobs import Unit, find_unit, is_for_good, read_job

SYSTEM = "0::/system.slice/concordiad.service\n"
OLD_HIERARCHY = "9:memory:/elsewhere.service\n1:name=systemd:/system.slice/concordiad.service\n"
PERSONAL = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/concordiad.service\n"
IN_A_SHELL = "0::/user.slice/user-1000.slice/session-3.scope\n"


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        (SYSTEM, Unit("concordiad.service", is_personal=False)),
        (OLD_HIERARCHY, Unit("concordiad.service", is_personal=False)),
        (PERSONAL, Unit("concordiad.service", is_personal=True)),
        (IN_A_SHELL, None),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_unit_is_found_by_the_control_groups(cgroups: str, unit: Unit | None) -> None:
    """The last service of the path that systemd made is ours; in one of a person's manager, that one is asked."""
    assert find_unit(cgroups) == unit


def test_job_is_that_of_the_unit_itself() -> None:
    """Another unit's job says nothing, nor does a list without any."""
    said = "42 concordiad.socket  stop  waiting\n43 concordiad.service restart running\n"
    assert read_job(said, "concordiad.service") == "restart"
    assert read_job("No jobs running.\n", "concordiad.service") is None


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a unit; give the place of a systemctl that is not there yet."""
    (tmp_path / "cgroup").write_text(SYSTEM)
    monkeypatch.setattr(jobs, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "systemctl"


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        ('echo "7 $5 stop running"', True),
        ('echo "7 $5 restart running"', False),
        ("true", False),
        ("echo no bus >&2; exit 1", False),
    ],
)
def test_only_a_stop_is_for_good(systemctl: Path, does: str, expected: bool) -> None:
    """A restart is not, nor is a signal without a job; nor may a manager that cannot be asked cost anybody a turn."""
    systemctl.write_text(f"#!/bin/sh\n{does}\n")
    systemctl.chmod(0o755)
    assert trio.run(is_for_good) is expected


def test_without_systemd_nothing_is_for_good(systemctl: Path) -> None:
    """Where there is no systemctl, or no unit, nobody is asked."""
    assert not trio.run(is_for_good)
    jobs.CGROUP.write_text(IN_A_SHELL)
    systemctl.write_text("#!/bin/sh\nexit 9\n")
    assert not trio.run(is_for_good)
