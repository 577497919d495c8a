"""
A program that runs another one and kills it at its Nth call of the kernel that leaves something outside of it.

`python -m tests.soak.tracer FILE now|later COMMAND…`; FILE is a `Plan` that both sides map; `later` counts from SIGUSR1
on, and until then the program runs at its full speed. strace could do nearly the same, but it counts the calls of each
thread by itself, and SQLite's come from whichever thread is idle. Only the command's own threads are traced: what it
starts runs free, and outlives it.

Linux 5.3 or newer, x86-64 or aarch64; a program may always trace its own children.
"""

import contextlib
import ctypes
import mmap
import os
import platform
import signal
import struct
import sys
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

CALLS: Final[dict[str, str]] = {
    "x86_64": "write=1 pwrite64=18 writev=20 pwritev=296 sendto=44 sendmsg=46 fsync=74 fdatasync=75 truncate=76"
    " ftruncate=77 rename=82 renameat=264 renameat2=316 unlink=87 unlinkat=263 link=86 linkat=265",
    "aarch64": "write=64 pwrite64=68 writev=66 pwritev=70 sendto=206 sendmsg=211 fsync=82 fdatasync=83 truncate=45"
    " ftruncate=46 renameat=38 renameat2=276 unlinkat=35 linkat=37",
}
"""By machine: the calls that are counted, with their numbers in the kernel's tables."""
WITH_LENGTH: Final = frozenset({"write", "sendto"})
STDERR: Final = 2
COUNTING: Final = "tracer: counting"
"""What is said on standard error once no call is missed any more."""

SEIZE, INTERRUPT, LISTEN, CONT, SYSCALL, CALL_INFO = 0x4206, 0x4207, 0x4208, 7, 24, 0x420E
TRACE_SYSGOOD, TRACE_CLONE, EXIT_KILL = 0x01, 0x08, 0x100000
EVENT_STOP: Final = 128
WALL: Final = 0x40000000
CALL_STOP: Final = signal.SIGTRAP | 0x80
ENTRY: Final = 1
"""`op` of a ptrace_syscall_info whose call is about to begin."""
INFO: Final = struct.Struct("=B3xIQQ7Q")
"""ptrace_syscall_info as far as an entry goes: op, arch, ip, sp, number, six arguments."""


class Plan:
    """
    What is to be done and what was, in a file that the test and the tracer share.

    Attributes:
        path: the file.
    """

    SHAPE: Final = struct.Struct("=qq240s")

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(self.SHAPE.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), self.SHAPE.size)

    def write(self, limit: int, count: int = 0, last: str = "") -> None:
        """Say at which call to kill (0: never), how many there were, and which was the last."""
        self.SHAPE.pack_into(self._map, 0, limit, count, last.encode()[:240])

    def read(self) -> tuple[int, int, str]:
        """Return the same."""
        limit, count, last = self.SHAPE.unpack_from(self._map)
        return limit, count, last.rstrip(b"\0").decode(errors="replace")


class Stop(NamedTuple):
    """A call that is about to begin."""

    number: int
    arguments: tuple[int, ...]


class Tracer:
    """
    The one who traces; all of it in one thread, as the kernel wants it.

    Args:
        plan: at which call to kill.
        command: what to run.
        is_counting: whether calls count from its first one on.
    """

    def __init__(self, plan: Plan, command: list[str], *, is_counting: bool) -> None:
        self._plan = plan
        calls = (call.split("=") for call in CALLS[platform.machine()].split())
        self._names = {int(number): name for name, number in calls}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
        self._libc.ptrace.restype = ctypes.c_long
        self._is_counting = is_counting
        self._count = 0
        signal.signal(signal.SIGUSR1, self._begin)
        self._pid = self._start(command)

    def run(self) -> int:
        """Trace until the program has ended, and return its status as a shell would."""
        while True:
            thread, status = os.waitpid(-1, WALL)
            if os.WIFSTOPPED(status):
                self._go_on(thread, os.WSTOPSIG(status), status >> 16)
            elif thread == self._pid:
                return os.waitstatus_to_exitcode(status) % 256

    def _start(self, command: list[str]) -> int:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            os.read(reading, 1)
            os.execv(command[0], command)
        os.close(reading)
        self._ptrace(SEIZE, pid, TRACE_SYSGOOD | TRACE_CLONE | EXIT_KILL)
        if self._is_counting:
            self._ptrace(INTERRUPT, pid)
        os.close(writing)
        return pid

    def _begin(self, *_: object) -> None:
        """Have every thread stop once, so that from then on it stops at each call."""
        self._is_counting = True
        for name in os.listdir(f"/proc/{self._pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                self._ptrace(INTERRUPT, int(name))
        os.write(STDERR, COUNTING.encode() + b"\n")

    def _go_on(self, thread: int, number: int, event: int) -> None:
        delivered = 0
        request = SYSCALL if self._is_counting else CONT
        if number == CALL_STOP:
            self._take_call(thread)
        elif event == EVENT_STOP and number != signal.SIGTRAP:
            request = LISTEN
        elif event == 0:
            delivered = number
        # Who has been killed meanwhile does not go on.
        with contextlib.suppress(ProcessLookupError):
            self._ptrace(request, thread, delivered)

    def _take_call(self, thread: int) -> None:
        buffer = ctypes.create_string_buffer(INFO.size)
        try:
            self._ptrace(CALL_INFO, thread, ctypes.addressof(buffer), INFO.size)
        except ProcessLookupError:
            return
        operation, _, _, _, number, *arguments = INFO.unpack(buffer.raw)
        name = self._names.get(number)
        if operation != ENTRY or name is None or self._is_idle(name, arguments):
            return
        self._count += 1
        limit, _, _ = self._plan.read()
        self._plan.write(limit, self._count, f"{name} {self._target(arguments[0])}")
        if self._count == limit:
            os.kill(self._pid, signal.SIGKILL)

    def _is_idle(self, name: str, arguments: list[int]) -> bool:
        """Tell whether it only wakes the program's own loop, or writes its log."""
        return name in WITH_LENGTH and (arguments[0] == STDERR or arguments[2] == 1)

    def _target(self, descriptor: int) -> str:
        try:
            return os.path.basename(os.readlink(f"/proc/{self._pid}/fd/{descriptor}"))
        except OSError:
            return "?"

    def _ptrace(self, request: int, thread: int, data: int = 0, address: int = 0) -> None:
        if request == CALL_INFO:
            data, address = address, data
            result = self._libc.ptrace(request, thread, data, address)
        else:
            result = self._libc.ptrace(request, thread, address, data)
        if result == -1:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def main() -> NoReturn:
    """Run the command line."""
    plan = Plan(Path(sys.argv[1]))
    sys.exit(Tracer(plan, sys.argv[3:], is_counting=sys.argv[2] == "now").run())


if __name__ == "__main__":
    main()
