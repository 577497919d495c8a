"""
A program that records numbered events durably, several at once, and prints each number once it is acknowledged.

`python -m tests.journal.acknowledging FILE RECORDERS`: it goes on until it is killed.
"""

import os
import sys
from pathlib import Path

import trio

from concordiad.journal import Journal, open_journal
from concordiad.journal.changes import Recorded, Transaction


async def record(journal: Journal, room: str) -> None:
    """Record one room's events, one after the other, and say so of each."""
    seq = 0
    while True:
        seq += 1
        await journal.record(Transaction(room, [Recorded(seq, b'{"seq":%d}' % seq)], is_durable=True))
        os.write(1, f"{room} {seq}\n".encode())


async def main() -> None:
    """Record until killed."""
    async with open_journal(Path(sys.argv[1])) as journal, trio.open_nursery() as nursery:
        for number in range(int(sys.argv[2])):
            nursery.start_soon(record, journal, f"room-{number}")


if __name__ == "__main__":
    trio.run(main)
