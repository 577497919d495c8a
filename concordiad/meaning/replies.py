"""
What a response of the Gemini API means that answers no question: sans-I/O, from its status, headers and body.

Law: what a server writes in an error is not passed on, for it may repeat the key or a prompt; only known codes are.
"""

import email.utils
import enum
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from concordiad.meaning import MeaningError

SECONDS: Final = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s?")
SHOWN_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,60}")


class Trouble(enum.StrEnum):
    """Why there was no answer to be read."""

    PAUSED = "paused"
    """It failed so often that it is not asked for a while."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    """Its certificate is not one that this machine trusts."""
    BUSY = "busy"
    """429: more than the key's quota."""
    UNAVAILABLE = "unavailable"
    """5xx."""
    KEY_REFUSED = "key_refused"
    REFUSED = "refused"
    """It does not want this question: the model does not exist, say."""
    TOO_LARGE = "too_large"
    GARBLED = "garbled"


def read_failure(status: int, headers: Mapping[str, str], body: bytes, now: float) -> MeaningError:
    """
    Tell what a response other than 200 means.

    Args:
        status: the HTTP status.
        headers: by their names in lower case.
        body: what was read of it.
        now: Unix seconds, for a Retry-After that is a date.
    """
    error = _error_in(body)
    codes = _codes(error)
    shown = " ".join([f"HTTP {status}", *codes])
    if status == 429 or status >= 500:
        trouble = Trouble.BUSY if status == 429 else Trouble.UNAVAILABLE
        wait_s = read_retry_after(headers.get("retry-after"), now)
        told_s = wait_s if wait_s is not None else _delay_in(error)
        return MeaningError(trouble, f"the API answers {shown}", is_passing=True, retry_after_s=told_s)
    if status in (401, 403) or (status == 400 and "API_KEY_INVALID" in codes):
        return MeaningError(Trouble.KEY_REFUSED, f"the API refuses the key: {shown}")
    if status == 404:
        return MeaningError(Trouble.REFUSED, f"the API does not know the model, or base_url is wrong: {shown}")
    return MeaningError(Trouble.REFUSED, f"the API refuses the request: {shown}", status=status)


def read_retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After: seconds, or a date (RFC 9110, 10.2.3); None if it is neither."""
    if value is None:
        return None
    if (match := SECONDS.fullmatch(value.strip())) is not None:
        return float(match[1])
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def describes(body: bytes, model: str) -> bool:
    """Tell whether a response is the API's own description of a model: the resource of that name."""
    return _object_in(body).get("name") == f"models/{model}"


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _error_in(body: bytes) -> dict[str, Any]:
    error = _object_in(body).get("error")
    return error if isinstance(error, dict) else {}


def _details_in(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []


def _codes(error: Mapping[str, Any]) -> list[str]:
    """Take the codes out of an error: its status, and the reasons in its details."""
    found = [error.get("status"), *(each.get("reason") for each in _details_in(error))]
    return [code for code in found if isinstance(code, str) and SHOWN_CODE.fullmatch(code)][:3]


def _delay_in(error: Mapping[str, Any]) -> float | None:
    """Find google.rpc.RetryInfo, by which this API says what others say in Retry-After."""
    for each in _details_in(error):
        delay = each.get("retryDelay")
        if isinstance(delay, str) and (match := SECONDS.fullmatch(delay)) is not None:
            return float(match[1])
    return None
