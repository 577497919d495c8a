"""Who has a conversation is told by the command lines of processes."""

import subprocess
import sys
from typing import Final
from uuid import uuid4

from concordiad.agent.ownership import find_owner, until_seen

SPAWNS: Final = 20
"""Of each, nine in ten have no command line yet when their spawner goes on."""


async def test_a_process_is_found_as_soon_as_it_is_seen() -> None:
    """Whoever looks after a spawn finds the process, although the kernel shows its arguments a moment late."""
    for _ in range(SPAWNS):
        session = str(uuid4())
        process = subprocess.Popen(  # noqa: ASYNC220  # the spawn itself is what is looked at
            [sys.executable, "-S", "-c", "import time; time.sleep(600)", f"--resume={session}"]
        )
        try:
            await until_seen(process.pid)
            assert find_owner({session}) == (process.pid, session)
        finally:
            process.kill()
            process.wait()


async def test_a_process_that_has_ended_is_not_waited_for() -> None:
    """One that is dead and not reaped has no command line, and will never have one."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "pass"], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.read() == b""
    await until_seen(process.pid)
    process.wait()
