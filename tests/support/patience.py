"""How long tests wait for what is to happen, and how late a busy machine may make it: nothing else waits by a clock."""

from typing import Final

PATIENCE_S: Final = 180.0
"""
The end of any wait for an event: it bounds what hangs.

Nothing here takes seconds by itself; beside other suites on two cores, some things have taken half a minute.
"""
LATE_S: Final = 30.0
"""
By how much a stall of the machine may delay what is to happen in a given time.

It is less than what would end things anyway where the code that is looked at is missing: the wait for a guest's next
ping, for one, is longer.
"""
