"""
What the kernel alone takes for one call: `python -m bench.plain_loop`, which is none of our code, nor any library's.

For some seconds it gives 64 KiB to each of a hundred sockets over loopback, whose other ends a second process reads,
takes as much new memory as a text of 250 KiB needs, and reads a clock: where that takes long, the hypervisor has taken
the processor away, and nothing on this machine can be promised to be shorter. It says as JSON how often, how long the
longest took, and how many were longer than is asked of our loop's steps; all in processor time of its own thread.
"""

import json
import multiprocessing
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from mmap import PAGESIZE, mmap
from typing import Final

GUESTS: Final = 100
SEND_BYTES: Final = 64 * 1024
MEMORY_BYTES: Final = 256 * 1024
KEPT: Final = 400
"""Pieces of memory that are kept before all are given back: 100 MB, about what a hundred huge texts cost the daemon."""
PART_S: Final = 3.0
HELD_S: Final = 0.005


class Longest:
    """How long the calls of a kind took."""

    def __init__(self) -> None:
        self.count = self.over = 0
        self.longest_s = 0.0

    def time(self, call: Callable[..., object], *args: object) -> None:
        """Make a call."""
        began = time.thread_time()
        call(*args)
        took_s = time.thread_time() - began
        self.count += 1
        self.over += took_s > HELD_S
        self.longest_s = max(self.longest_s, took_s)


def send_on() -> Longest:
    """Send for a while."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=GUESTS)
    reader = multiprocessing.get_context("fork").Process(target=_read_all, args=(listening.getsockname()[1],))
    reader.start()
    sockets = [listening.accept()[0] for _ in range(GUESTS)]
    data = bytes(SEND_BYTES)
    sends, until = Longest(), time.monotonic() + PART_S
    for each in sockets:
        each.setblocking(False)
    while time.monotonic() < until:
        for each in sockets:
            sends.time(_send, each.fileno(), data)
    for each in sockets:
        each.close()
    reader.join()
    return sends


def take_memory() -> Longest:
    """Take new memory for a while."""
    memories, until = Longest(), time.monotonic() + PART_S
    kept: list[mmap] = []
    while time.monotonic() < until:
        kept.append(mmap(-1, MEMORY_BYTES))
        memories.time(_touch, kept[-1])
        if len(kept) == KEPT:
            kept.clear()
    return memories


def read_clock() -> Longest:
    """Do nothing but read a clock for a while: what takes long now is the machine's."""
    reads, until = Longest(), time.monotonic() + PART_S
    while time.monotonic() < until:
        reads.time(time.monotonic)
    return reads


def _send(number: int, data: bytes) -> None:
    try:
        os.write(number, data)
    except BlockingIOError:
        os.sched_yield()


def _touch(memory: mmap) -> None:
    for place in range(0, MEMORY_BYTES, PAGESIZE):
        memory[place] = 1


def _read_all(port: int) -> None:
    waiting = selectors.DefaultSelector()
    for _ in range(GUESTS):
        waiting.register(socket.create_connection(("127.0.0.1", port)), selectors.EVENT_READ)
    buffer = bytearray(1 << 20)
    while waiting.get_map():
        for key, _ in waiting.select():
            connection = key.fileobj
            if isinstance(connection, socket.socket) and not connection.recv_into(buffer):
                waiting.unregister(connection)


if __name__ == "__main__":
    json.dump({"send": vars(send_on()), "memory": vars(take_memory()), "clock": vars(read_clock())}, sys.stdout)
