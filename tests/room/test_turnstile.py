"""Who starts again when, in virtual time."""

import trio
import trio.testing

from concordiad.room.turnstile import STARTING_S, Turnstile


async def test_a_turn_ends_when_the_agent_is_ready(autojump_clock: trio.testing.MockClock) -> None:
    """The next in the line comes then, in the order of coming."""
    turnstile, ready, came = Turnstile(1), trio.Event(), []
    first = await turnstile.enter()

    async def come(name: str) -> None:
        await turnstile.enter()
        came.append((name, trio.current_time()))

    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.last_until, ready)
        nursery.start_soon(come, "second")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(come, "third")
        await trio.sleep(1)
        assert (turnstile.waiting, came) == (2, [])
        ready.set()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert came == [("second", began_at + 1)]


async def test_an_agent_that_is_never_ready_keeps_its_turn_for_so_long_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Others may start beside it then; that it is gone later changes nothing."""
    turnstile = Turnstile(1)
    first, began_at = await turnstile.enter(), trio.current_time()
    await first.last_until(trio.Event())
    assert trio.current_time() == began_at + STARTING_S
    second = await turnstile.enter()
    first.leave()
    with trio.move_on_after(1):
        await turnstile.enter()
        raise AssertionError("two have one turn")
    second.leave()
    await turnstile.enter()


async def test_who_waits_no_more_takes_nobody_s_turn() -> None:
    """A cancelled wait leaves the line."""
    turnstile = Turnstile(1)
    first = await turnstile.enter()
    with trio.CancelScope() as scope:
        scope.cancel()
        await turnstile.enter()
    assert turnstile.waiting == 0
    first.leave()
    await turnstile.enter()


async def test_there_is_always_a_place() -> None:
    """On one processor, too."""
    await Turnstile().enter()
