"""Durations, ages, money and counts: as people type them and as people read them."""

import re
from datetime import datetime
from typing import Final

_UNITS_S: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)", re.ASCII)


def parse_duration(text: str, *, may_be_zero: bool = False) -> float:
    """
    Read a duration in seconds: 90, 90s, 5m, 2h, 1d, 1.5h.

    Raises:
        ValueError: with a sentence that says what would be right.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or (float(found[1]) == 0 and not may_be_zero):
        raise ValueError(f"{text!r} is not a duration: write 90, 90s, 5m, 2h or 1d")
    return float(found[1]) * _UNITS_S[found[2]]


def duration(seconds: float | None) -> str:
    """Show a duration: 0.3s, 59.9s, 1m 04s, 2h 05m, 3d 04h; nothing where it is unknown."""
    if seconds is None:
        return ""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02}h"


def _coarse(seconds: float) -> str:
    # To the nearest: what was made a moment ago to last for ten minutes does not say nine.
    for unit, most in (("s", 60), ("m", 60), ("h", 24)):
        number = int(seconds / _UNITS_S[unit] + 0.5)
        if number < most:
            return f"{number}{unit}"
    return f"{int(seconds / _UNITS_S['d'] + 0.5)}d"


def unix_time(rfc3339: str) -> float:
    """Read a time of the wire as Unix seconds."""
    return datetime.fromisoformat(rfc3339).timestamp()


def relative(rfc3339: str | None, now: float) -> str:
    """Show a time against now: 12s ago, in 4m, just now; nothing where there is none."""
    if rfc3339 is None:
        return ""
    past_s = now - unix_time(rfc3339)
    if abs(past_s) < 1:
        return "just now"
    return f"{_coarse(past_s)} ago" if past_s > 0 else f"in {_coarse(-past_s)}"


def since(rfc3339: str, now: float) -> str:
    """Show how long ago something was that is no later than now, whatever a clock says that was set back."""
    return relative(rfc3339, max(now, unix_time(rfc3339)))


def cost(dollars: float | None) -> str:
    """Show US dollars: $0.0123, $12.34; nothing where they are unknown."""
    if dollars is None:
        return ""
    return f"${dollars:.4f}" if dollars < 10 else f"${dollars:.2f}"


def count(number: int) -> str:
    """Show a large number in three digits or so: 999, 1.2k, 34k, 5.6M."""
    for factor, unit in ((1_000_000, "M"), (1000, "k")):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return str(number)


def tokens(read: int | None, written: int | None) -> str:
    """Show a turn's tokens as read/written; nothing where both are unknown."""
    if read is None and written is None:
        return ""
    return f"{count(read or 0)}/{count(written or 0)}"


def plural(number: int, singular: str, several: str | None = None) -> str:
    """Show a number with its noun: 1 prompt, 2 prompts."""
    return f"{number} {singular if number == 1 else several or singular + 's'}"
