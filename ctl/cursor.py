"""
Where a follower stands in a room's transcript, over one subscription after the other; no I/O.

Laws: a recorded event is new once; what is not recorded has no number and is always new.
"""

from typing import Any

Json = dict[str, Any]


class Cursor:
    """The last recorded event that was given; none before the first subscription."""

    def __init__(self) -> None:
        self.epoch = self.seq = -1

    @property
    def after(self) -> Json | None:
        """The cursor as `events.subscribe` takes it, to go on with what came after it."""
        return None if self.seq < 0 else {"epoch": self.epoch, "seq": self.seq}

    def is_new(self, event: Json) -> bool:
        """Take note of an event; tells whether it was not given before."""
        seq = event.get("seq")
        if seq is None:
            return True
        if seq <= self.seq:
            return False
        self.epoch, self.seq = event["epoch"], seq
        return True

    def take_start(self, result: Json) -> list[Json]:
        """Take the answer to a subscription; returns the events of its snapshot that replace what is missing."""
        cursor, snapshot = result["cursor"], result["snapshot"]
        missed = []
        if result["resync"] and snapshot is not None:
            # What came with a later epoch is new even with a number that was seen: that event was lost.
            missed = [body for body in snapshot["events"] if body["epoch"] > self.epoch or body["seq"] > self.seq]
        if result["resync"] or self.seq < 0:
            self.epoch, self.seq = cursor["epoch"], cursor["seq"]
        return missed
