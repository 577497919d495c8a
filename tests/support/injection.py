"""
System calls of a running process that fail: strace is attached to it, and lets go of it again.

Where strace is missing or may not trace, tests that want it are skipped, unless CONCORDIA_REQUIRE_FAULTS is set.
"""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.patience import PATIENCE_S
from tests.support.small_disk import cannot


@contextlib.contextmanager
def failing(pid: int, calls: str, error: str, when: str = "1+") -> Iterator[None]:
    """
    Let system calls of a process and all of its threads fail.

    Args:
        pid: the process.
        calls: their names, with commas between them.
        error: the name of what they fail with.
        when: which of them, counted from now in each thread: `1` the first one, `1+` all.
    """
    strace = shutil.which("strace")
    if strace is None:
        cannot("strace is not installed")
        return
    inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={when}"]
    command = [strace, "-f", "-o", "/dev/null", *inject, "-p", str(pid)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        try:
            told = tracer.stderr.readline()
            if b"attached" not in told:
                cannot(f"strace says {told.decode(errors='replace').strip()!r}")
            _wait_for_threads(pid, tracer.pid)
            yield
        finally:
            # It detaches; told twice, it would leave the process stopped.
            tracer.send_signal(signal.SIGINT)
            tracer.stderr.read()
            tracer.wait(PATIENCE_S)


def _wait_for_threads(pid: int, tracer: int) -> None:
    """Fail unless every thread is traced: strace says that it is attached once all are."""
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError):
            assert f"TracerPid:\t{tracer}\n" in status.read_text()
