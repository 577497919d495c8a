"""What `doctor` says of a system service: its units, its secrets, its configuration's file, and its group."""

import grp
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from concordiad.config.doors import Metrics
from concordiad.config.limits import Graces
from concordiad.config.tables import Agent, Gemini
from concordiad.core.agents import Kind
from ctl.health import Finding, Status
from ctl.health.agents import Place, check_agent
from ctl.health.meaning import check_meaning
from ctl.health.measures import check_measures
from ctl.health.places import check_configuration
from ctl.health.remedies import join
from ctl.health.store import Store, store_of
from ctl.health.units import REFUSED, SOCKET_UNIT, Manager, check_units, user_of_service
from tests.ctl.program import LIKE_A_PERSON, ROOT
from tests.ctl.test_doctor import PROGRAM, typed

FILE = Path("/etc/concordia/concordiad.toml")
SOUND = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "UnitFileState": "enabled",
    "MainPID": "77",
    "User": "concordia",
    "StatusText": "main idle",
}
DOWN = {**SOUND, "ActiveState": "inactive", "MainPID": "0"}
MASKED = {"LoadState": "masked", "ActiveState": "inactive", "UnitFileState": "masked"}
NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store with nothing in it."""
    return Store((tmp_path / "credstore", tmp_path / "run"), tmp_path / "credentials")


def mend(remedy: str | None, stdin: str = "") -> None:
    """Type the first command of a remedy."""
    subprocess.run(typed(remedy), shell=True, input=stdin, text=True, check=True)


def about_login(store: Store, root: Path, secret: str = "anthropic_api_key", *, runs: bool = False) -> Finding:
    """Look at the login of an agent whose program has one if it is given that key."""
    is_in = '"$(test "$ANTHROPIC_API_KEY" = sk-pasted && echo true || echo false)"'
    login = f'{{"loggedIn": \'{is_in}\', "authMethod": "api_key"}}'
    program = root / "program"
    program.write_text(PROGRAM.format(version="2.1.329", login=login, refused=""))
    program.chmod(0o755)
    agent = Agent(Kind.CLAUDE_CODE, command=(str(program),), credentials={"ANTHROPIC_API_KEY": secret})
    environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
    found = check_agent(Place("claude", FILE), agent, {}, environment, runs=runs, store=store)
    return next(finding for finding in found if finding.name == "login of claude")


def test_a_secret_of_the_service_is_written_into_its_store(store: Store, tmp_path: Path) -> None:
    """What is advised writes it; then there is nothing to say of it, and the agent is asked with it."""
    missing = about_login(store, tmp_path)
    assert (missing.status, str(store.path("anthropic_api_key")) in missing.found) == (Status.ERROR, True)
    assert "systemctl restart concordiad" in (missing.remedy or "")
    mend(missing.remedy, stdin="sk-pasted\n")
    assert store.path("anthropic_api_key").stat().st_mode & 0o777 == 0o600
    assert about_login(store, tmp_path).status is Status.OK


def test_a_secret_of_another_name_needs_a_drop_in(store: Store, tmp_path: Path) -> None:
    """The unit does not ask for it; who has such a drop-in already has the daemon's own to show."""
    found = about_login(store, tmp_path, "other_key")
    assert (found.status, "LoadCredential=other_key:concordia.other_key" in (found.remedy or "")) == (
        Status.WARNING,
        True,
    )
    store.handed_over.mkdir()
    (store.handed_over / "other_key").touch()
    assert about_login(store, tmp_path, "other_key", runs=True).status is Status.OK


def test_credentials_of_tables_are_looked_for_in_the_store(store: Store, tmp_path: Path) -> None:
    """Each is missed, with what gives it, and then found."""
    environment: Mapping[str, str] = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    (missing,) = check_measures(Metrics(), environment, runs=False, store=store)
    assert missing.status is Status.ERROR
    mend(missing.remedy)
    (found,) = check_measures(Metrics(), environment, runs=False, store=store)
    assert found.status is Status.OK
    (missing,) = check_meaning(Gemini(), FILE, environment, runs=False, store=store)
    assert missing.status is Status.ERROR
    mend(missing.remedy, stdin="AIza-hush-0123456789\n")
    (found,) = check_meaning(Gemini(), FILE, environment, runs=False, store=store)
    assert found.status is Status.OK


def test_who_may_not_look_into_the_store_says_so(store: Store) -> None:
    """That is no error, and beside a daemon that runs it is in order."""
    store.folders[0].mkdir(mode=0)
    look = (
        "import sys; from pathlib import Path; from ctl.health.store import Store;"
        "store = Store((Path(sys.argv[1]),), Path('/nowhere'));"
        "print(*(store.explain('', 'metrics_token', '', runs=runs).status for runs in (False, True)))"
    )
    line = [*LIKE_A_PERSON, sys.executable, "-c", look, str(store.folders[0])]
    assert subprocess.check_output(line, text=True, cwd=ROOT).split() == ["warning", "ok"]


def test_only_the_services_own_file_has_a_store() -> None:
    """A person's has none, and the service itself has what was handed over."""
    assert store_of(FILE, {}) is not None
    assert store_of(Path("/home/ada/.config/concordia/concordiad.toml"), {}) is None
    assert store_of(FILE, {"CREDENTIALS_DIRECTORY": "/run/credentials"}) is None


@pytest.fixture
def closed() -> Iterator[Path]:
    """Give a configuration that is root's alone, in a directory that is root's alone."""
    if os.geteuid() != 0:
        pytest.skip("only root can look as somebody else")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "concordiad.toml"
        path.write_text('[rooms.main]\nworkdir = "/"\nagent = "rehearsal"\n')
        path.chmod(0o600)
        yield path


def test_a_configuration_that_the_daemon_cannot_read_is_an_error(closed: Path) -> None:
    """What stands in the way is named, directory and file, and the remedies let it in."""
    for barrier in (closed.parent, closed):
        _, found = check_configuration(closed, is_named=True, service_uid=NOBODY)
        assert (found.status, f" {barrier}`" in (found.remedy or "")) == (Status.ERROR, True)
        for command in (found.remedy or "").split("`")[1::2]:
            subprocess.run(command, shell=True, check=True)
    assert check_configuration(closed, is_named=True, service_uid=NOBODY)[1].status is Status.OK
    assert closed.stat().st_mode & 0o777 == 0o640


def unit(service: Mapping[str, str], socket: Mapping[str, str] = SOUND, pid: int | None = None) -> Finding:
    """Look at the machine's units."""
    return next(iter(check_units([Manager("unit", (), service, socket)], pid, Graces())))


@pytest.mark.parametrize("socket", [SOUND, MASKED])
def test_a_masked_unit_is_unmasked_before_it_is_started(socket: Mapping[str, str]) -> None:
    """Starting it would be refused; whose daemon it is, is known all the same."""
    found = unit(MASKED, socket)
    assert (found.status, "is masked" in found.found) == (Status.ERROR, True)
    names = "concordiad.service" if socket is SOUND else f"{SOCKET_UNIT} concordiad.service"
    assert typed(found.remedy) == f"systemctl unmask {names}"
    assert user_of_service([Manager("unit", (), MASKED, SOUND)]) == "concordia"


def test_a_mask_until_the_next_boot_is_taken_off_as_such() -> None:
    """A plain unmask would not see it; a masked socket keeps the service down, too."""
    found = unit(DOWN, {**MASKED, "UnitFileState": "masked-runtime"})
    assert typed(found.remedy) == f"systemctl unmask --runtime {SOCKET_UNIT}"
    assert found.found == f"{SOCKET_UNIT} is masked"


def test_a_masked_unit_that_runs_is_a_warning() -> None:
    """It cannot be enabled before."""
    found = unit({**SOUND, "LoadState": "masked", "UnitFileState": "masked"}, pid=77)
    assert (found.status, typed(found.remedy)) == (Status.WARNING, "systemctl unmask concordiad.service")


def test_a_reload_that_was_refused_is_a_warning() -> None:
    """The daemon goes on with what it has."""
    assert unit(SOUND, pid=77).status is Status.OK
    found = unit({**SOUND, "StatusText": f"{REFUSED}, the one before is in force: x"}, pid=77)
    assert (found.status, "`systemctl reload concordiad.service`" in (found.remedy or "")) == (Status.WARNING, True)


def test_nobody_is_sent_into_roots_group() -> None:
    """Only into one that has a name and is not root's."""
    group = next(group for group in grp.getgrall() if group.gr_gid not in (0, *os.getgroups()) and not group.gr_mem)
    assert (join(group.gr_gid) or "").startswith(f"as root `usermod -aG {group.gr_name} ")
    assert join(0) is None


@pytest.mark.parametrize(
    ("said", "lingers"),
    [
        ("echo no", False),
        ("echo 'Failed to get user: User ID 1000 is not logged in or lingering' >&2; exit 1", False),
        ("echo yes", True),
        ("exit 1", True),
    ],
)
def test_a_persons_service_that_ends_with_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, *, lingers: bool
) -> None:
    """Also where logind has forgotten the person already; of what it does not say, nothing is said."""
    program = tmp_path / "loginctl"
    program.write_text(f"#!/bin/sh\n{said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    names = [finding.name for finding in check_units([Manager("user", ("--user",), SOUND, SOUND)], 77, Graces())]
    assert ("linger" not in names) == lingers
