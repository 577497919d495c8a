"""The program in an agent's unit, over a socket pair and without a service manager: real processes, real packets."""

import array
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_units import FORGED, run_shim
from tests.support.daemon import wait_for_end
from tests.support.patience import PATIENCE_S

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(999)"
)


class Unit:
    """A shim with its connection, and the program's streams once there is an order."""

    def __init__(self, connection: socket.socket, shim: "subprocess.Popen[bytes]") -> None:
        self.connection = connection
        self.shim = shim
        self.stdin = self.stdout = self.stderr = -1

    def order(self, *argv: str, **more: Any) -> None:
        """Send the first packet."""
        theirs_in, self.stdin = os.pipe()
        self.stdout, theirs_out = os.pipe()
        self.stderr, theirs_err = os.pipe()
        order = {"argv": argv, "cwd": "/", "env": {"GIVEN": "x"}, "grace": PATIENCE_S, **more}
        streams = array.array("i", [theirs_in, theirs_out, theirs_err])
        self.connection.sendmsg([json.dumps(order).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        for stream in streams:
            os.close(stream)

    def python(self, program: str, **more: Any) -> None:
        """Order a Python program."""
        self.order(sys.executable, "-ISc", program, **more)

    def send(self, **words: object) -> None:
        """Send a message."""
        self.connection.send(json.dumps(words).encode())

    def hear(self) -> Any:
        """Wait for the next message; None once there are no more."""
        packet = self.connection.recv(65536)
        return json.loads(packet) if packet else None

    def hear_all(self) -> list[Any]:
        """Wait for all that it still says."""
        return list(iter(self.hear, None))

    def read_all(self) -> bytes:
        """Read what is left of the program's output."""
        with open(self.stdout, "rb", closefd=False) as output:
            return output.read()

    def close(self) -> None:
        """End everything."""
        self.connection.close()
        self.shim.kill()
        self.shim.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                os.close(stream)


@pytest.fixture
def unit() -> Iterator[Unit]:
    """A shim that waits for its order."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE_S)
    with theirs:
        shim = run_shim(theirs, {"UNITS": "y"})
    unit = Unit(ours, shim)
    yield unit
    unit.close()


def test_program_runs_with_its_streams_and_its_end_is_told(unit: Unit) -> None:
    """The program's streams are those that were passed, its pid and its exit status are told, and the shim ends."""
    unit.python(ECHO + "\nsys.exit(7)")
    pid = unit.hear()["pid"]
    assert Path(f"/proc/{pid}").exists()
    os.write(unit.stdin, b"hello\n")
    os.close(unit.stdin)
    unit.stdin = -1
    assert unit.read_all() == b"hello\n"
    assert unit.hear_all() == [{"exited": {"code": 7, "signal": None}}]
    assert unit.shim.wait(PATIENCE_S) == 0


def test_program_has_the_units_variables_and_the_orders(unit: Unit) -> None:
    """What the unit sets and what the daemon sends is there; what the service manager tells the shim is not."""
    unit.python("import json, os; print(json.dumps(dict(os.environ)))")
    variables = json.loads(unit.read_all())
    assert (variables["UNITS"], variables["GIVEN"]) == ("y", "x")
    assert not FORGED.keys() & variables.keys()


def test_signals_are_passed_on(unit: Unit) -> None:
    """A signal that the daemon wants sent ends the program, and which one it was is told."""
    unit.python(ECHO)
    assert "pid" in unit.hear()
    unit.send(signal=signal.SIGUSR1)
    assert unit.hear_all() == [{"exited": {"code": None, "signal": signal.SIGUSR1}}]


def test_status_tells_the_program_again(unit: Unit) -> None:
    """Whoever takes the connection over asks what runs, and is told."""
    unit.python(ECHO)
    first = unit.hear()
    unit.send(status=True)
    assert unit.hear() == first


def test_nonsense_from_the_daemon_changes_nothing(unit: Unit) -> None:
    """Packets that are no message, or ask for what cannot be, are passed over."""
    unit.python(ECHO)
    first = unit.hear()
    for nonsense in (b"{", b"[]", b'{"signal":"TERM"}', b'{"signal":-5}', b"\xff"):
        unit.connection.send(nonsense)
    unit.send(status=True)
    assert unit.hear() == first


def test_hang_up_ends_the_program(unit: Unit) -> None:
    """When nobody holds the other end any more, the program gets SIGTERM."""
    unit.python(ECHO)
    pid = unit.hear()["pid"]
    unit.connection.close()
    wait_for_end(pid, PATIENCE_S)
    assert unit.shim.wait(PATIENCE_S) == 0


def test_stubborn_program_is_killed_after_its_grace(unit: Unit) -> None:
    """A program that ignores SIGTERM gets SIGKILL when the grace is over."""
    unit.python(STUBBORN, grace=0.01)
    pid = unit.hear()["pid"]
    assert os.read(unit.stdout, 100) == b"here\n"
    unit.connection.close()
    wait_for_end(pid, PATIENCE_S)


def test_stop_of_the_unit_ends_the_program_and_says_so(unit: Unit) -> None:
    """SIGTERM to the shim, which is how a unit is stopped, ends the program first."""
    unit.python(ECHO)
    assert "pid" in unit.hear()
    unit.shim.terminate()
    assert unit.hear_all() == [
        {"ending": "the unit is stopped"},
        {"exited": {"code": None, "signal": signal.SIGTERM}},
    ]


@pytest.mark.parametrize(
    ("order", "error", "number", "path"),
    [
        ({"argv": ["/nowhere/agent"]}, "No such file or directory: /nowhere/agent", 2, "/nowhere/agent"),
        ({"cwd": "/nowhere"}, "No such file or directory: /nowhere", 2, "/nowhere"),
        ({"argv": ["/etc"]}, "Permission denied: /etc", 13, "/etc"),
        ({"argv": ["a\0b"]}, "embedded null byte", None, None),
        ({"argv": []}, "the first packet is no order: argv, cwd and env must be texts", None, None),
        ({"env": {"A": 1}}, "the first packet is no order: argv, cwd and env must be texts", None, None),
    ],
)
def test_what_cannot_be_run_is_told(
    unit: Unit, order: dict[str, Any], error: str, number: int | None, path: str | None
) -> None:
    """A program that is not there, a directory that is not, or an order that is none is named, and the shim ends."""
    unit.order(*order.pop("argv", ["true"]), **order)
    assert unit.hear_all() == [{"error": error, "errno": number, "path": path}]
    assert unit.shim.wait(PATIENCE_S) == 1


def test_order_without_streams_is_refused(unit: Unit) -> None:
    """An order comes with exactly three descriptors."""
    unit.send(argv=["true"], cwd="/", env={}, grace=1)
    assert unit.hear_all() == [
        {"error": "the first packet has 0 descriptors, it must have 3 and be whole", "errno": None, "path": None}
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root looks into everything, and owns these files in any case")
def test_others_of_the_same_user_cannot_look_into_the_shim(unit: Unit) -> None:
    """An agent cannot read the shim's memory or take its descriptors: its files in /proc are root's."""
    unit.python(ECHO)
    assert "pid" in unit.hear()
    with pytest.raises(PermissionError):
        os.listdir(f"/proc/{unit.shim.pid}/fd")
