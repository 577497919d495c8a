"""`doctor` in worlds where no daemon runs: what it finds, what it advises, and how it ends."""

import json
import os
import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from concordiad.journal.schema import open_writer
from tests.ctl.program import command, environment, run, run_on_terminal
from tests.ctl.samples import room, status
from tests.ctl.scripted_daemon import Client, scripted_daemon

REHEARSAL = '[rooms.main]\nworkdir = "{work}"\nagent = "rehearsal"\n'
CLAUDE = '[rooms.main]\nworkdir = "{work}"\n[agents.claude]\ncommand = ["{program}"]\n'
LOGIN = {"loggedIn": True, "authMethod": "api_key", "apiKeySource": "ANTHROPIC_API_KEY"}
PROGRAM = """\
#!/bin/sh
case "$1" in
--version) echo "{version} (Claude Code)" ;;
auth) echo '{login}' ;;
*) test -z '{refused}' || {{ echo "error: unknown option '{refused}'" >&2; exit 1; }} ;;
esac
"""
"""What plays the Claude Code CLI: it answers what the real one was seen to answer."""


class World:
    """A place that a daemon could have been started in: configuration, directories, a program for its agent."""

    def __init__(self, root: Path, config: str = REHEARSAL) -> None:
        self.home, self.work, self.program = root / "home", root / "work", root / "program"
        self.config, self.state, self.runtime = root / "concordiad.toml", root / "state", root / "run"
        for directory in (self.home, self.work, self.state, self.runtime):
            directory.mkdir(mode=0o700)
        self.config.write_text(config.format(work=self.work, program=self.program))

    @property
    def socket(self) -> Path:
        """Where the daemon would listen."""
        return self.runtime / "control.sock"

    @property
    def journal(self) -> Path:
        """Where the daemon would record."""
        return self.state / "journal.db"

    def install(self, version: str = "2.1.329", login: Any = LOGIN, refused: str = "") -> None:
        """Install a program that plays the CLI."""
        self.program.write_text(PROGRAM.format(version=version, login=json.dumps(login), refused=refused))
        self.program.chmod(0o755)

    def words(self) -> list[str]:
        """Write the options that name all of it."""
        places = (f"--config={self.config}", f"--state-dir={self.state}", f"--runtime-dir={self.runtime}")
        return ["doctor", *places]

    def look(self, **variables: str) -> "Found":
        """Run it, and take its findings by their names."""
        ran = run(self.home, *self.words(), "-o", "json", stdin=b"", **variables)
        assert ran.err == ""
        found = json.loads(ran.out)
        return Found(ran.code, found["status"], {each["name"]: each for each in found["findings"]})


class Found:
    """What a doctor said."""

    def __init__(self, code: int, worst: str, findings: dict[str, dict[str, Any]]) -> None:
        self.code, self.worst, self._findings = code, worst, findings

    def names(self, wanted: str) -> list[str]:
        """Name what is ok, or a warning, or an error."""
        return [name for name, finding in self._findings.items() if finding["status"] == wanted]

    def of(self, name: str) -> tuple[str, str, str | None]:
        """Take one finding: how it is, what was found, and the remedy."""
        finding = self._findings[name]
        return finding["status"], finding["found"], finding["remedy"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a place in which nothing is wrong, and nobody runs."""
    return World(tmp_path)


@pytest.fixture
def claude(tmp_path: Path) -> World:
    """Give such a place whose agent is a program of our own."""
    return World(tmp_path, CLAUDE)


def test_a_good_world_has_no_error(world: World) -> None:
    """That nobody listens is a warning; what is not there yet is made at the start."""
    open_writer(world.journal).close()
    found = world.look()
    assert (found.code, found.worst) == (0, "warning")
    assert found.names("error") == []
    assert {"python", "sqlite", "libraries", "configuration", "state", "runtime", "journal", "room main"} <= set(
        found.names("ok")
    )
    assert found.of("socket")[:2] == ("warning", f"no daemon listens at {world.socket}")
    assert "the rehearsal agent" in found.of("agent rehearsal")[1]


def test_a_world_before_the_first_start_is_good(world: World) -> None:
    """Nothing has to be there before."""
    world.state.rmdir()
    world.runtime.rmdir()
    found = world.look()
    assert (found.code, found.names("error")) == (0, [])
    assert "is not there yet" in found.of("state")[1]
    assert "is not there yet" in found.of("journal")[1]


def test_a_person_reads_lines_with_remedies(world: World) -> None:
    """What was found, and below it what to do."""
    world.state.chmod(0o755)
    ran = run(world.home, *world.words())
    assert (ran.code, ran.err) == (1, "")
    lines = ran.out.splitlines()
    place = lines.index(f"error    state            {world.state} is open to others (mode 0755)")
    assert lines[place + 1] == f"         → chmod 0700 {world.state}"
    assert all(line.startswith(("ok       ", "warning  ", "error    ", "         ")) for line in lines)


def test_a_terminal_gets_no_line_that_is_too_long(world: World) -> None:
    """Long sentences are broken between words."""
    ran = run_on_terminal(world.home, *world.words(), NO_COLOR="1")
    shown = [line.rpartition("\x1b[K")[2] for line in ran.out.splitlines()]
    assert max(len(line) for line in shown if "/" not in line) <= 80


@pytest.mark.parametrize("text", ["not TOML", "[rooms.main]\nwokdir = '.'\n", "[rooms.main]\nagent = 'x'\n"])
def test_a_configuration_that_is_wrong_is_told(world: World, text: str) -> None:
    """With the key, as the daemon says it."""
    world.config.write_text(text)
    found = world.look()
    assert (found.code, found.names("error")) == (1, ["configuration"])


def test_without_a_configuration_the_defaults_are_looked_at(world: World) -> None:
    """They have a room main with the real CLI."""
    world.config.unlink()
    found = world.look(PATH="/nowhere")
    assert "the defaults are in force" in found.of("configuration")[1]


@pytest.mark.parametrize(("place", "mode"), [("state", 0o750), ("runtime", 0o701), ("state", 0o500)])
def test_directories_must_be_their_owners_alone(world: World, place: str, mode: int) -> None:
    """Others neither look nor pass, and the owner writes."""
    getattr(world, place).chmod(mode)
    found = world.look()
    assert (found.code, found.names("error")) == (1, [place])
    assert found.of(place)[2] == f"chmod 0700 {getattr(world, place)}"


def test_a_group_may_pass_to_the_socket(world: World) -> None:
    """That is what the setting is for."""
    world.runtime.chmod(0o710)
    world.config.write_text(world.config.read_text() + '[control]\ngroup = "adm"\n')
    assert world.look().of("runtime")[0] == "ok"


def test_a_file_in_the_place_of_a_directory_is_told(world: World) -> None:
    """Before the daemon stumbles over it."""
    world.state.rmdir()
    world.state.touch()
    assert "is no directory" in world.look().of("state")[1]


def test_a_socket_that_was_left_is_stale(world: World) -> None:
    """The next daemon replaces it, so it is no error."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(world.socket))
    assert world.look().of("socket")[:2] == ("warning", f"{world.socket} is stale: nobody listens there any more")


def test_a_file_in_the_place_of_the_socket_is_told(world: World) -> None:
    """The daemon would refuse to start."""
    world.socket.touch()
    assert world.look().of("socket") == ("error", f"{world.socket} is no socket", f"remove {world.socket}")


def test_who_does_not_speak_our_language_is_told(world: World) -> None:
    """Whoever listens there is no concordiad."""

    def stranger(client: Client) -> None:
        client.request("daemon.status")
        client.line("hello")

    with scripted_daemon(world.socket, stranger):
        found = world.look()
    assert found.of("socket")[0] == "error"
    assert "sent a line that is not JSON" in found.of("socket")[1]


def test_a_daemon_of_another_version_is_told(world: World) -> None:
    """With a room whose agent fails, and a directory that two rooms share."""
    world.socket.parent.chmod(0o700)
    here = {"workdir": str(world.work), "agent": room()["agent"] | {"name": "rehearsal"}}
    about = status(room(**here), room(name="lab", state="agent-failing", reason="exit status 1", **here))
    about["daemon"] |= {"version": "0.0.9", "state_dir": str(world.state)}

    def script(client: Client) -> None:
        client.answer("daemon.status", about)

    with scripted_daemon(world.socket, script):
        world.socket.chmod(0o600)
        found = world.look()
    assert (found.code, found.worst) == (0, "warning")
    assert "0.0.9" in found.of("daemon")[1]
    assert found.of("room lab")[0] == "warning"
    assert f"{world.work}, where lab works too" in found.of("room main")[1]


def test_a_socket_for_everybody_is_an_error(world: World) -> None:
    """Whoever may connect is a host."""

    def script(client: Client) -> None:
        client.answer("daemon.status", status())

    with scripted_daemon(world.socket, script):
        world.socket.chmod(0o666)
        assert world.look().of("socket")[2] == f"chmod o= {world.socket}: who may connect is a host"


def test_a_journal_that_is_none_is_an_error(world: World) -> None:
    """Found before it is lost."""
    world.journal.write_bytes(b"no database" * 1000)
    found = world.look()
    assert (found.code, found.names("error")) == (1, ["journal"])


def test_a_newer_journal_is_an_error(world: World) -> None:
    """The daemon would refuse it."""
    connection = sqlite3.connect(world.journal)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "format 99: this Concordia knows up to" in world.look().of("journal")[1]


def test_a_journal_that_others_can_read_is_an_error(world: World) -> None:
    """It has every word."""
    open_writer(world.journal).close()
    world.journal.chmod(0o640)
    assert world.look().of("journal")[2] == f"chmod 0600 {world.journal}"


def test_a_clock_that_went_back_is_an_error(world: World) -> None:
    """The newest event is from later."""
    connection = open_writer(world.journal)
    event = b'{"at":"2099-01-01T00:00:00Z"}'
    connection.execute("INSERT INTO events VALUES ('main', 1, ?)", (event,))
    connection.close()
    found = world.look()
    assert found.names("error") == ["clock"]
    assert "the newest event is" in found.of("clock")[1]


def test_few_descriptors_are_a_warning(world: World) -> None:
    """Of this shell, where no daemon runs."""
    shell = ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh", *command(*world.words(), "-o", "json")]
    done = subprocess.run(shell, env=environment(world.home), capture_output=True, check=False)
    finding = next(each for each in json.loads(done.stdout)["findings"] if each["name"] == "descriptors")
    assert (done.returncode, finding["status"]) == (0, "warning")
    assert finding["found"] == "200 for this shell; 512 connections and 1 rooms may need 672"


def test_a_room_without_its_directory_is_an_error(world: World) -> None:
    """The daemon would refuse to start."""
    world.work.rmdir()
    assert world.look().of("room main")[:2] == ("error", f"its directory {world.work} is not there")


def test_a_good_program_has_three_lines(claude: World) -> None:
    """Which one it is, that it takes every flag, and where its credentials are from."""
    claude.install()
    found = claude.look()
    assert (found.code, found.names("error")) == (0, [])
    assert found.of("agent claude") == ("ok", f"claude-code 2.1.329, {claude.program}", None)
    assert found.of("flags of claude")[1].endswith("--permission-prompt-tool --session-id")
    assert found.of("login of claude") == ("ok", "api_key, from ANTHROPIC_API_KEY", None)


def test_a_program_that_is_missing_is_an_error(claude: World) -> None:
    """With how to mend it."""
    found = claude.look()
    assert (found.code, found.names("error")) == (1, ["agent claude"])
    assert found.of("agent claude")[1].startswith(f"the agent's command '{claude.program}' is not there")
    assert found.of("agent claude")[2] == "install it, or correct command in the configuration"


def test_a_program_that_is_too_old_is_an_error(claude: World) -> None:
    """Its flags and lines are not those that were measured."""
    claude.install(version="1.0.3")
    found = claude.look()
    assert found.names("error") == ["agent claude"]
    assert found.of("agent claude")[2] == "run `claude update`"


def test_a_flag_that_is_not_known_is_named(claude: World) -> None:
    """By the program itself."""
    claude.install(refused="--include-partial-messages")
    found = claude.look()
    assert found.names("error") == ["flags of claude"]
    assert "unknown option '--include-partial-messages'" in found.of("flags of claude")[1]


def test_missing_credentials_are_an_error(claude: World) -> None:
    """With the ways to give them."""
    claude.install(login={"loggedIn": False, "authMethod": "none"})
    found = claude.look()
    assert (found.code, found.names("error")) == (1, ["login of claude"])
    assert "ANTHROPIC_API_KEY" in (found.of("login of claude")[2] or "")


@pytest.mark.parametrize("method", ["claude.ai", "oauth_token"])
def test_a_personal_login_is_a_warning(claude: World, method: str) -> None:
    """One person's login for several people may break the provider's terms."""
    claude.install(login={"loggedIn": True, "authMethod": method, "email": "ada@example.org"})
    found = claude.look()
    assert found.code == 0
    state, what, remedy = found.of("login of claude")
    assert (state, what) == ("warning", f"a personal login ({method})")
    assert "API key of your organisation" in (remedy or "")


def test_a_gateways_token_is_no_personal_login(claude: World) -> None:
    """It is somebody else's service that counts there."""
    claude.install(login={"loggedIn": True, "authMethod": "oauth_token"})
    assert claude.look(ANTHROPIC_AUTH_TOKEN="x").of("login of claude")[0] == "ok"


@pytest.mark.parametrize("answer", ["[]", "nonsense"])
def test_a_program_that_does_not_say_is_a_warning(claude: World, answer: str) -> None:
    """It may have credentials all the same."""
    claude.install(login=answer)
    assert claude.look().of("login of claude")[0] == "warning"


def test_a_credential_that_others_can_read_is_an_error(claude: World) -> None:
    """As the daemon says it, and its value is not told."""
    claude.install()
    secret = claude.home / "key"
    secret.write_text("sk-secret")
    secret.chmod(0o644)
    claude.config.write_text(f'{claude.config.read_text()}credentials = {{ ANTHROPIC_API_KEY = "{secret}" }}\n')
    found = claude.look()
    assert found.names("error") == ["login of claude"]
    assert found.of("login of claude")[2] == f"chmod 600 {secret}"
    assert os.linesep not in found.of("login of claude")[1]
