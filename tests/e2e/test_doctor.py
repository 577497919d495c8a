"""`doctor` beside real daemons, real journals and the real Claude Code CLI; a remedy is typed, and has to help."""

import grp
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ctl.program import LIKE_A_PERSON, command, environment
from tests.ctl.test_doctor import Found, typed
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S
from tests.support.real_cli import require_cli


def look(
    site: Site, *words: str, under: Sequence[str] = LIKE_A_PERSON, is_configured: bool = True, **variables: str
) -> Found:
    """Let the doctor look at a site; where it is not configured, without its file, nor any other."""
    places = (f"--state-dir={site.state}", f"--runtime-dir={site.runtime}")
    config = (f"--config={site.config}",) if is_configured else ()
    line = [*under, *command("doctor", *config, *places, *words, "-o", "json")]
    variables = {"PATH": site.environment["PATH"], **variables}
    done = subprocess.run(
        line, env=environment(site.home, **variables), capture_output=True, timeout=PATIENCE_S, check=False
    )
    return Found.read(done.returncode, done.stdout, done.stderr)


def mend(site: Site, remedy: str | None, stdin: str = "") -> None:
    """Type the command of a remedy."""
    subprocess.run(
        typed(remedy), shell=True, env=site.environment, input=stdin, text=True, timeout=PATIENCE_S, check=True
    )


@pytest.fixture
def used(site: Site) -> Site:
    """Give a site whose journal has a few turns in it, and no daemon."""
    with site.running() as daemon:
        client = daemon.follow()
        for number in range(3):
            client.submit(f"[[text:{'x' * 5000} {number}]]")
            client.next("turn.finished")
    return site


def test_a_daemon_that_serves_is_in_order(daemon: Daemon, site: Site) -> None:
    """Nothing about it is wrong, and it is named."""
    found = look(site)
    assert (found.code, found.names("error")) == (0, [])
    assert {"socket", "daemon", "state", "runtime", "journal", "room main", "agent rehearsal"} <= set(found.names("ok"))
    assert f"process {daemon.process.pid}" in found.of("daemon")[1]


@pytest.mark.parametrize("is_stale", [False, True])
def test_the_remedy_starts_a_daemon(site: Site, is_stale: bool) -> None:
    """Where none listens, or one was killed, what is advised brings one, at the places that were named."""
    if is_stale:
        with site.running() as daemon:
            daemon.kill()
    state, what, remedy = look(site).of("socket")
    assert state == "warning"
    assert ("stale" in what) == is_stale
    assert "systemctl" not in (remedy or "")
    with _started(site, typed(remedy)):
        assert look(site).of("socket")[0] == "ok"


@contextmanager
def _started(site: Site, line: str) -> Iterator[None]:
    words = shlex.split(line)
    with subprocess.Popen(
        words, env=site.environment, cwd=site.work, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as daemon:
        try:
            assert daemon.stderr is not None
            assert any(" is ready, its socket is " in said for said in daemon.stderr)
            yield
        finally:
            daemon.terminate()
            daemon.communicate(timeout=PATIENCE_S)


def test_a_daemon_without_its_socket_is_found(daemon: Daemon, site: Site) -> None:
    """Starting a second one would be refused, so that is not what is advised."""
    site.socket.unlink()
    state, what, remedy = look(site).of("socket")
    assert (state, what) == (
        "error",
        f"process {daemon.process.pid} works in {site.state}, but its socket {site.socket} was removed",
    )
    mend(site, remedy)
    assert daemon.wait() == 0
    assert "no daemon listens" in look(site).of("socket")[1]


def test_a_daemon_that_listens_elsewhere_is_found(daemon: Daemon, site: Site, tmp_path: Path) -> None:
    """By the lock of its state directory."""
    found = look(site, f"--runtime-dir={tmp_path / 'other'}").of("socket")
    assert found[:2] == ("error", f"process {daemon.process.pid} works in {site.state}, but listens at {site.socket}")
    program, *words = shlex.split(typed(found[2]))
    assert program == "concordiactl"
    done = subprocess.run(
        command(*words), env=environment(site.home), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert f"process {daemon.process.pid}" in done.stdout


def test_a_daemon_that_hangs_is_found(daemon: Daemon, site: Site) -> None:
    """With the process to look at."""
    daemon.send_signal(signal.SIGSTOP)
    try:
        state, what, remedy = look(site).of("socket")
    finally:
        daemon.send_signal(signal.SIGCONT)
    assert state == "error"
    assert f"process {daemon.process.pid}" in what and "has not answered" in what
    assert typed(remedy) == f"kill {daemon.process.pid}"


def test_a_socket_that_is_not_for_us_is_told(daemon: Daemon, site: Site) -> None:
    """With whose it is."""
    site.socket.chmod(0)
    found = look(site)
    site.socket.chmod(0o600)
    assert (found.code, found.of("socket")[0]) == (1, "error")
    assert "you may not use it (mode 0000)" in found.of("socket")[1]
    assert "control.group" in (found.of("socket")[2] or "")


def test_who_is_not_in_the_group_of_the_socket_is_sent_there(daemon: Daemon, site: Site) -> None:
    """Whether its directory lets nobody else pass, or only the socket itself is the group's."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a socket to a group")
    group = next(group for group in grp.getgrall() if group.gr_gid not in (0, *os.getgroups()) and not group.gr_mem)
    wanted = f"usermod -aG {group.gr_name} "
    os.chown(site.socket, 1, group.gr_gid)
    site.socket.chmod(0o660)
    assert typed(look(site).of("socket")[2]).startswith(wanted)
    site.runtime.chmod(0o710)
    os.chown(site.runtime, 1, group.gr_gid)
    _, what, remedy = look(site).of("socket")
    os.chown(site.runtime, 0, 0)
    assert ("cannot be looked at" in what, typed(remedy).startswith(wanted)) == (True, True)


def test_what_the_daemon_has_not_taken_is_told(daemon: Daemon, site: Site) -> None:
    """A room that was added to the file, until it is reloaded."""
    assert "reload" not in look(site).all
    site.configure({"rooms.docs": {"workdir": str(site.work), "agent": "rehearsal"}})
    state, what, remedy = look(site).of("reload")
    assert (state, "the room docs" in what, typed(remedy)) == (
        "warning",
        True,
        f"kill -HUP {daemon.process.pid}",
    )


def test_without_a_file_there_is_nothing_to_take(daemon: Daemon, site: Site) -> None:
    """As after `make run`, whose room has the rehearsal agent, which a room has otherwise only by a file."""
    assert daemon.is_running()
    found = look(site, is_configured=False)
    assert "daemon" in found.names("ok")
    assert "reload" not in found.all


def test_descriptors_of_a_daemon_are_raised_while_it_runs(site: Site) -> None:
    """Where its hard limit lets it."""
    with site.running(under=("prlimit", "--nofile=300:4096")):
        state, what, remedy = look(site).of("descriptors")
        assert (state, what.split(";")[0]) == ("warning", "300 for the daemon")
        mend(site, remedy)
        assert look(site).of("descriptors")[0] == "ok"


def test_what_only_root_can_raise_is_told(site: Site) -> None:
    """A limit above the hard one is for root to set: `ulimit -n` would be refused."""
    found = look(site, under=("prlimit", "--nofile=100:100"))
    assert found.code == 0
    assert found.of("descriptors")[0] == "warning"
    assert "as root `prlimit --pid $$ --nofile=" in (found.of("descriptors")[2] or "")


def test_a_damaged_journal_is_told_and_moved_away(used: Site) -> None:
    """Its log goes with it, and a daemon starts again."""
    journal = used.state / "journal.db"
    with journal.open("r+b") as file:
        file.seek(8192)
        file.write(b"\x7f" * 8192)
    found = look(used)
    assert (found.code, found.names("error")) == (1, ["journal"])
    assert "\n" not in found.of("journal")[1]
    mend(used, found.of("journal")[2])
    assert (used.state / "damaged" / "journal.db").exists()
    assert look(used).code == 0
    with used.running():
        assert look(used).of("journal")[0] == "ok"


def test_a_journal_whose_events_make_no_sense_is_told(used: Site) -> None:
    """Sound as a file, nonsense in it: no traceback."""
    connection = sqlite3.connect(used.state / "journal.db")
    connection.execute("INSERT INTO events VALUES ('main', 999, x'00ff', 0)")
    connection.commit()
    connection.close()
    assert "damaged: events: 999 of room main is not what was recorded" in look(used).of("journal")[1]
    with used.running():
        assert look(used).of("journal")[0] == "ok"
        found = look(used).of("set aside")
    assert (found[0], "journal.damaged-" in found[1]) == ("warning", True)
    mend(used, (found[2] or "").partition("`")[2].partition("`")[0])
    assert "set aside" not in look(used).names("warning")


def test_a_newer_journal_is_refused_by_both(used: Site) -> None:
    """The daemon would not start, and the doctor says so before."""
    connection = sqlite3.connect(used.state / "journal.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert look(used).names("error") == ["journal"]
    assert "format 99" in used.refuse().log


def test_a_journal_that_is_read_only_is_refused_by_both(used: Site) -> None:
    """And the remedy lets both go on."""
    journal = used.state / "journal.db"
    journal.chmod(0o400)
    assert look(used).names("error") == ["journal"]
    assert used.refuse(under=LIKE_A_PERSON).code == 1
    found = look(used)
    mend(used, found.of("journal")[2])
    assert look(used).names("error") == []
    with used.running(under=LIKE_A_PERSON):
        assert look(used).names("error") == []


def test_a_journal_without_its_file_is_told(used: Site) -> None:
    """A log alone is what a careless restoration leaves."""
    (used.state / "journal.db").rename(used.state / "gone")
    (used.state / "journal.db-wal").touch(mode=0o600)
    found = look(used)
    assert found.names("error") == ["journal"]
    mend(used, found.of("journal")[2])
    assert look(used).names("error") == []


def test_a_journal_that_was_taken_from_a_daemon_is_told(daemon: Daemon, site: Site) -> None:
    """The daemon waits for the directory, and has no place for another file: not as before the first start."""
    away = site.state.with_name("away")
    site.state.rename(away)
    found = look(site)
    away.rename(site.state)
    assert found.code == 1
    assert f"was taken away from the daemon, process {daemon.process.pid}" in found.of("journal")[1]


def test_a_journal_that_is_a_link_to_nothing_is_refused_by_both(used: Site) -> None:
    """Its disk may only not be mounted: an empty one in its place would hide that."""
    journal, elsewhere = used.state / "journal.db", used.home / "elsewhere.db"
    journal.rename(elsewhere.with_name("kept.db"))
    journal.symlink_to(elsewhere)
    found = look(used)
    assert found.names("error") == ["journal"]
    assert f"is a link to {elsewhere}, and there is no such file" in found.of("journal")[1]
    ended = used.refuse()
    assert (ended.code, f"is a link to {elsewhere}, and there is no such file" in ended.log) == (78, True)
    assert "Traceback" not in ended.log
    elsewhere.with_name("kept.db").rename(elsewhere)
    assert look(used).names("error") == []
    with used.running():
        assert look(used).names("error") == []


def test_a_state_directory_that_is_closed_is_no_crash(used: Site) -> None:
    """As a member of the group sees that of a service: told, and the rest is looked at."""
    used.state.chmod(0)
    found = look(used)
    used.state.chmod(0o700)
    assert found.of("journal")[0] == "warning"
    assert "room main" in found.names("ok")


MOUNTED = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")


def look_under_mount(site: Site, options: str, place: Path) -> Found:
    """Look where a file system of its own is mounted at a place, as nobody else sees it."""
    script = f'mount -t tmpfs -o {options},mode=700 none {shlex.quote(str(place))}; exec "$@"'
    return look(site, under=(*MOUNTED, script, "sh"))


@pytest.fixture
def mounting(site: Site) -> Site:
    """Give a site whose directories can be mounted over."""
    trial = subprocess.run([*MOUNTED, "mount -t tmpfs none /mnt"], capture_output=True, timeout=PATIENCE_S, check=False)
    if trial.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {trial.stderr.decode().strip()}")
    site.state.mkdir(mode=0o700)
    site.runtime.mkdir(mode=0o700)
    return site


@pytest.mark.parametrize("name", ["state", "runtime"])
def test_a_read_only_file_system_is_an_error(mounting: Site, name: str) -> None:
    """Whatever the mode says, and for root too."""
    place = mounting.state if name == "state" else mounting.runtime
    found = look_under_mount(mounting, "ro", place)
    assert (found.code, found.names("error")) == (1, [name])
    assert found.of(name)[1] == f"{place} is on a read-only file system"
    assert typed(found.of(name)[2]) == f"mount -o remount,rw {place}"


def test_a_tiny_disk_is_an_error(mounting: Site) -> None:
    """No cleaning would help, so another place is advised."""
    found = look_under_mount(mounting, "size=1m", mounting.state)
    assert (found.code, found.names("error")) == (1, ["disk"])
    assert found.of("disk")[1:] == (f"{mounting.state} has 1 MiB in all", "choose a larger one with --state-dir")


def test_a_full_disk_is_an_error(mounting: Site) -> None:
    """What fills it can be listed."""
    state = shlex.quote(str(mounting.state))
    fill = f"mount -t tmpfs -o size=80m,mode=700 none {state}; head -c 70M /dev/zero >{state}/heap"
    found = look(mounting, under=(*MOUNTED, f'{fill}; exec "$@"', "sh"))
    assert (found.code, found.names("error")) == (1, ["disk"])
    assert re.fullmatch(rf"{re.escape(str(mounting.state))} has \d+ MiB free", found.of("disk")[1])
    mend(mounting, found.of("disk")[2])


@pytest.mark.parametrize(
    ("room", "table", "fault"),
    [
        ({"permission_mode": "plan"}, {"args": ["--fallback-model=x"]}, None),
        ({"permission_mode": "strange"}, {}, "argument 'strange' is invalid"),
        ({}, {"permission_mode": "strange"}, "argument 'strange' is invalid"),
        ({}, {"args": ["--no-such-flag"]}, "unknown option '--no-such-flag'"),
    ],
)
def test_the_rehearsal_agent_refuses_what_it_does_not_know(
    site: Site, room: dict[str, object], table: dict[str, object], fault: str | None
) -> None:
    """A daemon with it would not start, so it is told before."""
    site.configure({"rooms.main": room, "agents.rehearsal": table})
    found = look(site)
    title = "flags in main" if room else "flags of rehearsal"
    assert (found.code, found.names("error")) == ((0, []) if fault is None else (1, [title]))
    if fault is not None:
        _, what, remedy = found.of(title)
        assert fault in what
        assert remedy is not None and remedy.startswith("correct args, model or permission_mode under [")
        assert site.refuse().code == 78


def claude(site: Site, *, room: dict[str, object] | None = None, **table: object) -> None:
    """Give the room main the real CLI, whose API is nobody."""
    nowhere = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    agent = {"kind": "claude-code", "command": [str(require_cli())], "env": nowhere, **table}
    site.configure({"rooms.main": {"agent": "claude", **(room or {})}, "agents.claude": agent})


@pytest.mark.real_cli
def test_the_real_cli_takes_every_flag(site: Site) -> None:
    """With a key, nothing is missing; it is said where that is from, and not which it is."""
    key = site.home / "key"
    key.write_text("sk-secret\n")
    key.chmod(0o600)
    claude(site, credentials={"ANTHROPIC_API_KEY": str(key)})
    found = look(site)
    assert (found.code, found.names("error")) == (0, [])
    assert found.of("flags of claude")[0] == "ok"
    assert found.of("login of claude")[:2] == ("ok", "api_key, from ANTHROPIC_API_KEY")
    assert "sk-secret" not in json.dumps(found.all)


@pytest.mark.real_cli
def test_the_real_cli_refuses_what_it_does_not_know(site: Site) -> None:
    """An argument of ours is ours to correct, in the agent's table or in the room's."""
    claude(site, args=["--no-such-flag"], room={"permission_mode": "strange"})
    _, what, remedy = look(site).of("flags in main")
    assert "'--permission-mode <mode>' argument 'strange' is invalid" in what or "--no-such-flag" in what
    assert remedy == (
        "correct args, model or permission_mode under [rooms.main] or [agents.claude] in " + str(site.config)
    )


@pytest.mark.real_cli
def test_the_real_cli_without_a_login_is_an_error(site: Site) -> None:
    """What is advised gives it a key: typed and pasted, then written into the configuration."""
    claude(site)
    found = look(site)
    assert (found.code, found.names("error")) == (1, ["login of claude"])
    remedy = found.of("login of claude")[2] or ""
    mend(site, remedy, stdin="sk-pasted\n")
    added = re.search(r'credentials = \{ ANTHROPIC_API_KEY = "(.+?)" \}', remedy)
    assert added is not None
    claude(site, credentials={"ANTHROPIC_API_KEY": added[1]})
    assert look(site).names("error") == []


@pytest.mark.real_cli
def test_a_personal_login_of_the_real_cli_is_a_warning(site: Site) -> None:
    """One that a person left in their home directory."""
    claude(site)
    login = {"accessToken": "x", "refreshToken": "y", "expiresAt": 9999999999999, "scopes": ["user:inference"]}
    left = site.home / ".claude" / ".credentials.json"
    left.parent.mkdir(mode=0o700)
    left.write_text(json.dumps({"claudeAiOauth": login}))
    left.chmod(0o600)
    found = look(site)
    assert found.code == 0
    assert found.of("login of claude")[:2] == ("warning", "a personal login (claude.ai)")


def test_a_room_that_was_created_is_looked_at(daemon: Daemon, site: Site, tmp_path: Path) -> None:
    """It is in no configuration, and its directory can go as any other can."""
    place = tmp_path / "lab"
    place.mkdir()
    daemon.connect().call("room.create", name="lab", workdir=str(place), agent="rehearsal")
    assert look(site).of("room lab") == ("ok", str(place), None)
    place.rmdir()
    found = look(site)
    assert (found.code, found.names("error")) == (1, ["room lab"])
    mend(site, found.of("room lab")[2])
    assert look(site).names("error") == []


def test_another_configuration_is_noticed(site: Site, tmp_path: Path) -> None:
    """Then nothing can be said of the agents, and that is said."""
    site.configure({"rooms.main": {"agent": "other"}, "agents.other": {"kind": "rehearsal"}})
    plain = tmp_path / "plain.toml"
    plain.touch()
    with site.running():
        found = look(site, f"--config={plain}").of("agent other")
    assert (found[0], found[2]) == ("warning", "name that with --config")
