"""The clock by which things expire within one run: set by nobody, and it goes on while the machine sleeps."""

import time


def since_boot() -> float:
    """Tell the seconds since the machine was started, those that it slept too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
