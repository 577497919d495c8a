"""A codec that goes on where another one has stopped understands the rest as that one would have."""

from concordiad.core.agents import Fact
from concordiad.core.agents.claude_code import ClaudeCode
from tests.core.agents import speech
from tests.core.agents.listening import new_codec
from tests.core.agents.speech import OPENING, write

LINES = [
    *OPENING,
    speech.message_start(),
    speech.block_start("thinking"),
    speech.delta("hm, naïve", "thinking"),
    speech.assistant(speech.thinking("hm, naïve")),
    speech.block_start(),
    speech.delta("some "),
    speech.delta("text"),
    speech.assistant(speech.text("some text")),
    speech.assistant(speech.tool_use("toolu_1", command="ls")),
    speech.assistant(speech.tool_use("toolu_2", command="ls")),
    speech.message_stop(),
    speech.permission(),
    speech.user(speech.tool_result("done", "toolu_1")),
    speech.user(speech.tool_result("done", "toolu_2")),
    speech.message_start(),
    speech.block_start(),
    speech.delta("half"),
    speech.message_stop(abandoned_from=0),
    speech.result(terminal_reason="aborted_streaming", is_error=True),
    speech.lifecycle("completed"),
    speech.state("idle"),
    speech.assistant(speech.text("mine")),
    speech.result("mine", turn=None),
]


def read(codec: ClaudeCode, lines: list[dict[str, object]]) -> list[list[Fact]]:
    """Let a codec read lines; give the facts of each."""
    return [codec.decode(write(line).rstrip(b"\n")) for line in lines]


def test_codec_goes_on_where_another_has_stopped() -> None:
    """After any line what was remembered is all that the rest needs: deltas, running tools, a text that breaks off."""
    whole = read(new_codec(), LINES)
    for number in range(len(LINES)):
        first, second = new_codec(), new_codec()
        facts = read(first, LINES[:number])
        second.recall(first.remember())
        assert facts + read(second, LINES[number:]) == whole, number


def test_text_of_many_bytes_is_not_remembered() -> None:
    """What is remembered is written again and again, so a long last text is left to the transcript."""
    codec = new_codec()
    read(codec, [*OPENING, speech.assistant(speech.text("x" * 100_000))])
    assert len(codec.remember()) < 1000
