"""
E1: from the agent's output to the last guest, recorded on the way, against a program that records nothing.

Ours is the real daemon: its agent writes a turn of 300-byte lines, nearly all deltas, as fast as they are taken; it
ends when every guest has read that the turn has finished, which is recorded after everything else. The peer reads the
same lines from a `cat` by asyncio's `readline` on uvloop, parses each with orjson and broadcasts it with websockets; it
ends when every guest has the last line. Its lines are fewer where it would take minutes; compared are lines a second.

Ours joins deltas of one block that come in one read, so it sends less. Hence the second comparison, in which nothing is
joined: finished blocks only, each an event of its own.
"""

import json
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.cli_output import write_finished, write_said
from bench.guest_crowd import Crowd, Guest, take_texts
from bench.guest_daemon import NOT_ASKED, Hosted, open_daemon
from bench.guest_server import Server
from bench.peers import peers_python
from bench.table import Row

LINES: Final = 60_000
FINISHED: Final = 15_000
TEXT: Final = "x" * 20
PEER_LINES: Final = {1: 15_000, 10: 6_000, 100: 1_000}
GAINS: Final = {1: 3.0, 10: 15.0, 100: 40.0}
ROUNDS: Final = 5


def measure_whole_way() -> Sequence[Row]:
    """Measure for 1, 10 and 100 guests."""
    return [row for guests in GAINS for row in _measure(guests)]


def _measure(guests: int) -> list[Row]:
    with open_daemon(**NOT_ASKED) as hosted, Server([peers_python(), "-m", "bench.guest_peers", "ws_uv"]) as server:
        said, finished = hosted.place / "said", hosted.place / "finished"
        lines = write_said(said, LINES)
        write_finished(finished, FINISHED, TEXT)
        hosted.crowd.join([hosted.token] * guests)
        hosted.crowd.settle_level()
        crowd = Crowd(server.port)
        crowd.join([server.token] * guests)
        crowd.settle()
        few, few_finished = hosted.place / "few", hosted.place / "few-finished"
        _cut(said, few, PEER_LINES[guests])
        _cut(finished, few_finished, PEER_LINES[guests])
        rates: dict[str, list[float]] = {"said": [], "peer": [], "finished": [], "peer_finished": []}
        for _ in range(ROUNDS):
            rates["said"].append(lines / _say(hosted, said))
            rates["peer"].append(PEER_LINES[guests] / _pass_on(server, crowd, few))
            rates["finished"].append(FINISHED / _say(hosted, finished))
            rates["peer_finished"].append(PEER_LINES[guests] / _pass_on(server, crowd, few_finished))
        assert len({(guest.events, guest.crc) for guest in hosted.crowd.guests}) == 1
        crowd.close()
    return [
        _compare(f"agent to {guests} guests, in a burst, mostly deltas : no journal", rates, "said", GAINS[guests]),
        _compare(f"agent to {guests} guests, finished blocks only : no journal", rates, "finished", None),
    ]


def _compare(what: str, rates: dict[str, list[float]], way: str, target: float | None) -> Row:
    peer = "peer" if way == "said" else "peer_finished"
    ours, theirs = median(rates[way]), median(rates[peer])
    ratio = median(mine / other for mine, other in zip(rates[way], rates[peer], strict=True))
    return Row(
        "E1",
        what,
        ours=f"{ours / 1000:,.1f} k/s",
        peer=f"{theirs / 1000:,.1f} k/s",
        ratio=f"{ratio:.1f}×",
        target="–" if target is None else f"≥ {target:g}×",
        is_reached=None if target is None else ratio >= target,
        figures={"ours_per_s": ours, "peer_per_s": theirs},
    )


def _cut(path: Path, part: Path, lines: int) -> None:
    part.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


def _say(hosted: Hosted, path: Path) -> float:
    """Let the agent say it; returns the seconds until every guest knows that the turn is over."""
    crowd = hosted.crowd
    first: Guest = crowd.guests[0]
    first.kept = []
    began = time.perf_counter()
    hosted.say(path)
    crowd.until_turns(first.turns + 1, crowd.guests)
    seconds = time.perf_counter() - began
    kept, first.kept = b"".join(first.kept), None
    texts = [event["text"] for event in take_texts(kept) if event["type"] == "agent.text"]
    assert _crc(texts) == _crc(_texts_of(path)), "what the guests were told is not what the agent has said"
    return seconds


def _texts_of(path: Path) -> list[str]:
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in path.read_bytes().splitlines() if line.startswith(b'{"type":"assistant"')
    ]
    blocks = [line["message"]["content"][0] for line in lines]
    return [block["text"] for block in blocks if block["type"] == "text"]


def _crc(texts: Sequence[str]) -> int:
    return zlib.crc32("\n".join(texts).encode())


def _pass_on(server: Server, crowd: Crowd, path: Path) -> float:
    """Let the peer pass the lines on; returns the seconds until every guest has all."""
    expected = b"".join(_frame(line) for line in path.read_bytes().splitlines())
    crowd.expect(expected, len(expected))
    began = time.perf_counter()
    server.tell(do="pass_on", path=str(path))
    crowd.until_whole()
    seconds = time.perf_counter() - began
    server.hear()
    return seconds


def _frame(text: bytes) -> bytes:
    return b"\x81\x7e" + len(text).to_bytes(2, "big") + text
