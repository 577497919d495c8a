"""Long work lets the others run, at the latest with the piece that makes a slice too long."""

import trio

from concordiad.core.pieces import Pieces
from concordiad.room.slices import SLICE_S, Slices, in_slices


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


async def test_others_run_between_the_slices_of_long_work() -> None:
    """After two pieces of more than half a slice each, so four times; what the others take is not counted."""
    clock = Clock()
    turns = 0

    def work() -> Pieces[str]:
        for _ in range(8):
            clock.now += SLICE_S * 0.6
            yield
        return "done"

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            clock.now += SLICE_S * 5
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        assert await in_slices(work(), Slices(clock)) == "done"
        nursery.cancel_scope.cancel()
    # Who is first in a round of the loop, nobody knows.
    assert 3 <= turns <= 5


async def test_short_work_lets_nobody_run() -> None:
    """A checkpoint would cost more than the work."""
    clock = Clock()

    def work() -> Pieces[None]:
        yield

    with trio.CancelScope() as scope:
        scope.cancel()
        await in_slices(work(), Slices(clock))
    assert not scope.cancelled_caught
