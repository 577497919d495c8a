"""`doctor` in worlds where no daemon runs: what it finds, what it advises, and how it ends."""

import json
import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from concordiad.journal.schema import open_writer
from concordiad.journal.sums import EVENTS
from tests.ctl.program import command, environment, run, run_on_terminal
from tests.ctl.samples import room, status
from tests.ctl.scripted_daemon import Client, scripted_daemon
from tests.support.agent_units import AgentUnits

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

    def look(self, *words: str, **variables: str) -> "Found":
        """Run it, and take its findings by their names."""
        line = command(*self.words(), *words, "-o", "json")
        done = subprocess.run(line, env=environment(self.home, **variables), capture_output=True, check=False)
        return Found.read(done.returncode, done.stdout, done.stderr)

    def mend(self, remedy: str | None, stdin: str = "") -> None:
        """Type the command of a remedy."""
        subprocess.run(
            typed(remedy), shell=True, env=environment(self.home), cwd=self.work, input=stdin, text=True, check=True
        )


class Found:
    """What a doctor said."""

    def __init__(self, code: int, worst: str, findings: dict[str, dict[str, Any]]) -> None:
        self.code, self.worst, self.all = code, worst, findings

    @classmethod
    def read(cls, code: int, out: bytes, err: bytes) -> "Found":
        """Read one JSON object, and hold it to what every answer keeps."""
        assert err == b""
        found = json.loads(out)
        findings = found["findings"]
        order = ["ok", "warning", "error"]
        assert found["status"] == max((finding["status"] for finding in findings), key=order.index)
        assert code == (1 if found["status"] == "error" else 0)
        assert all((finding["status"] == "ok") == (finding["remedy"] is None) for finding in findings)
        return cls(code, found["status"], {finding["name"]: finding for finding in findings})

    def names(self, wanted: str) -> list[str]:
        """Name what is ok, or a warning, or an error."""
        return [name for name, finding in self.all.items() if finding["status"] == wanted]

    def of(self, name: str) -> tuple[str, str, str | None]:
        """Take one finding: how it is, what was found, and the remedy."""
        finding = self.all[name]
        return finding["status"], finding["found"], finding["remedy"]


def typed(remedy: str | None) -> str:
    """Take the first command of a remedy: between backticks, or else the whole."""
    assert remedy is not None
    _, tick, rest = remedy.partition("`")
    return rest.partition("`")[0] if tick else remedy


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
    ran = run(world.home, "doctor", f"--state-dir={world.state}", f"--runtime-dir={world.runtime}", PATH="/nowhere")
    assert "the defaults are in force" in ran.out


def test_a_configuration_that_was_named_must_be_there(world: World) -> None:
    """The daemon would refuse, too."""
    world.config.unlink()
    assert world.look().of("configuration")[:2] == ("error", f"{world.config} is not there")


@pytest.mark.parametrize("options", [[], ["--socket=/nowhere/concordia/control.sock"]])
def test_what_starts_a_daemon_is_there(world: World, options: list[str]) -> None:
    """No unit is spoken of where systemd does not have it, and what is named instead can be executed."""
    ran = run(world.home, "doctor", "-o", "json", *options, XDG_RUNTIME_DIR=str(world.runtime))
    remedy = next(each for each in json.loads(ran.out)["findings"] if each["name"] == "socket")["remedy"]
    program, *words = shlex.split(typed(remedy))
    if (program, words) == ("systemctl", ["start", "concordiad"]):
        assert subprocess.run(["systemctl", "cat", "concordiad"], capture_output=True, check=False).returncode == 0
    elif program != "make":
        assert shutil.which(program) is not None
        assert words[-1] == ("--try" if not options else "--runtime-dir=/nowhere/concordia")


def test_a_group_that_is_not_there_is_an_error(world: World) -> None:
    """The daemon would refuse to start."""
    world.config.write_text(world.config.read_text() + '[control]\ngroup = "no-such-group"\n')
    found = world.look()
    assert found.names("error") == ["group"]
    assert typed(found.of("group")[2]) == "groupadd no-such-group"


def test_a_socket_with_too_long_a_path_is_an_error(world: World) -> None:
    """The daemon could not listen there."""
    found = world.look(f"--runtime-dir={world.runtime / ('x' * 100)}")
    assert found.names("error") == ["socket"]
    assert "longer than the 107 bytes" in found.of("socket")[1]


@pytest.mark.parametrize(("place", "mode"), [("state", 0o750), ("runtime", 0o701), ("state", 0o500)])
def test_directories_must_be_their_owners_alone(world: World, place: str, mode: int) -> None:
    """Others neither look nor pass, and the owner writes."""
    getattr(world, place).chmod(mode)
    found = world.look()
    assert (found.code, found.names("error")) == (1, [place])
    world.mend(found.of(place)[2])
    assert world.look().code == 0


def test_a_group_may_pass_to_the_socket(world: World) -> None:
    """That is what the setting is for."""
    world.runtime.chmod(0o710)
    world.config.write_text(world.config.read_text() + '[control]\ngroup = "adm"\n')
    assert world.look().of("runtime")[0] == "ok"


def test_a_file_in_the_place_of_a_directory_is_told(world: World) -> None:
    """Before the daemon stumbles over it."""
    world.state.rmdir()
    world.state.touch()
    found = world.look().of("state")
    assert "is no directory" in found[1]
    world.mend(found[2])
    assert world.look().code == 0


def test_a_socket_that_was_left_is_stale(world: World) -> None:
    """The next daemon replaces it, so it is no error."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(world.socket))
    assert world.look().of("socket")[:2] == ("warning", f"{world.socket} is stale: nobody listens there any more")


def test_a_file_in_the_place_of_the_socket_is_told(world: World) -> None:
    """The daemon would refuse to start."""
    world.socket.touch()
    found = world.look().of("socket")
    assert found[:2] == ("error", f"{world.socket} is no socket")
    world.mend(found[2])
    assert world.look().code == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "sent a line that is not JSON"),
        ("[]", "does not speak JSON-RPC"),
        ('{"a": 1}', "its answer makes no sense"),
        ('{"jsonrpc": "2.0", "id": 1, "result": {}}', "its answer makes no sense"),
        ('{"jsonrpc": "2.0", "id": 1, "error": "what?"}', "its answer makes no sense"),
        ('{"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "what?"}}', "what?"),
        ("", "sent a line that is not JSON"),
    ],
)
def test_who_does_not_speak_our_language_is_told(world: World, line: str, why: str) -> None:
    """Whoever listens there is no concordiad; it is named by its process."""

    def stranger(client: Client) -> None:
        client.request("daemon.status")
        client.line(line)

    with scripted_daemon(world.socket, stranger):
        found = world.look()
    assert found.of("socket")[0] == "error"
    assert f"process {os.getpid()}" in found.of("socket")[1]
    assert why in found.of("socket")[1]
    assert f"`kill {os.getpid()}`" in (found.of("socket")[2] or "")


def test_who_hangs_up_is_told(world: World) -> None:
    """Without a word, or in the middle of one."""
    with scripted_daemon(world.socket, lambda client: client.close()):
        assert "does not answer as a concordiad" in world.look().of("socket")[1]


def test_a_socket_of_another_kind_is_told(world: World) -> None:
    """One for datagrams takes no connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(world.socket))
        assert "is another program's" in world.look().of("socket")[1]


def test_a_daemon_of_another_version_is_told(world: World) -> None:
    """With a room whose agent fails, and a directory that two rooms share."""
    world.socket.parent.chmod(0o700)
    open_writer(world.journal).close()
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
        found = world.look().of("socket")
    assert (found[0], found[2]) == ("error", f"chmod o= {world.socket}")


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
    world.journal.chmod(0o600)
    assert "format 99: this Concordia knows up to" in world.look().of("journal")[1]


def test_a_journal_that_others_can_read_is_an_error(world: World) -> None:
    """It has every word."""
    open_writer(world.journal).close()
    world.journal.chmod(0o640)
    world.mend(world.look().of("journal")[2])
    assert world.look().of("journal")[0] == "ok"


def test_a_clock_that_went_back_is_an_error(world: World) -> None:
    """The newest event is from later."""
    connection = open_writer(world.journal)
    event = b'{"seq":1,"at":"2099-01-01T00:00:00Z"}'
    connection.execute(EVENTS.insert, EVENTS.sealed(("main", 1, event)))
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
    assert finding["found"] == "200 for this shell; 512 connections and 1 room may need 672"


def test_a_room_without_its_directory_is_an_error(world: World) -> None:
    """The daemon would refuse to start."""
    world.work.rmdir()
    finding = world.look().of("room main")
    assert finding[:2] == ("error", f"its directory {world.work} is not there")
    subprocess.run(typed(finding[2]), shell=True, check=True)
    assert world.look().of("room main")[0] == "ok"


def test_a_room_in_a_file_is_an_error(world: World) -> None:
    """Making a directory of that name would fail."""
    world.work.rmdir()
    world.work.touch()
    assert world.look().of("room main") == ("error", f"{world.work} is no directory", "correct rooms.main.workdir")


def test_a_good_program_has_three_lines(claude: World) -> None:
    """Which one it is, that it takes every flag, and where its credentials are from."""
    claude.install()
    found = claude.look()
    assert (found.code, found.names("error")) == (0, [])
    assert found.of("agent claude") == ("ok", f"claude-code 2.1.329, {claude.program}, a child of the daemon", None)
    assert found.of("flags of claude")[1].endswith("--permission-prompt-tool --session-id --resume")
    assert found.of("login of claude") == ("ok", "api_key, from ANTHROPIC_API_KEY", None)


def test_an_agent_in_a_unit_is_asked_there(claude: World, tmp_path: Path) -> None:
    """Program, login and the room's directory are those of the unit; that there is none is an error, and its remedy."""
    claude.install()
    place = tmp_path / "agent.sock"
    claude.config.write_text(f'{claude.config.read_text()}socket = "{place}"\n')
    found = claude.look()
    assert found.of("agent claude") == (
        "error",
        f"{place}, the socket of its units, is not there",
        "`systemctl enable --now concordia-agent.socket`",
    )
    with AgentUnits(place, environment(claude.home)) as units:
        found = claude.look()
        assert found.of("agent claude")[1] == f"claude-code 2.1.329, {claude.program}, in a unit of its own, by {place}"
        assert found.of("login of claude") == ("ok", "api_key, from ANTHROPIC_API_KEY", None)
        assert found.of("room main") == ("ok", f"{claude.work}, where the agent's user may write", None)
        claude.work.rmdir()
        status, what, remedy = claude.look().of("room main")
        assert (status, what.endswith(f"No such file or directory: {claude.work}")) == ("error", True)
        assert (remedy or "").startswith(f"`install -d -o concordia-agent -g concordia -m 2770 {claude.work}` as root")
    assert len(units.shims) > 5


def test_a_program_that_is_missing_is_an_error(claude: World) -> None:
    """With how to mend it."""
    found = claude.look()
    assert (found.code, found.names("error")) == (1, ["agent claude"])
    assert found.of("agent claude")[1].startswith(f"the agent's command '{claude.program}' is not there")
    assert found.of("agent claude")[2] == f"install it, or correct command under [agents.claude] in {claude.config}"


def test_a_program_that_is_not_executable_is_an_error(claude: World) -> None:
    """What is advised makes it one."""
    claude.install()
    claude.program.chmod(0o644)
    found = claude.look()
    assert found.of("agent claude")[:2] == ("error", f"{claude.program} cannot be executed")
    claude.mend(found.of("agent claude")[2])
    assert claude.look().names("error") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [("#!/nowhere/sh\n", "No such file or directory"), ("nonsense", "Exec format error"), ("#!/bin/sh\nexit 3\n", "3")],
)
def test_a_program_that_does_not_run_is_an_error(claude: World, text: str, why: str) -> None:
    """The system's word is what is found, and no remedy."""
    claude.program.write_text(text)
    claude.program.chmod(0o755)
    state, what, remedy = claude.look().of("agent claude")
    assert state == "error"
    assert why in what
    assert (remedy or "").startswith("install it anew, or name another with command under [agents.claude]")


def test_a_program_that_is_too_old_is_an_error(claude: World) -> None:
    """Its flags and lines are not those that were measured."""
    claude.install(version="1.0.3")
    found = claude.look()
    assert found.names("error") == ["agent claude"]
    assert typed(found.of("agent claude")[2]) == f"{claude.program} update"


def test_a_flag_that_is_not_known_is_named(claude: World) -> None:
    """By the program itself."""
    claude.install(refused="--include-partial-messages")
    found = claude.look()
    assert found.names("error") == ["flags of claude"]
    assert found.of("flags of claude")[1].endswith("unknown option '--include-partial-messages'")
    assert typed(found.of("flags of claude")[2]) == f"{claude.program} update"


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


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (None, 0, "No such file or directory"),
        (b"sk-secret", 0o644, "can be read by others (mode 0644)"),
        (b"sk-\xff\xfe", 0o600, "is not UTF-8"),
        (b"sk-one\nsk-two\n", 0o600, "is more than one line of text"),
        (b"\n", 0o600, "is empty"),
    ],
)
def test_a_credential_that_cannot_be_used_is_an_error(
    claude: World, content: bytes | None, mode: int, why: str
) -> None:
    """The file is named, its content is not told, and what is advised mends it."""
    claude.install()
    secret = claude.home / "a key"
    if content is not None:
        secret.write_bytes(content)
        secret.chmod(mode)
    claude.config.write_text(f'{claude.config.read_text()}credentials = {{ ANTHROPIC_API_KEY = "{secret}" }}\n')
    found = claude.look()
    assert found.names("error") == ["login of claude"]
    _, what, remedy = found.of("login of claude")
    assert str(secret) in what and why in what and "sk-" not in what
    claude.mend(remedy, stdin="sk-pasted\n")
    assert claude.look().names("error") == []


def test_a_credential_that_is_a_directory_is_an_error(claude: World) -> None:
    """Its mode is no business of ours."""
    claude.install()
    place = claude.home / "secrets"
    place.mkdir(mode=0o755)
    claude.config.write_text(f'{claude.config.read_text()}credentials = {{ ANTHROPIC_API_KEY = "{place}/" }}\n')
    _, what, remedy = claude.look().of("login of claude")
    assert what == f"ANTHROPIC_API_KEY: the credential {place} is a directory"
    assert remedy is not None and remedy.startswith("name a file in it under [agents.claude] in ")


def test_a_credential_that_systemd_hands_over_is_not_missed(claude: World) -> None:
    """Only a service has it."""
    claude.install()
    claude.config.write_text(f'{claude.config.read_text()}credentials = {{ ANTHROPIC_API_KEY = "the_key" }}\n')
    found = claude.look()
    assert (found.code, found.of("login of claude")[0]) == (0, "warning")
    assert "LoadCredential=the_key:" in (found.of("login of claude")[2] or "")
