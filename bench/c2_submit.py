"""
C2: `concordiactl submit`, the whole process, against a Python that does nothing.

Both are started with the same interpreter and environment, one after the other; the prompts go to a real daemon whose
rehearsal agent answers them.
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench.table import Row, milliseconds, spread
from tests.support.daemon import Site

ROUNDS: Final = 60
PROGRAM: Final = Path(sys.executable).with_name("concordiactl")
"""As it is installed: the few lines that pip writes around `ctl.__main__.main` are a part of it."""
OF_BARE: Final = 5.0
OF_BARE_LATER: Final = 1.3


def measure_submit() -> Sequence[Row]:
    """Take both in turn and compare their medians."""
    submitted: list[float] = []
    bare: list[float] = []
    with (
        # Where a test shows a daemon's log, the table has its place.
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory(prefix="bench-") as name,
    ):
        site = Site(Path(name))
        with site.running():
            submit = [str(PROGRAM), "--socket", str(site.socket), "submit", "[[text:good]]"]
            for _ in range(ROUNDS):
                bare.append(_time([sys.executable, "-c", "pass"]))
                submitted.append(_time(submit))
    ratio = median(submitted) / median(bare)
    return [
        Row(
            "C2",
            "concordiactl submit, whole process, median : python -c pass",
            ours=milliseconds(median(submitted)),
            peer=milliseconds(median(bare)),
            ratio=f"{ratio:.2f}×",
            target=f"≤ {OF_BARE:.0f}×, then ≤ {OF_BARE_LATER}×",
            is_reached=ratio <= OF_BARE,
            figures={**spread("submit", submitted), **spread("bare", bare), "ratio": ratio},
        )
    ]


def _time(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
