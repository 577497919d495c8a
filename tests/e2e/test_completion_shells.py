"""Completion in real shells beside a real daemon, taught as the help says; only zsh and fish may be absent."""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ctl.commands.completion import completion
from ctl.lines import REPLY_LIMIT_S
from ctl.settings import Command
from tests.ctl.patient import PATIENT
from tests.ctl.program import environment
from tests.e2e.gate import Gate
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S

SHELLS = ("bash", "zsh", "fish")
PROMPT = "READY> "
HELD_UP_S = REPLY_LIMIT_S / 2
"""A hundred times what a shell waits for a daemon, as a busy machine is late; others wait for longer."""
CLEAR_LINE = b"\x15"
_PIECES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z~]|\x1b\][^\x07]*\x07|\x1b.|.", re.DOTALL)


class World(NamedTuple):
    """A daemon with something of every kind, and what a shell has to know to find it."""

    variables: Mapping[str, str]
    home: Path
    room: str
    prompt: str
    turn: str
    approval: str


@pytest.fixture
def world(daemon: Daemon, site: Site, gate: Gate, tmp_path: Path) -> Iterator[World]:
    """Give two rooms: one with a turn and a prompt behind it, one whose agent asks something."""
    client = daemon.connect()
    other = tmp_path / "other"
    other.mkdir()
    client.call("room.create", name="workshop", workdir=str(other), agent="rehearsal")
    main = daemon.follow()
    main.submit(str(gate))
    turn = main.next("turn.started")["turn"]["id"]
    prompt = main.submit("it's \"second\", with $(odd) signs: 'x")["id"]
    asking = daemon.follow(room="workshop", since=0)
    asking.call("prompt.submit", room="workshop", text="[[tool:sleep 1]]")
    approval = asking.next("approval.requested")["approval"]["id"]
    yield World(_variables(site), site.home, "workshop", prompt, turn, approval)
    gate.open()
    client.call("approval.answer", room="workshop", id=approval, allow=False)


def install(home: Path, module: str) -> None:
    """Put a program into the home, before others of its name."""
    program = home / "bin" / "concordiactl"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m {module} "$@"\n')
    program.chmod(0o755)


def _variables(site: Site) -> dict[str, str]:
    install(site.home, PATIENT)
    path = f"{site.home / 'bin'}:{os.environ['PATH']}"
    return environment(site.home, PATH=path, CONCORDIA_SOCKET=str(site.socket), PS1=PROMPT, INPUTRC="/dev/null")


def require(shell: str) -> None:
    """Skip a test whose shell is not there; bash always is."""
    if shell != "bash" and shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def taught(shell: str, *, for_good: bool) -> str:
    """Take from the help what teaches a shell."""
    assert isinstance(completion, Command)
    lines = [line for line, _ in completion.examples if shell in line and (">>" in line) == for_good]
    return lines[0] if lines else f"source <(concordiactl completion {shell})"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """Give each shell that is there."""
    name: str = request.param
    require(name)
    return name


def run_in(shell: str, script: str, variables: Mapping[str, str]) -> str:
    """Run a script in a shell, which has nothing to complain of."""
    done = subprocess.run(
        [shell, "-c", script], env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def shown(written: str) -> str:
    """Show what a terminal makes of this: shells go back in a line and write over it."""
    lines, column = [""], 0
    for piece in _PIECES.findall(written):
        line, moves = lines[-1], re.fullmatch(r"\x1b\[(\d*)([CDKJ])", piece)
        if piece == "\n":
            lines.append("")
            column = 0
        elif piece == "\r":
            column = 0
        elif piece == "\b":
            column = max(column - 1, 0)
        elif moves is not None and moves[2] in "CD":
            column = max(column + int(moves[1] or 1) * (1 if moves[2] == "C" else -1), 0)
        elif moves is not None:
            lines[-1] = line[:column]
        elif piece >= " ":
            lines[-1] = line[:column].ljust(column) + piece + line[column + 1 :]
            column += 1
    return "\n".join(lines)


class Typist:
    """Somebody who types into an interactive shell on a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._written = ""

    def wait_for_prompt(self) -> None:
        """Wait until the shell is ready."""
        self._wait(lambda: shown(self._written).endswith(PROMPT))
        self._written = PROMPT

    def complete(self, line: str, expected: str) -> None:
        """Type a line, Tab and a sign: the expected line stands there then, and nothing else is written anywhere."""
        os.write(self._terminal, f"{line}\t#".encode())
        wanted = (f"{PROMPT}{expected}#", f"{PROMPT}{expected} #")
        self._wait(lambda: shown(self._written).rstrip() in wanted)
        os.write(self._terminal, CLEAR_LINE + b"\n")
        self._wait(lambda: shown(self._written).endswith("\n" + PROMPT))
        assert [line.rstrip() + " " for line in shown(self._written).split("\n")] == [PROMPT, PROMPT]
        self._written = PROMPT

    def _wait(self, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_there():
            left_s = max(deadline - time.monotonic(), 0)
            assert select.select([self._terminal], [], [], left_s)[0], f"there stands only:\n{shown(self._written)}"
            self._written += os.read(self._terminal, 65536).decode(errors="replace")


@contextmanager
def interactive(shell: str, variables: Mapping[str, str]) -> Iterator[Typist]:
    """Start an interactive shell with its start-up file."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 200))
    line = ["setsid", "--ctty", "--wait", shell, "-i"]
    with subprocess.Popen(line, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        typist = Typist(ours)
        try:
            yield typist
        finally:
            os.close(ours)
            process.wait(PATIENCE_S)


LINES = (
    ("concordiactl comp", "concordiactl completion"),
    ("concordiactl room cr", "concordiactl room create"),
    ("concordiactl submit --prio", "concordiactl submit --priority"),
    ("concordiactl submit --priority h", "concordiactl submit --priority high"),
    ("concordiactl --room work", "concordiactl --room {room}"),
    ("concordiactl --room=work", "concordiactl --room={room}"),
    ("concordiactl --room=workshop tail --no", "concordiactl --room=workshop tail --no-follow"),
    ("concordiactl export --file=/etc/hostn", "concordiactl export --file=/etc/hostname"),
    ("concordiactl export -f /etc/hostn", "concordiactl export -f /etc/hostname"),
    ("concordiactl room create x --workdir /usr/shar", "concordiactl room create x --workdir /usr/share/"),
    ("concordiactl strange ", "concordiactl strange"),
    ("concordiactl cancel 7", "concordiactl cancel 7"),
    ("concordiactl room close w", "concordiactl room close {room}"),
    ("concordiactl cancel ", "concordiactl cancel {prompt}"),
    ("concordiactl interrupt --turn ", "concordiactl interrupt --turn {turn}"),
    ("concordiactl interrupt --turn=", "concordiactl interrupt --turn={turn}"),
    ("concordiactl approve --room workshop ", "concordiactl approve --room workshop {approval}"),
    ("concordiactl --room=workshop deny 0", "concordiactl --room=workshop deny {approval}"),
    (
        "concordiactl history --since 2026-01-01T08:00 --state c",
        "concordiactl history --since 2026-01-01T08:00 --state completed",
    ),
)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_on_a_terminal(world: World, shell: str) -> None:
    """What was taught for good by its start-up file; nothing but the completion is written."""
    require(shell)
    run_in(shell, taught(shell, for_good=True), world.variables)
    with (world.home / f".{shell}rc").open("a") as file:
        file.write(f"PS1='{PROMPT}'\n{'unsetopt PROMPT_SP' if shell == 'zsh' else ''}\n")
    with interactive(shell, world.variables) as typist:
        typist.wait_for_prompt()
        for line, expected in LINES:
            typist.complete(line, expected.format(**world._asdict()))


@pytest.mark.parametrize(("line", "expected"), [each for each in LINES if "/" not in each[0]])
def test_fish_completes(world: World, line: str, expected: str) -> None:
    """What its own completion gives, with what it means; taught for good by its start-up file."""
    require("fish")
    run_in("fish", taught("fish", for_good=True), world.variables)
    told = run_in("fish", f"complete -C {shlex.quote(line)}", world.variables)
    wanted = expected.format(**world._asdict())
    found = [told_line.partition("\t")[0] for told_line in told.splitlines()]
    assert found == ([] if wanted == line.rstrip() else [wanted.rpartition(" ")[2]])


def test_a_shell_is_taught_for_once(world: World, shell: str) -> None:
    """By the line that the help has for that; zsh also where nothing has readied its completion yet."""
    known = {
        "bash": "complete -p concordiactl",
        "zsh": "echo $_comps[concordiactl]",
        "fish": "complete -C 'concordiactl cancel '",
    }
    said = run_in(shell, f"{taught(shell, for_good=False)}\n{known[shell]}", world.variables)
    assert (world.prompt if shell == "fish" else "_concordiactl_completion") in said


ASK = {
    "bash": "COMP_WORDS=(concordiactl cancel ''); COMP_CWORD=2; _concordiactl_completion concordiactl;"
    ' echo "${COMPREPLY[@]}"',
    "zsh": "words=(concordiactl cancel ''); CURRENT=3; _concordiactl_completion; true",
    "fish": "complete -C 'concordiactl cancel '",
}


def test_without_a_daemon_nothing_is_said(world: World, shell: str) -> None:
    """And nothing is completed."""
    variables = {**world.variables, "CONCORDIA_SOCKET": str(world.home / "nowhere.sock")}
    assert run_in(shell, f"{taught(shell, for_good=False)}\n{ASK[shell]}", variables).strip() == ""


def test_a_daemon_that_hangs_holds_no_shell_up(world: World, daemon: Daemon, shell: str) -> None:
    """Whoever pressed Tab goes on, long before anybody else would give the daemon up."""
    install(world.home, "ctl")
    daemon.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert run_in(shell, f"{taught(shell, for_good=False)}\n{ASK[shell]}", world.variables).strip() == ""
        assert time.monotonic() - began < HELD_UP_S
    finally:
        daemon.send_signal(signal.SIGCONT)


def test_a_program_that_is_gone_is_not_missed(world: World, shell: str) -> None:
    """A shell outlives what it was taught by."""
    gone = f"rm {world.home}/bin/concordiactl; cd {world.home}/bin"
    assert run_in(shell, f"{taught(shell, for_good=False)}\n{gone}\n{ASK[shell]}", world.variables).strip() == ""
