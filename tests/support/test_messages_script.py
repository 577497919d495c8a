"""What the stub of the Messages API understands, and the messages that it makes of it."""

from typing import Any

import pytest

from concordiad.agent.orders import VERBS, Order
from tests.support.messages_answer import Fail, Gate, Hang, Pause, assemble, perform, play
from tests.support.messages_script import last_prompt, read_scene

REMINDER = {"type": "text", "text": "<system-reminder>\nBe [[text:quiet]].\n</system-reminder>"}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "[[text:no order]]"}
NOTICE = "<system-reminder>\n<task-notification>\n<task-id>1</task-id>\n</task-notification>\n</system-reminder>"


def says(*contents: str | dict[str, Any]) -> dict[str, Any]:
    """Return a message of the user's, of texts and blocks."""
    blocks = [{"type": "text", "text": content} if isinstance(content, str) else content for content in contents]
    return {"role": "user", "content": blocks}


def test_orders_of_prompt_are_the_scene() -> None:
    """A prompt's orders are taken without what the CLI puts around them."""
    scene = read_scene([says(REMINDER, "please [[think:a]] and [[text:b]]"), {"role": "system", "content": "# env"}])
    assert scene.orders == [Order("think", "a"), Order("text", "b")]


def test_content_may_be_plain_text() -> None:
    """Earlier messages come with a string for their content."""
    assert read_scene([{"role": "user", "content": "[[text:b]]"}]).orders == [Order("text", "b")]


def test_prose_is_echoed() -> None:
    """A prompt without orders is answered with itself."""
    assert read_scene([says("hello")]).orders == [Order("echo", "hello")]


def test_prose_can_be_given_orders() -> None:
    """What the stub was told to do stands in for the orders that a prompt has not."""
    assert read_scene([says("hello")], "[[text:b]]").orders == [Order("text", "b")]


def test_order_to_a_process_is_echoed() -> None:
    """An API cannot do what only the rehearsal agent can."""
    assert read_scene([says("[[crash]]")]).orders == [Order("echo", "[[crash]]")]


@pytest.mark.parametrize(
    ("calls", "orders"),
    [
        (0, [Order("text", "a"), Order("tool", "ls"), Order("text", "b"), Order("ask", "q"), Order("text", "c")]),
        (1, [Order("text", "b"), Order("ask", "q"), Order("text", "c")]),
        (2, [Order("text", "c"), Order("text", "tool done")]),
    ],
)
def test_tool_results_move_the_scene_on(calls: int, orders: list[Order]) -> None:
    """After each call of a tool, what follows it is done next, and after the last one it says that it is done."""
    prompt = says("[[text:a]][[tool:ls]][[text:b]][[ask:q]][[text:c]]")
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}]}
    assert read_scene([prompt, *[use, says(RESULT, REMINDER)] * calls]).orders == orders


def test_last_of_unanswered_prompts_counts() -> None:
    """Prompts whose turns failed stand in the same message as the next one."""
    assert last_prompt([says(REMINDER, "[[error:400]]\n", "[[text:b]]")]).text == "[[text:b]]"


def test_interrupted_turn_is_no_prompt() -> None:
    """The CLI's note about an interrupt does not hide the prompt that came after it, nor makes one."""
    assert last_prompt([says("[[hang]]"), says("[Request interrupted by user]\n", "hello")]).text == "hello"
    assert last_prompt([says("[[hang]]"), says("[Request interrupted by user for tool use]")]).text == "[[hang]]"


def test_background_notice_is_answered() -> None:
    """The CLI's own turn about something in the background is told from a prompt."""
    assert read_scene([says("[[background:true]]"), says(NOTICE)]).orders == [Order("text", "background noticed")]


def test_whole_message_has_all_blocks() -> None:
    """The events of an answer make the message that a request without a stream gets."""
    orders = [Order("think", "first this"), Order("text", "then that"), Order("ask", "Which?|red|blue")]
    events = [step for step in play(orders, "1", "opus") if isinstance(step, dict)]
    message = assemble(events)
    options = [{"label": name, "description": f"choose {name}"} for name in ("red", "blue")]
    question = {"question": "Which?", "header": "Question", "options": options, "multiSelect": False}
    assert message["content"] == [
        {"type": "thinking", "thinking": "first this", "signature": "c3R1Yg=="},
        {"type": "text", "text": "then that"},
        {"type": "tool_use", "id": "toolu_1", "name": "AskUserQuestion", "input": {"questions": [question]}},
    ]
    assert (message["stop_reason"], message["usage"]["input_tokens"]) == ("tool_use", 11)


def test_answer_ends_with_the_call_of_a_tool() -> None:
    """What stands behind a tool waits for its result."""
    steps = play([Order("tool", "ls"), Order("text", "later")], "1", "opus")
    assert "later" not in str(list(steps))


def texts(order: Order) -> list[str]:
    """Return the texts of the deltas of an order."""
    steps = [step for step in perform(order, 0, "t") if isinstance(step, dict)]
    return [step["delta"]["text"] for step in steps if step["type"] == "content_block_delta"]


def test_size_is_exact() -> None:
    """An answer of so many bytes has just as many, in deltas of a moderate size."""
    deltas = texts(Order("size", "100000"))
    assert (len("".join(deltas).encode()), max(map(len, deltas))) == (100_000, 16_384)


def test_slow_words_have_pauses() -> None:
    """Each word comes after its pause."""
    order = Order("slow", "3,20")
    assert texts(order) == ["word1 ", "word2 ", "word3 "]
    assert list(perform(order, 0, "t"))[1:-1:2] == [Pause(0.02)] * 3


@pytest.mark.parametrize(
    ("order", "last"),
    [
        (Order("gate", "/tmp/gate"), Gate("/tmp/gate")),
        (Order("hang", ""), Hang()),
        (Order("error", "529,2"), Fail(529, 2, 4)),
        (Order("error", "401"), Fail(401, None, 4)),
    ],
)
def test_waits_and_failures_are_steps(order: Order, last: object) -> None:
    """What is not an event says what to do instead."""
    assert list(perform(order, 4, "t"))[-1] == last


def test_wrong_argument_is_an_error_of_the_request() -> None:
    """A slip in an order is told to whoever wrote it."""
    (fail,) = perform(Order("size", "many"), 0, "t")
    assert isinstance(fail, Fail)
    assert (fail.status, "[[size:many]]" in fail.message) == (400, True)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_answer(verb: str) -> None:
    """No verb of the vocabulary is forgotten here."""
    assert "no answer" not in str(perform(Order(verb, "1,1"), 0, "t"))
