"""
W1: from a prompt to its first token, in a room that is there already, against a new `claude -p` for the prompt.

Three ways are taken in turn, all with the real CLI and a stub of the API on loopback that answers at once:
- cold: a new process for each prompt, from its spawn to its first text delta;
- room: a real daemon over its control socket, from the write of the request to the first `agent.delta`;
- direct: the same warm CLI over bare pipes, from the write of its line to its first text delta.

Cold against room is what people gain; room less direct is what Concordia takes for itself.
"""

import contextlib
import io
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from bench.table import Row, milliseconds, spread
from tests.support.control_client import ControlClient
from tests.support.daemon import Site
from tests.support.messages_api import MessagesApi
from tests.support.real_cli import RealCli, cli_environment, require_cli

ROUNDS: Final = 15
PAIRS: Final = 4
"""Prompts to the room and to the direct CLI, one after the other, for each cold one."""
WARM_UP: Final = 3
"""Prompts at first that are not counted: a process's first turns load what later ones have."""
GAIN: Final = 12.0
OURS_S: Final = 0.010
ORDERS: Final = "[[text:Good morning, everybody.]]"
COLD: Final = ("-p", "--output-format=stream-json", "--verbose", "--include-partial-messages")


class Taken(NamedTuple):
    """Seconds from the prompt until the API had read its request, and until its first token was there."""

    api_s: float
    token_s: float


class _Bench:
    """The three ways, and the stub that all of them end at."""

    def __init__(self, root: Path, api: MessagesApi, client: ControlClient, direct: RealCli) -> None:
        self._cold_home = root / "cold"
        self._cold_home.mkdir()
        self._api = api
        self._client = client
        self._direct = direct
        self._prompts = 0

    def take_cold(self) -> Taken:
        """Ask a new process."""
        text = self._next_prompt()
        began = time.monotonic()
        process = subprocess.Popen(
            [require_cli(), *COLD, text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._cold_home,
            env=cli_environment(self._cold_home, self._api.url),
        )
        with process:
            assert process.stdout is not None
            output = b""
            while b'"text_delta"' not in output:
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                assert chunk, f"a cold claude ended without a token: {output!r}"
                output += chunk
            taken = self._taken(text, began)
            process.stdout.read()
        return taken

    def take_room(self) -> Taken:
        """Ask the room."""
        # A turn's end is told before the agent is ready for the next one.
        while self._client.call("room.list")["rooms"][0]["state"] != "idle":
            pass
        text = self._next_prompt()
        began = time.monotonic()
        self._client.call("prompt.submit", text=text)
        self._client.next("agent.delta")
        taken = self._taken(text, began)
        self._client.finished()
        return taken

    def take_direct(self) -> Taken:
        """Ask the warm CLI without a daemon."""
        text = self._next_prompt()
        began = time.monotonic()
        self._direct.prompt(text)
        self._direct.read_until(lambda line: line.get("event", {}).get("type") == "content_block_delta")
        taken = self._taken(text, began)
        self._direct.read_turn()
        return taken

    def _next_prompt(self) -> str:
        self._prompts += 1
        return f"{ORDERS} {self._prompts}"

    def _taken(self, text: str, began: float) -> Taken:
        token_at = time.monotonic()
        requests = [request for request in self._api.requests if request.scene and request.scene.prompt.text == text]
        return Taken(requests[0].at - began, token_at - began)


@contextlib.contextmanager
def _run() -> Iterator[_Bench]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, MessagesApi() as api:
        root = Path(name)
        cli = str(require_cli())
        agent = {"kind": "claude-code", "command": [cli]}
        site = Site(root, {"rooms.main": {"agent": "claude"}, "agents.claude": agent})
        site.environment |= cli_environment(site.home, api.url)
        direct_home = root / "direct"
        direct_home.mkdir()
        with site.running() as daemon, RealCli(direct_home, api.url) as direct:
            direct.request("initialize", hooks=None)
            yield _Bench(root, api, daemon.follow(), direct)


def measure_warm_room() -> Sequence[Row]:
    """Take the three ways in turn and compare their medians."""
    cold: list[Taken] = []
    room: list[Taken] = []
    direct: list[Taken] = []
    # Where a test shows a daemon's log, the table has its place.
    with contextlib.redirect_stdout(io.StringIO()), _run() as bench:
        for _ in range(WARM_UP):
            bench.take_room()
            bench.take_direct()
        for _ in range(ROUNDS):
            cold.append(bench.take_cold())
            for _ in range(PAIRS):
                room.append(bench.take_room())
                direct.append(bench.take_direct())
    ways = {"cold": cold, "room": room, "direct": direct}
    tokens = {way: median(taken.token_s for taken in all_taken) for way, all_taken in ways.items()}
    calls = {way: median(taken.api_s for taken in all_taken) for way, all_taken in ways.items()}
    figures: dict[str, float] = {}
    for way, all_taken in ways.items():
        figures |= spread(f"{way}_token", [taken.token_s for taken in all_taken])
        figures |= spread(f"{way}_api", [taken.api_s for taken in all_taken])
    paired = [ours.token_s - theirs.token_s for ours, theirs in zip(room, direct, strict=True)]
    ours_s = tokens["room"] - tokens["direct"]
    return [
        _compare_cold("prompt to first token, warm room : cold claude -p", tokens, figures),
        _compare_cold("prompt to request at the API, same", calls, {}),
        Row(
            "W1",
            "of it ours: room less the warm CLI over pipes",
            ours=milliseconds(tokens["room"]),
            peer=milliseconds(tokens["direct"]),
            ratio=f"+{milliseconds(ours_s)}",
            target=f"≤ +{OURS_S * 1000:.0f} ms",
            is_reached=ours_s <= OURS_S,
            figures={"median_of_differences_s": median(paired), "to_api_s": calls["room"] - calls["direct"]},
        ),
    ]


def _compare_cold(what: str, medians: dict[str, float], figures: dict[str, float]) -> Row:
    gain = medians["cold"] / medians["room"]
    return Row(
        "W1",
        what,
        ours=milliseconds(medians["room"]),
        peer=milliseconds(medians["cold"]),
        ratio=f"{gain:.1f}× faster",
        target=f"≥ {GAIN:.0f}×",
        is_reached=gain >= GAIN,
        figures={"gain": gain, "gain_without_daemon": medians["cold"] / medians["direct"], **figures},
    )
