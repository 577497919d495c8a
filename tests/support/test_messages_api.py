"""The stub of the Messages API, asked over HTTP as the CLI asks it."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages_api import MessagesApi
from tests.support.patience import PATIENCE_S


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """Give a stub."""
    with MessagesApi() as api:
        yield api


@contextmanager
def asking(api: MessagesApi, path: str, body: object, method: str = "POST") -> Iterator[HTTPResponse]:
    """Make a request, and give its response with the body still to be read."""
    headers = {"X-Api-Key": "hush", "X-App": "cli"}
    with closing(HTTPConnection(api.url.removeprefix("http://"), timeout=PATIENCE_S)) as connection:
        connection.request(method, path, json.dumps(body), headers)
        with connection.getresponse() as response:
            yield response


def ask(api: MessagesApi, prompt: str, **fields: Any) -> AbstractContextManager[HTTPResponse]:
    """Ask for a message."""
    body = {"model": "opus", "messages": [{"role": "user", "content": prompt}], **fields}
    return asking(api, "/v1/messages?beta=true", body)


def test_whole_message(api: MessagesApi) -> None:
    """Without `stream`, an answer is one object."""
    with ask(api, "[[text:hello there]]") as response:
        message = json.load(response)
    assert message["content"] == [{"type": "text", "text": "hello there"}]


def test_streamed_message(api: MessagesApi) -> None:
    """With `stream`, an answer is the API's events in their order."""
    with ask(api, "[[text:hello]]", stream=True) as response:
        events = [event.split(b"\n") for event in response.read().split(b"\n\n")]
    assert [lines[0].removeprefix(b"event: ").decode() for lines in events[:-1]] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert json.loads(events[3][1].removeprefix(b"data: "))["delta"] == {"type": "text_delta", "text": "hello"}


def test_request_is_recorded_without_secrets(api: MessagesApi) -> None:
    """A test can look at what was asked, but the key is not kept."""
    with ask(api, "hello"):
        (request,) = api.requests
    assert (request.path, request.body["model"], request.headers["x-app"]) == ("/v1/messages", "opus", "cli")
    assert "hush" not in str(request)


def test_other_requests_are_refused_and_kept(api: MessagesApi) -> None:
    """What the CLI has no business to ask for stands out."""
    with asking(api, "/v1/models", {}, "GET") as response:
        assert json.load(response)["error"]["type"] == "not_found_error"
    assert (response.status, [request.path for request in api.unexpected]) == (404, ["/v1/models"])


def test_tokens_are_counted(api: MessagesApi) -> None:
    """The other request that the CLI makes has its answer."""
    with asking(api, "/v1/messages/count_tokens?beta=true", {"messages": []}) as response:
        assert json.load(response)["input_tokens"] > 0
    assert api.unexpected == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_errors_are_the_apis(api: MessagesApi, status: int, kind: str) -> None:
    """An error has the status and the JSON of the real API."""
    with ask(api, f"[[error:{status}]]", stream=True) as response:
        assert (response.status, json.load(response)["error"]["type"]) == (status, kind)
    assert response.getheader("retry-after") == ("1" if status == 429 else None)


def test_error_is_counted(api: MessagesApi) -> None:
    """An error that was ordered twice comes twice; the same request after that is answered."""
    statuses = []
    for _ in range(3):
        with ask(api, "[[error:529,2]][[text:well]]", stream=True) as response:
            statuses.append(response.status)
    assert statuses == [529, 529, 200]


def test_error_after_text_breaks_the_stream_off(api: MessagesApi) -> None:
    """Once the stream has begun, only an event can tell of an error."""
    with ask(api, "[[text:so far]][[error:529]]", stream=True) as response:
        *_, last, _end = response.read().split(b"\n\n")
    assert last.startswith(b"event: error\n")
    api.wait_for(lambda requests: requests[0].outcome == "broken off")


def test_death_cuts_the_connection(api: MessagesApi) -> None:
    """An answer that dies has no end."""
    with ask(api, "[[die]]", stream=True) as response, pytest.raises(IncompleteRead) as caught:
        response.read()
    assert b"about to die" in caught.value.partial
    api.wait_for(lambda requests: requests[0].outcome == "cut")


def test_client_that_leaves_is_noticed(api: MessagesApi) -> None:
    """A silent answer ends when nobody waits for it any longer."""
    with ask(api, "[[hang]]", stream=True) as response:
        response.readline()
    api.wait_for(lambda requests: requests[0].outcome == "abandoned")


def test_closing_ends_a_silent_answer() -> None:
    """Leaving the stub does not wait for an answer that never comes."""
    with ExitStack() as stack:
        with MessagesApi() as api:
            response = stack.enter_context(ask(api, "[[hang]]", stream=True))
            response.readline()
        assert api.requests[0].outcome == "closed"


def test_gate_holds_the_answer(api: MessagesApi, tmp_path: Path) -> None:
    """An answer behind a gate goes on once its file is there."""
    gate = tmp_path / "gate"
    with ask(api, f"[[text:before]][[gate:{gate}]][[text:after]]", stream=True) as response:
        before = [response.readline() for _ in range(3 * 5)]
        assert api.requests[0].outcome == "open"
        gate.touch()
        assert b"after" in response.read()
    assert b"before" in b"".join(before)


def test_prose_is_answered_as_told(api: MessagesApi) -> None:
    """Prompts without orders get the behaviour that the test has set."""
    api.behave("[[error:500]]")
    with ask(api, "hello") as response:
        assert response.status == 500
    api.behave(None)
    with ask(api, "hello") as response:
        assert json.load(response)["content"][0]["text"] == "hello"
