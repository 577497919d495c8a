"""What is missing or wrong is said at the start: one sentence with the remedy, and an exit status that scripts know."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, HungUp, Refused
from tests.support.daemon import Ended, Site

CONFIG_FAULT = 78
FAILURE = 1

WayToFullness = Callable[[Site, int], list[str]]


def limit_files(_site: Site, size_bytes: int) -> list[str]:
    """Return a command that runs another one, none of whose files can grow beyond that size."""
    program = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))"
    return [sys.executable, "-c", f"{program}; os.execv(sys.argv[2], sys.argv[2:])", str(size_bytes)]


def fill_disk(site: Site, free_bytes: int) -> list[str]:
    """Return a command that runs another one, for which the state directory is a disk with that much room left."""
    site.state.mkdir(exist_ok=True)
    script = (
        'mount -t tmpfs -o size=2M tmpfs "$2" || exit; cat /dev/zero >"$2"/other 2>"$2"/../why;'
        ' truncate -s -"$1" "$2"/other && shift 2 && exec "$@"'
    )
    return [*NAMESPACE, "sh", "-c", script, "sh", str(free_bytes), str(site.state)]


NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    """Tell whether this machine lets a namespace have mounts of its own: not every container does."""
    try:
        probe = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


WAYS_TO_FULLNESS = [limit_files, *([fill_disk] if can_mount() else [])]
"""A limit on the size of files works everywhere; a full disk is the real thing."""


def fill_up(client: ControlClient) -> list[str]:
    """Hand in large prompts until one is not acknowledged; returns those that were."""
    acknowledged: list[str] = []
    for number in range(100):
        try:
            prompt = client.submit(f"[[text:{number}]]{'x' * 200_000}")
        except (Refused, HungUp, BrokenPipeError):
            return acknowledged
        acknowledged.append(prompt["id"])
    raise AssertionError("the disk never was full")


def said(ended: Ended, code: int) -> str:
    """Return the sentence that a daemon ended with, after a look at its form: one line, and no traceback."""
    lines = [line for line in ended.log.splitlines() if line.startswith("concordiad: ")]
    assert ended.code == code, ended.log
    assert "Traceback" not in ended.log
    (line,) = lines
    return line


def write_script(site: Site, text: str) -> str:
    """Write a program that stands in for the Claude Code CLI, and return its path."""
    script = site.home / "claude"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return str(script)


def use(site: Site, **agent: object) -> None:
    """Have the room use the real kind of agent, with these keys."""
    site.configure({"rooms.main": {"agent": "claude"}, "agents.claude": {"kind": "claude-code", **agent}})


@pytest.mark.parametrize("command", ["claude-that-nobody-has", "/no/such/claude"])
def test_missing_cli(site: Site, command: str) -> None:
    """A command that is not there is named, with the agent's table and what to do."""
    use(site, command=[command])
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert "agents.claude" in sentence
    assert command in sentence
    assert "install it" in sentence


def test_cli_that_cannot_be_executed(site: Site) -> None:
    """A file that is no program is as good as a missing one."""
    script = Path(write_script(site, "exit 0"))
    script.chmod(0o644)
    use(site, command=[str(script)])
    assert str(script) in said(site.refuse(), CONFIG_FAULT)


def test_cli_that_is_too_old(site: Site) -> None:
    """A CLI of an old version is named with its version, the one that is needed, and how to update."""
    use(site, command=[write_script(site, 'echo "1.0.44 (Claude Code)"')])
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert "1.0.44" in sentence
    assert "2.1.0" in sentence
    assert "update" in sentence


def test_cli_that_lacks_a_flag(site: Site) -> None:
    """A CLI that refuses a flag is quoted."""
    refuses = "echo \"error: unknown option '--permission-prompt-tool'\" >&2; exit 1"
    use(site, command=[write_script(site, f'[ "$1" = --version ] && echo 2.1.5 && exit; {refuses}')])
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert "unknown option '--permission-prompt-tool'" in sentence
    assert "update it" in sentence


def test_cli_that_fails(site: Site) -> None:
    """A CLI that cannot even tell its version is quoted with its status."""
    use(site, command=[write_script(site, "echo libfoo.so is missing >&2; exit 127")])
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert "127" in sentence
    assert "libfoo.so is missing" in sentence


def test_cli_without_credentials(site: Site) -> None:
    """A CLI that says it is not logged in is believed, and three ways out are named."""
    answer = '[ "$1" = auth ] && echo \'{"loggedIn":false}\' && exit 1; echo 2.1.5'
    use(site, command=[write_script(site, answer)])
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert "no credentials" in sentence
    for remedy in ("credentials =", "ANTHROPIC_API_KEY", "log in"):
        assert remedy in sentence


def test_cli_that_says_nothing_is_tried_again(site: Site) -> None:
    """A program without an answer in time is told, with the status after which a service manager tries again."""
    use(site, command=[write_script(site, "exec sleep 600")])
    hasty = "import sys; from concordiad.agent import find; from concordiad.__main__ import main; find.PROBE_S = 0.1"
    # The daemon's own command line, of which the interpreter and its options are not wanted here.
    sentence = said(site.refuse(under=[sys.executable, "-c", f"{hasty}; del sys.argv[:4]; main()"]), FAILURE)
    assert "agents.claude: " in sentence
    assert "--version gave no answer within 0.1 s" in sentence


def test_try_falls_back_to_the_rehearsal_agent(site: Site) -> None:
    """With --try, and only then, the rehearsal agent stands in for a missing CLI, loudly and in every event."""
    use(site, command=["claude-that-nobody-has"])
    with site.running("--try") as daemon:
        assert "REHEARSAL" in daemon.log
        assert "claude-that-nobody-has" in daemon.log
        client = daemon.follow()
        daemon.wait_for_log("Ctrl-C here drains")
        client.submit("who are you?")
        assert "no model behind it" in client.finished()["answer"]
        assert all(event["rehearsal"] for event in client.events if event["type"].startswith(("agent.", "turn.")))


def test_unknown_key(site: Site) -> None:
    """An unknown key is refused with the file, its table and the nearest known one."""
    site.configure({"limits": {"promt_bytes": 1000}})
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert str(site.config) in sentence
    assert "limits" in sentence
    assert "promt_bytes" in sentence
    assert "did you mean 'prompt_bytes'" in sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[rooms.main\n", "not TOML"),
        ("limits = 7\n", "limits"),
        ('[limits]\nprompt_bytes = "many"\n', "prompt_bytes"),
        ("[limits]\nprompt_bytes = 0\n", "at least 1"),
        ("[graces]\nturn_s = -1\n", "turn_s"),
        ("[graces]\nturn_s = nan\n", "turn_s"),
        ('[rooms.Main]\nworkdir = "."\n', "a-z"),
        ('[rooms.main]\nagent = "cluade"\n', "did you mean 'claude'"),
        ('[agents.claude]\nkind = "claud-code"\n', "claude-code"),
        ("[agents.claude]\ncommand = []\n", "command"),
        ('[agents.claude]\nenv = { "A B" = "c" }\n', "A B"),
        ('[control]\ngroup = "nobody-has-this-group"\n', "nobody-has-this-group"),
        ('[rooms.main]\nagent = "rehearsal"\nworkdir = "/no/such/directory"\n', "/no/such/directory"),
        ("\x00", "not TOML"),
    ],
)
def test_wrong_configuration(site: Site, text: str, words: str) -> None:
    """Whatever is wrong in the file is named."""
    if "[control]" in text:
        text = site.config.read_text() + text
    site.config.write_text(text)
    assert words in said(site.refuse(), CONFIG_FAULT)


def test_configuration_that_is_not_there(site: Site) -> None:
    """A file that was named and is not there is no reason to guess."""
    site.config.unlink()
    assert str(site.config) in said(site.refuse(), CONFIG_FAULT)


def test_configuration_that_is_no_text(site: Site) -> None:
    """A file that is not UTF-8 is named."""
    site.config.write_bytes(b"\xff\xfe[limits]")
    assert str(site.config) in said(site.refuse(), CONFIG_FAULT)


def test_credential_that_others_can_read(site: Site) -> None:
    """A credential file with too wide a mode is refused with the command that mends it; its value is never said."""
    secret = site.home / "key"
    secret.write_text("sk-very-secret")
    secret.chmod(0o644)
    use(site, command=[write_script(site, "echo 2.1.5")], credentials={"ANTHROPIC_API_KEY": str(secret)})
    ended = site.refuse()
    assert f"chmod 600 {secret}" in said(ended, CONFIG_FAULT)
    assert "sk-very-secret" not in ended.log


def test_credential_that_is_not_there(site: Site) -> None:
    """A missing credential is named, and where it was looked for."""
    use(site, command=[write_script(site, "echo 2.1.5")], credentials={"ANTHROPIC_API_KEY": "/no/such/key"})
    assert "/no/such/key" in said(site.refuse(), CONFIG_FAULT)


@pytest.mark.parametrize("place", ["state", "runtime"])
def test_file_in_the_way(site: Site, place: str) -> None:
    """A file where a directory should be is named."""
    path = getattr(site, place)
    path.write_text("in the way")
    assert str(path) in said(site.refuse(), CONFIG_FAULT)


def test_file_in_place_of_the_socket(site: Site) -> None:
    """A file that is no socket is not taken for a stale one: it stays, and is named."""
    site.runtime.mkdir()
    site.socket.write_text("somebody's own")
    sentence = said(site.refuse(), CONFIG_FAULT)
    assert str(site.socket) in sentence
    assert "no socket" in sentence
    assert site.socket.read_text() == "somebody's own"


@pytest.mark.parametrize("name", ["lock", "journal.db", "control.sock", "control.sock.lock"])
def test_directory_in_the_way(site: Site, name: str) -> None:
    """A directory where a file should be is named."""
    directory = site.state if name in ("lock", "journal.db") else site.runtime
    (directory / name / "thing").mkdir(parents=True)
    ended = site.refuse()
    assert str(directory / name) in said(ended, ended.code)
    assert ended.code in (CONFIG_FAULT, FAILURE)


@pytest.mark.parametrize("option", ["--state-dir", "--runtime-dir"])
def test_directory_that_takes_no_files(site: Site, option: str) -> None:
    """A directory in which nothing can be created is named; not even root can create a file in this one."""
    ended = site.refuse(f"{option}=/proc/self")
    assert "/proc/self" in said(ended, CONFIG_FAULT)


def test_socket_path_that_is_too_long(site: Site) -> None:
    """A runtime directory whose path is too long for a socket is named with the option to change."""
    long = site.home / ("x" * 120)
    sentence = said(site.refuse(f"--runtime-dir={long}"), CONFIG_FAULT)
    assert "long" in sentence
    assert "--runtime-dir" in sentence


def test_journal_of_a_newer_format(site: Site) -> None:
    """A journal that a newer Concordia wrote is left untouched, and the way back is named."""
    with site.running():
        pass
    journal = site.state / "journal.db"
    with sqlite3.connect(journal) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = journal.read_bytes()
    sentence = said(site.refuse(), FAILURE)
    assert str(journal) in sentence
    assert "format 99" in sentence
    assert "newer" in sentence
    assert journal.read_bytes() == before


def test_journal_that_is_no_database(site: Site) -> None:
    """It is named and left alone where that is wanted; else it is kept as it is, and its place is taken."""
    site.state.mkdir()
    journal = site.state / "journal.db"
    journal.write_bytes(b"this is no database, but it is long enough to be one" * 100)
    before = journal.read_bytes()
    site.configure({"journal": {"damaged": "refuse"}})
    assert str(journal) in said(site.refuse(), FAILURE)
    assert journal.read_bytes() == before
    site.configure({"journal": {"damaged": "salvage"}})
    with site.running() as daemon:
        client = daemon.follow()
        [aside] = client.call("daemon.status")["daemon"]["set_aside"]
        assert Path(aside).read_bytes() == before
        client.submit("[[text:goes on]]")
        assert client.finished()["answer"] == "goes on"


@pytest.mark.parametrize("size_bytes", [0, 4096, 32_768])
@pytest.mark.parametrize("make_full", WAYS_TO_FULLNESS)
def test_full_disk_at_the_start(site: Site, make_full: WayToFullness, size_bytes: int) -> None:
    """A disk on which a journal has no room is named as such."""
    sentence = said(site.refuse(under=make_full(site, size_bytes)), FAILURE)
    assert str(site.state) in sentence
    assert "disk" in sentence


@pytest.mark.parametrize("make_full", WAYS_TO_FULLNESS)
def test_disk_that_fills_up(site: Site, make_full: WayToFullness, gate: Gate) -> None:
    """When the disk is full, a prompt that cannot be recorded is refused; a stop then tells what is lost."""
    with site.running(under=make_full(site, 1024 * 1024)) as daemon:
        client = daemon.follow()
        client.submit(str(gate))
        client.next("turn.started")
        fill_up(client)
        assert "disk" in daemon.wait_for_log("journal_failing")
        gate.open()
        # What is little may find room where a large prompt has not.
        code = daemon.stop()
        assert code == 0 or "not recorded: " in said(Ended(code, daemon.log), FAILURE)
        site.wait_until_empty()


def test_what_was_acknowledged_outlives_a_full_disk(site: Site, gate: Gate) -> None:
    """Every prompt that was acknowledged before the disk was full is there once it has room again."""
    with site.running(under=limit_files(site, 1024 * 1024)) as daemon:
        client = daemon.follow()
        client.submit(str(gate))
        client.next("turn.started")
        acknowledged = fill_up(client)
        daemon.kill()
    gate.open()
    with site.running() as daemon:
        client = daemon.follow()
        for prompt in acknowledged:
            assert client.finished(prompt)["outcome"] == "completed"
