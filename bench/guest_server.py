"""A server in a process of its own: told what to do by lines of JSON, and watched from outside."""

import json
import os
import resource
import subprocess
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any, Final, Self

from tests.support.daemon import ROOT

NS: Final = 1e-9
DESCRIPTORS: Final = 8192


def raise_descriptors() -> None:
    """Let this process and those that it starts have the descriptors of a thousand guests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))


class Watched:
    """A process, as the kernel counts it."""

    def __init__(self, pid: int) -> None:
        self._place = Path(f"/proc/{pid}")
        self._ns: dict[str, int] = {}
        self._sleeps: dict[str, int] = {}

    def tasks(self) -> list[Path]:
        """List its threads' places."""
        return list(self._place.joinpath("task").iterdir())

    def cpu_s(self) -> float:
        """Sum up the processor time of all its threads that are alive; one that has ended keeps what it had."""
        self._ns |= {task.name: int(task.joinpath("schedstat").read_text().split()[0]) for task in self.tasks()}
        return sum(self._ns.values()) * NS

    def sleeps(self) -> int:
        """Count the times that one of its threads has gone to sleep, to be woken again."""
        for task in self.tasks():
            for line in task.joinpath("status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    self._sleeps[task.name] = int(line.split()[1])
        return sum(self._sleeps.values())

    def memory_bytes(self) -> int:
        """Return what it has of physical memory."""
        return int(self._place.joinpath("statm").read_text().split()[1]) * resource.getpagesize()


class Server:
    """
    One server; a context manager that ends it.

    Attributes:
        port: where it listens, on 127.0.0.1.
        token: what lets guests in.
    """

    def __init__(self, command: Sequence[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, text=True, bufsize=1
        )
        self.watched = Watched(self._process.pid)
        said = self.hear()
        self.port: int = said["port"]
        self.token: str = said["token"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def keep_to(self, processors: Set[int]) -> None:
        """Let all of its threads run on some processors only; those that they start do as they."""
        for task in self.watched.tasks():
            os.sched_setaffinity(int(task.name), processors)

    def tell(self, **command: Any) -> None:
        """Tell it to do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")

    def hear(self) -> dict[str, Any]:
        """Wait until it says that it has done so."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args!r} has ended"
        return dict(json.loads(line))
