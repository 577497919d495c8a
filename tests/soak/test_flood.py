"""However much an agent writes, the daemon's memory stays within a bound, and every event reaches everybody."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.support.control_client import ControlClient, cursor
from tests.support.daemon import Daemon, Site, Tables
from tests.support.guest_client import GuestClient, read_link

TEXT_BYTES = 1_000_000
WRITTEN = 3
"""How often the agent writes a text: in pieces, as a block, and in its result."""
MB = 1_000_000


class Flood(NamedTuple):
    """
    What is written, and what is allowed.

    Attributes:
        texts: answers of a megabyte.
        line_bytes: one line that is over the limit.
        limit_bytes: the longest line that is handled whole.
        more_bytes: of memory, over what the daemon has before.
    """

    texts: int
    line_bytes: int
    limit_bytes: int
    more_bytes: int


SHORT = Flood(texts=34, line_bytes=20 * MB, limit_bytes=8 * MB, more_bytes=50 * MB)
LONG = Flood(texts=334, line_bytes=100 * MB, limit_bytes=64 * MB, more_bytes=150 * MB)


class Read(NamedTuple):
    """What somebody was given: numbers, the sizes of texts, and of lines that were too long."""

    numbers: list[int]
    texts: list[int]
    oversize: list[int]


def read(client: ControlClient, turns: int) -> Read:
    """Read until so many turns have ended, and keep no more than the sizes."""
    seen = Read([], [], [])
    while turns:
        if isinstance(client, GuestClient):
            client.received = b""
        event = client.receive()["params"]
        if "seq" not in event:
            continue
        seen.numbers.append(event["seq"])
        if event["type"] == "agent.text":
            seen.texts.append(len(event["text"]))
        elif event["type"] == "agent.oversize":
            seen.oversize.append(event["bytes"])
        turns -= event["type"] == "turn.finished"
    return seen


def memory_bytes(daemon: Daemon, name: str) -> int:
    """Read one of the kernel's figures: VmRSS is what it has now, VmHWM the most that it had."""
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def test_flood_is_bounded_in_memory_and_reaches_everybody(tmp_path: Path, is_soak: bool, figures: list[str]) -> None:
    """100 MB and a line of 20 MB (soak: 1 GB, 100 MB): all events for a follower and a guest, in bounded memory."""
    flood = LONG if is_soak else SHORT
    # One author asks for all of it, at once.
    most = flood.texts + 2
    limits = {"line_bytes": flood.limit_bytes, "prompt_burst": most, "waiting_prompts_per_author": most}
    tables: Tables = {"guests": {"listen": "127.0.0.1:0"}, "limits": limits}
    site = Site(tmp_path, tables)
    with site.running() as daemon, contextlib.ExitStack() as stack:
        host = daemon.connect()
        link = read_link(host.call("invite.create", role="viewer", uses=None, history="start")["invite"]["url"])
        follower = daemon.follow(since=0)
        follower.finished(follower.submit(f"[[size:{TEXT_BYTES}]] to begin with", alone=True)["id"])
        guest = stack.enter_context(GuestClient(link.host, link.port))
        seen_last = follower.events[-1]
        guest.hello(link.token, after=cursor(seen_last))
        first = seen_last["seq"] + 1
        before = memory_bytes(daemon, "VmRSS")
        prompts = [f"[[size:{TEXT_BYTES}]] number {number}" for number in range(flood.texts)]
        prompts.append(f"[[line:{flood.line_bytes}]][[text:the end]]")
        for prompt in prompts:
            host.submit(prompt, alone=True)
        with ThreadPoolExecutor() as pool:
            reads = list(pool.map(lambda reader: read(reader, len(prompts)), (follower, guest)))
        more = memory_bytes(daemon, "VmHWM") - before
    figures.append(f"{flood}: at most {more / MB:.1f} MB more than the {before / MB:.1f} MB before")
    for seen in reads:
        assert seen.numbers == list(range(first, seen.numbers[-1] + 1))
        assert seen.texts == [*[TEXT_BYTES] * flood.texts, len("the end")]
        assert seen.oversize == [flood.line_bytes]
    assert more <= flood.more_bytes, f"{more / MB:.1f} MB"
