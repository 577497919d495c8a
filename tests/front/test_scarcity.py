"""Descriptors kept back for hosts."""

import os
import resource
from contextlib import suppress

from concordiad.front.scarcity import Reserve


def test_reserve_is_spent_and_refilled() -> None:
    """What it lets go of can be opened by others, and it takes no more than there are."""
    reserve = Reserve(3)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        assert (len(reserve), reserve.spend(), len(reserve), reserve.spend()) == (3, True, 0, False)
        taken.append(os.dup(0))
        reserve.refill()
        assert len(reserve) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)
    reserve.refill()
    assert len(reserve) == 3
    assert reserve.spend()
