"""The configuration: every key's default and error, the directories, the credentials."""

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from concordiad.config import parse_config, read_config
from concordiad.config.credentials import read_credential
from concordiad.config.doors import Control, Guests, Metrics
from concordiad.config.limits import Graces, Limits
from concordiad.config.places import AGENT_SOCKET, Directories, find_agent_socket, find_directories, find_file
from concordiad.config.tables import Agent, Config, Gemini, JournalSettings, Log, Merging, Retention, Room, Traces
from concordiad.core.agents import Kind
from concordiad.core.attribution import Attribution
from concordiad.core.logbook import Format, Level
from concordiad.errors import ConfigError
from tests.core.kinds import KINDS, accepted_kinds

MIB = 1024 * 1024
DEFAULTS: dict[str, object] = {
    "control.group": None,
    "limits.prompt_bytes": 256 * 1024,
    "limits.waiting_prompts": 1000,
    "limits.waiting_prompts_per_author": 250,
    "limits.prompt_burst": 200,
    "limits.prompts_per_minute": 600.0,
    "limits.line_bytes": 64 * MIB,
    "limits.connections": 512,
    "limits.follower_bytes": MIB,
    "limits.agent_failures": 10,
    "limits.api_failures": 3,
    "graces.approval_s": 600.0,
    "graces.start_s": 60.0,
    "graces.failures_s": 600.0,
    "graces.api_wait_s": 30.0,
    "graces.api_wait_most_s": 600.0,
    "graces.write_s": 30.0,
    "graces.ack_s": 60.0,
    "graces.first_output_s": 900.0,
    "graces.turn_s": 30.0,
    "graces.silence_s": 660.0,
    "graces.turn_limit_s": 86_400.0,
    "graces.interrupt_s": 5.0,
    "graces.settle_s": 10.0,
    "graces.exit_s": 5.0,
    "graces.kill_s": 5.0,
    "graces.message_s": 10.0,
    "graces.head_s": 5.0,
    "graces.hello_s": 5.0,
    "log.format": Format.AUTO,
    "log.level": Level.INFO,
    "guests.listen": "127.0.0.1:8765",
    "guests.public_url": None,
    "guests.behind_proxy": False,
    "guests.tls_certificate": None,
    "guests.tls_key": None,
    "guests.hosts": (),
    "guests.origins": (),
    "guests.connections": 1200,
    "guests.half_open": 256,
    "guests.half_open_per_source": 64,
    "guests.joins_burst": 100,
    "guests.joins_per_minute": 120.0,
    "guests.head_bytes": 16 * 1024,
    "guests.message_bytes": MIB,
    "guests.request_burst": 50,
    "guests.requests_per_s": 10.0,
    "guests.guest_bytes": 256 * 1024,
    "guests.keepalive_s": 30.0,
    "merging.window_s": 0.5,
    "merging.window_max_s": 2.0,
    "merging.stages": None,
    "merging.attribution": Attribution.NAMES,
    "gemini.credential": "gemini_api_key",
    "gemini.model": "gemini-3.5-flash-lite",
    "gemini.base_url": "https://generativelanguage.googleapis.com",
    "gemini.deadline_s": 3.0,
    "metrics.listen": "127.0.0.1:9464",
    "metrics.credential": "metrics_token",
    "traces.endpoint": "http://127.0.0.1:4318/v1/traces",
    "retention.days": 0.0,
    "retention.bytes": 0,
    "journal.damaged": "salvage",
    "rooms.main.workdir": ".",
    "rooms.main.agent": "claude",
    "rooms.main.model": None,
    "rooms.main.permission_mode": None,
    "rooms.main.idle_s": 0.0,
    "rooms.main.after_crash": "leave",
    "rooms.main.merging": None,
    "agents.claude.kind": Kind.CLAUDE_CODE,
    "agents.claude.command": None,
    "agents.claude.model": None,
    "agents.claude.permission_mode": None,
    "agents.claude.args": (),
    "agents.claude.env": {},
    "agents.claude.credentials": {},
    "agents.claude.socket": None,
}
LEAST: dict[str, float] = {
    "limits.prompt_bytes": 1,
    "limits.waiting_prompts": 1,
    "limits.waiting_prompts_per_author": 1,
    "limits.prompt_burst": 1,
    "limits.prompts_per_minute": 0.1,
    "limits.line_bytes": 4096,
    "limits.connections": 1,
    "limits.follower_bytes": 4096,
    "limits.agent_failures": 0,
    "limits.api_failures": 0,
    "graces.approval_s": 1,
    "graces.start_s": 0.1,
    "graces.failures_s": 1,
    "graces.api_wait_s": 0.1,
    "graces.api_wait_most_s": 0.1,
    "graces.write_s": 0.1,
    "graces.ack_s": 0,
    "graces.first_output_s": 0,
    "graces.turn_s": 0,
    "graces.silence_s": 0,
    "graces.turn_limit_s": 0,
    "graces.interrupt_s": 0.1,
    "graces.settle_s": 0.1,
    "graces.exit_s": 0.1,
    "graces.kill_s": 0.1,
    "graces.message_s": 0.1,
    "graces.head_s": 0.1,
    "graces.hello_s": 0.1,
    "guests.connections": 1,
    "guests.half_open": 1,
    "guests.half_open_per_source": 1,
    "guests.joins_burst": 1,
    "guests.joins_per_minute": 1,
    "guests.head_bytes": 1024,
    "guests.message_bytes": 4096,
    "guests.request_burst": 1,
    "guests.requests_per_s": 0.1,
    "guests.guest_bytes": 4096,
    "guests.keepalive_s": 1,
    "merging.window_s": 0,
    "merging.window_max_s": 0,
    "gemini.deadline_s": 0.1,
    "retention.days": 0,
    "retention.bytes": 0,
    "rooms.main.idle_s": 0,
}
TABLES: dict[str, Any] = {
    "control": Control,
    "limits": Limits,
    "graces": Graces,
    "log": Log,
    "guests": Guests,
    "merging": Merging,
    "gemini": Gemini,
    "metrics": Metrics,
    "traces": Traces,
    "retention": Retention,
    "journal": JournalSettings,
    "rooms.main": Room,
    "agents.claude": Agent,
}
KEYS = [(f"{table}.{field.name}", field) for table, kind in TABLES.items() for field in attrs.fields(kind)]
TOML_KINDS = {**{kind: value for kind, value in KINDS.items() if kind != "null"}, "date": datetime.date(2026, 11, 21)}


def toml(value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml(item)}' for key, item in value.items())} }}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def setting(key: str, value: object) -> str:
    """Write a file that sets one key."""
    table, _, name = key.rpartition(".")
    besides = "window_s=0\n" if name == "window_max_s" else ""
    return f"[{table}]\n{besides}{name} = {toml(value)}\n"


def value_at(config: Config, key: str) -> object:
    """Return what a configuration says of a key."""
    value: Any = config
    for name in key.split("."):
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return value


def error_of(text: str) -> str:
    """Return why a file is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return str(caught.value)


def test_every_key_has_its_default_here() -> None:
    """No key is without a row in the tables of this file."""
    assert [key for key, _ in KEYS] == list(DEFAULTS)
    assert set(TABLES) == {
        {"rooms": "rooms.main", "agents": "agents.claude"}.get(f.name, f.name) for f in attrs.fields(Config)
    }
    numbers = {key for key, field in KEYS if accepted_kinds(field.type) & {"whole number"}}
    assert numbers == set(LEAST)


@pytest.mark.parametrize("key", DEFAULTS)
def test_default(key: str) -> None:
    """An empty file, or a table with nothing in it, is as good as one that says every default."""
    if not key.startswith(("guests.", "gemini.", "metrics.", "traces.")):
        assert value_at(parse_config(""), key) == DEFAULTS[key]
    assert value_at(parse_config(f"[{key.rpartition('.')[0]}]"), key) == DEFAULTS[key]


@pytest.mark.parametrize("key", [key for key, value in DEFAULTS.items() if isinstance(value, int | float | str)])
def test_default_can_be_written_down(key: str) -> None:
    """What a default is may stand in the file."""
    assert value_at(parse_config(setting(key, DEFAULTS[key])), key) == DEFAULTS[key]


@pytest.mark.parametrize(("key", "field"), KEYS)
@pytest.mark.parametrize("kind", TOML_KINDS)
def test_nothing_is_coerced(key: str, field: "attrs.Attribute[Any]", kind: str) -> None:
    """A value of any other kind than its key's is refused by the key's whole name."""
    if kind not in accepted_kinds(field.type):
        assert error_of(setting(key, TOML_KINDS[kind])).startswith(f"{key} ")


@pytest.mark.parametrize("key", LEAST)
def test_least_value(key: str) -> None:
    """The smallest value is good, anything below it is refused, and so is what is no finite number."""
    assert value_at(parse_config(setting(key, LEAST[key])), key) == LEAST[key]
    below = LEAST[key] - 1 if isinstance(LEAST[key], int) else LEAST[key] / 2
    assert error_of(setting(key, below)) == f"{key} is {below:g}, it must be at least {LEAST[key]:g}"
    for value in ("inf", "nan"):
        assert error_of(setting(key, 0).replace("= 0", f"= {value}")).startswith(f"{key} must be a ")


def test_approval_ends_in_a_time_that_can_be_told() -> None:
    """An approval's end is shown to people as a date, so it has to have one."""
    assert parse_config("[graces]\napproval_s = 31622400").graces.approval_s == 366 * 86400
    assert error_of("[graces]\napproval_s = 1e12") == "graces.approval_s is 1e+12, it must be at most 3.16224e+07"


@pytest.mark.parametrize("key", ["silence_s", "turn_limit_s"])
def test_limit_of_a_turn_is_none_or_some_time(key: str) -> None:
    """What is measured to a tenth of a second has to be longer."""
    assert parse_config(f"[graces]\n{key} = 1").graces != Graces()
    assert error_of(f"[graces]\n{key} = 0.5") == f"graces.{key} is 0.5, it must be 0 (never) or at least 1"


@pytest.mark.parametrize("key", DEFAULTS)
def test_misspelt_key_is_told_the_nearest(key: str) -> None:
    """A key with a letter too many is refused with the one that was meant."""
    table, _, name = key.rpartition(".")
    error = error_of(f"[{table}]\n{name}x = 1")
    assert error.startswith(f"{table}.{name}x is not known here: known are ")
    assert error.endswith(f"; did you mean '{name}'?")


@pytest.mark.parametrize("name", ["controls", "limit", "grace", "room", "agent", "retentions"])
def test_misspelt_table_is_told_the_nearest(name: str) -> None:
    """So is a table."""
    assert "; did you mean " in error_of(f"[{name}]")


def test_key_like_no_other_is_told_the_known_ones() -> None:
    """Where nothing is near, nothing is guessed."""
    assert error_of("[control]\nzzz = 1") == "control.zzz is not known here: known are group"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("limits", "not TOML: "),
        ("[limits]\n[limits]", "not TOML: "),
        ("limits = 1", "limits must be an object, not a number"),
        ("[[rooms]]", "rooms must be an object, not a list"),
        ("[rooms]\nmain = 1", "rooms.main must be an object, not a number"),
        ("rooms = {}", "rooms is empty: give at least one, such as [rooms.main]"),
        ("[rooms.Main]", "rooms.Main: a room's name has 1 to 32 of a-z, 0-9 and -"),
        ('[rooms.""]', "rooms.: a room's name has 1 to 32 of a-z, 0-9 and -"),
        (f"[rooms.{'a' * 33}]", f"rooms.{'a' * 33}: a room's name has 1 to 32 of a-z, 0-9 and -"),
        ('[rooms."a\\n"]', "rooms.a\n: a room's name has 1 to 32 of a-z, 0-9 and -"),
        (
            '[rooms.main]\nagent = "cloud"',
            "rooms.main.agent is 'cloud', but there is no [agents.cloud]; did you mean 'claude'?",
        ),
        ('[rooms.main]\nagent = "zzz"', "rooms.main.agent is 'zzz', but there is no [agents.zzz]"),
        ('[agents.x]\nkind = "acp"', "agents.x.kind is 'acp', it must be one of claude-code, rehearsal"),
        ("[agents.x]\ncommand = []", "agents.x.command is empty: leave it out to have the CLI found"),
        ('[agents.x]\ncommand = ["claude", 1]', "agents.x.command.1 must be a string, not a number"),
        ("[agents.x]\nenv = { A = 1 }", "agents.x.env.A must be a string, not a number"),
        ('[agents.x]\nenv = { "A B" = "1" }', "agents.x: 'A B' is no name of an environment variable"),
        ('[agents.x]\ncredentials = { "1A" = "a" }', "agents.x: '1A' is no name of an environment variable"),
        ('[agents.x]\ncredentials = { "A=" = "a" }', "agents.x: 'A=' is no name of an environment variable"),
    ],
)
def test_error_says_which_key_and_what_is_wrong(text: str, error: str) -> None:
    """Each mistake is told by the key that it is in."""
    assert error_of(text).startswith(error)
    assert error.startswith("not TOML") or error_of(text) == error


def test_no_door_without_its_table() -> None:
    """Only who asks for it gets a port that others can reach; an empty table asks for it."""
    assert parse_config("").guests is None
    assert parse_config("[guests]").guests == Guests()


def test_no_language_model_without_its_table() -> None:
    """Only who asks for it has texts sent to somebody else's machine; an empty table asks for it."""
    assert parse_config("").gemini is None
    assert parse_config("[gemini]").gemini == Gemini()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('base_url = "http://a.example"', "gemini.base_url 'http://a.example' would be in plain text on its way"),
        ('base_url = "a.example"', "gemini.base_url 'a.example' is no address of an API: "),
        ('model = "models/gemini"', "gemini.model 'models/gemini' is no name of a model: "),
        ('model = "../x"', "gemini.model '../x' is no name of a model: "),
        ("deadline_s = 61", "gemini.deadline_s is 61, it must be at most 60"),
    ],
)
def test_wrong_language_model(text: str, error: str) -> None:
    """Each mistake in the table is told by its key."""
    assert error_of(f"[gemini]\n{text}").startswith(error)


OPEN_TO_ALL = 'listen = "0.0.0.0:8765"'
PUBLIC = 'public_url = "https://a.example"'
PAIR = 'tls_certificate = "c"\ntls_key = "k"'


@pytest.mark.parametrize(
    "text",
    [
        'listen = "127.0.0.1:1"',
        'listen = "127.0.0.2:65535"',
        'listen = "[::1]:8765"',
        'listen = "127.0.0.1:0"',
        f"{OPEN_TO_ALL}\n{PUBLIC}\nbehind_proxy = true",
        f"{OPEN_TO_ALL}\n{PUBLIC}\n{PAIR}",
        f'listen = "[::]:443"\n{PUBLIC}\n{PAIR}',
        f'listen = "192.0.2.1:443"\n{PAIR}',
        'listen = "[2001:db8::1]:8765"\nbehind_proxy = true',
        'hosts = ["a", "a.example:80", "[::1]:8765", "A.Example"]',
        'origins = ["http://a", "https://a.example:8443", "http://[::1]:8765"]',
        'public_url = "http://localhost:8765/"',
    ],
)
def test_guests(text: str) -> None:
    """What is reached from this machine alone, or over TLS, may be opened."""
    assert parse_config(f"[guests]\n{text}").guests is not None


@pytest.mark.parametrize("listen", ["0.0.0.0:8765", "192.0.2.1:8765", "[::]:8765", "[2001:db8::1]:8765", "10.0.0.1:80"])
def test_port_that_others_reach_needs_tls(listen: str) -> None:
    """Without TLS, here or in front, no address but loopback is opened, and the error says why and what to do."""
    error = error_of(f'[guests]\nlisten = "{listen}"\n{PUBLIC}')
    assert error.startswith(f"guests.listen is {listen}, which other machines can reach")
    assert all(remedy in error for remedy in ("tls_certificate", "behind_proxy", "127.0.0.1:8765"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"{OPEN_TO_ALL}\nbehind_proxy = true", "guests.listen is 0.0.0.0:8765, every address of this machine, "),
        ('tls_certificate = "c"', "guests.tls_certificate and guests.tls_key go together: "),
        ('tls_key = "k"', "guests.tls_certificate and guests.tls_key go together: "),
        *(
            (f'listen = "{listen}"', f"guests.listen '{listen}' is no address with a port: ")
            for listen in (
                *("", ":8765", "8765", "127.0.0.1", "localhost:8765", "::1:8765", "[127.0.0.1]:1", "127.0.0.1:65536"),
                *("127.0.0.1:-1", "127.0.0.1:http", "[::1]", "[::1]:", "http://127.0.0.1:1", "127.1:1", " 127.0.0.1:1"),
            )
        ),
        *(
            (f'hosts = ["a", "{host}"]', f"guests.hosts '{host}' is no host: ")
            for host in (
                "",
                "a b",
                "a/",
                "http://a",
                "a:",
                "a:b",
                "a:65536",
                "*",
                "*.a",
                "a..b",
                ".a",
                "a.",
                "a@b",
                "ä",
            )
        ),
        *(
            (f"{key} = {value % url}", f"guests.{key} '{url}' is no origin: ")
            for key, value in (("public_url", '"%s"'), ("origins", '["%s"]'))
            for url in (
                "",
                "a",
                "a:80",
                "//a",
                "ftp://a",
                "https://",
                "https://a/b",
                "https://a?b",
                "https://a#b",
                "null",
            )
        ),
    ],
)
def test_wrong_guests(text: str, error: str) -> None:
    """Each mistake in the table is told by its key, with what would be right."""
    assert error_of(f"[guests]\n{text}").startswith(error)


def test_agents_that_are_always_there() -> None:
    """A room may have the agents `claude` and `rehearsal` without a table for them, and a table changes only itself."""
    config = parse_config('[rooms.a]\nagent = "rehearsal"\n[agents.other]\nkind = "rehearsal"\n')
    assert config.agents == {
        "claude": Agent(),
        "rehearsal": Agent(kind=Kind.REHEARSAL),
        "other": Agent(kind=Kind.REHEARSAL),
    }
    assert config.rooms == {"a": Room(agent="rehearsal")}


def test_agents_run_where_the_service_says_unless_they_say_it() -> None:
    """The service's socket is that of every agent, also without a table; another one, or none, is the table's."""
    text = '[agents.own]\nsocket = "/run/own.sock"\n[agents.child]\nsocket = ""\n[agents.claude]\nmodel = "opus"\n'
    sockets = {name: agent.socket for name, agent in parse_config(text, "/run/theirs.sock").agents.items()}
    theirs = dict.fromkeys(("claude", "rehearsal"), "/run/theirs.sock")
    assert sockets == {**theirs, "own": "/run/own.sock", "child": None}
    without = {name: agent.socket for name, agent in parse_config(text).agents.items()}
    assert without == {"own": "/run/own.sock", "child": None, "claude": None, "rehearsal": None}


def test_service_says_where_agents_run() -> None:
    """By a variable, which may be empty; what is no socket is refused by the variable's name."""
    assert find_agent_socket({AGENT_SOCKET: "/run/theirs.sock"}) == "/run/theirs.sock"
    assert find_agent_socket({AGENT_SOCKET: ""}) is None
    assert find_agent_socket({}) is None
    with pytest.raises(ConfigError, match=f"^the variable {AGENT_SOCKET} is no absolute path of a socket"):
        find_agent_socket({AGENT_SOCKET: "theirs.sock"})


def test_whole_file() -> None:
    """The example of the interface is understood."""
    config = parse_config(
        """
        [rooms.main]
        workdir = "."
        agent = "claude"

        [agents.claude]
        kind = "claude-code"
        command = ["claude"]
        model = "opus"
        permission_mode = "default"
        args = ["--add-dir=/srv/shared"]
        env = { ANTHROPIC_BASE_URL = "http://localhost" }
        credentials = { ANTHROPIC_API_KEY = "anthropic_api_key" }
        """
    )
    assert config.agents["claude"] == Agent(
        command=("claude",),
        model="opus",
        permission_mode="default",
        args=("--add-dir=/srv/shared",),
        env={"ANTHROPIC_BASE_URL": "http://localhost"},
        credentials={"ANTHROPIC_API_KEY": "anthropic_api_key"},
    )


def test_file_is_read(tmp_path: Path) -> None:
    """A file's settings are those of its text, and what is wrong with it is told with its place."""
    path = tmp_path / "concordiad.toml"
    path.write_text("[limits]\nconnections = 7\n")
    assert read_config(path).limits.connections == 7
    path.write_text("[limits]\nconnections = 0\n")
    with pytest.raises(ConfigError, match=f"^{path}: limits.connections is 0, "):
        read_config(path)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or is no text is named."""
    path = tmp_path / "concordiad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^the configuration {path} "):
        read_config(path)


PERSON = {"HOME": "/home/a"}
SERVICE = {"STATE_DIRECTORY": "/var/lib/c", "RUNTIME_DIRECTORY": "/run/c"}
XDG = {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c"}


@pytest.mark.parametrize(
    ("environment", "state", "runtime"),
    [
        (PERSON, "/home/a/.local/state/concordia", "/home/a/.local/state/concordia/run"),
        ({**PERSON, **XDG}, "/s/concordia", "/r/concordia"),
        ({**PERSON, "XDG_STATE_HOME": "/s"}, "/s/concordia", "/s/concordia/run"),
        ({**PERSON, "XDG_RUNTIME_DIR": "/r"}, "/home/a/.local/state/concordia", "/r/concordia"),
        ({**PERSON, "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": ""}, "/home/a/.local/state/concordia", None),
        ({**PERSON, "XDG_STATE_HOME": "s", "XDG_RUNTIME_DIR": "./r"}, "/home/a/.local/state/concordia", None),
        ({**PERSON, **XDG, **SERVICE}, "/var/lib/c", "/run/c"),
        ({**SERVICE, "STATE_DIRECTORY": "/var/lib/c:/var/lib/d"}, "/var/lib/c", "/run/c"),
        ({**PERSON, "STATE_DIRECTORY": "/var/lib/c"}, "/var/lib/c", "/var/lib/c/run"),
    ],
)
def test_directories(environment: dict[str, str], state: str, runtime: str | None) -> None:
    """Systemd's directories come before the person's; a relative one of the person's counts as unset."""
    expected = Directories(Path(state), Path(runtime or f"{state}/run"))
    assert find_directories(None, None, environment) == expected


def test_directories_of_the_command_line_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line says comes before everything else, and is absolute from then on."""
    monkeypatch.chdir(tmp_path)
    found = find_directories(Path("s"), Path("r"), {**PERSON, **XDG, **SERVICE})
    assert found == Directories(tmp_path / "s", tmp_path / "r")
    assert find_directories(Path("s"), None, PERSON).runtime == tmp_path / "s" / "run"


def test_files_in_the_directories() -> None:
    """The journal is in the state directory, the socket in the runtime directory."""
    directories = Directories(Path("/s"), Path("/r"))
    assert (directories.journal, directories.socket) == (Path("/s/journal.db"), Path("/r/control.sock"))


@pytest.mark.parametrize(
    ("environment", "is_service", "place"),
    [
        (PERSON, False, "/home/a/.config/concordia/concordiad.toml"),
        ({**PERSON, **XDG}, False, "/c/concordia/concordiad.toml"),
        ({**PERSON, "XDG_CONFIG_HOME": "c"}, False, "/home/a/.config/concordia/concordiad.toml"),
        ({**PERSON, **XDG}, True, "/etc/concordia/concordiad.toml"),
    ],
)
def test_place_of_the_file(environment: dict[str, str], is_service: bool, place: str) -> None:
    """A system service has the system's file, a person their own."""
    assert find_file(environment, is_service=is_service) == Path(place)


SECRET = "sk-ant-hush-0123456789"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with a secret in it that only its owner can read."""
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_credential_of_its_owner(secret_file: Path, mode: int) -> None:
    """A file that nobody else can read is read, without the newline at its end."""
    secret_file.chmod(mode)
    assert read_credential(str(secret_file), {}) == SECRET


def test_credential_in_the_home(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may begin with the home directory, or be relative to where the daemon starts."""
    monkeypatch.setenv("HOME", str(secret_file.parent))
    assert read_credential("~/key", {}) == SECRET
    monkeypatch.chdir(secret_file.parent)
    assert read_credential("key", {}) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_credential_of_others_is_refused(secret_file: Path, mode: int) -> None:
    """A file that a group or everybody may do anything with is refused, with the command that mends it."""
    secret_file.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        read_credential(str(secret_file), {})
    assert f"(mode {mode:04o}): chmod 600 {secret_file}" in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_credential_of_systemd(secret_file: Path) -> None:
    """A bare name is a credential that systemd handed over; its directory is systemd's business, and so is its mode."""
    secret_file.chmod(0o440)
    environment = {"CREDENTIALS_DIRECTORY": str(secret_file.parent)}
    assert read_credential("key", environment) == SECRET


def test_path_is_a_path_under_systemd_too(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has a slash is a file of its own, and is held to the mode of one."""
    monkeypatch.setenv("HOME", str(secret_file.parent))
    environment = {"CREDENTIALS_DIRECTORY": "/nonexistent"}
    assert read_credential(str(secret_file), environment) == SECRET
    assert read_credential("~/key", environment) == SECRET
    secret_file.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_credential(str(secret_file), environment)


@pytest.mark.parametrize("environment", [{}, {"CREDENTIALS_DIRECTORY": "/nonexistent"}])
def test_credential_that_is_not_there(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing credential is named with the place where it was looked for, and how to put it there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_credential("key", environment)
    place = os.path.join(environment.get("CREDENTIALS_DIRECTORY", ""), "key")
    assert f"'key' cannot be read from {place}: No such file or directory" in str(caught.value)
    assert "0600" in str(caught.value) and "LoadCredential=" in str(caught.value)
    assert ("/etc/credstore/concordia.key" in str(caught.value)) == bool(environment)


def test_credential_that_is_a_directory_is_refused(secret_file: Path) -> None:
    """Whatever its mode is."""
    with pytest.raises(ConfigError, match="is a directory: name a file in it"):
        read_credential(f"{secret_file.parent}/", {})


def test_credential_that_is_no_text_is_not_shown(secret_file: Path) -> None:
    """Neither the error nor what it came from has any of the value, however it is printed."""
    secret_file.write_bytes(SECRET.encode() + b"\xff")
    with pytest.raises(ConfigError) as caught:
        read_credential(str(secret_file), {})
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[merging]\nstages = ["near", "same", "near"]', 'merging.stages has "near" more than once'),
        ("[merging]\nwindow_max_s = 0", "merging.window_max_s is 0, which is less than merging.window_s (0.5)"),
        (
            "[rooms.main.merging]\nwindow_s = 3",
            "rooms.main.merging.window_max_s is 2, which is less than rooms.main.me",
        ),
        ('[merging]\nstages = ["meaning"]', 'merging.stages has "meaning", but there is no [gemini]'),
        ('[rooms.main.merging]\nstages = ["same", "meaning"]', 'rooms.main.merging.stages has "meaning"'),
        ('[gemini]\ncredential = ""', "is no name of a credential"),
        ('[gemini]\ncredential = "."', "is no name of a credential"),
    ],
)
def test_merging_that_could_not_be_as_it_is_set_is_refused(text: str, said: str) -> None:
    """Before anything starts, and with what would be right."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert said in str(caught.value)
