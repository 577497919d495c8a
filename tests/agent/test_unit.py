"""An agent in a unit of its own, through real sockets and the real shim; the service manager alone is a stand-in."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from concordiad.agent.find import agent_environment, find_command, read_version
from concordiad.agent.process import Exit
from concordiad.agent.unit import UnitFault, UnitProcess, run_in_unit, spawn_in_unit
from concordiad.config.tables import Agent
from concordiad.core.agents import Kind
from concordiad.errors import AgentError, AgentUnfit, ConfigError
from tests.support.agent_units import AgentUnits
from tests.support.patience import PATIENCE_S

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"


@pytest.fixture
def units(tmp_path: Path) -> Iterator[AgentUnits]:
    """Units that can be made by connecting."""
    with AgentUnits(tmp_path / "agent.sock", {"PATH": "/usr/bin:/bin", "HOME": "/their/home"}) as units:
        yield units


async def spawn(units: AgentUnits, command: Sequence[str], cwd: Path = Path("/")) -> UnitProcess:
    """Spawn a program in a unit."""
    return await spawn_in_unit(str(units.path), command, cwd, {}, PATIENCE_S, PATIENCE_S)


@asynccontextmanager
async def running(units: AgentUnits, program: str) -> AsyncIterator[UnitProcess]:
    """Run a Python program as an agent in a unit."""
    with trio.fail_after(PATIENCE_S):
        process = await spawn(units, [sys.executable, "-ISc", program])
        async with process.stdout, process.stderr:
            try:
                yield process
            finally:
                process.close()
                process.release()


async def test_agent_in_a_unit_reads_writes_and_ends(units: AgentUnits) -> None:
    """Its input ends with ours, what it says is read to the end, and its exit status is told."""
    async with running(units, ECHO + "\nsys.exit(3)") as process:
        os.kill(process.pid, 0)
        await process.stdin.write(b"hello\n")
        process.close()
        assert b"".join([bytes(chunk) async for chunk in process.stdout]) == b"hello\n"
        assert await process.wait() == Exit(3, None)
        assert process.has_ended()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_agent_in_a_unit_is_ended_by_signals(units: AgentUnits, number: signal.Signals) -> None:
    """Both ways to end it reach it through its shim; another signal after its end does nothing."""
    async with running(units, ECHO) as process:
        (process.terminate if number is signal.SIGTERM else process.kill)()
        assert await process.wait() == Exit(None, number)
        process.kill()


async def test_unit_that_is_killed_counts_as_a_killed_agent(units: AgentUnits) -> None:
    """Where even the shim is killed, as by the kernel for want of memory, nobody tells how the agent ended."""
    async with running(units, ECHO) as process:
        units.shims[0].kill()
        assert await process.wait() == Exit(None, signal.SIGKILL)


async def test_release_ends_the_unit(units: AgentUnits) -> None:
    """Who lets go of the connection ends the agent."""
    async with running(units, ECHO):
        pass
    await trio.to_thread.run_sync(units.shims[0].wait)


@pytest.mark.parametrize(
    ("command", "cwd", "why"),
    [
        (["/nowhere/agent"], "/", "the agent /nowhere/agent cannot be started in its unit: No such file"),
        (["true"], "/nowhere", "No such file or directory: /nowhere"),
        (["true", "x" * 1_000_000], "/", "too long for its unit"),
    ],
)
async def test_what_its_unit_cannot_run_is_unfit(units: AgentUnits, command: Sequence[str], cwd: str, why: str) -> None:
    """A program or a directory that is not there in the unit is named; nobody tries again by himself."""
    with trio.fail_after(PATIENCE_S), pytest.raises(AgentUnfit, match=why):
        await spawn(units, command, Path(cwd))


async def test_unit_that_ends_before_it_runs_anything_points_to_its_journal(units: AgentUnits) -> None:
    """A sandbox that cannot be set up shows here only a hang-up; it may be another way in a minute."""
    units.is_broken = True
    with trio.fail_after(PATIENCE_S), pytest.raises(AgentError, match="journalctl -u") as caught:
        await spawn(units, ["true"])
    assert not isinstance(caught.value, AgentUnfit)


def test_sockets_that_are_of_no_use_are_told_with_a_remedy(tmp_path: Path) -> None:
    """A socket that is not there, and one that nobody listens on, have their own sentences."""
    with pytest.raises(UnitFault, match=r"is not there: `systemctl enable --now concordia-agent.socket`"):
        run_in_unit(str(tmp_path / "none.sock"), ["true"], {}, PATIENCE_S)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        with pytest.raises(UnitFault, match="nobody listens on"):
            run_in_unit(str(tmp_path / "deaf.sock"), ["true"], {}, PATIENCE_S)


def test_probe_runs_in_a_unit(units: AgentUnits) -> None:
    """A probe gives its status and all that it said, as a child would; one that does not end is ended."""
    program = "import os, sys; print('x' * 200_000); print(os.environ['HOME'], file=sys.stderr); sys.exit(9)"
    probe = run_in_unit(str(units.path), [sys.executable, "-ISc", program], {}, PATIENCE_S)
    assert (probe.returncode, len(probe.stdout), probe.stderr) == (9, 200_001, "/their/home\n")
    with pytest.raises(subprocess.TimeoutExpired):
        run_in_unit(str(units.path), ["sleep", "999"], {}, 0.05)
    assert units.shims[-1].wait(PATIENCE_S) == 0


def test_configured_agent_is_found_and_probed_in_its_unit(units: AgentUnits, tmp_path: Path) -> None:
    """The unit's PATH finds the program, its version is asked there, nothing of the daemon's variables goes in."""
    agent = Agent(kind=Kind.REHEARSAL, command=("echo",), socket=str(units.path), env={"A": "b"})
    variables = agent_environment(agent, {"HOME": "/ours", "SECRET": "x"})
    assert variables == {"A": "b"}
    assert read_version(agent, find_command(agent), variables) == "echo"
    missing = Agent(kind=Kind.REHEARSAL, command=("nowhere",), socket=str(units.path))
    with pytest.raises(ConfigError, match=r"nowhere cannot be started in its unit: No such file.*; install it so that"):
        read_version(missing, find_command(missing), {})
    with pytest.raises(ConfigError, match=f"file or directory: {tmp_path}/room; .*`install -d -o concordia-agent "):
        read_version(agent, find_command(agent), {}, tmp_path / "room")
    unreachable = Agent(socket=str(tmp_path / "none.sock"), command=("claude",))
    with pytest.raises(ConfigError, match="is not there"):
        read_version(unreachable, find_command(unreachable), {})


async def test_nothing_is_left_open_by_what_cannot_be_run(units: AgentUnits) -> None:
    """An attempt that fails closes its pipes and its connection."""
    before = set(os.listdir("/proc/self/fd"))
    with trio.fail_after(PATIENCE_S), pytest.raises(AgentUnfit):
        await spawn(units, ["/nowhere/agent"])
    assert set(os.listdir("/proc/self/fd")) == before
