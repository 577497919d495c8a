"""
An agent in a unit of its own: the service manager makes the unit when we connect, and the shim in it runs the program.

To whoever uses it, such an agent is like a plain child (`agent/process.py`): three pipes, a pid, an exit. Law: the
connection is the unit's life; as long as somebody holds it the agent goes on, and its hang-up is the agent's end.
"""

import array
import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import trio

from concordiad.agent.process import SCARCE, AgentStdin, Exit
from concordiad.agent.spool import SpooledOutput
from concordiad.errors import AgentError, AgentUnfit, ConcordiaError

OPEN: Final = "systemctl enable --now concordia-agent.socket"
"""What an administrator types where the socket of the agents' units is not there."""
START_S: Final = 30.0
"""How long a unit may take to run its program: 0.15 s on an idle machine."""
PACKET_BYTES: Final = 64 * 1024
"""More than the shim says in one packet."""
GRACE_S: Final = 5.0
"""What a program has between SIGTERM and SIGKILL when nobody holds its connection any more."""


class Pipes(NamedTuple):
    """Our ends of a program's streams."""

    stdin: int
    stdout: int
    stderr: int


class Keep(Protocol):
    """The service manager's store, for one agent."""

    async def keep(self, descriptors: Mapping[str, int]) -> bool:
        """Store descriptors by their parts; tells whether the manager has them."""

    def forget_input(self) -> None:
        """Have the manager close the agent's stdin, so that closing ours is its end."""


class UnitFault(ConcordiaError):
    """
    A unit does not run the program.

    Attributes:
        is_lasting: whether a further attempt would end in the same way.
        path: the program or the directory that it cannot use, where it said so.
    """

    def __init__(self, message: str, *, is_lasting: bool, path: str | None = None) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting
        self.path = path


def connect(path: str) -> socket.socket:
    """
    Have the service manager make a unit.

    Raises:
        UnitFault: there is no such socket, it may not be used, or nobody listens.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise _not_connected(path, error) from error
    return connection


def _not_connected(path: str, error: OSError) -> UnitFault:
    what = f"the socket {path} of the agent's units"
    match error.errno:
        case errno.ENOENT:
            return UnitFault(f"{what} is not there: `{OPEN}`", is_lasting=True)
        case errno.EACCES | errno.EPERM:
            remedy = "SocketUser= of its unit must name the daemon's user"
            return UnitFault(f"{what} may not be used by this user: {remedy}", is_lasting=True)
        case errno.ECONNREFUSED:
            return UnitFault(f"nobody listens on {path}: `systemctl restart concordia-agent.socket`", is_lasting=True)
        case errno.EAGAIN:
            return UnitFault(f"{what} has no place for one more: too many wait there already", is_lasting=False)
    return UnitFault(f"{what} cannot be used: {error.strerror}", is_lasting=error.errno not in SCARCE)


def make_pipes() -> tuple[Pipes, Pipes]:
    """Make a program's three pipes: our ends, and its own."""
    theirs_in, ours_in = os.pipe()
    ours_out, theirs_out = os.pipe()
    ours_err, theirs_err = os.pipe()
    return Pipes(ours_in, ours_out, ours_err), Pipes(theirs_in, theirs_out, theirs_err)


def send_order(
    connection: socket.socket,
    theirs: Pipes,
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    grace_s: float,
) -> None:
    """
    Say what is to be run, and give it its three pipes; they are closed here.

    Raises:
        UnitFault: the order is too long, or the unit has ended already.
    """
    order = {"argv": list(command), "cwd": str(cwd), "env": dict(environment), "grace": grace_s}
    streams = array.array("i", theirs)
    try:
        # `socket.send_fds` of Python 3.11 is of no use here: it drops flags and address.
        connection.sendmsg([json.dumps(order).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            raise UnitFault("the agent's arguments and variables are too long for its unit", is_lasting=True) from error
        raise ended_early() from error
    finally:
        for descriptor in streams:
            os.close(descriptor)


def ended_early() -> UnitFault:
    """Make the fault of a unit that ended before it ran anything: of its own reasons only its journal knows."""
    return UnitFault(
        "the agent's unit ended before it ran the agent: `journalctl -u 'concordia-agent@*'` tells why (its sandbox"
        " could not be set up, or there are as many agents as MaxConnections= of concordia-agent.socket allows)",
        is_lasting=False,
    )


def read_report(packet: bytes) -> dict[str, Any]:
    """Read what a shim says; empty where that is nothing that a shim says."""
    try:
        report = json.loads(packet)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _refused(report: Mapping[str, Any], command: Sequence[str]) -> UnitFault:
    is_lasting = report.get("errno") not in SCARCE
    message = f"the agent {command[0]} cannot be started in its unit: {report['error']}"
    return UnitFault(message, is_lasting=is_lasting, path=report.get("path"))


def run_in_unit(
    path: str, command: Sequence[str], environment: Mapping[str, str], timeout_s: float, cwd: Path = Path("/")
) -> "subprocess.CompletedProcess[str]":
    """
    Run a program in a unit to its end, with no input; blocks.

    Raises:
        UnitFault: it cannot be run there.
        subprocess.TimeoutExpired: it did not end in time; it is ended then.
    """
    deadline = time.monotonic() + timeout_s
    with connect(path) as connection:
        pipes, theirs = make_pipes()
        os.close(pipes.stdin)
        said: dict[int, list[bytes]] = {pipes.stdout: [], pipes.stderr: []}
        try:
            send_order(connection, theirs, command, cwd, environment, GRACE_S)
            code = _watch(connection, said, command, deadline)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(list(command), timeout_s) from error
        finally:
            for descriptor in said:
                os.close(descriptor)
    out, err = (b"".join(chunks).decode("utf-8", "replace") for chunks in said.values())
    return subprocess.CompletedProcess(list(command), code, out, err)


def _watch(connection: socket.socket, said: dict[int, list[bytes]], command: Sequence[str], deadline: float) -> int:
    """Read until everything has ended; return the status as `subprocess` gives it."""
    code: int | None = None
    poll = select.poll()
    opened = {connection.fileno(), *said}
    for descriptor in opened:
        poll.register(descriptor, select.POLLIN)
    while opened:
        ready = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not ready:
            raise TimeoutError
        for descriptor, _ in ready:
            if descriptor in said:
                chunk = os.read(descriptor, PACKET_BYTES)
                said[descriptor].append(chunk)
            else:
                chunk = _receive_now(connection)
                report = read_report(chunk) if chunk else {}
                if "error" in report:
                    raise _refused(report, command)
                if "exited" in report:
                    ended = _exit_of(report)
                    code = -ended.signal if ended.signal is not None else ended.code
            if not chunk:
                opened.discard(descriptor)
                poll.unregister(descriptor)
    if code is None:
        raise ended_early()
    return code


def _receive_now(connection: socket.socket) -> bytes:
    try:
        return connection.recv(PACKET_BYTES)
    except OSError:
        return b""


def _exit_of(report: Mapping[str, Any]) -> Exit:
    exited = report["exited"]
    return Exit(exited["code"], exited["signal"])


class UnitProcess:
    """
    An agent in a unit.

    Args:
        connection: to its shim, whose word that it runs was taken already.
        pid: the agent's.
        pipes: our ends of its streams.
        write_s: how long one line to it may take to be written.
        keep: the service manager's store, where that has its descriptors, too, so that it goes on when ours are closed.
    """

    def __init__(
        self,
        connection: trio.socket.SocketType,
        pid: int,
        pipes: Pipes,
        write_s: float,
        keep: Keep | None = None,
    ) -> None:
        self._connection = connection
        self._exit: Exit | None = None
        self.is_kept = keep is not None
        self.pid = pid
        forget = (lambda: None) if keep is None else keep.forget_input
        self.stdin = AgentStdin(trio.lowlevel.FdStream(pipes.stdin), write_s, forget)
        self.stdout = trio.lowlevel.FdStream(pipes.stdout)
        self.stderr: trio.abc.ReceiveStream = trio.lowlevel.FdStream(pipes.stderr)

    def spool(self, directory: Path, incarnation: str, place: int) -> SpooledOutput:
        """Have its output go through files, and read it there from a place on."""
        return SpooledOutput(self.stdout, directory, incarnation, place)

    async def wait(self) -> Exit:
        """
        Wait until the agent has ended; a unit that ends without a word was killed.

        The word stays where it is, for whoever takes the agent over if we do not live to record it.
        """
        while self._exit is None:
            report = await _peek(self._connection)
            if "exited" in report:
                self._exit = _exit_of(report)
            else:
                await _receive(self._connection)
        return self._exit

    def has_ended(self) -> bool:
        """Tell whether its end was told."""
        return self._exit is not None

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it (SIGKILL)."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Let it read the end of its input; who reads its output lets go of that."""
        self.stdin.close()

    def leave(self) -> None:
        """Let it go on without us, where it is kept."""
        self.stdin.leave()

    def release(self) -> None:
        """Let go of the unit, which ends it if it is still there and nobody else has it."""
        self._connection.close()

    def _signal(self, number: signal.Signals) -> None:
        # It has ended, or does not even take this: then the hang-up ends it.
        with contextlib.suppress(OSError):
            os.write(self._connection.fileno(), json.dumps({"signal": int(number)}).encode())


async def _peek(connection: trio.socket.SocketType) -> dict[str, Any]:
    """Look at the next report, and leave it; a hang-up is an end by SIGKILL."""
    packet = await _receive(connection, socket.MSG_PEEK)
    return read_report(packet) if packet else {"exited": {"code": None, "signal": int(signal.SIGKILL)}}


async def _receive(connection: trio.socket.SocketType, flags: int = 0) -> bytes:
    try:
        return await connection.recv(PACKET_BYTES, flags)
    except OSError:
        return b""


async def spawn_in_unit(
    path: str,
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    write_s: float,
    grace_s: float,
    keep: Keep | None = None,
) -> UnitProcess:
    """
    Start an agent in a unit; the grace is what it has between SIGTERM and SIGKILL when nobody holds it any more.

    With `keep` the descriptors are stored before anything runs, so that the agent can outlive us from its first moment.

    Raises:
        AgentUnfit: it cannot be started there, and never will be as things are.
        AgentError: it cannot be started there at the moment.
    """
    with contextlib.ExitStack() as undoing:
        try:
            stdlib = connect(path)
            connection = trio.socket.from_stdlib_socket(stdlib)
            undoing.callback(connection.close)
            pipes, theirs = make_pipes()
            for descriptor in pipes:
                undoing.callback(os.close, descriptor)
            with contextlib.ExitStack() as unsent:
                for descriptor in theirs:
                    unsent.callback(os.close, descriptor)
                is_kept = keep is not None and await keep.keep(stored(pipes, stdlib.fileno()))
                unsent.pop_all()
            send_order(stdlib, theirs, command, cwd, environment, grace_s)
            pid = await _hear_pid(connection, command)
        except UnitFault as fault:
            raise (AgentUnfit if fault.is_lasting else AgentError)(str(fault)) from fault
        undoing.pop_all()
    return UnitProcess(connection, pid, pipes, write_s, keep if is_kept else None)


def stored(pipes: Pipes, connection: int) -> dict[str, int]:
    """Name the descriptors that an agent in a unit consists of, as they are stored."""
    return {"in": pipes.stdin, "out": pipes.stdout, "err": pipes.stderr, "unit": connection}


async def take_over(found: Mapping[str, int], write_s: float, keep: Keep) -> UnitProcess:
    """
    Take over an agent that an earlier run of the daemon has left, from its descriptors.

    One that has ended meanwhile is told as that by `wait`; its pid is 0 then.
    """
    connection = trio.socket.from_stdlib_socket(socket.socket(fileno=found["unit"]))
    with contextlib.suppress(OSError):
        os.write(found["unit"], json.dumps({"status": True}).encode())
    report: dict[str, Any] = {}
    with trio.move_on_after(START_S):
        while not report.keys() & {"pid", "exited"}:
            report = await _peek(connection)
            if "exited" not in report:
                await _receive(connection)
    pid = report.get("pid", 0)
    return UnitProcess(connection, pid, Pipes(found["in"], found["out"], found["err"]), write_s, keep)


async def end_unit(found: Mapping[str, int], grace_s: float) -> None:
    """End an agent of an earlier run that nobody takes over, and wait for that for a while; closes its descriptors."""
    with contextlib.ExitStack() as closing:
        for part, descriptor in found.items():
            if part != "unit":
                closing.callback(os.close, descriptor)
        if "unit" not in found:
            # The service manager had no place for it: then it has hung up, which has ended the agent.
            await trio.lowlevel.checkpoint()
            return
        connection = closing.enter_context(trio.socket.from_stdlib_socket(socket.socket(fileno=found["unit"])))
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(OSError):
                os.write(found["unit"], json.dumps({"signal": int(number)}).encode())
            with trio.move_on_after(grace_s):
                while "exited" not in await _peek(connection):
                    await _receive(connection)
                return


async def _hear_pid(connection: trio.socket.SocketType, command: Sequence[str]) -> int:
    with trio.move_on_after(START_S):
        packet = await _receive(connection)
        if not packet:
            raise ended_early()
        report = read_report(packet)
        if not isinstance(report.get("pid"), int):
            raise _refused({"error": f"its shim says {packet[:80]!r}", **report}, command)
        return int(report["pid"])
    raise UnitFault(f"the agent's unit has not run the agent within {START_S:g} s", is_lasting=False)
