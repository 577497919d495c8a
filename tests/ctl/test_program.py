"""What every command has in common: options, sockets, exit codes, and standard streams that misbehave."""

import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from concordiad.core.codes import CODES, INVALID_PARAMS, NOT_NOW, Code
from ctl.cli import make_cli
from ctl.reference import every_command
from ctl.settings import LONGEST_S, Command, Group, Settings
from tests.ctl.program import command as command_line
from tests.ctl.program import environment, run, start
from tests.ctl.samples import LISTENING, PROMPT, TURN, event, prompt, room, running_turn, status
from tests.ctl.scripted_daemon import Client, Script, scripted_daemon


def idle(client: Client) -> None:
    """Answer `status` once."""
    client.answer("daemon.status", status(room()))


def hanging_up(client: Client) -> None:
    """Take a request and go."""
    client.request("daemon.status")


def serving(method: str, result: dict[str, Any]) -> Script:
    """Answer one request."""

    def script(client: Client) -> None:
        client.answer(method, result)

    return script


def refusing(code: Code, retry_after_s: float | None = None) -> Script:
    """Refuse a cancel with this code."""

    def script(client: Client) -> None:
        client.request("prompt.cancel")
        client.error(code.number, "it cannot be", retry_after_s)

    return script


EVERY_COMMAND = dict(every_command(make_cli()))


def read_without_running(arguments: list[str]) -> None:
    """Let click read a whole command line; it raises what it has against it."""
    command: click.Command = make_cli()
    context = click.Context(command, obj=Settings())
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    # As a prefix an id is no more than a word, so nothing is asked of any daemon.
    command.parse_args(context, arguments)


def test_without_a_daemon_the_program_says_so(tmp_path: Path) -> None:
    """At once, with the sockets that were tried and what to do."""
    ran = run(tmp_path, "status", XDG_RUNTIME_DIR=str(tmp_path / "run"))
    assert (ran.code, ran.out) == (69, "")
    assert f"no daemon at {tmp_path}/run/concordia/control.sock (not there)" in ran.err
    assert "make run" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect to any socket")
def test_a_socket_of_others_is_not_allowed(tmp_path: Path) -> None:
    """It is there, but not for this person."""
    socket = tmp_path / "closed"
    with scripted_daemon(socket):
        socket.chmod(0)
        ran = run(tmp_path, "--socket", str(socket), "status")
    assert ran.code == 4
    assert f"not allowed to use {socket}" in ran.err


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_a_refusal_has_the_exit_code_of_its_row(tmp_path: Path, control_socket: Path, code: Code) -> None:
    """The table of codes is the only place that knows."""
    with scripted_daemon(control_socket, refusing(code)):
        ran = run(tmp_path, "cancel", PROMPT)
    assert (code.exit_code, "", "concordiactl: it cannot be\n") == ran


def test_a_refusal_for_now_says_when_to_try_again(tmp_path: Path, control_socket: Path) -> None:
    """The daemon knows, so the person is told."""
    with scripted_daemon(control_socket, refusing(NOT_NOW, 2.5)):
        ran = run(tmp_path, "cancel", PROMPT)
    assert ran.err == "concordiactl: it cannot be (try again in 2.5s)\n"


def test_a_refusal_leaves_json_clean(tmp_path: Path, control_socket: Path) -> None:
    """What is no answer is not on standard output."""
    with scripted_daemon(control_socket, refusing(INVALID_PARAMS)):
        ran = run(tmp_path, "-o", "json", "cancel", PROMPT)
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize(
    "words", [("--room", "lab", "queue"), ("queue", "--room", "lab"), ("--room=x", "queue", "--room=lab")]
)
def test_global_options_stand_anywhere(tmp_path: Path, control_socket: Path, words: tuple[str, ...]) -> None:
    """Before the command or behind it; the last word counts."""

    def script(client: Client) -> None:
        assert client.answer("prompt.list", {"prompts": [], "next": None})["room"] == "lab"

    with scripted_daemon(control_socket, script):
        assert run(tmp_path, *words).code == 0


def test_a_socket_in_the_environment_is_used(tmp_path: Path) -> None:
    """As a script would say it once for all."""
    socket = tmp_path / "elsewhere"
    with scripted_daemon(socket, idle):
        assert run(tmp_path, "status", CONCORDIA_SOCKET=str(socket)).code == 0


def test_an_unknown_command_is_told_the_nearest(tmp_path: Path) -> None:
    """A slip of the finger needs no manual."""
    ran = run(tmp_path, "statuss")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no command 'statuss': did you mean 'status'?" in ran.err


@pytest.mark.parametrize(
    "words", [(), ("show",), ("status", "--nonsense"), ("-o", "xml", "status"), ("tail", "-n", "x")]
)
def test_bad_usage_has_its_exit_code(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Before any socket is looked for."""
    ran = run(tmp_path, *words)
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("submit", "--room", "", "x"), "--room is empty: say which one, or leave the option out"),
        (("--room=", "submit", "x"), "--room is empty"),
        (("submit", "--socket", "", "x"), "--socket is empty"),
        (("tail", "--socket="), "--socket is empty"),
        (("room", "close", ""), "the room's name is empty"),
        (("tail", "--since", "abc"), "'--since': 'abc' is not a whole number"),
        (("tail", "--lines", "-1"), "-1 is too small: 0 at least"),
        (("export", "--until", "0"), "'--until': 0 is too small: 1 at least"),
        (("history", "--lines", "1.5"), "'1.5' is not a whole number"),
        (("join", "--lines", "10001"), "10001 is too large: 10000 at most"),
        (("submit", "--expires", "99999999999d", "x"), "'--expires': '99999999999d' is too long: 366d at most"),
        (("submit", "--wait", "--timeout", "367d", "x"), "'--timeout': '367d' is too long"),
        (("room", "create", "x", "--idle", "0.0001"), "'--idle': '0.0001' is too short: 0.001s at least"),
        (("invite", "create", "--expires", "0.5s"), "'--expires': '0.5s' is too short: 1s at least"),
        (("tail", "--reconnect", "367d"), "'--reconnect': '367d' is too long"),
    ],
)
def test_a_bad_value_is_told_in_the_options_words(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """What was typed and what would be right; nothing is done instead with a default."""
    ran = run(tmp_path, *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


def test_the_longest_time_is_the_wires() -> None:
    """The daemon refuses what is longer, in words of its own."""
    from concordiad.core import checks

    assert checks.LONGEST_S == LONGEST_S


def test_the_version_is_printed(tmp_path: Path) -> None:
    """Without a daemon."""
    from concordiad import __version__

    assert (0, f"concordiactl {__version__}\n", "") == run(tmp_path, "--version")


def test_every_command_has_help(tmp_path: Path) -> None:
    """Each is listed with its own sentence."""
    from ctl.cli import COMMANDS

    ran = run(tmp_path, "--help")
    section = ran.out.partition("Commands:\n")[2].partition("\n\n")[0]
    listed = {line.split()[0]: line.split()[1:] for line in section.splitlines() if line[2] != " "}
    assert set(COMMANDS) == set(listed)
    assert all(listed.values())


def commands_in(line: str) -> list[list[str]]:
    """Take our own command lines out of an example that a shell would read."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>()")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|<>()"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part[1:] for part in parts if part[:1] == ["concordiactl"]]


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_help_teaches_by_examples(tmp_path: Path, path: tuple[str, ...]) -> None:
    """Two at least, and each can be typed as it stands."""
    command = EVERY_COMMAND[path]
    assert isinstance(command, Command | Group)
    assert len(command.examples) >= 2
    help_page = run(tmp_path, *path, "--help").out
    for line, meaning in command.examples:
        assert f"  {line}\n" in help_page
        assert meaning.endswith(".")
        for arguments in commands_in(line):
            if "COMMAND" not in arguments:
                read_without_running(arguments)


def test_a_daemon_that_hangs_up_is_no_daemon(tmp_path: Path, control_socket: Path) -> None:
    """It went away before it answered."""
    with scripted_daemon(control_socket, hanging_up):
        ran = run(tmp_path, "status")
    assert ran.code == 69
    assert "closed the connection" in ran.err


def test_a_refusal_is_read_although_the_daemon_has_hung_up(tmp_path: Path, control_socket: Path) -> None:
    """A message that is too large is refused before all of it was sent."""

    def script(client: Client) -> None:
        client.error(-32005, "the message is longer than the limit")

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "submit", stdin=b"x" * 3_000_000)
    assert "the message is longer than the limit" in ran.err


@pytest.mark.parametrize("line", ["hello", "[]", '{"jsonrpc":"2.0"'])
def test_somebody_elses_protocol_is_noticed(tmp_path: Path, control_socket: Path, line: str) -> None:
    """A socket where no concordiad listens gives a sentence, not a traceback."""

    def script(client: Client) -> None:
        client.request("daemon.status")
        client.line(line)

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "status")
    assert ran.code == 1
    assert "Traceback" not in ran.err


def test_an_answer_of_any_length_is_read(tmp_path: Path, control_socket: Path) -> None:
    """Ten megabytes in one line."""
    whole = {"turn": running_turn(state="finished", outcome="completed", answer="x" * 10_000_000), "prompts": []}

    def script(client: Client) -> None:
        client.request("prompt.get")
        client.error(-32001, "no")
        client.answer("turn.get", whole)

    with scripted_daemon(control_socket, script):
        ran = run(tmp_path, "show", TURN, "-o", "json")
    assert whole == json.loads(ran.out)


def test_a_reader_that_has_seen_enough_ends_it_silently(tmp_path: Path, control_socket: Path) -> None:
    """As in `concordiactl tail | head -1`."""

    def script(client: Client) -> None:
        client.answer("events.subscribe", LISTENING)
        try:
            for seq in itertools.count(7):
                client.event(event("prompt.accepted", seq, prompt=prompt()))
        except OSError:
            pass

    with scripted_daemon(control_socket, script), start(tmp_path, "tail") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        errors = child.stderr.read()
    assert (child.returncode, errors) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_a_failure(tmp_path: Path, control_socket: Path) -> None:
    """A full disk does not look like success."""
    with scripted_daemon(control_socket, idle), open("/dev/full", "wb") as full:
        done = subprocess.run(
            command_line("status"), stdout=full, stderr=subprocess.PIPE, env=environment(tmp_path), check=False
        )
    assert done.returncode == 1
    assert b"cannot write the output: No space left on device" in done.stderr


def test_closed_standard_streams_are_no_crash(tmp_path: Path, control_socket: Path) -> None:
    """A service may start it with nothing open."""
    with scripted_daemon(control_socket, idle):
        shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command_line("status")]
        assert subprocess.run(shell, env=environment(tmp_path), check=False).returncode == 0


def imported_by(tmp_path: Path, *arguments: str) -> set[str]:
    """Run Python with these arguments and name the modules that it imports."""
    child = [sys.executable, "-P", "-X", "importtime", *arguments]
    done = subprocess.run(child, capture_output=True, text=True, env=environment(tmp_path), check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_status_imports_nothing_heavy(tmp_path: Path, control_socket: Path) -> None:
    """A prompt of the shell pays for every import."""
    with scripted_daemon(control_socket, serving("daemon.status", status(room()))):
        imported = imported_by(tmp_path, "-m", "ctl", "status")
    assert "ctl.connection" in imported
    heavy = {"trio", "attrs", "attr", "cattrs", "msgspec", "structlog", "sqlite3", "asyncio", "concordiad.core.wire"}
    assert set() == imported & heavy


def test_submit_imports_next_to_nothing(tmp_path: Path, control_socket: Path) -> None:
    """A loop in a shell script pays for every import: beyond what Python loads by itself, only these are made."""
    with scripted_daemon(control_socket, serving("prompt.submit", {"prompt": prompt(), "turn": None})):
        imported = imported_by(tmp_path, "-c", "from ctl.__main__ import main; main()", "submit", "x")
    ours = {"ctl", "ctl.__main__", "ctl.lines", "ctl.prompts", "ctl.quick", "ctl.sockets"}
    ours |= {"concordiad", "concordiad.bytecode"}
    assert ours | {"__future__", "_socket", "errno"} == imported - imported_by(tmp_path, "-c", "pass")


@pytest.mark.parametrize(("words", "completion"), [("su", "submit"), ("submit --pri", "--priority")])
def test_shells_can_complete(tmp_path: Path, words: str, completion: str) -> None:
    """Commands and options, without a daemon."""
    ran = run(
        tmp_path,
        _CONCORDIACTL_COMPLETE="bash_complete",
        COMP_WORDS=f"concordiactl {words}",
        COMP_CWORD=str(len(words.split())),
    )
    assert f"plain,{completion}\n" == ran.out
