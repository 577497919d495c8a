"""Questions between tasks: each one is answered, refused or closed, and no answer ever waits."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from concordiad.core.codes import NOT_NOW
from concordiad.errors import RoomError
from concordiad.room.messages import Reply, answering, ask, serve, size_of, take_all
from concordiad.room.to_batcher import DescribeQueue, QueueState
from concordiad.room.to_fanout import Draft, Post

STATE = QueueState(3, is_paused=False)


async def test_a_question_gets_its_answer() -> None:
    """Whoever asks goes on with what the owner says."""
    send, inbox = trio.open_memory_channel[DescribeQueue](0)
    answers: list[QueueState] = []

    async def ask_it() -> None:
        answers.append(await ask(send, DescribeQueue))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_it)
        question = await inbox.receive()
        question.reply.answer(STATE)
    assert answers == [STATE]


async def test_a_refusal_is_raised_where_the_question_was_asked() -> None:
    """The owner answers with the error, it does not raise it itself."""
    send, inbox = trio.open_memory_channel[DescribeQueue](0)

    async def refuse() -> None:
        question = await inbox.receive()
        question.reply.answer(RoomError.conflict("no"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse)
        with pytest.raises(RoomError, match="no"):
            await ask(send, DescribeQueue)


async def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    """An owner goes on when whoever asked was cancelled."""
    send, inbox = trio.open_memory_channel[DescribeQueue](1)
    with trio.move_on_after(0):
        await ask(send, DescribeQueue)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, send, DescribeQueue)
        question = await inbox.receive()
        nursery.cancel_scope.cancel()
    question.reply.answer(STATE)


async def test_an_owner_that_is_gone_is_a_closing_room() -> None:
    """Asked before, while or after it ends, the answer is the same refusal."""
    send, inbox = trio.open_memory_channel[DescribeQueue](1)
    refusals: list[RoomError] = []

    async def ask_it() -> None:
        with pytest.raises(RoomError, match="closing") as refusal:
            await ask(send, DescribeQueue)
        refusals.append(refusal.value)

    async with trio.open_nursery() as nursery:
        with serve(inbox):
            # One has room in the inbox, the others wait for room.
            for _ in range(3):
                nursery.start_soon(ask_it)
            await wait_all_tasks_blocked()
        nursery.start_soon(ask_it)
    assert [refusal.code for refusal in refusals] == [NOT_NOW] * 4


async def test_what_was_taken_out_is_closed_if_it_is_not_answered() -> None:
    """Those that are answered keep their answers."""
    send, inbox = trio.open_memory_channel[DescribeQueue](2)
    told: list[str] = []

    async def ask_it() -> None:
        try:
            state: QueueState = await ask(send, DescribeQueue)
            told.append(str(state))
        except RoomError as error:
            told.append(error.code.name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_it)
        nursery.start_soon(ask_it)
        await wait_all_tasks_blocked()
        taken = take_all(inbox, [], 2)
        with answering(taken):
            taken[0].reply.answer(STATE)
    assert sorted(told) == sorted([str(STATE), "not_now"])


async def test_a_second_close_is_nothing() -> None:
    """An owner that ends need not know which questions were closed before."""
    send, receive = trio.open_memory_channel[QueueState | RoomError](1)
    reply = Reply(send)
    reply.close()
    reply.close()
    with pytest.raises(trio.EndOfChannel):
        await receive.receive()


def test_only_what_there_is_is_taken_and_no_more_than_the_limit() -> None:
    """Taking never waits."""
    send, inbox = trio.open_memory_channel[int](10)
    for number in range(5):
        send.send_nowait(number)
    assert take_all(inbox, [-1], 4) == [-1, 0, 1, 2]
    assert take_all(inbox, [], 10) == [3, 4]
    assert take_all(inbox, [], 10) == []


def test_what_is_large_is_taken_a_few_at_a_time() -> None:
    """The one that reaches the limit is the last one; what was taken before counts, and something always comes."""
    posts = [Post([Draft("notice", b"x" * 10_000)]) for _ in range(6)]
    size_bytes = size_of(posts[0])
    send, inbox = trio.open_memory_channel[Post](10)
    for post in posts[1:]:
        send.send_nowait(post)
    assert take_all(inbox, posts[:1], 9, size_bytes * 2.5) == posts[:3]
    assert take_all(inbox, [], 9, 1) == posts[3:4]
    assert take_all(inbox, posts[:1], 9, 1) == posts[:1]
    assert take_all(inbox, [], 9) == posts[4:]
