"""
P2: lines of 1 MB, and one of 100 MB.

The lines are what makes the CLI write long ones, each in the shape that was recorded: a file that was read (its text is
there twice), a file that was written, a patch (its lines are there one by one, and the file as it was), and an image.
The files are this repository's own. The readers are those of P1; the SDK's limit is raised to the daemon's, because
with its own of 1 MiB it ends at the first longer line.

The line of 100 MB stands between two short ones, and is read once by a pump with the limit that the daemon has by
default, and once by one that may hold it.
"""

import base64
import random
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.cli_output import Line, assistant, encode, tool_result
from bench.readers import WAYS, Reading, cpu_s, read_in_turn, read_ours, read_sdk, wall_s
from bench.table import Row

LINE_BYTES: Final = 1_000_000
LINES: Final = 400
ROUNDS: Final = 5
GAIN: Final = 4.0
HUGE_BYTES: Final = 100_000_000
MIB: Final = 2**20
UUID: Final = "5a3c1f0e-0000-4000-8000-000000000000"


def measure_long_lines() -> Sequence[Row]:
    """Take the readers in turn, for all kinds together and for each."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        kinds = {kind: encode(line) + b"\n" for kind, line in _long_lines()}
        rows = [_compare(root, "1 MB lines of four kinds", list(kinds.values()), GAIN)]
        rows += [_compare(root, f"1 MB lines, {kind} only", [line], None) for kind, line in kinds.items()]
        return [*rows, *_read_huge(root)]


def _compare(root: Path, what: str, lines: Sequence[bytes], target: float | None) -> Row:
    path = root / "lines"
    path.write_bytes(b"".join(lines) * (LINES // len(lines)))
    readings = read_in_turn(path, ROUNDS)
    for reading in readings["ours"]:
        assert sum(reading.figures["events"].values()) == LINES
    seconds = {way: wall_s(readings[way]) for way in WAYS}
    gain = seconds["client"] / seconds["ours"]
    return Row(
        "P2",
        f"{what} : the SDK, typed messages",
        ours=f"{LINES / seconds['ours']:,.0f} /s",
        peer=f"{LINES / seconds['client']:,.0f} /s",
        ratio=f"{gain:.2f}×",
        target="–" if target is None else f"≥ {target:.1f}×",
        is_reached=None if target is None else gain >= target,
        figures={f"{way}_wall_s": value for way, value in seconds.items()}
        | {f"{way}_cpu_s": cpu_s(readings[way]) for way in WAYS},
    )


def _read_huge(root: Path) -> list[Row]:
    path = root / "huge"
    short = encode(tool_result("short", UUID)) + b"\n"
    path.write_bytes(short + encode(tool_result("x" * HUGE_BYTES, UUID)) + b"\n" + short)
    over, whole = read_ours(path), read_ours(path, limit_bytes=2 * HUGE_BYTES)
    try:
        read_sdk("client", path)
        sdk = "read"
    except subprocess.CalledProcessError as error:
        sdk = error.stderr.strip().splitlines()[-1].partition(":")[0].rpartition(".")[2]
    return [
        _tell(over, "a 100 MB line, over the limit : the SDK with the same", sdk, {"tool_result": 2, "oversize": 1}),
        _tell(whole, "a 100 MB line, below the limit", "–", {"tool_result": 3}),
    ]


def _tell(reading: Reading, what: str, peer: str, wanted: dict[str, int]) -> Row:
    events = {name.removeprefix("agent."): number for name, number in reading.figures["events"].items()}
    return Row(
        "P2",
        what,
        ours=" ".join(f"{number} {name}" for name, number in events.items()),
        peer=peer,
        ratio=f"{reading.figures['grown_bytes'] / MIB:.0f} MiB more at most",
        target="goes on",
        is_reached=events == wanted,
        figures={"wall_s": reading.wall_s, "grown_bytes": reading.figures["grown_bytes"]},
    )


def _long_lines() -> Iterator[tuple[str, Line]]:
    sources = sorted(path for folder in ("concordiad", "ctl", "tests") for path in Path(folder).rglob("*.py"))
    text = "".join(path.read_text() for path in sources)
    text *= LINE_BYTES // len(text) + 1
    half = text[: LINE_BYTES * 45 // 100]
    numbered = "\n".join(f"{number:6}\t{line}" for number, line in enumerate(half.splitlines(), 1))
    file = {"filePath": "/srv/demo/work/all.py", "content": half, "numLines": 1, "startLine": 1, "totalLines": 1}
    yield "files read", {**tool_result(numbered, UUID), "tool_use_result": {"type": "text", "file": file}}
    written = {"file_path": "/srv/demo/work/all.py", "content": text[: LINE_BYTES * 95 // 100]}
    yield "files written", assistant({"type": "tool_use", "id": "toolu_1", "name": "Write", "input": written}, UUID)
    hunk = {"oldStart": 1, "oldLines": 1, "newStart": 1, "newLines": 1, "lines": [f" {it}" for it in half.splitlines()]}
    patch = {"filePath": "/srv/demo/work/all.py", "structuredPatch": [hunk], "originalFile": half}
    yield "patches", {**tool_result("The file has been updated.", UUID), "tool_use_result": patch}
    data = base64.b64encode(random.Random(1).randbytes(LINE_BYTES * 3 // 4)).decode()
    image = {"type": "image", "source": {"type": "base64", "data": data, "media_type": "image/png"}}
    line = tool_result("", UUID)
    line["message"]["content"][0]["content"] = [image]
    yield "images", line
