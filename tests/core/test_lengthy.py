"""Params cost what their length lets expect: only text may be long."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.codes import INVALID_PARAMS
from concordiad.core.lengthy import OTHER_BYTES, make_shape, reading_params
from concordiad.core.params import PromptSubmit
from concordiad.core.pieces import whole
from concordiad.core.strict import LISTED
from concordiad.core.wire import BadRequest, decode_request
from tests.core.steadily import JSON, steadily

MUCH = 1_000_000
FAR_TOO_MUCH: dict[str, tuple[str, bytes]] = {
    "objects": ("turn.list", b'{"limit":[' + b"{}," * (MUCH // 3) + b"{}]}"),
    "lists in lists": ("turn.list", b'{"limit":[' + b"[[[[[[[[]]]]]]]]," * (MUCH // 17) + b"[]]}"),
    "numbers": ("events.list", b'{"since":[' + b"1e5," * (MUCH // 4) + b"0]}"),
    "keys": ("turn.list", b"{" + b",".join(b'"%x":0' % number for number in range(MUCH // 9)) + b"}"),
    "a long key": ("turn.list", b'{"%b":0}' % (b"x" * MUCH)),
    "good ones": ("prompt.list", b'{"states":[' + b'"waiting",' * (MUCH // 10) + b'"waiting"]}'),
    "a little over": ("approval.answer", b'{"id":"1","allow":true,"answers":{"q":"%b"}}' % (b"a" * OTHER_BYTES)),
    "no object": ("turn.list", b"[" + b"0," * (MUCH // 2) + b"0]"),
}


def request(method: str, params: bytes) -> bytes:
    """Write a request."""
    return b'{"jsonrpc":"2.0","id":7,"method":"%b","params":%b}' % (method.encode(), params)


@pytest.mark.parametrize("case", FAR_TOO_MUCH)
def test_what_is_long_and_no_text_is_refused(case: str) -> None:
    """By its size or by what it is, before anything is made of it, and in a short sentence; its method is known."""
    method, params = FAR_TOO_MUCH[case]
    with pytest.raises(BadRequest, match=r"^params cannot be met: .{1,200}$") as refused:
        decode_request(request(method, params))
    assert (refused.value.code, refused.value.request_id, refused.value.method) == (INVALID_PARAMS, 7, method)


@steadily
@given(st.dictionaries(st.sampled_from(["room", "key", "raw", "expires_s"]), JSON), st.text(max_size=20), st.booleans())
def test_long_text_is_read_as_short_text_is(others: dict[str, Any], text: str, is_first: bool) -> None:
    """Whatever stands beside it, before or behind it, and whatever it is made of."""
    long = {"text": "x" * (2 * OTHER_BYTES) + text}
    params = msgspec.json.encode({**long, **others} if is_first else {**others, **long})
    assert whole(reading_params(msgspec.Raw(params), make_shape(PromptSubmit))) == msgspec.json.decode(params)


def test_last_of_two_equal_long_keys_counts() -> None:
    """As it does in what is short."""
    first, last = (b'"text":"%b"' % (letter * OTHER_BYTES) for letter in (b"a", b"b"))
    params = decode_request(request("prompt.submit", b"{%b,%b}" % (first, last))).params
    assert params == PromptSubmit("b" * OTHER_BYTES)


def test_entries_of_a_list_are_limited() -> None:
    """Also of a list that is short in bytes."""
    good, bad = (b'{"states":[%b]}' % b",".join([b'"failed"'] * count) for count in (LISTED, LISTED + 1))
    decode_request(request("prompt.list", good))
    with pytest.raises(BadRequest, match=f"^states has {LISTED + 1} entries, at most {LISTED} are taken$"):
        decode_request(request("prompt.list", bad))
