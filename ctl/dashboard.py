"""
`status --watch`: figures that are asked for again and again, and drawn over the ones before.

Law: however it ends, the terminal is as it was: its own screen, its cursor. On anything but a terminal nothing is
drawn over; each look is written behind the one before.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from concordiad.core.codes import EXIT_NO_DAEMON
from ctl.failures import Failure
from ctl.harmless import first_line
from ctl.quantities import cost, duration, tokens
from ctl.screen import Screen, cut, table

_OF_QUEUE: Final = ("ROOM", "STATE", "QUEUE", "OLDEST", "ASKS")
_OF_TURNS: Final = ("TURNS", "NOT DONE", "TOOK", "FIRST", "MERGED", "TOKENS", "COST")
HEADER: Final = (*_OF_QUEUE, *_OF_TURNS, "AGENT", "GUESTS")
ENTER: Final = "\x1b[?1049h\x1b[?25l"
LEAVE: Final = "\x1b[?25h\x1b[?1049l"

Json = dict[str, Any]


def row_of(room: Json) -> tuple[str, ...]:
    """Show a room in the columns of HEADER; what is none is left out, and a column that is empty everywhere, too."""
    outcomes = room["outcomes"]
    ended = sum(outcomes.values())
    restarts = f"{room['agent_restarts']} restarts" if room["agent_restarts"] > 1 else "1 restart"
    detached = f", {room['detached']} detached" if room["detached"] else ""
    return (
        first_line(room["name"]),
        first_line(room["state"]),
        str(room["waiting"]),
        duration(room["oldest_s"]) if room["waiting"] else "",
        str(room["approvals"]) if room["approvals"] else "",
        str(ended),
        ", ".join(f"{number} {name}" for name, number in outcomes.items() if number and name != "completed"),
        _pair(room["duration_p50_s"], room["duration_p95_s"]),
        _pair(room["ttft_p50_s"], room["ttft_p95_s"]),
        str(room["merged"]) if room["merged"] else "",
        tokens(room["input_tokens"], room["output_tokens"]) if ended else "",
        cost(room["cost_usd"]) if ended else "",
        ("up" if room["agent_up"] else "down") + (f", {restarts}" if room["agent_restarts"] else ""),
        f"{room['guests']}{detached}" if room["guests"] else "",
    )


def _pair(half: float | None, most: float | None) -> str:
    return "" if half is None else f"{duration(half)} · {duration(most)}"


def draw(out: Screen, told: Json) -> str:
    """Write all figures."""
    daemon = told["daemon"]
    commits = f"a commit takes {_ms(daemon['commit_p50_s'])}, one in a hundred more than {_ms(daemon['commit_p99_s'])}"
    loop = f"a pass of the loop {_ms(daemon['loop_lag_s'])}"
    name = f"concordiad {first_line(daemon['version'])}"
    edge = out.width or sys.maxsize
    about = cut(f"{name}, up {duration(daemon['uptime_s'])}; {commits}; {loop}", edge)
    fault = cut(first_line(daemon["journal_fault"] or ""), edge)
    head = f"{out.style(about[: len(name)], 'bold')}{about[len(name) :]}\n"
    trouble = f"{out.style(fault, 'red')}\n" if fault else ""
    return f"{head}{trouble}\n{table(out, HEADER, [row_of(room) for room in told['rooms']])}"


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.1f} ms"


def watch(out: Screen, look: Callable[[], Json], every_s: float, *, is_json: bool) -> None:
    """
    Look, show, wait, until somebody stops it.

    Raises:
        Failure: the first look already was none.
    """
    told = look()
    if is_json or not out.obeys_escapes:
        while True:
            out.line(json.dumps(told, ensure_ascii=False)) if is_json else out.line(draw(out, told))
            time.sleep(every_s)
            told = look()
    away_since: float | None = None
    why = ""
    with _own_screen(out), _resizes() as wait:
        while True:
            note = (
                "" if away_since is None else f"away for {duration(time.monotonic() - away_since)}: {first_line(why)}"
            )
            _show(out, draw(out, told), note)
            wait(every_s)
            try:
                told, away_since = look(), None
            except Failure as failure:
                if failure.exit_code != EXIT_NO_DAEMON:
                    raise
                why, away_since = failure.message, away_since or time.monotonic()


def _show(out: Screen, text: str, note: str) -> None:
    """Draw over what is there, as much as fits."""
    lines = [*([out.style(note, "yellow")] if note else []), *text.rstrip("\n").split("\n")]
    shown = lines[: max((out.height or 24) - 1, 1)]
    out.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J")


@contextmanager
def _own_screen(out: Screen) -> Iterator[None]:
    """Draw on a screen of our own, and leave the one that was there as it was, also where we are told to end."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        out.write(ENTER)
        yield
    finally:
        out.write(LEAVE)


@contextmanager
def _resizes() -> Iterator[Callable[[float], object]]:
    """Give a wait that ends early where the terminal's size changes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
    try:
        yield lambda seconds: signal.sigtimedwait([signal.SIGWINCH], seconds)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGWINCH])
