"""The wire's codec: what is understood, what is refused and how, and that nothing ever gets through it as a crash."""

import json
import sys
import unicodedata
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concordiad.core.checks import VISIBLE, fault_of_name, parse_time
from concordiad.core.codes import INVALID_PARAMS, INVALID_REQUEST, NOT_NOW, PARSE_ERROR, UNKNOWN_METHOD, Code
from concordiad.core.model import AfterCrash, History, Outcome, Priority, PromptState
from concordiad.core.params import (
    METHODS,
    ApprovalAnswer,
    ById,
    Cursor,
    EventsList,
    EventsSubscribe,
    GuestKick,
    GuestList,
    Hello,
    InRoom,
    InviteCreate,
    InviteList,
    InviteRevoke,
    JournalPrune,
    LogTail,
    Nothing,
    Params,
    PromptList,
    PromptRetry,
    PromptSubmit,
    RoomCreate,
    RoomRestart,
    StatsGet,
    StatsLink,
    TurnInterrupt,
    TurnList,
)
from concordiad.core.roles import Role
from concordiad.core.wire import BadRequest, Request, decode_request, encode_error, encode_line, encode_result
from concordiad.errors import RoomError
from tests.core.kinds import KINDS, accepted_kinds
from tests.core.steadily import JSON, steadily

DAY = "2026-11-21T08:00:00Z"
FIELDS = [(method, attribute) for method, params in METHODS.items() for attribute in attrs.fields(params)]


def ask(method: str, params: object = None, **envelope: object) -> Request:
    """Write a request as a client does and let it be read."""
    members = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params, **envelope}
    return decode_request(json.dumps(members).encode())


def refusal(message: bytes) -> BadRequest:
    """Return why a message is refused."""
    with pytest.raises(BadRequest) as caught:
        decode_request(message)
    return caught.value


def refusal_of(method: str, params: object) -> BadRequest:
    """Return why these params are refused."""
    return refusal(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())


def least(params_class: type[Params]) -> dict[str, Any]:
    """Return params of a class with nothing in them that need not be."""
    needed = [attribute for attribute in attrs.fields(params_class) if attribute.default is attrs.NOTHING]
    return {attribute.name: KINDS[accepted_kinds(attribute.type).pop()] for attribute in needed}


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("prompt.submit", {"text": "hi"}, PromptSubmit("hi")),
        (
            "prompt.submit",
            {
                "text": " é\n",
                "room": "r",
                "key": "k",
                "priority": "high",
                "expires_s": 60,
                "alone": True,
                "raw": True,
                "traceparent": "t",
            },
            PromptSubmit(" é\n", "r", "k", Priority.HIGH, 60.0, alone=True, raw=True, traceparent="t"),
        ),
        ("prompt.submit", {"text": "hi", "key": None, "expires_s": None}, PromptSubmit("hi")),
        ("prompt.retry", {"id": "p1", "key": "k"}, PromptRetry("p1", key="k")),
        ("prompt.cancel", {"id": "p1"}, ById("p1")),
        ("prompt.split", {"id": "p1"}, ById("p1")),
        ("prompt.get", {"id": "p1", "room": "r"}, ById("p1", "r")),
        ("prompt.list", {}, PromptList()),
        (
            "prompt.list",
            {
                "states": ["waiting", "running"],
                "author": "alice",
                "since": DAY,
                "until": DAY,
                "limit": 1,
                "cursor": "c",
            },
            PromptList("main", (PromptState.WAITING, PromptState.RUNNING), "alice", DAY, DAY, 1, "c"),
        ),
        ("turn.interrupt", {"turn": "t1"}, TurnInterrupt(turn="t1")),
        ("turn.get", {"id": "t1"}, ById("t1")),
        ("turn.list", {"limit": 500, "outcomes": ["failed"]}, TurnList(limit=500, outcomes=(Outcome.FAILED,))),
        ("events.subscribe", {}, EventsSubscribe()),
        ("events.subscribe", {"after": {"epoch": 1, "seq": 0}}, EventsSubscribe(after=Cursor(1, 0))),
        ("events.subscribe", {"since": 0}, EventsSubscribe(since=0)),
        ("events.subscribe", {"last": 10_000}, EventsSubscribe(last=10_000)),
        ("events.list", {"since": 5, "last": 3, "limit": 2}, EventsList(since=5, last=3, limit=2)),
        ("approval.list", {"room": "r"}, InRoom("r")),
        ("approval.answer", {"id": "a1", "allow": False, "reason": "no"}, ApprovalAnswer("a1", False, reason="no")),
        (
            "approval.answer",
            {"id": "a", "allow": True, "answers": {"Q?": "A"}},
            ApprovalAnswer("a", True, answers={"Q?": "A"}),
        ),
        ("room.list", {}, Nothing()),
        (
            "room.create",
            {"name": "r", "workdir": "/srv", "agent": "a", "model": "m", "permission_mode": "plan", "idle_s": 60},
            RoomCreate("r", "/srv", "a", "m", "plan", 60.0),
        ),
        (
            "room.create",
            {"name": "r", "workdir": "/srv", "after_crash": "ask_again"},
            RoomCreate("r", "/srv", after_crash=AfterCrash.ASK_AGAIN),
        ),
        ("room.close", {"room": "r"}, InRoom("r")),
        ("room.pause", {"room": "r"}, InRoom("r")),
        ("room.resume", {"room": "r"}, InRoom("r")),
        ("room.restart", {"fresh": True}, RoomRestart(fresh=True)),
        ("invite.create", {}, InviteCreate("main", Role.VIEWER, 86_400.0, 1, None, False, History.JOINING)),
        (
            "invite.create",
            {
                "room": "r",
                "role": "driver",
                "expires_s": None,
                "uses": None,
                "name": "Ada",
                "may_approve": True,
                "history": "start",
            },
            InviteCreate("r", Role.DRIVER, None, None, "Ada", True, History.START),
        ),
        ("invite.list", {"all": True}, InviteList(all=True)),
        ("invite.revoke", {"id": "i1"}, InviteRevoke("i1")),
        ("guest.list", {"room": "r"}, GuestList("r")),
        ("guest.kick", {"id": "Ada", "reason": "bye"}, GuestKick("Ada", reason="bye")),
        ("log.tail", {"after": 7}, LogTail(after=7)),
        ("daemon.measure", {}, Nothing()),
        ("journal.prune", {"keep_bytes": 0, "rooms": ["r"]}, JournalPrune(keep_bytes=0, rooms=("r",))),
        ("stats.get", {"room": None, "utc_offset_s": -3600}, StatsGet(room=None, utc_offset_s=-3600)),
        ("stats.link", {"expires_s": 60}, StatsLink(expires_s=60.0)),
        ("daemon.status", {}, Nothing()),
        ("rpc.discover", {}, Nothing()),
        ("hello", {"token": "t"}, Hello("t")),
        (
            "hello",
            {
                "token": "t",
                "name": "Ada",
                "key": "k" * 16,
                "room": "r",
                "after": {"epoch": 1, "seq": 2},
                "last": 0,
            },
            Hello("t", "Ada", "k" * 16, "r", Cursor(1, 2), 0),
        ),
    ],
)
def test_good_params_are_understood(method: str, params: dict[str, Any], expected: Params) -> None:
    """Params become the object of their method's class, what was left out its default."""
    assert ask(method, params) == Request(1, method, expected)


def test_good_params_are_known_of_every_method() -> None:
    """No method is without its example above."""
    [examples] = [mark.args[1] for mark in test_good_params_are_understood.pytestmark]
    assert {method for method, *_ in examples} == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_least_params_are_enough(method: str) -> None:
    """Every method can be called with only those params that have no default, and without params if there are none."""
    params = least(METHODS[method])
    assert ask(method, params).params == METHODS[method](**params)
    if not params:
        bare = decode_request(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode())
        assert bare == ask(method, {})


@pytest.mark.parametrize(("method", "attribute"), FIELDS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_coerced(method: str, attribute: "attrs.Attribute[Any]", kind: str) -> None:
    """A value of any other kind than its field's is refused, and the refusal names the field."""
    if kind in accepted_kinds(attribute.type):
        return
    error = refusal_of(method, {**least(METHODS[method]), attribute.name: KINDS[kind]})
    assert (error.code, error.request_id, error.field) == (INVALID_PARAMS, 1, attribute.name)
    assert str(error).startswith(f"{attribute.name} ")


@pytest.mark.parametrize(
    "method",
    [method for method, params in METHODS.items() if "room" in attrs.fields_dict(params) and method != "hello"],
)
def test_room_that_is_left_out_is_the_callers(method: str) -> None:
    """A guest need not name the one room that there is for it; one that is named stays."""
    params = least(METHODS[method])
    left_out, named = (
        decode_request(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": each}).encode(), "lab").params
        for each in (params, {**params, "room": "other"})
    )
    assert left_out == METHODS[method](**{**params, "room": "lab"})
    assert named == METHODS[method](**{**params, "room": "other"})


@pytest.mark.parametrize("name", ["Ada", "ß", "a b", "山田", "a" * 40])
def test_good_name(name: str) -> None:
    """A name may be in any script."""
    assert fault_of_name(name) is None


@pytest.mark.parametrize("name", ["", " ", "\u3000", "a" * 41, "a\nb", "a\x1b[31m", "\u202eadA", "a\u200b"])
def test_bad_name(name: str) -> None:
    """Nothing goes into a name that is not seen, or that changes how what is around it is seen."""
    assert fault_of_name(name) is not None


def test_what_can_be_seen_is_all_but_blanks_controls_and_format_characters() -> None:
    """As the Unicode of this Python has it; a character that it does not know yet may be one of them."""
    blank = [chr(code) for code in range(sys.maxunicode + 1) if VISIBLE.match(chr(code)) is None]
    known = [each for each in blank if unicodedata.category(each) != "Cn"]
    assert all(each.isspace() or unicodedata.category(each) in ("Cc", "Cf") for each in known)
    seen = filter(VISIBLE.match, map(chr, range(sys.maxunicode + 1)))
    assert not [each for each in seen if each.isspace() or unicodedata.category(each) in ("Cc", "Cf")]


@pytest.mark.parametrize("method", METHODS)
def test_unknown_field_is_refused_by_name(method: str) -> None:
    """A field that a method has not is named, with those that it has."""
    error = refusal_of(method, {**least(METHODS[method]), "colour": "red"})
    assert (error.code, error.field) == (INVALID_PARAMS, "colour")
    for attribute in attrs.fields(METHODS[method]):
        assert attribute.name in str(error)


@pytest.mark.parametrize(
    ("method", "attribute"), [(method, field) for method, field in FIELDS if field.default is attrs.NOTHING]
)
def test_missing_field_is_named(method: str, attribute: "attrs.Attribute[Any]") -> None:
    """A field without a default must be there."""
    params = least(METHODS[method])
    del params[attribute.name]
    error = refusal_of(method, params)
    assert (error.code, error.field, str(error)) == (INVALID_PARAMS, attribute.name, f"{attribute.name} is missing")


@pytest.mark.parametrize(
    ("method", "params", "where"),
    [
        ("prompt.submit", {"text": ""}, "text"),
        ("prompt.submit", {"text": " \t\n\u2003"}, "text"),
        ("prompt.submit", {"text": "a", "key": ""}, "key"),
        ("prompt.submit", {"text": "a", "key": "k" * 201}, "key"),
        ("prompt.submit", {"text": "a", "key": "a\nb"}, "key"),
        ("prompt.submit", {"text": "a", "priority": "urgent"}, "priority"),
        ("prompt.submit", {"text": "a", "expires_s": 0}, "expires_s"),
        ("prompt.submit", {"text": "a", "expires_s": 366 * 86400 + 1}, "expires_s"),
        ("prompt.submit", {"text": "a", "expires_s": 10**400}, "expires_s"),
        ("prompt.get", {"id": ""}, "id"),
        ("prompt.list", {"limit": 0}, "limit"),
        ("prompt.list", {"limit": 501}, "limit"),
        ("prompt.list", {"states": ["waiting", "asleep"]}, "states.1"),
        ("prompt.list", {"states": ["waiting", None]}, "states.1"),
        ("prompt.list", {"since": "yesterday"}, "since"),
        ("prompt.list", {"since": "2026-11-21"}, "since"),
        ("turn.list", {"until": "2026-11-21T08:00:00"}, "until"),
        ("turn.list", {"outcomes": ["completed", "done"]}, "outcomes.1"),
        ("room.create", {"name": "r", "workdir": "/", "idle_s": -1}, "idle_s"),
        ("room.create", {"name": "r", "workdir": "/", "after_crash": "again"}, "after_crash"),
        ("events.subscribe", {"after": {"epoch": 1}}, "after.seq"),
        ("events.subscribe", {"after": {"epoch": 1, "seq": "2"}}, "after.seq"),
        ("events.subscribe", {"after": {"epoch": -1, "seq": 2}}, "after.epoch"),
        ("events.subscribe", {"after": {"epoch": 1, "seq": 2, "at": 3}}, "after.at"),
        ("events.subscribe", {"since": 2**53 + 1}, "since"),
        ("events.subscribe", {"last": -1}, "last"),
        ("events.subscribe", {"last": 10_001}, "last"),
        ("events.subscribe", {"since": 1, "last": 1}, None),
        ("events.subscribe", {"since": 0, "after": {"epoch": 1, "seq": 2}}, None),
        ("approval.answer", {"id": "a", "allow": True, "answers": {"Q?": 1}}, "answers.Q?"),
        ("approval.answer", {"id": "a", "allow": True, "answers": {"Q?": None}}, "answers.Q?"),
        ("invite.create", {"role": "host"}, "role"),
        ("invite.create", {"role": "owner"}, "role"),
        ("invite.create", {"expires_s": 0}, "expires_s"),
        ("invite.create", {"expires_s": 366 * 86400 + 1}, "expires_s"),
        ("invite.create", {"uses": 0}, "uses"),
        ("invite.create", {"name": " "}, "name"),
        ("invite.create", {"name": "a" * 41}, "name"),
        ("invite.create", {"name": "a\u200bb"}, "name"),
        ("invite.create", {"may_approve": True}, "may_approve"),
        ("invite.create", {"history": "all"}, "history"),
        ("invite.revoke", {"id": ""}, "id"),
        ("guest.kick", {"id": "a", "reason": "x" * 201}, "reason"),
        ("hello", {"token": ""}, "token"),
        ("hello", {"token": "t" * 201}, "token"),
        ("hello", {"token": "t", "key": "k" * 15}, "key"),
        ("hello", {"token": "t", "last": 10_001}, "last"),
    ],
)
def test_bad_value_is_refused_by_its_fields_name(method: str, params: dict[str, Any], where: str | None) -> None:
    """A value that is out of its range is refused; what is wrong with two fields together names neither."""
    error = refusal_of(method, params)
    assert (error.code, error.field) == (INVALID_PARAMS, where)
    assert where is None or str(error).startswith(f"{where} ")


@pytest.mark.parametrize("params", [None, [], ["hi"], "hi", 1, True])
def test_params_are_an_object(params: object) -> None:
    """Params by position are not understood."""
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "room.list", "params": params}).encode()
    assert (refusal(message).code, refusal(message).request_id) == (INVALID_PARAMS, 1)


@pytest.mark.parametrize("identity", [0, -7, 2**70, "", "é", None])
def test_id_is_any_that_json_rpc_has(identity: int | str | None) -> None:
    """A number, a string, or null is the request's id and comes back in its answer."""
    request = ask("room.list", id=identity)
    assert (request.id, request.is_notification) == (identity, False)
    assert json.loads(encode_result(request.id, {}))["id"] == identity


def test_request_without_id_is_a_notification() -> None:
    """What has no id wants no answer."""
    request = decode_request(b'{"jsonrpc":"2.0","method":"room.list"}')
    assert (request.id, request.is_notification) == (None, True)


@pytest.mark.parametrize(
    ("message", "code", "identity"),
    [
        (b"", PARSE_ERROR, None),
        (b"{", PARSE_ERROR, None),
        (b"hello", PARSE_ERROR, None),
        (b"\xff\xfe", PARSE_ERROR, None),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"room.list"}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"room.list"} {}', PARSE_ERROR, None),
        (b"null", INVALID_REQUEST, None),
        (b"[]", INVALID_REQUEST, None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"room.list"}]', INVALID_REQUEST, None),
        (b"{}", INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', INVALID_REQUEST, None),
        (b'{"id":1,"method":"room.list"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":2.0,"id":1,"method":"room.list"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"1.0","id":1,"method":"room.list"}', INVALID_REQUEST, 1),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"room.list"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"room.list"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":[],"method":"room.list"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"room.list","auth":"x"}', INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"room.lists"}', UNKNOWN_METHOD, 1),
        (b'{"jsonrpc":"2.0","id":"a","method":""}', UNKNOWN_METHOD, "a"),
        (b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"\xff"}}', PARSE_ERROR, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"\xed\xa0\x80"}}', PARSE_ERROR, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"\\ud800"}}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"\\udc00 x"}}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"a","\\uD83D":1}}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"events.list","params":{"since":NaN}}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"events.list","params":{"since":Infinity}}', PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"a","expires_s":1e999}}', PARSE_ERROR, 1),
    ],
)
def test_what_is_no_request_is_answered_with_its_code(message: bytes, code: Code, identity: int | str | None) -> None:
    """Whatever is wrong, there is a code for it, and the request's id where that could be read."""
    error = refusal(message)
    assert (error.code, error.request_id) == (code, identity)


def test_last_of_two_equal_keys_counts() -> None:
    """A key that is there twice is its last value, at every level, so that no two readers of ours can differ."""
    request = decode_request(
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"room.list","method":"prompt.submit",'
        b'"params":{},"params":{"text":"a","text":"b"}}'
    )
    assert request == Request(2, "prompt.submit", PromptSubmit("b"))


@pytest.mark.parametrize("depth", [10, 100, 400, 800, 1_000, 10_000, 1_000_000])
@pytest.mark.parametrize("field", ["text", "priority", "states", "colour"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(depth: int, field: str, opening: bytes, closing: bytes) -> None:
    """However deep it goes, a value ends in a refusal and not in the interpreter's recursion limit."""
    deep = opening * depth + b"1" + closing * depth
    error = refusal(b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"%b":%b}}' % (field.encode(), deep))
    assert error.code in (PARSE_ERROR, INVALID_PARAMS)
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    "members",
    [
        {"jsonrpc": "x" * 10_000, "method": "room.list"},
        {"jsonrpc": "2.0", "method": "x" * 10_000},
        {"jsonrpc": "2.0", "method": "prompt.submit", "params": {"text": "a", "priority": "x" * 10_000}},
        {"jsonrpc": "2.0", "method": "prompt.submit", "params": {"text": "a", "x" * 10_000: 1}},
    ],
)
def test_refusal_does_not_repeat_what_is_long(members: dict[str, Any]) -> None:
    """A bad request of any length gets a short answer."""
    error = refusal(json.dumps({"id": 1, **members}).encode())
    assert len(encode_error(error.request_id, error)) < 1000


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [(DAY, 1_795_248_000.0), ("2026-11-21T09:00:00+01:00", 1_795_248_000.0), ("1970-01-01T00:00:00.5Z", 0.5)],
)
def test_time_is_read_with_its_offset(text: str, unix_s: float) -> None:
    """A time is the same one whichever zone it is written in."""
    assert parse_time(text) == unix_s


def answer_to(message: bytes) -> dict[str, Any] | None:
    """Do what a transport does with a message: read it, and write the refusal if it is one."""
    try:
        request = decode_request(message)
    except BadRequest as error:
        written = encode_error(error.request_id, error)
        assert b"\n" not in written
        answer = json.loads(written)
        assert isinstance(answer, dict)
        return answer
    assert type(request.params) is METHODS[request.method]
    return None


@steadily
@given(st.binary(max_size=200))
@example(b'"\\ud800"')
def test_any_bytes_are_answered(message: bytes) -> None:
    """Bytes of any kind are a request or a refusal that can be written."""
    answer = answer_to(message)
    assert answer is None or set(answer) == {"jsonrpc", "id", "error"}


@steadily
@given(
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0"), "method": st.sampled_from(list(METHODS)), "params": JSON},
        optional={"id": st.integers() | st.text(max_size=5)},
    )
)
def test_any_params_are_answered(members: dict[str, Any]) -> None:
    """Params of any shape are understood or refused with the request's id."""
    answer = answer_to(msgspec.json.encode(members))
    if answer is not None:
        assert answer["id"] == members.get("id")
        assert answer["error"]["code"] == INVALID_PARAMS.number


@steadily
@given(st.sampled_from(FIELDS), JSON, st.dictionaries(st.text(max_size=8), JSON, max_size=2))
def test_any_value_and_any_unknown_field_is_answered(
    field: tuple[str, "attrs.Attribute[Any]"], value: Any, unknown: dict[str, Any]
) -> None:
    """One field of a good request with any value at all, and fields that there are not, never crash the reader."""
    method, attribute = field
    params = {**unknown, **least(METHODS[method]), attribute.name: value}
    answer = answer_to(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    assert answer is None or answer["error"]["code"] == INVALID_PARAMS.number


def test_result_is_one_line() -> None:
    """An answer is JSON in one line, whatever is in it."""
    assert encode_result(7, {"text": "a\nb", "none": None}) == (
        b'{"jsonrpc":"2.0","id":7,"result":{"text":"a\\nb","none":null}}'
    )


def test_error_has_its_row_and_its_details() -> None:
    """An error object has the number, the sentence, and as data the code's name, the field and when to try again."""
    error = RoomError(NOT_NOW, "later", field="text", retry_after_s=30.0)
    assert json.loads(encode_error("a", error)) == {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {
            "code": -32003,
            "message": "later",
            "data": {"name": "not_now", "field": "text", "retry_after_s": 30.0},
        },
    }


def test_event_is_passed_on_byte_for_byte() -> None:
    """An event that is JSON already gets its notification around it and is not written anew."""
    event = b'{"room":"main","text":"\\u00e9 1e3"}'
    assert encode_line(event) == b'{"jsonrpc":"2.0","method":"event","params":' + event + b"}\n"
