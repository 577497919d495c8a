"""
Our side of P1 and P2, a process of its own: the daemon's pump on a child's stdout, and what it leads to.

`python -m bench.pump_reader FILE LIMIT` starts `cat FILE` as the daemon starts an agent and runs `run_pump` on its
pipe: Trio's stream, the line splitter, the codec of Claude Code, the router, and the two channels of a room, which are
emptied as the fan-out and the writer empty theirs. Prints the wall and CPU seconds, and what came out.
"""

import json
import sys
import time
from pathlib import Path
from uuid import uuid4

import trio

from concordiad.agent.process import spawn
from concordiad.config.limits import Graces
from concordiad.core.agents.claude_code import ClaudeCode
from concordiad.ops.memory import keep_freed_memory
from concordiad.room.messages import answering, serve, take_all
from concordiad.room.pump import PumpEnds, run_pump
from concordiad.room.to_fanout import DRAFTS, Draft, Post
from concordiad.room.to_writer import FACTS, FromAgent, ToWriter


class _Count:
    """What came out of the channels."""

    def __init__(self) -> None:
        self.posts = 0
        self.events: dict[str, int] = {}
        self.drafts: list[Draft] = []

    def characters(self, event_type: str) -> int:
        """Count the characters of all texts in events of a type."""
        texts = (json.loads(b"{%b}" % draft.body)["text"] for draft in self.drafts if draft.event_type == event_type)
        return sum(map(len, texts))

    async def take_posts(self, inbox: trio.MemoryReceiveChannel[Post]) -> None:
        """Stand where the fan-out stands."""
        with serve(inbox):
            async for first in inbox:
                for post in take_all(inbox, [first], DRAFTS):
                    self.posts += 1
                    for draft in post.drafts:
                        self.events[draft.event_type] = self.events.get(draft.event_type, 0) + 1
                        if draft.event_type in ("agent.delta", "agent.text"):
                            self.drafts.append(draft)

    async def take_facts(self, inbox: trio.MemoryReceiveChannel[ToWriter]) -> None:
        """Stand where the writer stands."""
        with serve(inbox):
            async for message in inbox:
                with answering([message]):
                    if isinstance(message, FromAgent) and message.reply is not None:
                        message.reply.answer(None)


async def _read(path: str, limit_bytes: int) -> _Count:
    count = _Count()
    send_posts, posts = trio.open_memory_channel[Post](DRAFTS)
    send_facts, facts = trio.open_memory_channel[ToWriter](FACTS)
    agent = await spawn(["cat", path], Path.cwd(), {"PATH": "/usr/bin:/bin"}, Graces().write_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count.take_posts, posts)
        nursery.start_soon(count.take_facts, facts)
        with send_posts, send_facts:
            codec = ClaudeCode(lambda: str(uuid4()))
            await run_pump(agent.stdout, codec, "incarnation", limit_bytes, PumpEnds(send_posts, send_facts))
    agent.close()
    await agent.wait()
    return count


def peak_bytes() -> int:
    """Read the most memory that this process had; rusage would count what it had before its exec."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Read once, with the allocator told what the daemon tells it."""
    keep_freed_memory()
    idle_bytes = peak_bytes()
    cpu, wall = time.process_time(), time.perf_counter()
    count = trio.run(_read, sys.argv[1], int(sys.argv[2]))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figures = {
        "wall_s": wall,
        "cpu_s": cpu,
        "grown_bytes": peak_bytes() - idle_bytes,
        "posts": count.posts,
        "events": count.events,
        "streamed": count.characters("agent.delta"),
        "said": count.characters("agent.text"),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
