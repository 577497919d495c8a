"""The writer alone: what the agent asks people for, who answers, and when time is up."""

import re
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.codes import CONFLICT, INVALID_PARAMS, NOT_FOUND
from concordiad.core.model import ApprovalKind
from concordiad.errors import RoomError
from concordiad.room.approvals import questions_of
from concordiad.room.messages import Reply
from concordiad.room.to_writer import AnswerApproval
from tests.room import cli_lines
from tests.room.samples import ANN, BOB, NOW, drafts_of
from tests.room.writer_bench import Bench, open_bench


def resolutions(bench: Bench) -> list[tuple[str, str | None, str | None]]:
    """List how approvals were resolved, by whom, and why."""
    bodies = drafts_of(bench.recorder.posts, "approval.resolved")
    return [(body["resolution"], body["by"] and body["by"]["name"], body["reason"]) for body in bodies]


async def ask_permission(bench: Bench, request_id: str = "r1") -> str:
    """Let the agent ask for permission in a turn of ours; give the approval's id."""
    await bench.start()
    await bench.begin()
    await bench.say(cli_lines.permission(request_id, command="rm -r build"))
    (approval,) = await bench.approvals()
    return approval.id


async def test_a_permission_request_waits_for_people() -> None:
    """It is told with tool, input and turn, and listed until it is answered."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        (told,) = drafts_of(bench.recorder.posts, "approval.requested")
        (approval,) = await bench.approvals()
    assert (told["approval"]["id"], told["approval"]["tool"]) == (identity, "Bash")
    assert told["approval"]["input"] == {"command": "rm -r build"}
    assert (approval.kind, approval.turn) == (ApprovalKind.PERMISSION, bench.stdin.prompts[0]["uuid"])
    assert approval.expires_at == NOW + 600


async def test_an_approval_hands_the_agents_own_input_back() -> None:
    """Unchanged, so that nobody can slip a command in."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        await bench.answer(identity, is_allowed=True)
        (answer,) = bench.stdin.responses
        assert answer["request_id"] == "r1"
        assert answer["response"] == {"behavior": "allow", "updatedInput": {"command": "rm -r build"}}
        assert (resolutions(bench), await bench.approvals()) == ([("approved", "ann", None)], [])


async def test_a_denial_gives_its_reason() -> None:
    """The agent and the transcript are told the same."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        await bench.answer(identity, is_allowed=False, reason="keep it", by=BOB)
        (answer,) = bench.stdin.responses
    assert answer["response"] == {"behavior": "deny", "message": "keep it"}
    assert resolutions(bench) == [("denied", "bob", "keep it")]


async def test_the_first_answer_wins() -> None:
    """Whoever comes later is told who was first, and the agent gets one answer."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        await bench.answer(identity, is_allowed=False, by=BOB)
        with pytest.raises(RoomError, match="denied already by bob") as refusal:
            await bench.answer(identity, is_allowed=True)
    assert (refusal.value.code, len(bench.stdin.responses)) == (CONFLICT, 1)


async def test_two_answers_at_once_are_one_and_a_refusal() -> None:
    """Also while the first is still being recorded."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        outcomes: list[str] = []

        async def answer(name: str, *, is_allowed: bool) -> None:
            try:
                await bench.answer(identity, is_allowed=is_allowed)
            except RoomError as error:
                outcomes.append(f"{name}: {error.code.name}")
            else:
                outcomes.append(f"{name}: done")

        bench.recorder.hold()
        async with trio.open_nursery() as both:
            for each in (partial(answer, "first", is_allowed=True), partial(answer, "second", is_allowed=False)):
                both.start_soon(each)
                await wait_all_tasks_blocked()
            assert (outcomes, bench.stdin.responses) == ([], [])
            bench.recorder.let_go()
        assert sorted(outcomes) == ["first: done", "second: conflict"]
        assert [response["response"]["behavior"] for response in bench.stdin.responses] == ["allow"]


async def test_an_answer_is_recorded_before_the_agent_reads_it() -> None:
    """A tool that ran because somebody said so has that in the transcript."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        await bench.answer(identity, is_allowed=True)
    assert bench.log[-2:] == ["approval.resolved", "control_response"]


async def test_an_unknown_approval_is_not_found() -> None:
    """A mistyped id answers nothing."""
    async with open_bench() as bench:
        await ask_permission(bench)
        with pytest.raises(RoomError) as refusal:
            await bench.answer("w0", is_allowed=True)
    assert (refusal.value.code, bench.stdin.responses) == (NOT_FOUND, [])


async def test_nobody_answering_is_a_denial(autojump_clock: MockClock) -> None:
    """When its time is up, the agent is told no, once."""
    async with open_bench() as bench:
        await ask_permission(bench)
        await trio.sleep(599)
        assert resolutions(bench) == []
        await trio.sleep(2)
        (answer,) = bench.stdin.responses
        assert (answer["request_id"], answer["response"]["behavior"]) == ("r1", "deny")
        assert [how for how, _, _ in resolutions(bench)] == ["timed_out"]
        await trio.sleep(1000)
        assert len(bench.stdin.responses) == 1


async def test_each_approval_has_its_own_time(autojump_clock: MockClock) -> None:
    """A later one is not denied with an earlier one."""
    async with open_bench() as bench:
        await ask_permission(bench, "r1")
        await trio.sleep(300)
        await bench.say(cli_lines.permission("r2"))
        await trio.sleep(301)
        assert [approval.request_id for approval in await bench.approvals()] == ["r2"]


async def test_a_late_answer_is_told_that_time_was_up(autojump_clock: MockClock) -> None:
    """Not that the approval never was."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        await trio.sleep(601)
        with pytest.raises(RoomError, match="timed_out already"):
            await bench.answer(identity, is_allowed=True)


async def test_the_agent_can_take_a_request_back() -> None:
    """It no longer waits, and the agent gets no answer to it."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        await bench.say(cli_lines.withdrawn("r1"))
        assert ([how for how, _, _ in resolutions(bench)], await bench.approvals()) == (["withdrawn"], [])
        with pytest.raises(RoomError, match="withdrawn already"):
            await bench.answer(identity, is_allowed=True)
        assert bench.stdin.responses == []


async def test_taking_back_what_was_never_asked_is_nothing() -> None:
    """An unknown request is no approval of anybody's."""
    async with open_bench() as bench:
        await ask_permission(bench)
        await bench.say(cli_lines.withdrawn("r9"))
        assert (resolutions(bench), len(await bench.approvals())) == ([], 1)


async def test_an_agent_that_ends_asks_no_more() -> None:
    """Whatever waited is withdrawn, so that nobody answers a dead agent."""
    async with open_bench() as bench:
        await ask_permission(bench)
        await bench.lose()
        assert ([how for how, _, _ in resolutions(bench)], await bench.approvals()) == (["withdrawn"], [])


async def test_a_question_is_answered_with_its_answers() -> None:
    """The answers stand beside the questions that the agent sent."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.question("r1", "Which colour?", "Which size?"))
        (approval,) = await bench.approvals()
        answers = {"Which colour?": "blue", "Which size?": "XL"}
        await bench.answer(approval.id, is_allowed=True, answers=answers)
        (response,) = bench.stdin.responses
    updated = response["response"]["updatedInput"]
    assert (approval.kind, updated["answers"]) == (ApprovalKind.QUESTION, answers)
    assert [asked["question"] for asked in updated["questions"]] == ["Which colour?", "Which size?"]


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({}, "not answered: 'Which colour?'"),
        ({"Which colour?": "blue", "Which size?": "XL"}, "no question 'Which size?'"),
    ],
    ids=["missing", "unknown"],
)
async def test_answers_must_fit_the_questions(answers: dict[str, str], complaint: str) -> None:
    """A bad answer is refused, and the question still waits for a good one."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.question("r1", "Which colour?"))
        (approval,) = await bench.approvals()
        with pytest.raises(RoomError, match=re.escape(complaint)) as refusal:
            await bench.answer(approval.id, is_allowed=True, answers=answers)
        assert (refusal.value.code, refusal.value.field) == (INVALID_PARAMS, "answers")
        assert await bench.approvals() == [approval]
        await bench.answer(approval.id, is_allowed=False)


async def test_a_permission_takes_no_answers() -> None:
    """Answers to what is no question are a mistake."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        with pytest.raises(RoomError, match="takes no answers"):
            await bench.answer(identity, is_allowed=True, answers={"a": "b"})


def test_a_question_of_another_shape_has_no_questions() -> None:
    """An agent's odd input is refused or denied by people, it breaks nothing."""
    deep = b"[" * 100_000 + b"]" * 100_000
    odd = [b"[]", b"7", b"null", b'{"questions":7}', b'{"questions":[7,{"question":7}]}', deep]
    assert [questions_of(tool_input) for tool_input in odd] == [[]] * len(odd)


async def test_the_end_of_the_writer_leaves_no_answer_open() -> None:
    """Whoever answers while the writer is cancelled is told that the room closes."""
    async with open_bench() as bench:
        identity = await ask_permission(bench)
        bench.recorder.hold()
        send, receive = trio.open_memory_channel[object](1)
        await bench.inbox.send(AnswerApproval(identity, True, {}, None, ANN, Reply(send)))
        await wait_all_tasks_blocked()
        bench.scope.cancel()
        with pytest.raises(trio.EndOfChannel):
            await receive.receive()
