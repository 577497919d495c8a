"""The writer alone: when a line is written, and whose result is whose."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.core.agents.rehearsal import Rehearsal
from concordiad.core.model import AgentSession, Prompt, PromptState, Turn
from concordiad.room.messages import ask
from concordiad.room.to_writer import FromAgent, Spoke
from tests.room import cli_lines
from tests.room.samples import ANN, BOB, NOW, count_ids, drafts_of, prompt
from tests.room.writer_bench import open_bench

ANOTHER = "7f4e3c62-9a0b-4c1d-8e2f-5a6b7c8d9e0f"


async def test_no_turn_is_asked_for_before_the_handshake_is_answered() -> None:
    """Every first request must be answered, in whatever order."""
    async with open_bench() as bench:
        stdin = await bench.spawn()
        ready, usage = [line["request_id"] for line in stdin.requests]
        assert bench.asked() == 0
        await bench.say(cli_lines.reply(usage, session={"total_cost_usd": 0}))
        assert bench.asked() == 0
        await bench.say(cli_lines.reply(ready))
        assert (bench.asked(), stdin.prompts) == (1, [])


async def test_an_answer_to_nobodys_question_is_no_handshake() -> None:
    """Only the ids that were asked with count."""
    async with open_bench() as bench:
        await bench.spawn()
        await bench.say(cli_lines.reply("w99"), cli_lines.reply("w98"))
        assert bench.asked() == 0


async def test_an_offer_that_comes_too_early_goes_back() -> None:
    """An agent that is not ready gets no line."""
    async with open_bench() as bench:
        stdin = await bench.spawn()
        await bench.offer(prompt("p1"))
        assert (stdin.prompts, bench.returned(), bench.log) == ([], ["p1"], ["control_request", "control_request"])


async def test_an_offer_without_an_agent_goes_back() -> None:
    """Nothing is recorded of it: the prompt still waits."""
    async with open_bench() as bench:
        await bench.offer(prompt("p1"))
        assert (bench.returned(), bench.recorder.posts) == (["p1"], [])


async def test_the_hand_over_is_recorded_before_the_first_byte() -> None:
    """While the record is on its way, the agent reads nothing."""
    async with open_bench() as bench:
        stdin = await bench.start()
        bench.recorder.hold()
        await bench.offer(prompt("p1"))
        assert (stdin.prompts, bench.recorder.pending is not None) == ([], True)
        bench.recorder.let_go()
        await wait_all_tasks_blocked()
        assert bench.log[-2:] == ["turn.started", "prompt"]
        (post,) = bench.recorder.posts
        turn, running = post.changes
        assert isinstance(turn, Turn) and isinstance(running, Prompt)
        assert (post.is_durable, running.state, running.turn) == (True, PromptState.RUNNING, turn.id)


async def test_a_line_carries_the_turns_id_and_the_text_verbatim() -> None:
    """The agent is told to take it literally, and later than what it does by itself."""
    async with open_bench() as bench:
        stdin = await bench.start()
        turn = await bench.offer(prompt(text="/clear @/etc/passwd"))
        assert stdin.prompts == [
            {
                "type": "user",
                "message": {"role": "user", "content": "/clear @/etc/passwd"},
                "uuid": turn,
                "priority": "later",
                "client_composed": True,
            }
        ]


async def test_the_next_turn_is_asked_for_only_when_the_line_is_done() -> None:
    """A result alone is not enough: the agent may still be busy with the line."""
    async with open_bench() as bench:
        await bench.start()
        assert bench.asked() == 1
        turn = await bench.begin()
        assert bench.asked() == 0
        await bench.say(cli_lines.result(turn))
        assert bench.asked() == 0
        await bench.say(cli_lines.life(turn, "completed"))
        assert bench.asked() == 1


async def test_idle_ends_a_line_too() -> None:
    """An agent that tells of no lifecycle is done when it says that it is idle."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.offer()
        bench.taken_to_batcher()
        await bench.say(cli_lines.init(turn), cli_lines.result(turn), cli_lines.idle())
        assert bench.asked() == 1


async def test_it_asks_once_for_each_turn() -> None:
    """However often the agent says that it is idle."""
    async with open_bench() as bench:
        await bench.start()
        await bench.say(cli_lines.idle())
        await bench.say(cli_lines.idle())
        assert bench.asked() == 1


async def test_a_result_closes_its_turn_with_its_figures() -> None:
    """The turn's row, its prompt's row and its event tell the same."""
    async with open_bench() as bench:
        await bench.start(cost_usd=1.0)
        turn = await bench.begin(prompt("p1", author=BOB))
        usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}
        await bench.finish(turn, answer="42", usage=usage, total_cost_usd=1.25, num_turns=2, ttft_ms=1500)
        closed, answered = bench.recorder.posts[-2].changes
        (told,) = bench.turns()
    assert isinstance(closed, Turn) and isinstance(answered, Prompt)
    assert (answered.id, answered.state, answered.turn) == ("p1", PromptState.ANSWERED, turn)
    figures = (closed.answer, closed.input_tokens, closed.output_tokens, closed.cost_usd, closed.agent_turns)
    assert figures == ("42", 7, 5, 0.25, 2)
    assert (told["outcome"], told["reason"], told["answer"], told["ttft_s"]) == ("completed", None, "42", 1.5)
    assert [author["name"] for author in told["authors"]] == ["bob"]


async def test_a_failed_result_says_why() -> None:
    """Success is told by is_error, never by the subtype."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        trouble = {"is_error": True, "subtype": "success", "terminal_reason": "api_error", "api_error_status": 529}
        await bench.finish(turn, answer="API Error: overloaded", **trouble)
        (told,) = bench.turns()
        (failed,) = bench.changes(Prompt)[-1:]
    assert (told["outcome"], told["reason"]) == ("failed", "api_error 529: API Error: overloaded")
    assert failed.state is PromptState.FAILED


async def test_several_prompts_share_one_outcome() -> None:
    """A turn of merged prompts answers all of them."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin(prompt("p1"), prompt("p2", author=BOB))
        await bench.finish(turn)
        states = {change.id: change.state for change in bench.changes(Prompt)}
        (told,) = bench.turns()
    assert states == {"p1": PromptState.ANSWERED, "p2": PromptState.ANSWERED}
    assert [author["name"] for author in told["authors"]] == ["ann", "bob"]


async def test_a_stale_result_closes_nothing() -> None:
    """A left-over result of an earlier turn is told, not mistaken for that of the running one."""
    async with open_bench() as bench:
        await bench.start()
        first = await bench.begin(prompt("p1"))
        await bench.finish(first)
        second = await bench.begin(prompt("p2"))
        await bench.say(cli_lines.aborted(first))
        assert ([turn["id"] for turn in bench.turns()], bench.notices()) == ([first], ["stale_result"])
        await bench.finish(second)
        assert [turn["id"] for turn in bench.turns()] == [first, second]


async def test_a_line_that_is_done_without_a_result_fails_its_turn() -> None:
    """A turn whose result never comes does not stay open for ever, and the next one can come."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        bench.taken_to_batcher()
        await bench.say(cli_lines.life(turn, "completed"))
        (told,) = bench.turns()
        assert (told["outcome"], told["reason"].partition(":")[0], bench.asked()) == ("failed", "no_result", 1)


async def test_idle_without_a_result_fails_a_turn_that_began() -> None:
    """The agent worked on it and has nothing to do any more."""
    async with open_bench() as bench:
        await bench.start()
        await bench.begin()
        await bench.say(cli_lines.idle())
        assert [turn["reason"].partition(":")[0] for turn in bench.turns()] == ["no_result"]


async def test_idle_from_before_the_line_was_taken_up_is_not_its_end() -> None:
    """The agent may have been idle when it wrote that, with our line still in the pipe."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.offer()
        await bench.say(cli_lines.idle())
        assert bench.turns() == []
        await bench.say(cli_lines.life(turn, "queued"), cli_lines.idle())
        assert bench.turns() == []


async def test_the_done_line_of_an_earlier_turn_does_not_settle_this_one() -> None:
    """Only the end of the line whose result is in lets the next one be written."""
    async with open_bench() as bench:
        await bench.start()
        first = await bench.begin(prompt("p1"))
        await bench.finish(first)
        second = await bench.begin(prompt("p2"))
        bench.taken_to_batcher()
        await bench.say(cli_lines.result(second), cli_lines.life(first, "completed"))
        assert bench.asked() == 0
        await bench.say(cli_lines.life(second, "completed"))
        assert bench.asked() == 1


async def test_a_turn_of_the_agents_own_is_a_turn_without_prompts() -> None:
    """It is told from its beginning to its end, and no prompt is answered by it."""
    async with open_bench() as bench:
        await bench.start()
        await bench.say(cli_lines.finished("the build is done"), cli_lines.init(), cli_lines.result(answer="so it is"))
        (opened,) = bench.turns("turn.started")
        (closed,) = bench.turns()
    assert (opened["origin"], opened["text"], opened["prompts"]) == ("agent", "the build is done", [])
    assert (closed["id"], closed["answer"], closed["outcome"]) == (opened["id"], "so it is", "completed")


async def test_nothing_is_handed_over_while_the_agent_works_on_its_own_turn() -> None:
    """The offer goes back and is asked for again when that turn is over."""
    async with open_bench() as bench:
        stdin = await bench.start()
        await bench.say(cli_lines.init())
        await bench.offer(prompt("p1"))
        assert (stdin.prompts, bench.returned()) == ([], ["p1"])
        await bench.say(cli_lines.result())
        assert bench.asked() == 1


async def test_the_agents_own_result_does_not_answer_our_prompt() -> None:
    """A turn of its own may end while a line of ours waits in its pipe."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.offer(prompt("p1"))
        await bench.say(cli_lines.init(), cli_lines.result(answer="mine"))
        assert [closed["origin"] for closed in bench.turns()] == ["agent"]
        await bench.say(cli_lines.init(turn))
        await bench.finish(turn, answer="yours")
        assert [closed["answer"] for closed in bench.turns()] == ["mine", "yours"]


async def test_an_own_turn_that_another_one_follows_is_closed() -> None:
    """No turn stays open because its result was left out."""
    async with open_bench() as bench:
        await bench.start()
        await bench.say(cli_lines.init(), cli_lines.idle(), cli_lines.init(), cli_lines.result())
        outcomes = [(turn["outcome"], (turn["reason"] or "").partition(":")[0]) for turn in bench.turns()]
    assert outcomes == [("failed", "no_result"), ("completed", "")]


async def test_costs_are_differences_of_the_agents_sums() -> None:
    """The baseline is what the agent said before its first line, so a resumed conversation costs nothing anew."""
    async with open_bench() as bench:
        await bench.start(cost_usd=10.0)
        for number, total in enumerate((10.25, 10.5, 12.0)):
            turn = await bench.begin(prompt(f"p{number}"))
            await bench.finish(turn, total_cost_usd=total)
        assert [turn["cost_usd"] for turn in bench.turns()] == [0.25, 0.25, 1.5]


async def test_a_cost_that_starts_anew_is_no_refund() -> None:
    """After /clear the agent counts from nothing."""
    async with open_bench() as bench:
        await bench.start(cost_usd=5.0)
        first = await bench.begin(prompt("p1"))
        await bench.finish(first, total_cost_usd=0.5)
        second = await bench.begin(prompt("p2"))
        await bench.finish(second, total_cost_usd=0.75)
        assert [turn["cost_usd"] for turn in bench.turns()] == [0.5, 0.25]


async def test_own_turns_pay_for_themselves() -> None:
    """What the agent spent on its own is not charged to the next prompt."""
    async with open_bench() as bench:
        await bench.start(cost_usd=0.0)
        await bench.say(cli_lines.init(), cli_lines.result(total_cost_usd=2.0), cli_lines.idle())
        turn = await bench.begin()
        await bench.finish(turn, total_cost_usd=2.25)
        assert [(closed["origin"], closed["cost_usd"]) for closed in bench.turns()] == [
            ("agent", 2.0),
            ("prompts", 0.25),
        ]


async def test_a_new_incarnation_has_a_new_baseline() -> None:
    """After a restart the last figure seen says nothing."""
    async with open_bench() as bench:
        await bench.start(cost_usd=0.0)
        first = await bench.begin(prompt("p1"))
        await bench.finish(first, total_cost_usd=3.0)
        await bench.lose()
        await bench.start(cost_usd=2.5)
        second = await bench.begin(prompt("p2"))
        await bench.finish(second, total_cost_usd=3.5)
        assert [turn["cost_usd"] for turn in bench.turns()] == [3.0, 1.0]


async def test_without_a_baseline_the_turns_own_figure_counts() -> None:
    """An agent that tells no sums may still tell what one turn cost."""
    async with open_bench() as bench:
        await bench.start(cost_usd=None)
        turn = await bench.begin()
        spent = {"opus": {"inputTokens": 1, "outputTokens": 2, "costUSD": 0.125}}
        await bench.finish(turn, total_cost_usd=7.0, model_usage_since_last_result=spent)
        assert [closed["cost_usd"] for closed in bench.turns()] == [0.125]


async def test_figures_that_no_ledger_holds_are_left_out() -> None:
    """An agent's impossible count is no reason to lose its answer, nor to fail the journal."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        await bench.finish(turn, num_turns=10**30, usage={"input_tokens": 10**30, "output_tokens": 5})
        (closed,) = bench.changes(Turn)[-1:]
    assert (closed.answer, closed.output_tokens) == ("because", 5)
    assert (closed.input_tokens, closed.agent_turns) == (None, None)


async def test_the_time_to_the_first_output_is_ours(autojump_clock: MockClock) -> None:
    """It is measured from the hand-over to what the pump saw, and the duration to the result."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        await trio.sleep(2)
        spoke = Spoke(turn, trio.current_time())
        await ask(bench.inbox, lambda reply: FromAgent(bench.incarnation, [spoke], reply))
        await trio.sleep(3)
        await bench.finish(turn, ttft_ms=1)
        (told,) = bench.turns()
    assert (told["ttft_s"], told["duration_s"]) == (2.0, 5.0)


async def test_what_an_earlier_incarnation_said_counts_no_more() -> None:
    """A late message of a dead agent is answered, so that its pump can end, and forgotten."""
    async with open_bench() as bench:
        await bench.start()
        dead, codec = bench.incarnation, bench.codec
        await bench.lose()
        await bench.start()
        turn = await bench.begin()
        facts = codec.decode(cli_lines.result(turn))
        await ask(bench.inbox, lambda reply: FromAgent(dead, facts, reply))
        assert bench.turns() == []


async def test_the_conversation_is_recorded_once_it_has_something_to_resume() -> None:
    """Before its first result an agent has saved nothing; after it the next incarnation can resume."""
    async with open_bench() as bench:
        await bench.start()
        first = await bench.begin(prompt("p1"))
        assert bench.changes(AgentSession) == []
        await bench.finish(first)
        second = await bench.begin(prompt("p2"))
        await bench.finish(second)
        assert bench.changes(AgentSession) == [AgentSession("main", "claude-code", "session", "i1", has_history=True)]


async def test_a_conversation_that_the_agent_changes_is_recorded() -> None:
    """After /clear the next incarnation must resume the new one."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.offer()
        await bench.say(cli_lines.init(turn, session_id=ANOTHER, model="haiku"))
        assert bench.changes(AgentSession) == [AgentSession("main", "claude-code", ANOTHER, "i1", has_history=False)]
        assert (await bench.describe())["model"] == "haiku"


@pytest.mark.parametrize(
    "name", ["a\0b", "z" * 400_000, "../../etc/passwd", "--help", f"{ANOTHER}\n", ANOTHER[:-1], "é"]
)
async def test_what_is_no_session_id_is_not_believed(name: str) -> None:
    """It would stand in the next agent's command line; it is told once an agent, without what it is."""
    async with open_bench() as bench:
        await bench.start()
        for _ in range(2):
            turn = await bench.offer()
            await bench.say(cli_lines.life(turn, "started"), cli_lines.init(turn, session_id=name))
            await bench.finish(turn, session_id=name)
        assert {change.session_id for change in bench.changes(AgentSession)} == {"session"}
        (told,) = drafts_of(bench.recorder.posts, "notice")
        size = len(name.encode())
        assert told["code"] == "session_refused"
        assert told["message"].startswith(f"the agent calls its conversation by {size} bytes that are no UUID")
        assert (await bench.describe())["session_id"] == "session"
        await bench.lose()
        await bench.start()
        await bench.say(cli_lines.init(session_id=name))
        assert bench.notices() == ["session_refused"] * 2


async def test_a_line_without_a_session_id_says_nothing_of_it() -> None:
    """Nor is it an empty one."""
    async with open_bench() as bench:
        await bench.start()
        await bench.say(cli_lines.init(session_id=""))
        assert (bench.notices(), bench.changes(AgentSession)) == ([], [])


async def test_a_conversation_that_the_agent_lost_is_told() -> None:
    """The next incarnation begins anew, and people know why."""
    async with open_bench() as bench:
        await bench.spawn(is_resumed=True)
        await bench.say(cli_lines.result(is_error=True, errors=["No conversation found with session ID: session"]))
        assert bench.notices() == ["context_lost"]
        assert bench.changes(AgentSession) == [AgentSession("main", "claude-code", None, "i1", has_history=False)]


async def test_what_cannot_be_read_is_counted_not_shown() -> None:
    """A line that is no JSON is told by its size."""
    async with open_bench() as bench:
        await bench.start()
        await bench.say(b"Segmentation fault: secret")
        (told,) = drafts_of(bench.recorder.posts, "notice")
    assert (told["code"], "26 bytes" in told["message"], "secret" in told["message"]) == (
        "unreadable_output",
        True,
        False,
    )


async def test_a_request_that_nobody_knows_is_refused() -> None:
    """An agent that asks something must not wait for ever."""
    async with open_bench() as bench:
        stdin = await bench.start()
        await bench.say(cli_lines.request("r1", "hook_callback"))
        (refusal,) = stdin.responses
    assert (refusal["request_id"], refusal["subtype"]) == ("r1", "error")


async def test_a_rehearsal_says_so_in_every_event() -> None:
    """Nobody may take what has no model behind it for an answer."""
    async with open_bench() as bench:
        await bench.start(codec=Rehearsal(count_ids("own")))
        turn = await bench.begin()
        await bench.say(cli_lines.permission("r1"))
        await bench.finish(turn)
        marks = [body.get("rehearsal") for body in drafts_of(bench.recorder.posts)]
    assert marks == [True, True, True]


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ((), "idle"),
        ((cli_lines.init(),), "busy"),
        ((cli_lines.init(), cli_lines.result()), "idle"),
    ],
    ids=["idle", "own turn", "own turn over"],
)
async def test_the_room_is_described_as_it_is(lines: tuple[bytes, ...], state: str) -> None:
    """The state that people see follows what the agent does."""
    async with open_bench() as bench:
        assert (await bench.describe())["state"] == "starting"
        await bench.spawn()
        assert (await bench.describe())["state"] == "starting"
        await bench.answer_handshake()
        await bench.say(*lines)
        assert (await bench.describe())["state"] == state


async def test_a_running_turn_is_described() -> None:
    """With its authors, and the agent that works on it."""
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin()
        told = await bench.describe()
    assert (told["state"], told["turn"]["id"], told["incarnation"]) == ("busy", turn, "i1")
    assert [author["name"] for author in told["turn"]["authors"]] == [ANN.name]


async def test_a_deadline_does_not_cut_a_hand_over_in_half(autojump_clock: MockClock) -> None:
    """What comes due while the hand-over is being recorded waits until the line is written."""
    async with open_bench() as bench:
        stdin = await bench.start()
        await bench.say(cli_lines.permission("r1"))
        await trio.sleep(599)
        bench.recorder.hold()
        await bench.offer(prompt("p1"))
        await trio.sleep(2)
        bench.recorder.let_go()
        await wait_all_tasks_blocked()
        assert [line["message"]["content"] for line in stdin.prompts] == ["Why?"]
        assert [body["resolution"] for body in drafts_of(bench.recorder.posts, "approval.resolved")] == ["timed_out"]


async def test_a_prompt_that_was_offered_keeps_all_that_it_is() -> None:
    """The row that is recorded differs from the waiting one by its state and its turn only."""
    waiting = prompt("p1", key="k", expires_at=NOW + 60, is_alone=True)
    async with open_bench() as bench:
        await bench.start()
        turn = await bench.begin(waiting)
        (running,) = bench.changes(Prompt)
    assert running == replace(waiting, state=PromptState.RUNNING, turn=turn)
