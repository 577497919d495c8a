"""
Machines with a real systemd in them: each boots in a second or two, as new, from the tree that tree.py keeps.

What such a machine cannot show: limits of memory, tasks and addresses, which need a control group hierarchy of its own.
"""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from tests.nspawn.groups import own_groups
from tests.nspawn.tree import cannot
from tests.support.patience import PATIENCE_S
from tests.support.real_cli import find_cli

NAMESPACES: Final = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
LEADER: Final = "X_NSPAWN_LEADER_PID"
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}
"""Nothing of this process's own environment reaches a machine."""
CLAUDE: Final = "/opt/claude"
"""Where a machine has the real Claude Code CLI, if that is here."""
_numbers: Final = itertools.count(1)


class Machine:
    """
    A machine that has booted.

    Attributes:
        leader: the number of its first process, as it is seen from here.
        booted_s: how long it took until everything was started.
    """

    def __init__(self, leader: int, booted_s: float) -> None:
        self.leader = leader
        self.booted_s = booted_s

    def run(
        self,
        *command: str,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a program in it to its end.

        Args:
            command: the program, looked up on the machine's PATH, and its arguments.
            user: who runs it, with all of that user's groups; root by itself.
            env: more variables.
            stdin: what it reads; nothing by itself.
            check: whether it is to exit with 0.
        """
        done = subprocess.run(
            self._inside(command, user, env),
            check=False,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env=ENVIRONMENT,
        )
        if check and done.returncode != 0:
            why = self._last_words() if command[0] == "systemctl" else ""
            raise AssertionError(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}{why}")
        return done

    def read(self, *command: str, user: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a program that is to exit with 0, and return what it has written, without the white space around."""
        return self.run(*command, user=user, env=env).stdout.strip()

    def start(
        self, *command: str, user: str | None = None, env: Mapping[str, str] | None = None, **options: Any
    ) -> "subprocess.Popen[Any]":
        """Start a program in it; `options` are Popen's."""
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen(self._inside(command, user, env), env=ENVIRONMENT, **streams)

    def _inside(self, command: Sequence[str], user: str | None, env: Mapping[str, str] | None) -> list[str]:
        enter = ["nsenter", f"--target={self.leader}", *NAMESPACES, "--wd=/", "--"]
        become = [] if user is None else ["runuser", "-u", user, "--"]
        home = {} if user is None else {"HOME": f"/home/{user}"}
        given = [f"{name}={value}" for name, value in {**home, **(env or {})}.items()]
        return [*enter, *become, *(["env", *given] if given else []), *command]

    def show(self, unit: str, what: str, *options: str) -> str:
        """Return one property of a unit, as systemctl knows it."""
        return self.read("systemctl", *options, "show", "--value", f"--property={what}", unit)

    def log_of(self, unit: str) -> str:
        """Return what a unit has logged, for a message of a test that fails."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", check=False).stdout

    def _last_words(self) -> str:
        """Return the end of the machine's log: systemctl itself never says why a unit has failed."""
        return self.run("journalctl", "--no-pager", "--lines=100", check=False).stdout

    def path(self, place: str) -> Path:
        """Name a file of the machine as it is reached from here; symbolic links to absolute paths lead out."""
        return Path(f"/proc/{self.leader}/root") / place.lstrip("/")

    def write(self, place: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root's, and its directories."""
        self.run("mkdir", "--parents", os.path.dirname(place))
        self.run("dd", "status=none", f"of={place}", stdin=text)
        self.run("chmod", f"{mode:o}", place)

    def copy(self, source: Path, place: str, *, name: str | None = None) -> None:
        """Copy a file or a whole directory from here into a directory of the machine, all of it root's."""
        self.run("mkdir", "--parents", place)
        receiver = self.start("tar", "--extract", f"--directory={place}", stdin=subprocess.PIPE)
        with receiver, _sending(receiver) as archive:
            archive.add(source, name or source.name, filter=_as_roots)
        assert receiver.returncode == 0


@contextlib.contextmanager
def _sending(receiver: "subprocess.Popen[bytes]") -> Iterator[tarfile.TarFile]:
    assert receiver.stdin is not None
    stdin: IO[bytes] = receiver.stdin
    with stdin, tarfile.open(fileobj=stdin, mode="w|") as archive:
        yield archive


def _as_roots(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if os.path.basename(entry.name) == "__pycache__":
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


@contextlib.contextmanager
def booted(tree: Path) -> Iterator[Machine]:
    """Boot a machine as new; it is shut down on leaving, and nothing of it stays."""
    name = f"concordia-{os.getpid()}-{next(_numbers)}"
    with tempfile.TemporaryDirectory(prefix="concordia-machine-") as directory, own_groups(name) as joining:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.bind(f"{directory}/notify")
        with open(Path(directory) / "console", "w+b") as console:
            began = time.monotonic()
            # Should this process die, the machine is shut down all the same.
            keeper = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", *joining, *_nspawn(tree, name)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, "NOTIFY_SOCKET": f"{directory}/notify"},
                start_new_session=True,
            )
            try:
                # Nobody listens afterwards: what systemd goes on to tell would fill a socket that is open and not read,
                # and then systemd-nspawn and the machine's own systemd stand still.
                with ear:
                    machine = _wait_until_booted(keeper, ear, console, began)
                yield machine
            finally:
                _shut_down(keeper)


def _nspawn(tree: Path, name: str) -> list[str]:
    cli = find_cli()
    return [
        *("systemd-nspawn", "--quiet", f"--directory={tree}", f"--machine={name}", "--boot"),
        *("--register=no", "--keep-unit", "--private-network", "--console=pipe", "--volatile=overlay"),
        "--notify-ready=yes",
        *([] if cli is None else [f"--bind-ro={cli}:{CLAUDE}"]),
    ]


def _wait_until_booted(
    keeper: "subprocess.Popen[bytes]", ear: socket.socket, console: IO[bytes], began: float
) -> Machine:
    leader: int | None = None
    while True:
        words = _hear(ear, keeper)
        if words is None:
            console.seek(0)
            cannot(f"systemd-nspawn does not boot here:\n{console.read().decode(errors='replace')}")
            raise RuntimeError
        leader = int(words.get(LEADER, leader or 0)) or None
        if words.get("READY") == "1" and leader is not None:
            return Machine(leader, time.monotonic() - began)


def _hear(ear: socket.socket, keeper: "subprocess.Popen[bytes]") -> dict[str, str] | None:
    """Wait for the next message; None if there will be none."""
    ear.settimeout(1.0)
    deadline = time.monotonic() + PATIENCE_S
    while keeper.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            return dict(line.split("=", 1) for line in ear.recv(4096).decode().splitlines() if "=" in line)
    return None


def _shut_down(keeper: "subprocess.Popen[bytes]") -> None:
    """Shut a machine down in order; one that hangs is ended with everything in it."""
    keeper.send_signal(signal.SIGTERM)
    try:
        keeper.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait(PATIENCE_S)
