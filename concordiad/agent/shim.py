"""
The program that runs one agent in a unit of its own, for a daemon at the other end of its standard input.

It is run as `python3 -IS shim.py` with a connected SOCK_SEQPACKET socket as standard input, and needs nothing but the
standard library. One packet is one message, a JSON object. The first one says what to run:

    {"argv": [...], "cwd": "/...", "env": {...}, "grace": 5.0}     with exactly three descriptors: stdin, stdout, stderr

After it the daemon may send {"signal": 15} and {"status": true}. The shim says {"pid": 12} once the program runs, and
again when it is asked for its status; {"error": "...", "errno": 2, "path": "/..."} when it cannot be run, with the file
or directory that this is about; {"ending": "..."} when it ends the program of its own accord, and why; at last
{"exited": {"code": 0, "signal": null}}.

Laws: when the connection hangs up, or the shim is told to end by SIGTERM, the program gets SIGTERM, and SIGKILL when
the grace is over; the shim ends when the program has ended, and the service manager ends whatever is left in the unit.
"""

import array
import contextlib
import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Final

PACKET_BYTES: Final = 1024 * 1024
"""More than one packet can hold: the kernel refuses to send what exceeds its send buffer, 208 KiB by default."""
STREAMS: Final = 3
PR_SET_DUMPABLE: Final = 4
OURS: Final = re.compile(
    "NOTIFY_SOCKET|WATCHDOG_(USEC|PID)|LISTEN_(FDS|PID|PIDFDID|FDNAMES)|FDSTORE|INVOCATION_ID|JOURNAL_STREAM"
    "|(MAIN|MANAGER)PID(FDID)?|REMOTE_(ADDR|PORT)|CREDENTIALS_DIRECTORY|SYSTEMD_EXEC_PID|MEMORY_PRESSURE_.*"
)
"""What the service manager tells the shim and not the program."""


class Refused(Exception):
    """The program cannot be run; `number` is the errno and `path` what it is about, where there are such."""

    def __init__(self, why: str, number: int | None = None, path: str | None = None) -> None:
        super().__init__(why)
        self.number = number
        self.path = path


def hide() -> None:
    """Keep other processes of this user out of our memory and our descriptors (prctl(2), PR_SET_DUMPABLE)."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def receive_order(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """
    Receive what to run, and its three streams.

    Raises:
        Refused: the packet is not what it must be.
    """
    size = array.array("i").itemsize
    packet, ancillary, flags, _ = connection.recvmsg(PACKET_BYTES, socket.CMSG_SPACE(size * STREAMS * 2))
    streams = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            streams.frombytes(data[: len(data) - len(data) % size])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(streams) != STREAMS:
        raise Refused(f"the first packet has {len(streams)} descriptors, it must have {STREAMS} and be whole")
    try:
        order = json.loads(packet)
        argv, env = order["argv"], order["env"]
        texts = [order["cwd"], *argv, *env, *env.values()]
        is_fit = isinstance(argv, list) and len(argv) > 0 and all(isinstance(text, str) for text in texts)
        order["grace"] = float(order["grace"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"the first packet is no order: {error!r}") from error
    if not is_fit:
        raise Refused("the first packet is no order: argv, cwd and env must be texts")
    return order, list(streams)


def start(order: dict[str, Any], streams: list[int]) -> "subprocess.Popen[bytes]":
    """
    Start the program: the unit's own variables, then those of the order.

    Raises:
        Refused: it cannot be started.
    """
    kept = {name: value for name, value in os.environ.items() if not OURS.fullmatch(name)}
    try:
        return subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env={**kept, **order["env"]},
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
        )
    except OSError as error:
        raise Refused(f"{error.strerror}: {error.filename}", error.errno, error.filename) from error
    except ValueError as error:
        raise Refused(str(error)) from error
    finally:
        for stream in streams:
            os.close(stream)


class Shim:
    """One program, watched until it has ended."""

    def __init__(self, connection: socket.socket, process: "subprocess.Popen[bytes]", grace_s: float) -> None:
        self._connection = connection
        self._process = process
        self._grace_s = grace_s
        self._kill_at: float | None = None

    def tell(self, **words: object) -> None:
        """Tell the daemon; nobody may be there any more."""
        tell(self._connection, **words)

    def end(self, why: str) -> None:
        """Ask the program to end, and make it end when its grace is over."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace_s
            self.tell(ending=why)
            self._process.terminate()

    def run(self, alarm: int) -> None:
        """Serve the connection until the program has ended; `alarm` is readable when we are told to end."""
        ended = os.pidfd_open(self._process.pid)
        poll = select.poll()
        for descriptor in (ended, alarm, self._connection.fileno()):
            poll.register(descriptor, select.POLLIN)
        self.tell(pid=self._process.pid)
        while self._process.poll() is None:
            left_s = None if self._kill_at is None else self._kill_at - time.monotonic()
            if left_s is not None and left_s <= 0:
                self._process.kill()
                left_s = None
            ready = {descriptor for descriptor, _ in poll.poll(None if left_s is None else left_s * 1000 + 1)}
            if alarm in ready:
                poll.unregister(alarm)
                self.end("the unit is stopped")
            if self._connection.fileno() in ready and not self._obey():
                poll.unregister(self._connection)
                self.end("nobody is at the other end any more")
        status = self._process.returncode
        self.tell(exited={"code": status if status >= 0 else None, "signal": -status if status < 0 else None})

    def _obey(self) -> bool:
        """Do what one packet says; False when there are no more."""
        try:
            packet = self._connection.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not packet:
            return False
        with contextlib.suppress(ValueError, TypeError, AttributeError, OSError):
            message = json.loads(packet)
            if message.get("status"):
                self.tell(pid=self._process.pid)
            if message.get("signal") is not None:
                self._process.send_signal(int(message["signal"]))
        return True


def tell(connection: socket.socket, **words: object) -> None:
    """Send one message; whoever has gone, or reads nothing, misses it."""
    with contextlib.suppress(OSError):
        connection.send(json.dumps(words).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def main() -> int:
    """Run one program; 0 when it could be run."""
    hide()
    alarm, bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(bell)
    signal.signal(signal.SIGTERM, lambda *_: None)
    # Under another number: the program's own standard input will be number 0.
    connection = socket.socket(fileno=os.dup(0))
    try:
        order, streams = receive_order(connection)
        process = start(order, streams)
    except Refused as refused:
        tell(connection, error=str(refused), errno=refused.number, path=refused.path)
        sys.stderr.write(f"concordia-agent: {refused}\n")
        return 1
    Shim(connection, process, order["grace"]).run(alarm)
    return 0


if __name__ == "__main__":
    sys.exit(main())
