"""An agent that floods while the journal's disk is full: it has to wait, and nothing of what it says is lost."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from concordiad.room.fanout import KEPT_BYTES
from concordiad.room.pipes import PIPE_BYTES
from tests.e2e.gate import Gate
from tests.e2e.outages import state_of
from tests.support.control_client import ControlClient, Event, numbers
from tests.support.daemon import Site
from tests.support.patience import PATIENCE_S
from tests.support.small_disk import SmallDisk, small_disk

TEXTS = 100
TEXT_BYTES = 200_000
"""Twenty megabytes together: four times what is kept of a room and what fits into the pipe."""
BESIDE_BYTES = 2 * 1024 * 1024
"""What the pump, the channel to the fan-out and one more text may hold besides."""
ANSWERS = 50
"""After so many answers without a byte more, the agent waits."""
GROWTH_BYTES = 64 * 1024 * 1024
"""By how much the daemon may grow: every event is there as a draft, as a row and as a line, and some lines twice."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mount a disk for the journal alone that has room for the flood, when nothing else is on it."""
    with small_disk(tmp_path / "state", 64 * 1024 * 1024) as disk:
        yield disk


@pytest.fixture
def site(tmp_path: Path, disk: SmallDisk) -> Iterator[Site]:
    """Make a site whose state directory is that disk."""
    site = Site(tmp_path)
    yield site
    site.clear()


def written_bytes(pid: int) -> int:
    """Return how many bytes a process has written so far, to whatever it was (proc(5), io)."""
    found = re.search(r"^wchar: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def wait_until_it_waits(client: ControlClient, pid: int, least_bytes: int) -> None:
    """Wait until a process has written so much, and nothing more while the daemon answers some questions."""
    deadline = time.monotonic() + PATIENCE_S
    written, answers = 0, 0
    while written < least_bytes or answers < ANSWERS:
        assert time.monotonic() < deadline, f"process {pid} has written {written} bytes of {least_bytes}"
        client.call("daemon.status")
        before, written = written, written_bytes(pid)
        answers = answers + 1 if written == before else 0


def recorded(client: ControlClient) -> list[Event]:
    """Read the whole transcript from the journal, page by page."""
    events: list[Event] = []
    since: int | None = 1
    while since is not None:
        page = client.call("events.list", since=since)
        events += page["events"]
        since = page["next"]
    return events


def test_flood_on_a_full_disk_makes_the_agent_wait_and_loses_nothing(site: Site, disk: SmallDisk, gate: Gate) -> None:
    """What is kept is bounded and so is memory; with room again every event is there, once and in order."""
    with site.running() as daemon:
        client, follower = daemon.connect(), daemon.follow()
        pid = follower.next("agent.started")["pid"]
        texts = "".join(f"[[text:number {number}]][[size:{TEXT_BYTES}]]" for number in range(TEXTS))
        running = client.submit(f"[[text:before]] {gate} {texts}")
        follower.next("agent.text", text="before")
        base_bytes, before_bytes = daemon.memory_bytes(), written_bytes(pid)
        disk.fill()
        gate.open()
        follower.next("room.changed", state="journal-failing")
        wait_until_it_waits(client, pid, before_bytes + KEPT_BYTES)
        assert state_of(client)[0] == "journal-failing"
        assert client.refused("prompt.submit", text="more").name == "not_now"
        assert client.call("turn.get", id=client.call("turn.list")["turns"][-1]["id"])["turn"]["state"] == "running"
        assert written_bytes(pid) - before_bytes <= KEPT_BYTES + PIPE_BYTES + BESIDE_BYTES
        assert daemon.memory_bytes() - base_bytes < GROWTH_BYTES
        print(f"--- {written_bytes(pid) - before_bytes} bytes written, {daemon.memory_bytes() - base_bytes} more kept")
        disk.free()
        assert follower.finished(running["id"])["outcome"] == "completed"
        assert daemon.memory_bytes() - base_bytes < GROWTH_BYTES
        said = [event["text"] for event in follower.events if event["type"] == "agent.text"]
        wanted = [text for number in range(TEXTS) for text in (f"number {number}", None)]
        assert [None if len(text) == TEXT_BYTES else text for text in said] == ["before", *wanted]
        assert numbers(follower.events) == list(range(1, len(numbers(follower.events)) + 1))
        events = recorded(client)
        assert [event for event in follower.events if "seq" in event] == events[: len(numbers(follower.events))]
        last = client.submit("[[text:afterwards]]")
        assert follower.finished(last["id"])["answer"] == "afterwards"
