"""
The real Claude Code CLI against the stub: what Concordia relies on, each fact from the CLI itself.

When a newer CLI fails one of these, Concordia's idea of it is out of date.
"""

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import real_cli
from tests.support.messages_api import MessagesApi
from tests.support.patience import PATIENCE_S
from tests.support.real_cli import Line, RealCli

pytestmark = pytest.mark.real_cli


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """Give a stub, and see to it that the CLI wanted nothing else."""
    with MessagesApi() as api:
        yield api
    assert api.unexpected == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give the directory that the CLI takes for its user's home."""
    return tmp_path / "home"


@pytest.fixture
def cli(api: MessagesApi, home: Path) -> Iterator[RealCli]:
    """Give a fresh process of the CLI."""
    with RealCli(home, api.url) as cli:
        yield cli


class Pipe:
    """A named pipe: a command tells through it that it runs and, by its end, that it runs no longer."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        """Return what was written, b"" once all writers are gone; AssertionError if nothing happens in time."""
        assert select.select([self._reader], [], [], PATIENCE_S)[0], f"nothing happened at {self.path}"
        return os.read(self._reader, 100)

    def close(self) -> None:
        """Close the reading end."""
        os.close(self._reader)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """Give a named pipe."""
    pipe = Pipe(tmp_path / "pipe")
    yield pipe
    pipe.close()


def kinds(lines: list[Line]) -> list[str]:
    """Name the lines without the stream's, each by its state or subtype where it has one."""
    named = [line for line in lines if line["type"] != "stream_event"]
    return [line.get("state") or line.get("subtype") or line["type"] for line in named]


def result(lines: list[Line]) -> Line:
    """Return the one result among the lines."""
    (found,) = [line for line in lines if line["type"] == "result"]
    return found


def tool_result(lines: list[Line]) -> dict[str, Any]:
    """Return the one result of a tool among the lines."""
    users = [line["message"]["content"] for line in lines if line["type"] == "user"]
    (found,) = [block for content in users for block in content if block["type"] == "tool_result"]
    return dict(found)


def deltas(lines: list[Line], field: str) -> str:
    """Return what was streamed of this field."""
    events = [line["event"] for line in lines if line["type"] == "stream_event"]
    return "".join(event["delta"].get(field, "") for event in events if event["type"] == "content_block_delta")


@pytest.mark.parametrize(("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_missing_cli_is_loud(monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]) -> None:
    """Without the wheel a test says how to get it: as a skip, or as a failure where none is allowed."""
    monkeypatch.setattr(real_cli, "find_cli", lambda: None)
    monkeypatch.setenv("CONCORDIA_REQUIRE_REAL_CLI", required)
    with pytest.raises(outcome, match="make test"):
        real_cli.require_cli()


def test_ready_before_the_first_prompt(cli: RealCli) -> None:
    """An initialize is answered, and nothing was said before that."""
    answer = cli.request("initialize")
    assert (answer["subtype"], answer["response"]["session_state"], len(cli.lines)) == ("success", "idle", 1)


def test_plain_turn(cli: RealCli, api: MessagesApi) -> None:
    """A turn's lines come in this order, and the result names the prompt that it answers."""
    prompt = cli.prompt("hello")
    lines = cli.read_turn()
    assert kinds(lines) == [
        "running",
        "queued",
        "started",
        "init",
        "status",
        "assistant",
        "success",
        "completed",
        "idle",
    ]
    assert (result(lines)["result"], result(lines)["user_message_uuids"]) == ("hello", [prompt])
    assert deltas(lines, "text") == "hello"
    assert [request.outcome for request in api.requests] == ["answered"]


def test_thinking(cli: RealCli) -> None:
    """Thinking is streamed and comes as a block of its own."""
    cli.prompt("[[think:let me see]][[text:done]]")
    lines = cli.read_turn()
    blocks = [line["message"]["content"][0] for line in lines if line["type"] == "assistant"]
    assert (deltas(lines, "thinking"), deltas(lines, "text")) == ("let me see", "done")
    assert [block["type"] for block in blocks] == ["thinking", "text"]


def test_ten_megabytes(cli: RealCli) -> None:
    """An answer's size has no bound: it comes whole, in two lines, and the next turn is an ordinary one."""
    cli.prompt("[[size:10000000]]")
    lines = cli.read_turn()
    assert [len(text) for text in (result(lines)["result"], deltas(lines, "text"))] == [10_000_000] * 2
    cli.prompt("[[text:next]]")
    assert result(cli.read_turn())["result"] == "next"


def test_turn_waits_at_a_gate(cli: RealCli, api: MessagesApi, tmp_path: Path) -> None:
    """A turn runs for as long as a test wants."""
    cli.prompt(f"[[text:before]][[gate:{tmp_path / 'gate'}]][[text:after]]")
    cli.read_until(lambda line: line["type"] == "assistant")
    assert api.requests[0].outcome == "open"
    (tmp_path / "gate").touch()
    assert result(cli.read_turn())["result"] == "after"


def test_tool_allowed(cli: RealCli, tmp_path: Path) -> None:
    """A tool that was allowed runs, and the turn goes on with its result."""
    cli.prompt(f"[[tool:touch {tmp_path / 'made'}]]")
    request = cli.read_request()
    assert request["request"] | {"subtype": "can_use_tool", "tool_name": "Bash"} == request["request"]
    cli.allow(request)
    lines = cli.read_turn()
    assert (result(lines)["result"], (tmp_path / "made").exists()) == ("tool done", True)


def test_tool_denied(cli: RealCli, tmp_path: Path) -> None:
    """A tool that was denied does not run, and the model is told why."""
    cli.prompt(f"[[tool:touch {tmp_path / 'made'}]]")
    cli.reply(cli.read_request(), {"behavior": "deny", "message": "not today"})
    lines = cli.read_turn()
    assert (tool_result(lines)["content"], tool_result(lines)["is_error"]) == ("not today", True)
    assert (result(lines)["is_error"], (tmp_path / "made").exists()) == (False, False)


def test_question_answered(cli: RealCli) -> None:
    """A question comes as a request for permission, and is answered by an addition to its input."""
    cli.prompt("[[ask:Which colour?|red|blue]]")
    request = cli.read_request()
    assert request["request"]["requires_user_interaction"] is True
    cli.allow(request, answers={"Which colour?": "blue"})
    assert '"Which colour?"="blue"' in tool_result(cli.read_turn())["content"]


def test_interrupt_while_text_comes(cli: RealCli, api: MessagesApi) -> None:
    """An interrupt ends a turn in the middle of its text, and the connection to the API."""
    prompt = cli.prompt("[[hang]]")
    cli.read_until(lambda line: line.get("event", {}).get("type") == "content_block_delta")
    assert cli.request("interrupt")["subtype"] == "success"
    lines = cli.read_turn()
    assert (result(lines)["terminal_reason"], result(lines)["is_error"]) == ("aborted_streaming", True)
    assert (kinds(lines)[-2:], result(lines)["user_message_uuids"]) == (["cancelled", "idle"], [prompt])
    api.wait_for(lambda requests: requests[0].outcome == "abandoned")


def test_interrupt_while_a_tool_runs(cli: RealCli, pipe: Pipe) -> None:
    """An interrupt ends the turn and the processes of its tool."""
    cli.prompt(f"[[tool:exec 3>{pipe.path}; echo started >&3; tail -f /dev/null]]")
    cli.allow(cli.read_request())
    assert pipe.read() == b"started\n"
    cli.request("interrupt")
    assert result(cli.read_turn())["terminal_reason"] == "aborted_tools"
    assert pipe.read() == b""


def test_interrupt_withdraws_a_request(cli: RealCli) -> None:
    """A request for permission that nobody has answered is taken back by an interrupt."""
    cli.prompt("[[ask:Which colour?|red|blue]]")
    request = cli.read_request()
    cli.request("interrupt")
    lines = cli.read_turn()
    (cancel,) = [line for line in cli.lines if line["type"] == "control_cancel_request"]
    assert cancel == {"type": "control_cancel_request", "request_id": request["request_id"]}
    assert result(lines)["terminal_reason"] == "aborted_tools"


def test_background_command_starts_a_turn(cli: RealCli, pipe: Pipe) -> None:
    """When a command in the background ends, the agent begins a turn that answers no prompt."""
    cli.prompt(f"[[background:read line <{pipe.path}]]")
    cli.allow(cli.read_request())
    assert result(cli.read_turn())["result"] == "tool done"
    pipe.path.write_text("end\n")
    own = result(cli.read_turn())
    assert (own["result"], own["origin"]["kind"]) == ("background noticed", "task-notification")
    assert "user_message_uuids" not in own


def test_trouble_that_passes(cli: RealCli, api: MessagesApi) -> None:
    """The CLI tries again, says so each time, and the turn succeeds."""
    cli.prompt("[[error:529,2]][[text:well]]")
    lines = cli.read_turn()
    retries = [line for line in lines if line.get("subtype") == "api_retry"]
    assert [(retry["attempt"], retry["error_status"], retry["error"]) for retry in retries] == [
        (1, 529, "overloaded"),
        (2, 529, "overloaded"),
    ]
    assert (result(lines)["result"], result(lines)["is_error"]) == ("well", False)
    assert [request.outcome for request in api.requests] == ["529", "529", "answered"]


@pytest.mark.parametrize(
    ("order", "status", "outcomes"),
    [
        ("error:529", 529, ["529"] * 3),
        ("error:500", 500, ["500"] * 3),
        ("error:401", 401, ["401"] * 3),
        ("die", None, ["cut"] * 4),
    ],
)
def test_trouble_that_stays(
    cli: RealCli, api: MessagesApi, order: str, status: int | None, outcomes: list[str]
) -> None:
    """After the last attempt the turn has failed, by anything but its subtype; the process lives on."""
    cli.prompt(f"[[{order}]]")
    lines = cli.read_turn()
    found = result(lines)
    assert (found["is_error"], found["terminal_reason"], found["api_error_status"]) == (True, "api_error", status)
    assert (found["subtype"], kinds(lines)[-2:]) == ("success", ["cancelled", "idle"])
    assert [request.outcome for request in api.requests] == outcomes
    cli.prompt("[[text:alive]]")
    assert result(cli.read_turn())["result"] == "alive"


def test_stream_broken_off(cli: RealCli) -> None:
    """After an error in the middle of its text the CLI asks for the rest, within the same turn."""
    cli.prompt("[[text:one]][[error:529,1]][[text:two]]")
    lines = cli.read_turn()
    assert [line["type"] for line in lines if line.get("isSynthetic")] == ["user"]
    assert (result(lines)["result"], result(lines)["is_error"]) == ("two", False)


def test_api_down(home: Path) -> None:
    """Where nobody listens, the turn fails without a status, and the exit status speaks of the last turn."""
    with MessagesApi() as api:
        url = api.url
    with RealCli(home, url) as cli:
        cli.prompt("hello")
        found = result(cli.read_turn())
        assert (found["is_error"], found["api_error_status"], found["api_error"]) == (True, None, "connection_failed")
        assert cli.end() == 1


def test_cost_adds_up_over_a_resume(api: MessagesApi, home: Path) -> None:
    """The total goes on where the session was; usage asked for before any prompt tells where that is."""
    with RealCli(home, api.url) as cli:
        results = []
        for _ in range(2):
            cli.prompt("[[text:hello]]")
            results.append(result(cli.read_turn()))
        assert cli.end() == 0
    with RealCli(home, api.url, f"--resume={results[-1]['session_id']}") as cli:
        before = cli.request("get_usage")["response"]["session"]["total_cost_usd"]
        assert len(cli.lines) == 1
        cli.prompt("[[text:hello]]")
        results.append(result(cli.read_turn()))
    first = results[0]["total_cost_usd"]
    assert first > 0
    assert [found["total_cost_usd"] for found in results] == pytest.approx([first, 2 * first, 3 * first])
    assert before == pytest.approx(2 * first)
    assert len({found["session_id"] for found in results}) == 1


def test_unknown_session(api: MessagesApi, home: Path) -> None:
    """A session that is not there ends the process, with a result that says why."""
    with RealCli(home, api.url, "--resume=11111111-2222-3333-4444-555555555555") as cli:
        assert cli.end() == 1
    (found,) = cli.lines
    assert (found["type"], found["is_error"]) == ("result", True)
    assert "No conversation found" in found["errors"][0]


def test_environment_is_not_inherited(api: MessagesApi, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the CLI nor its tools see anything of the environment of whoever runs the tests."""
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "hush")
    monkeypatch.setenv("HTTPS_PROXY", "http://hush:hush@127.0.0.1:9")
    with RealCli(home, api.url) as cli:
        cli.prompt("[[tool:env]]")
        cli.allow(cli.read_request())
        content = tool_result(cli.read_turn())["content"]
    assert ("ANTHROPIC_BASE_URL" in content, "hush" in content) == (True, False)
