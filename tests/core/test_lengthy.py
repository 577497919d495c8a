"""Params cost what their length lets expect: only text may be long."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core import lengthy
from concordiad.core.codes import INVALID_PARAMS
from concordiad.core.lengthy import OTHER_BYTES, PIECE_BYTES, make_shape, reading_params
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


WRITTEN = st.one_of(
    st.sampled_from(['"', "\\", "\\\\u00e9", "\n", "\x01", "é", "漢", "𝄞", "x" * 40, "\\" * 9]),
    st.characters(exclude_categories=["Cs"]),
)


@steadily
@given(st.lists(WRITTEN, max_size=60).map("".join), st.booleans(), st.integers(min_value=8, max_value=40))
def test_a_text_is_the_same_wherever_it_is_cut(text: str, is_ascii: bool, piece_bytes: int) -> None:
    """Within an escape, a pair of surrogates or a character of several bytes: there it is not cut."""
    long = "x" * OTHER_BYTES + text
    params = json.dumps({"text": text + long}, ensure_ascii=is_ascii).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lengthy, "PIECE_BYTES", piece_bytes)
        pieces = reading_params(msgspec.Raw(params), make_shape(PromptSubmit))
        assert whole(pieces) == {"text": text + long}


@pytest.mark.parametrize("unit", ["\x01", '"', "\\", "é", "𝄞", "x\n", "\\u00e9 "])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_a_long_text_is_read_in_pieces(unit: str, is_ascii: bool) -> None:
    """However it is written: each piece is short."""
    text = unit * (200_000 // len(unit))
    params = json.dumps({"text": text}, ensure_ascii=is_ascii).encode()
    pieces = list(reading_params(msgspec.Raw(params), make_shape(PromptSubmit)))
    assert len(pieces) > len(params) // (2 * PIECE_BYTES)
    assert whole(reading_params(msgspec.Raw(params), make_shape(PromptSubmit))) == {"text": text}


WRONG = [b"\\ud83d", b"\\udc00", b"\\ud83d\\ud83d\\ude00", b"\xff", b"\xc3", b"\\x", b"\\u12", b"\x02"]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("before", [0, 1, 5, 11])
def test_what_is_wrong_with_a_long_text_is_told_wherever_it_is(wrong: bytes, before: int) -> None:
    """In the words for all of the params, or for the whole text, and not for the piece that it stands in."""
    raw = msgspec.Raw(b'"' + b"x" * (2 * PIECE_BYTES - before) + wrong + b"x" * (3 * PIECE_BYTES) + b'"')
    params = msgspec.Raw(b'{"text":%b}' % bytes(raw))
    expected = []
    for each, kind in ((raw, Any), (params, Any), (params, make_shape(PromptSubmit))):
        try:
            msgspec.json.decode(each, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            expected.append(str(error))
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as refused:
        whole(reading_params(params, make_shape(PromptSubmit)))
    assert str(refused.value) in expected
