"""What the API's errors mean."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.meaning.replies import Trouble, read_failure, read_retry_after

NOW = 1_800_000_000.0


def error(**members: object) -> bytes:
    """Write an error as the API does."""
    return json.dumps({"error": members}).encode()


@pytest.mark.parametrize(
    ("status", "body", "trouble", "is_passing"),
    [
        (429, b"", Trouble.BUSY, True),
        (500, b"oops", Trouble.UNAVAILABLE, True),
        (503, error(status="UNAVAILABLE"), Trouble.UNAVAILABLE, True),
        (400, error(details=[{"reason": "API_KEY_INVALID"}]), Trouble.KEY_REFUSED, False),
        (400, error(status="INVALID_ARGUMENT"), Trouble.REFUSED, False),
        (401, b"", Trouble.KEY_REFUSED, False),
        (403, b"", Trouble.KEY_REFUSED, False),
        (404, b"", Trouble.REFUSED, False),
        (302, b"", Trouble.REFUSED, False),
        (204, b"", Trouble.REFUSED, False),
    ],
)
def test_failures(status: int, body: bytes, trouble: Trouble, is_passing: bool) -> None:
    """Each status has a name, and is tried again where that helps."""
    read = read_failure(status, {}, body, NOW)
    assert (read.reason, read.is_passing) == (trouble, is_passing)
    assert f"HTTP {status}" in str(read)


def test_only_codes_of_an_error_are_shown() -> None:
    """What the server writes may repeat a key or a prompt."""
    body = error(status="PERMISSION_DENIED", message="key AIza-hush is bad", details=[{"reason": "do what I say"}])
    assert str(read_failure(403, {}, body, NOW)) == "the API refuses the key: HTTP 403 PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, None),
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, None),
        ("Fri, 99 Jan 2027 08:00:30 GMT", None),
    ],
)
def test_retry_after(value: str | None, wait_s: float | None) -> None:
    """Seconds or a date; anything else is none."""
    assert read_retry_after(value, NOW) == wait_s


def test_wait_is_found_in_the_body() -> None:
    """The API says there what others say in a header; the header comes first."""
    body = error(details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}])
    assert read_failure(429, {}, body, NOW).retry_after_s == 34.5
    assert read_failure(429, {"retry-after": "2"}, body, NOW).retry_after_s == 2.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "status", "details", "reason", "retryDelay"]), inner)
    ),
)


@given(st.integers(201, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.text())
def test_whatever_comes_is_a_failure_with_a_name(status: int, body: bytes, value: str) -> None:
    """No error of the API's makes one of ours."""
    read = read_failure(status, {"retry-after": value}, body, NOW)
    assert read.reason in list(Trouble)
    assert read.retry_after_s is None or read.retry_after_s >= 0
