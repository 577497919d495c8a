"""Lines as nobody wants them: bad bytes, half characters, unknown things, and what Hypothesis makes of good ones."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concordiad.core.agents import ApprovalAsked, Fact, Said, Unreadable
from concordiad.core.lines import Oversize
from tests.core.agents.listening import BEGUN, ENDED, codec_in_turn, feed, new_codec, spoken
from tests.core.agents.speech import (
    EVERY_KIND,
    MODEL,
    OPENING,
    TURN,
    Line,
    assistant,
    block_start,
    delta,
    init,
    result,
    text,
    write,
)
from tests.core.steadily import JSON, steadily


def line_with(block: bytes) -> bytes:
    """Return a finished block's line around bytes that no encoder of ours wrote."""
    return b'{"type":"assistant","message":{"role":"assistant","content":[%b]},"parent_tool_use_id":null}' % block


def line_with_piece(value: bytes) -> bytes:
    """Return a piece's line around bytes that no encoder of ours wrote."""
    event = b'{"type":"content_block_delta","delta":{"type":"text_delta","text":%b},"index":0}' % value
    return b'{"type":"stream_event","event":%b,"parent_tool_use_id":null}' % event


@pytest.mark.parametrize(
    "value", [b'"a"', b'"\\u00e9\\/\\u0000\\n"', b'"\xc3\xa9\xf0\x9f\x98\x80"', b'"\\u2028"', b'"\xe2\x80\xa8"', b'""']
)
def test_text_is_passed_on_byte_for_byte(value: bytes) -> None:
    """The bytes of a text, escapes and all, are those that the agent wrote."""
    [said] = codec_in_turn().decode(line_with(b'{"type":"text","text":%b}' % value))
    assert isinstance(said, Said)
    assert said.body == b'"turn":"%b","block":0,"text":%b' % (TURN.encode(), value)


@pytest.mark.parametrize(
    "value", [b'{ "a" : 1e3 ,"a":[10000000000000000000000,0.10]}', b"{}", b'{"\\u0061":"\\/"}', b"[]", b"null"]
)
def test_tool_input_is_passed_on_byte_for_byte(value: bytes) -> None:
    """A tool's input is not read, only passed on, to the transcript and to whoever must approve of it."""
    codec = codec_in_turn()
    [said] = codec.decode(line_with(b'{"type":"tool_use","id":"t","name":"Bash","input":%b}' % value))
    assert isinstance(said, Said) and said.body.endswith(b'"tool":"Bash","input":%b' % value)
    [asked] = codec.decode(
        b'{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","input":%b}}' % value
    )
    assert isinstance(asked, ApprovalAsked) and asked.input == value


def test_piece_counts_characters() -> None:
    """What an escape stands for is one character of a piece, and so is what takes four bytes."""
    codec = codec_in_turn()
    feed(codec, [block_start()])
    said = spoken(
        [*codec.decode(line_with_piece(b'"\\u00e9\xf0\x9f\x98\x80"')), *codec.decode(line_with_piece(b'"x"'))]
    )
    assert [(body["offset"], body["text"]) for body in said] == [(0, "\u00e9\U0001f600"), (2, "x")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"a\\ud83d"', "a\ufffd"),
        (b'"\\uD83D b"', "\ufffd b"),
        (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\xff\\ud83d\\ude00"', "\ufffd\U0001f600"),
        (b'"C:\\\\udd\\\\"', "C:\\udd\\"),
    ],
)
def test_bad_characters_are_replaced(value: bytes, expected: str) -> None:
    """Bad UTF-8 and half of a surrogate pair become replacement characters: one such would close a browser's socket."""
    codec = codec_in_turn()
    [said] = spoken(codec.decode(line_with(b'{"type":"text","text":%b}' % value)))
    assert said["text"] == expected
    feed(codec, [block_start()])
    [piece] = spoken(codec.decode(line_with_piece(value)))
    assert piece["text"] == expected


def test_bad_characters_of_an_answer_are_replaced() -> None:
    """A result's answer is good Unicode too."""
    line = write(result("ANSWER")).replace(b"ANSWER", b"\\ud800 \xff")
    assert codec_in_turn().decode(line) == [ENDED._replace(answer="\ufffd \ufffd")]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"hello",
        b"{",
        b"5",
        b"null",
        b"[]",
        b'"assistant"',
        b'{"type":5}',
        b'{"type":"assistant"}',
        b'{"type":"assistant","message":5}',
        b'{"type":"stream_event"}',
        b'{"type":"stream_event","event":[]}',
        b'{"type":"user","message":{"content":5}}',
        b'{"type":"system","subtype":5}',
        b'{"type":"system","subtype":"init","session_id":5}',
        b'{"type":"command_lifecycle"}',
        b'{"type":"control_request"}',
        b'{"type":"control_response","response":[]}',
        b'{"type":"control_cancel_request","request_id":7}',
        b'{"type":"result","num_turns":"many"}',
        b'{"type":"result","result":"\xff","num_turns":"many"}',
        b'{"type":NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type":"assistant","message":' + b'{"content":[' * 50_000,
        b'{"type":"result","total_cost_usd":1' + b"0" * 5000 + b"}",
    ],
)
def test_what_is_no_line_is_counted(line: bytes) -> None:
    """A line that is not what the protocol allows is told with its size, and leaves the turn as it was."""
    codec = codec_in_turn()
    [fact] = codec.decode(line)
    assert isinstance(fact, Unreadable) and fact.size_bytes == len(line)
    assert feed(codec, [result()]) == [ENDED]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"type":""}',
        b'{"type":"tomorrow","message":5}',
        b'{"type":"keep_alive"}',
        b'{"type":"system"}',
        b'{"type":"system","subtype":"tomorrow","x":{}}',
        b'{"type":"system","subtype":"status","status":null,"compact_result":"success"}',
        b'{"type":"stream_event","event":{"type":"tomorrow"}}',
        b'{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"tomorrow_delta","x":1}}}',
        b'{"type":"stream_event","event":{"type":"content_block_delta"}}',
        b'{"type":"assistant","message":{"content":[{"type":"tomorrow","x":1}]}}',
        b'{"type":"assistant","message":{"content":[]}}',
        b'{"type":"assistant","message":{"content":"a string"}}',
        b'{"type":"user","message":{"content":"a prompt that is replayed"},"isReplay":true}',
        b'{"type":"user","message":{"content":[{"type":"image","source":{}}]}}',
        b'{"type":"user","message":{"content":[{"type":"tool_result","content":"again"}]},"isReplay":true}',
    ],
)
def test_unknown_things_are_passed_over(line: bytes) -> None:
    """What a later CLI may say that this one does not is nothing, and disturbs nothing."""
    codec = codec_in_turn()
    assert codec.decode(line) == []
    assert feed(codec, [result()]) == [ENDED]


def test_unknown_fields_change_nothing() -> None:
    """A field that there is not, at any level of any line, changes no fact."""
    codec, other = new_codec(), new_codec()
    for line in EVERY_KIND:
        assert other.decode(write(with_unknown_fields(line))) == codec.decode(write(line))


def with_unknown_fields(value: Any) -> Any:
    """Return a line with new fields in each object, but for those that are passed on or go by a model's name."""
    if isinstance(value, list):
        return [with_unknown_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_passed_on = value.get("type") in ("tool_use", "tool_result") or "tool_name" in value
    known = value if is_passed_on else {key: with_unknown_fields(item) for key, item in value.items()}
    return known if MODEL in value else {"tomorrow": {"x": [1]}, **known, "zz": "later"}


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\nb", "é", '","turn":"x'])
def test_turn_with_a_strange_id_makes_good_events(name: str) -> None:
    """An agent that names a turn as no daemon would cannot break out of the event that its name is in."""
    codec = new_codec()
    feed(codec, [init(name)])
    lines = [
        block_start(),
        delta("a"),
        assistant(text("a")),
        block_start(),
        {**OPENING[-1], "event": {"type": "message_stop"}},
    ]
    said = spoken(feed(codec, lines))
    assert [(body["turn"], body.get("text")) for body in said] == [(name, "a"), (name, "a"), (name, None)]


def check(facts: list[Fact]) -> None:
    """Hold facts to what everybody behind the codec takes for granted: good JSON, good Unicode."""
    for fact in facts:
        if isinstance(fact, Said):
            body = json.loads(b"{%b}" % fact.body)
            assert body.get("turn") == fact.turn
            assert b"\n" not in fact.body
        elif isinstance(fact, ApprovalAsked):
            json.loads(fact.input)
        values = msgspec.structs.astuple(fact) if isinstance(fact, Said) else fact
        msgspec.json.encode([value for value in values if not isinstance(value, bytes)])


def replace_somewhere(data: st.DataObject, value: Any, new: Any) -> Any:
    """Return a JSON value with one of its parts replaced."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys or data.draw(st.integers(0, 4)) == 0:
        return new
    key = data.draw(st.sampled_from(keys))
    copied = copy.copy(value)
    copied[key] = replace_somewhere(data, value[key], new)
    return copied


@settings(steadily, max_examples=500)
@given(st.data(), st.lists(st.sampled_from(EVERY_KIND), max_size=12), JSON)
def test_any_value_anywhere_is_survived(data: st.DataObject, lines: list[Line], new: Any) -> None:
    """Good lines in any order, one of them with any value in any place, give good facts or are told as unreadable."""
    codec = new_codec()
    changed = data.draw(st.integers(0, max(len(lines) - 1, 0)))
    for number, line in enumerate(lines):
        written = msgspec.json.encode(replace_somewhere(data, line, new)) if number == changed else write(line)
        check(codec.decode(written))


@settings(steadily, max_examples=500)
@given(
    st.lists(st.sampled_from(EVERY_KIND), min_size=1, max_size=8),
    st.integers(0, 10_000),
    st.integers(0, 3),
    st.binary(max_size=4)
    | st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b",", b"\\ud800", b"\xed\xa0\x80", b"null"]),
)
def test_any_bytes_anywhere_are_survived(lines: list[Line], place: int, removed: int, inserted: bytes) -> None:
    """Good lines, one of them with bytes taken out and put in, give good facts or are told as unreadable."""
    codec = new_codec()
    broken = write(lines[-1])
    place %= len(broken)
    broken = broken[:place] + inserted.replace(b"\n", b"") + broken[place + removed :]
    for line in [*map(write, lines[:-1]), broken, *map(write, lines)]:
        check(codec.decode(line))


@steadily
@given(st.lists(st.sampled_from(EVERY_KIND), max_size=6), st.binary(max_size=60), st.binary(max_size=60))
def test_any_oversize_line_is_survived(lines: list[Line], head: bytes, tail: bytes) -> None:
    """Whatever the ends of an oversize line look like, it is told, and the codec goes on."""
    codec = new_codec()
    feed(codec, lines)
    for start in (b"", b'{"type":"assistant",', b'{"duration_api_ms":1,"is_error":false,"result":"'):
        for end in (b"", b'","type":"result"}', b'","type":"result","user_message_uuids":["t"]}'):
            check(codec.decode(Oversize(10**8, start + head, tail + end)))


def test_codec_is_good_for_one_incarnation_only() -> None:
    """Two codecs share nothing: the turn of one is not the other's."""
    feed(new_codec(), OPENING)
    assert feed(new_codec(), OPENING) == BEGUN
