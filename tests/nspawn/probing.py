"""
Try what the directives of a unit's sandbox forbid, and print what came of each attempt, as one JSON object.

A directive's value is `done` where the attempt succeeded, else the name of the error. It runs in a unit of a machine,
and so has nothing but Python. Arguments: a program that is root's and has the set-user-id bit.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000
PER_LINUX32 = 8
SYSLOG_ACTION_SIZE_BUFFER = 10
PTRACE_TRACEME = 0
SCRATCH = Path(f"/var/lib/concordia-rooms/main/of-{os.getuid()}")
"""Where everybody who tries may write; nobody finds the files of another."""


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns -1 where it fails."""
    if getattr(LIBC, name)(*arguments) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def write(place: str) -> None:
    """Write into a file that is there, or make one."""
    with open(place, "a", encoding="ascii") as file:
        file.write("")


def become_root() -> None:
    """Run a program with the set-user-id bit, which says who it is."""
    said = subprocess.run([sys.argv[1], "--user"], check=True, capture_output=True, text=True)
    if said.stdout.strip() != "0":
        raise PermissionError(errno.EPERM, "it has not become root")


def set_the_bit() -> None:
    """Make a program of one's own that others would run as oneself."""
    place = SCRATCH.with_suffix(".program")
    place.touch()
    place.chmod(0o4755)


def see_modes() -> None:
    """Make a file that others can read, without asking for that."""
    place = SCRATCH.with_suffix(".mask")
    place.touch()
    if place.stat().st_mode & 0o077 == 0:
        raise PermissionError(errno.EACCES, "nobody else can read it")


def leave_a_core() -> None:
    """Be allowed to leave one's memory, with the secrets in it, in a file."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise PermissionError(errno.EACCES, "there will be no core")


def see_others() -> None:
    """Read what another user's process is."""
    Path("/proc/1/comm").read_text(encoding="ascii")


def map_executable() -> None:
    """Have memory that can be written and executed."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


ATTEMPTS: dict[str, Callable[[], object]] = {
    "CapabilityBoundingSet": lambda: os.chown("/var/lib/concordia-rooms", 0, 0),
    "DevicePolicy": lambda: os.mknod(SCRATCH.with_suffix(".device"), 0o020666, os.makedev(1, 3)),
    "LimitCORE": leave_a_core,
    "LockPersonality": lambda: call("personality", PER_LINUX32),
    "MemoryDenyWriteExecute": map_executable,
    "NoNewPrivileges": become_root,
    "PrivateDevices": lambda: os.stat("/dev/probe"),
    "PrivateTmp": lambda: os.stat("/tmp/of-another"),
    "ProcSubset": lambda: Path("/proc/meminfo").read_text(encoding="ascii"),
    "ProtectClock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "ProtectControlGroups": lambda: write("/sys/fs/cgroup/cgroup.procs"),
    "ProtectHome": lambda: os.stat("/home/ada"),
    "ProtectHostname": lambda: socket.sethostname(socket.gethostname()),
    "ProtectKernelLogs": lambda: call("klogctl", SYSLOG_ACTION_SIZE_BUFFER, None, 0),
    "ProtectKernelModules": lambda: os.listdir("/usr/lib/modules"),
    "ProtectKernelTunables": lambda: write("/proc/sys/kernel/domainname"),
    "ProtectProc": see_others,
    "ProtectSystem": lambda: write(f"/srv/for-all/of-{os.getuid()}"),
    "RestrictAddressFamilies": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "RestrictNamespaces": lambda: call("unshare", CLONE_NEWUSER),
    "RestrictRealtime": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "RestrictSUIDSGID": set_the_bit,
    "SystemCallFilter": lambda: call("ptrace", PTRACE_TRACEME, 0, None, None),
    "UMask": see_modes,
}


def attempt(what: Callable[[], object]) -> str:
    """Try one thing and say what came of it; in a child, which may be changed by it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            what()
            said = "done"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, str(error))
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "r", encoding="ascii") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


print(json.dumps({name: attempt(what) for name, what in ATTEMPTS.items()}))
