"""
The whole daemon, and a task beside it that says what a benchmark wants said: `python -m bench.guest_house ROOT`.

Its guests have come by its door, with a hello, and are subscribed to its room's transcript. What the extra task does is
what the fan-out does once a chunk is recorded: `Transcript.publish`, from where on everything is the daemon's own. The
events are made up and are in no journal.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import trio

from bench.guest_events import chunks, event_text
from concordiad.config import read_config
from concordiad.config.places import Directories
from concordiad.core.model import Author, AuthorKind
from concordiad.core.params import InviteCreate
from concordiad.daemon import Setup, prepare, run_daemon
from concordiad.house.handle import House
from concordiad.ops.log import Log
from concordiad.ops.memory import keep_freed_memory, spare_what_stays
from concordiad.room.fanout import Transcript

BENCH: Final = Author("uid:0", "bench", AuthorKind.LOCAL)


async def run_house(setup: Setup) -> None:
    """Run the daemon, and do what lines on standard input say, until there are no more."""
    send, receive = trio.open_memory_channel[House](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_daemon, setup, lambda _, house: send.send_nowait(house))
        house = await receive.receive()
        assert house.page_url is not None
        room = house.rooms["main"]
        invited = await room.create_invite(InviteCreate(uses=None), BENCH)
        _tell(port=urlsplit(house.page_url).port, token=invited.token)
        await _obey(room.transcript)
        nursery.cancel_scope.cancel()


async def _obey(transcript: Transcript) -> None:
    prepared: list[list[bytes]] = []
    # Read as the peers read theirs: a thread that waits for a line would be counted with what the line asks for.
    async for line in trio.lowlevel.FdStream(sys.stdin.fileno()):
        # Each is one write, and the next comes after its answer.
        command = json.loads(line)
        if command["do"] == "prepare":
            parts = chunks(command["first"], command["events"], command["burst"])
            prepared = [[event_text(number) + b"\n" for number in part] for part in parts]
            _tell()
        else:
            said_at = []
            began = trio.current_time()
            for number, lines in enumerate(prepared):
                # A turn of the loop, as between two chunks of the agent's.
                if command["pace_s"]:
                    await trio.sleep_until(began + number * command["pace_s"])
                else:
                    await trio.lowlevel.checkpoint()
                said_at.append(time.monotonic())
                seq = transcript.cursor.seq
                transcript.publish([(line, seq + place) for place, line in enumerate(lines, 1)])
            _tell(said_at=said_at)


def _tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


def main() -> None:
    """Start as the daemon's own command does."""
    config, state, runtime = map(Path, sys.argv[1:])
    log = Log()
    log.configure()
    keep_freed_memory()
    setup = prepare(partial(read_config, config), Directories(state, runtime), os.environ, log, is_try=False)
    spare_what_stays()
    trio.run(run_house, setup)


if __name__ == "__main__":
    main()
