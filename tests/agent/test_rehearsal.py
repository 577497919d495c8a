"""The rehearsal agent's protocol: turns, interrupts, control requests, and how the process ends."""

# ruff: noqa: SIM300 - `expected == actual` is this project's order

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from concordiad.agent.orders import REHEARSAL_VERBS, VERBS
from concordiad.agent.rehearsal.doing import DOING
from tests.agent.rehearsing import CLI_FLAGS, ROOT, Line, Rehearsal, essences, prompt, texts
from tests.support.patience import PATIENCE_S

BEGINNING = ["running", "queued", "started", "system init"]
ENDING = ["result success", "completed", "idle"]


def uuids(line: Line) -> object:
    """Return which prompts a line says that it answers."""
    return line.get("user_message_uuids")


def run(*flags: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the program with this input to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "concordiad.agent.rehearsal", *flags],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )


def test_every_order_is_done() -> None:
    """The table of orders covers the whole vocabulary, and echo."""
    assert VERBS.keys() | REHEARSAL_VERBS.keys() | {"echo"} == DOING.keys()


def test_it_imports_nothing_slow() -> None:
    """Only the standard library is loaded, and of that nothing slow: it starts in some hundredths of a second."""
    slow = {"trio", "attr", "cattrs", "msgspec", "structlog", "asyncio", "argparse", "dataclasses", "logging"}
    code = "import sys, concordiad.agent.rehearsal.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert slow & set(done.stdout.split()) == set()


def test_version() -> None:
    """--version says what it is."""
    assert run("--version").stdout == "0.1.0 (Concordia rehearsal agent)\n"


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--no-such-flag", "error: unknown option '--no-such-flag'\n"),
        ("--session-id=x", "error: Invalid session ID. Must be a valid UUID.\n"),
        ("--max-turns=none", "error: option '--max-turns' argument 'none' is invalid\n"),
        ("--model", "error: option '--model' argument missing\n"),
    ],
)
def test_bad_command_line(flag: str, told: str) -> None:
    """A flag that the CLI would not take ends the program with 1 and a message."""
    done = run(*CLI_FLAGS, flag)
    assert (1, "", told) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "line",
    ["hello", '{"type":"user","mess', '["user"]', '{"type":"user"}', '{"type":"user","message":{"role":"assistant"}}'],
)
def test_bad_input(line: str) -> None:
    """A line that the CLI would die of ends the program with 1 and a message."""
    done = run(*CLI_FLAGS, stdin=line + "\n")
    assert (1, "", True) == (done.returncode, done.stdout, done.stderr.startswith("Error"))


def test_unknown_lines_are_passed_over(tmp_path: Path) -> None:
    """JSON of a type that the CLI passes over, and empty lines, change nothing."""
    with Rehearsal(tmp_path) as agent:
        agent.write(b'{"type":"keep_alive"}\n\n{"type":"control_cancel_request","request_id":"x"}\n')
        agent.prompt("[[text:fine]]")
        assert ["fine"] == texts(agent.until("idle"))


def test_plain_turn_has_the_recorded_order(tmp_path: Path) -> None:
    """A prompt with one text gives the lines of a real turn, in their order."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:hello number 0]]")
        lines = agent.until("idle")
        assert [*BEGINNING, "assistant", *ENDING] == essences(lines)
        assert [["u1"]] * 3 == [uuids(lines[3]), uuids(lines[4]), uuids(lines[5])]
        assert 0 == agent.finish()


def test_result_line(tmp_path: Path) -> None:
    """The result says what a daemon reads from it: outcome, answer, cost and tokens of this turn."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("three words [[text:four]]")
        agent.until("idle")
        agent.prompt("two [[text:more words here]]", "u2")
        result = agent.last("result success")
        expected = {
            "is_error": False,
            "terminal_reason": "completed",
            "api_error_status": None,
            "result": "more words here",
            "num_turns": 1,
            "total_cost_usd": 0.00011,
            "permission_denials": [],
            "user_message_uuid": "u2",
            "result_index": 1,
        }
        assert expected == {key: result[key] for key in expected}
        assert (4, 3) == (result["usage"]["input_tokens"], result["usage"]["output_tokens"])
        assert (7, 4) == (
            result["modelUsage"]["rehearsal"]["inputTokens"],
            result["modelUsage"]["rehearsal"]["outputTokens"],
        )


def test_partial_messages_have_the_recorded_order(tmp_path: Path) -> None:
    """With --include-partial-messages the API's events stand around the finished blocks as they do in the CLI."""
    with Rehearsal(tmp_path, "--include-partial-messages") as agent:
        agent.prompt("[[think:let me]][[text:two words]]")
        lines = agent.until("idle")
        start, delta, stop = (f"stream content_block_{part}" for part in ("start", "delta", "stop"))
        message = ["stream message_start"]
        thinking = [start, "system thinking_tokens", delta, delta, "assistant", stop]
        text = [start, delta, delta, "assistant", stop]
        last = ["stream message_delta", "stream message_stop"]
        assert [*BEGINNING, "system status", *message, *thinking, *text, *last, *ENDING] == essences(lines)
        deltas = [
            line["event"]["delta"] for line in lines if line["type"] == "stream_event" and "delta" in line["event"]
        ]
        assert "two words" == "".join(delta["text"] for delta in deltas if delta.get("type") == "text_delta")


def test_echo_says_what_is_speaking(tmp_path: Path) -> None:
    """A prompt without orders is echoed by somebody who does not pretend to be a model."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("Good morning — [[unknown]] \ud800")
        expected = "Rehearsal agent, no model behind it. You said: Good morning — [[unknown]] \ud800"
        assert [expected] == texts(agent.until("idle"))


def test_state_lines_only_on_request(tmp_path: Path) -> None:
    """Without the variable in its environment the agent tells no states."""
    with Rehearsal(tmp_path, CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS="") as agent:
        agent.prompt("[[text:hi]]")
        agent.close()
        assert ["queued", "started", "system init", "assistant", "result success", "completed"] == essences(
            agent.rest()
        )


def test_line_without_uuid_has_no_life(tmp_path: Path) -> None:
    """Of a prompt without uuid nothing is told but its turn."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:hi]]", None)
        lines = agent.until("idle")
        assert ["running", "system init", "assistant", "result success", "idle"] == essences(lines)
        assert [None] * 5 == [uuids(line) for line in lines]


def test_lines_written_during_a_turn_have_turns_of_their_own(tmp_path: Path) -> None:
    """What is written while a turn runs is acknowledged at once and answered in order, without an idle in between."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt(f"[[text:one]][[gate:{tmp_path}/gate]]")
        agent.until("assistant")
        agent.send(prompt("[[text:two]]", "u2"), prompt("[[text:three]]", "u3", priority="later"))
        assert ["queued", "queued"] == essences([agent.read(), agent.read()])
        (tmp_path / "gate").touch()
        lines = agent.until("idle")
        again = ["started", "system init", "assistant", "result success", "completed"]
        assert ["result success", "completed", *again, *again, "idle"] == essences(lines)
        assert [["u1"], ["u2"], ["u3"]] == [uuids(line) for line in lines if line["type"] == "result"]


def test_prompt_of_content_blocks(tmp_path: Path) -> None:
    """A prompt's content may be a list of text blocks."""
    with Rehearsal(tmp_path) as agent:
        content = [{"type": "text", "text": "[[text:from]]"}, {"type": "text", "text": "[[text:blocks]]"}]
        agent.send({"type": "user", "uuid": "u1", "message": {"role": "user", "content": content}})
        assert ["from", "blocks"] == texts(agent.until("idle"))


def test_impossible_order_is_told(tmp_path: Path) -> None:
    """An order whose argument makes no sense is answered in words."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[size:big]]")
        assert ["The order size cannot be done: 'big' is no whole number"] == texts(agent.until("idle"))


def test_slow_and_size(tmp_path: Path) -> None:
    """`slow` says so many words, `size` so many bytes."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[slow:3,1]][[size:100000]]")
        slow, size = texts(agent.until("idle"))
        assert ("word1 word2 word3 ", 100_000) == (slow, len(size.encode()))


# Interrupts


def test_interrupt_in_a_text_has_the_recorded_order(tmp_path: Path) -> None:
    """An interrupt in the middle of a text ends the turn with what was said, an error result and `cancelled`."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[hang]]")
        assert BEGINNING == essences(agent.until("system init"))
        agent.control("interrupt")
        lines = agent.until("idle")
        expected = ["control_response", "assistant", "user", "result error_during_execution", "cancelled", "idle"]
        assert expected == essences(lines)
        assert {"still_queued": []} == lines[0]["response"]["response"]
        assert (True, ["about to hang "]) == (lines[1]["aborted"], texts(lines))
        result = lines[3]
        assert (True, "aborted_streaming", 2) == (result["is_error"], result["terminal_reason"], result["num_turns"])
        assert "result" not in result
        assert 1 == agent.finish()


def test_interrupt_ends_the_open_message(tmp_path: Path) -> None:
    """With partial messages the broken block and its message are ended after the interrupt was told, as recorded."""
    with Rehearsal(tmp_path, "--include-partial-messages") as agent:
        agent.prompt("[[hang]]")
        agent.until("stream content_block_delta")
        agent.control("interrupt")
        lines = agent.until("result error_during_execution")
        ends = ["stream content_block_stop", "stream message_delta", "stream message_stop"]
        assert ["control_response", "assistant", "user", *ends, "result error_during_execution"] == essences(lines)


def test_interrupt_right_behind_a_prompt(tmp_path: Path) -> None:
    """An interrupt in the same write as its prompt ends that prompt's turn and does not count it as waiting."""
    with Rehearsal(tmp_path) as agent:
        stop = {"type": "control_request", "request_id": "c", "request": {"subtype": "interrupt"}}
        agent.send(prompt("[[text:never said]]"), stop)
        lines = agent.until("idle")
        assert [*BEGINNING, "control_response"] == essences(lines)[:5]
        assert {"still_queued": []} == lines[4]["response"]["response"]
        assert ["user", "result error_during_execution", "cancelled", "idle"] == essences(lines)[5:]


def test_interrupt_when_idle_changes_nothing(tmp_path: Path) -> None:
    """An interrupt without a turn is acknowledged, and the next turn runs to its end."""
    with Rehearsal(tmp_path) as agent:
        agent.control("interrupt")
        assert {"still_queued": []} == agent.read()["response"]["response"]
        agent.prompt("[[text:alive]]")
        assert ["alive"] == texts(agent.until("idle"))


def test_interrupt_names_what_still_waits(tmp_path: Path) -> None:
    """What waits behind the interrupted turn is named, and then has its turns."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[hang]]")
        agent.until("system init")
        agent.send(prompt("[[text:two]]", "u2"), prompt("[[text:three]]", "u3"))
        agent.control("interrupt")
        response = agent.last("control_response")["response"]["response"]
        assert {"still_queued": ["u2", "u3"]} == response
        assert ["about to hang ", "two", "three"] == texts(agent.until("idle"))


def test_interrupt_can_drop_what_waits(tmp_path: Path) -> None:
    """With cancel_queued the waiting prompts are cancelled before the request is answered."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[hang]]")
        agent.until("system init")
        agent.send(prompt("[[text:two]]", "u2"), prompt("[[text:three]]", "u3"))
        agent.control("interrupt", cancel_queued=True)
        lines = agent.until("idle")
        assert ["queued", "queued", "cancelled", "cancelled", "control_response"] == essences(lines)[:5]
        assert {"still_queued": [], "cancelled": ["u2", "u3"]} == lines[4]["response"]["response"]
        assert ["about to hang "] == texts(lines)


# Control requests


def test_initialize(tmp_path: Path) -> None:
    """`initialize` is answered before any prompt, with the state and what is speaking."""
    with Rehearsal(tmp_path) as agent:
        agent.control("initialize")
        answer = agent.read()["response"]
        assert ("success", "c-initialize") == (answer["subtype"], answer["request_id"])
        response = answer["response"]
        assert "0.1.0 (Concordia rehearsal agent)" == response["claude_code_version"]
        assert ("idle", agent.process.pid) == (response["session_state"], response["pid"])


def test_set_model(tmp_path: Path) -> None:
    """The model can be named at the start and changed later."""
    with Rehearsal(tmp_path, "--model=opus") as agent:
        agent.prompt("[[text:hi]]")
        assert "opus" == agent.last("system init")["model"]
        agent.until("idle")
        agent.control("set_model", model="haiku")
        assert {"model": "haiku"} == agent.read()["response"]["response"]
        agent.prompt("[[text:hi]]", "u2")
        assert "haiku" == agent.last("system init")["model"]


@pytest.mark.parametrize(("mode", "code"), [("bogus", "invalid_mode"), ("bypassPermissions", "bypass_not_launched")])
def test_permission_mode_that_cannot_be_set(tmp_path: Path, mode: str, code: str) -> None:
    """An unknown mode, and the one that asks nobody, are refused."""
    with Rehearsal(tmp_path) as agent:
        agent.control("set_permission_mode", mode=mode)
        answer = agent.read()["response"]
        assert ("error", code) == (answer["subtype"], answer["error_code"])


def test_unknown_control_request(tmp_path: Path) -> None:
    """A control request that it does not know gets an error, also in the middle of a turn."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[hang]]")
        agent.until("system init")
        agent.control("nonsense")
        answer = agent.read()["response"]
        assert ("error", "Unsupported control request subtype: nonsense") == (answer["subtype"], answer["error"])


# API errors


def test_api_error_that_passes(tmp_path: Path) -> None:
    """`[[error:529,2]]` is retried twice and then the turn goes on."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[error:529,2]][[text:recovered]]")
        lines = agent.until("idle")
        assert [*BEGINNING, "system api_retry", "system api_retry", "assistant", *ENDING] == essences(lines)
        expected = {"attempt": 2, "max_retries": 10, "error_status": 529, "error": "overloaded"}
        assert expected == {key: lines[5][key] for key in expected}


@pytest.mark.parametrize(("status", "retries"), [(400, 0), (401, 2), (529, 2)])
def test_api_error_that_stays(tmp_path: Path, status: int, retries: int) -> None:
    """An error without end cancels the prompt with a failed result of subtype success, after the CLI's retries."""
    with Rehearsal(tmp_path, CLAUDE_CODE_MAX_RETRIES="2") as agent:
        agent.prompt(f"[[error:{status}]][[text:never]]")
        lines = agent.until("idle")
        retried = ["system api_retry"] * retries
        assert [*BEGINNING, *retried, "assistant", "result success", "cancelled", "idle"] == essences(lines)
        result = lines[-3]
        expected = {"is_error": True, "terminal_reason": "api_error", "api_error_status": status, "total_cost_usd": 0}
        assert expected == {key: result[key] for key in expected}
        assert result["result"].startswith("API Error: ")
        assert 1 == agent.finish()


def test_connection_that_dies(tmp_path: Path) -> None:
    """`[[die]]` loses the message that has begun and is answered by another at the second attempt."""
    with Rehearsal(tmp_path, "--include-partial-messages") as agent:
        agent.prompt("[[die]]")
        lines = agent.until("idle")
        whole = [essence for essence in essences(lines) if not essence.startswith("stream content_block")]
        start, ends = "stream message_start", ["stream message_delta", "stream message_stop"]
        middle = ["system status", start, "system api_retry", start, "assistant", *ends]
        assert [*BEGINNING, *middle, *ENDING] == whole
        assert ["recovered"] == texts(lines)


# How it ends


def test_end_of_input_when_idle(tmp_path: Path) -> None:
    """At the end of input an idle agent exits with 0 and says nothing."""
    with Rehearsal(tmp_path) as agent:
        agent.close()
        assert ([], 0, "") == (agent.rest(), agent.status(), agent.stderr)


def test_end_of_input_finishes_turn_and_queue(tmp_path: Path) -> None:
    """At the end of input the running turn and what waits behind it are still answered."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt(f"[[text:one]][[gate:{tmp_path}/gate]]")
        agent.prompt("[[text:two]]", "u2")
        agent.close()
        agent.until("assistant")
        (tmp_path / "gate").touch()
        lines = agent.rest()
        assert (["two"], "idle", 0) == (texts(lines), essences(lines)[-1], agent.status())


def test_sigint_when_idle(tmp_path: Path) -> None:
    """SIGINT ends an idle agent with 0 and without a word."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[text:hi]]")
        agent.until("idle")
        agent.signal(signal.SIGINT)
        assert ([], 0) == (agent.rest(), agent.status())


def test_sigint_in_a_turn(tmp_path: Path) -> None:
    """SIGINT in a turn gives an aborted result and exit status 0; what waits is dropped."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[hang]]")
        agent.prompt("[[text:two]]", "u2")
        agent.until("queued")
        agent.until("queued")
        agent.signal(signal.SIGINT)
        assert ["assistant", "user", "result error_during_execution"] == essences(agent.rest())
        assert 0 == agent.status()


def test_sigterm_in_a_turn(tmp_path: Path) -> None:
    """SIGTERM ends it with 143 and without a result."""
    with Rehearsal(tmp_path) as agent:
        agent.prompt("[[hang]]")
        agent.until("system init")
        agent.signal(signal.SIGTERM)
        assert ([], 143) == (agent.rest(), agent.status())


def test_nobody_reads(tmp_path: Path) -> None:
    """When the other end of its output is closed, the next line ends it."""
    with Rehearsal(tmp_path) as agent:
        assert agent.process.stdout is not None
        agent.process.stdout.close()
        agent.prompt("[[text:hi]]")
        assert (1, "") == (agent.status(), agent.stderr)


def test_log_has_a_line_for_every_prompt(tmp_path: Path) -> None:
    """--log keeps each prompt that came in, also a repeated one, before anything is done with it."""
    log = tmp_path / "log"
    with Rehearsal(tmp_path, f"--log={log}") as agent:
        agent.prompt("[[text:hi]]")
        agent.until("idle")
        agent.prompt("again")
        agent.prompt("[[kill]]", None)
        assert -signal.SIGKILL == agent.status()
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        expected = [("u1", "[[text:hi]]"), ("u1", "again"), (None, "[[kill]]")]
        assert expected == [(entry["uuid"], entry["text"]) for entry in entries]
        assert {agent.process.pid} == {entry["pid"] for entry in entries}
