"""What clients do wrong on the control socket: each is told by name, and nobody else notices."""

import contextlib
import json
import os
import resource
import select
import time
from collections.abc import Iterator
from typing import Any

import pytest

from concordiad.front.scarcity import TOLD_EVERY_S
from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Refused, numbers
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S

MIB = 1024 * 1024
MESSAGE_LIMIT = 2 * MIB
PROMPT_LIMIT = 256 * 1024
DESCRIPTORS = 64


@pytest.fixture
def bystander(daemon: Daemon) -> Iterator[ControlClient]:
    """Follow the room meanwhile; in the end this client still sees a prompt of its own answered, and every event."""
    client = daemon.follow()
    yield client
    prompt = client.submit("[[text:nothing happened]]")
    assert client.finished(prompt["id"])["answer"] == "nothing happened"
    seqs = numbers(client.events)
    assert seqs == list(range(1, len(seqs) + 1))


def call(**members: Any) -> bytes:
    """Write a request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "daemon.status", **members}).encode() + b"\n"


def submit(**params: Any) -> bytes:
    """Write a request to hand in a prompt."""
    return call(method="prompt.submit", params=params)


BAD: dict[str, tuple[bytes, int | None, str, str | None, str]] = {
    "not JSON": (b"hello there\n", None, "parse_error", None, "JSON"),
    "half JSON": (b'{"jsonrpc":"2.0","id":1,"method":\n', None, "parse_error", None, "JSON"),
    "two values": (b'{"jsonrpc":"2.0","id":1,"method":"daemon.status"} {}\n', None, "parse_error", None, "JSON"),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n', None, "parse_error", None, "UTF-8"),
    "not UTF-8 in a text": (call().replace(b"daemon.status", b"prompt.submit\xc3"), None, "parse_error", None, "UTF-8"),
    "control characters": (b"\x00\x01\x02\n", None, "parse_error", None, "JSON"),
    "a batch": (b"[" + call().strip() + b"]\n", None, "invalid_request", None, "array"),
    "a number": (b"42\n", None, "invalid_request", None, "int"),
    "null": (b"null\n", None, "invalid_request", None, "null"),
    "no version": (b'{"id":1,"method":"daemon.status"}\n', None, "invalid_request", None, "jsonrpc"),
    "wrong version": (call(jsonrpc="1.0"), 1, "invalid_request", None, "2.0"),
    "version as a number": (call(jsonrpc=2.0), None, "invalid_request", None, "jsonrpc"),
    "no method": (b'{"jsonrpc":"2.0","id":1}\n', None, "invalid_request", None, "method"),
    "method as a number": (call(method=7), None, "invalid_request", None, "method"),
    "unknown method": (call(method="prompt.sumbit"), 1, "unknown_method", None, "prompt.sumbit"),
    "unknown member": (call(parms={}), None, "invalid_request", None, "parms"),
    "id as an object": (call(id={}), None, "invalid_request", None, "id"),
    "params as a list": (call(params=["main"]), 1, "invalid_params", None, "object"),
    "params as null": (call(params=None), 1, "invalid_params", None, "object"),
    "a field too many": (call(params={"verbose": True}), 1, "invalid_params", "verbose", "verbose"),
    "unknown field": (submit(text="hi", prioritty="high"), 1, "invalid_params", "prioritty", "priority"),
    "missing field": (submit(room="main"), 1, "invalid_params", "text", "text"),
    "number for a text": (submit(text=7), 1, "invalid_params", "text", "text"),
    "text for a number": (submit(text="hi", expires_s="7"), 1, "invalid_params", "expires_s", "expires_s"),
    "number for a boolean": (submit(text="hi", raw=1), 1, "invalid_params", "raw", "raw"),
    "boolean for a number": (submit(text="hi", expires_s=True), 1, "invalid_params", "expires_s", "expires_s"),
    "null for a text": (submit(text=None), 1, "invalid_params", "text", "text"),
    "no such choice": (submit(text="hi", priority="urgent"), 1, "invalid_params", "priority", "high"),
    "NaN": (submit(text="hi", expires_s=float("nan")), None, "parse_error", None, "JSON"),
    "infinity": (submit(text="hi", expires_s=float("inf")), None, "parse_error", None, "JSON"),
    "huge number": (submit(text="hi", expires_s=10**30), 1, "invalid_params", "expires_s", "expires_s"),
    "number beyond any": (submit(text="hi", expires_s=0.5).replace(b"0.5", b"1e999"), 1, "parse_error", None, "range"),
    "negative number": (submit(text="hi", expires_s=-1), 1, "invalid_params", "expires_s", "expires_s"),
    "negative limit": (call(method="turn.list", params={"limit": -1}), 1, "invalid_params", "limit", "limit"),
    "fraction for a whole": (call(method="turn.list", params={"limit": 1.5}), 1, "invalid_params", "limit", "limit"),
    "foreign page": (call(method="turn.list", params={"cursor": "x"}), 1, "invalid_params", "cursor", "cursor"),
    "field of a field": (
        call(method="events.subscribe", params={"after": {"epoch": 1, "seq": 2, "of": 3}}),
        1,
        "invalid_params",
        "after.of",
        "epoch, seq",
    ),
    "deep lists": (call(params=0).replace(b" 0", b"[" * 100_000), None, "parse_error", None, "nested"),
    "deep objects": (
        submit(text=0).replace(b" 0", b'{"text":' * 50_000 + b"0" + b"}" * 50_000),
        None,
        "parse_error",
        None,
        "nested",
    ),
    "empty prompt": (submit(text=""), 1, "invalid_params", "text", "empty"),
    "blank prompt": (submit(text=" \n\t\u00a0\u2003"), 1, "invalid_params", "text", "blank"),
    "half a character": (submit(text="\ud83d and so on"), None, "parse_error", None, "JSON"),
    "empty key": (submit(text="hi", key=""), 1, "invalid_params", "key", "key"),
    "long key": (submit(text="hi", key="k" * 201), 1, "invalid_params", "key", "200"),
    "key with a newline": (submit(text="hi", key="a\nb"), 1, "invalid_params", "key", "printable"),
    "unknown room": (submit(text="hi", room="mian"), 1, "not_found", None, "did you mean main"),
    "nothing like a room": (submit(text="hi", room="../../etc"), 1, "not_found", None, "main"),
}


@pytest.fixture(scope="module")
def enduring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Give one daemon for all the bad messages, each of which is to leave it as it was."""
    site = Site(tmp_path_factory.mktemp("enduring"))
    with site.running() as daemon:
        yield daemon
    site.clear()


@pytest.mark.parametrize("case", BAD)
def test_bad_message_is_answered_by_name(enduring: Daemon, case: str) -> None:
    """A bad message gets the error of its name, with the field and a sentence; both that client and others go on."""
    message, request_id, name, field, words = BAD[case]
    bystander = enduring.follow(last=0)
    with enduring.connect() as client:
        client.send(message if message.endswith(b"\n") else message + b"\n")
        with pytest.raises(Refused) as caught:
            client.answer(request_id)
        refusal = caught.value
        assert (refusal.name, refusal.field) == (name, field)
        assert words in str(refusal)
        assert "\n" not in str(refusal)
        assert client.call("daemon.status")["daemon"]["pid"] == enduring.process.pid
    with bystander:
        assert bystander.finished(bystander.submit(f"[[text:{case}]]")["id"])["answer"] == case
        assert [event["type"] for event in bystander.events if "prompt" in event] == ["prompt.accepted"]


def test_oversize_message_is_refused(daemon: Daemon, bystander: ControlClient) -> None:
    """A message over the limit is refused with its size, and held by nobody; the connection serves on."""
    with daemon.connect() as client:
        client.send(submit(text="x" * (MESSAGE_LIMIT + 1)))
        with pytest.raises(Refused) as caught:
            client.answer(None)
        assert caught.value.name == "too_large"
        assert str(MESSAGE_LIMIT) in str(caught.value)
        assert client.call("daemon.status")["daemon"]["pid"] == daemon.process.pid


def test_endless_message_is_not_kept(daemon: Daemon, bystander: ControlClient) -> None:
    """A message of 100 MB is read to its end without being kept, and then refused."""
    before = daemon.memory_bytes()
    with daemon.connect() as client:
        chunk = b"x" * MIB
        for _ in range(100):
            client.send(chunk)
        client.send(b"\n")
        with pytest.raises(Refused) as caught:
            client.answer(None)
    assert caught.value.name == "too_large"
    assert daemon.memory_bytes() - before < 30 * MIB


def test_prompt_at_the_limit_is_taken(daemon: Daemon, bystander: ControlClient) -> None:
    """A prompt of just the limit is answered, however its characters were written; one byte more is refused."""
    client = daemon.follow()
    for character in ("x", "\N{THUMBS UP SIGN}"):
        text = character * (PROMPT_LIMIT // len(character.encode()))
        prompt = client.submit(text)
        assert client.finished(prompt["id"])["outcome"] == "completed"
        refusal = client.refused("prompt.submit", text=text + "y")
        assert (refusal.name, refusal.field) == ("invalid_params", "text")
        assert str(PROMPT_LIMIT) in str(refusal)
        assert client.call("prompt.get", id=prompt["id"])["prompt"]["text"] == text


def test_strange_text_comes_back_as_it_was(daemon: Daemon, bystander: ControlClient) -> None:
    """Characters that mean something to terminals, JSON or shells are nothing special in a prompt."""
    client = daemon.follow()
    text = "\x00\x07\x1b[31m\u2028\u200b\ufeff\"\\'`$(id)\r\n\t\N{PILE OF POO} \uffff\U0010ffff </script> {}"
    prompt = client.submit(text)
    turn = client.finished(prompt["id"])
    assert turn["answer"] == f"Rehearsal agent, no model behind it. You said: {text}"
    assert client.call("prompt.get", id=prompt["id"])["prompt"]["text"] == text


def test_half_a_message_is_not_waited_for(site: Site) -> None:
    """Who sends half a message and falls silent is told so and hung up on; who waits between messages is not."""
    site.configure({"graces": {"message_s": 0.5}})
    with site.running() as daemon:
        patient, stuck = daemon.follow(), daemon.connect()
        stuck.send(b'{"jsonrpc":"2.0",')
        (said,) = stuck.read_to_end()
        assert said["error"]["data"]["name"] == "invalid_request"
        assert "0.5 s" in said["error"]["message"]
        patient.submit("[[text:never mind them]]")
        assert patient.finished()["answer"] == "never mind them"


def test_message_in_pieces_is_understood(daemon: Daemon, bystander: ControlClient) -> None:
    """A message that comes byte by byte, and two that come at once, are answered in their order."""
    with daemon.connect() as client:
        for byte in call(id=7):
            client.send(bytes([byte]))
        assert client.answer(7)["daemon"]["pid"] == daemon.process.pid
        client.send(call(id=8) + b"\n\n" + call(id="nine", method="room.list"))
        assert "daemon" in client.answer(8)
        assert client.receive()["id"] == "nine"


def test_notification_gets_no_answer(daemon: Daemon, bystander: ControlClient) -> None:
    """A request without an id is met, but not answered."""
    with daemon.connect() as client:
        line = json.loads(submit(text="[[text:quietly]]"))
        del line["id"]
        client.send(json.dumps(line).encode() + b"\n")
        assert "daemon" in client.call("daemon.status")
    assert bystander.finished()["answer"] == "quietly"


def test_hanging_up_in_the_middle_is_nobodys_trouble(daemon: Daemon, bystander: ControlClient) -> None:
    """Clients that hang up at the worst moments leave nothing behind, and what they handed in is done."""
    for message in (b"", b"{", call(), submit(text="[[text:handed in]]"), call(method="events.subscribe")):
        for _ in range(5):
            with daemon.connect() as client:
                client.send(message)
    for _ in range(5):
        assert bystander.finished()["answer"] == "handed in"
    # Those who only connected are not answered, so nobody has waited for the last of them yet.
    deadline = time.monotonic() + PATIENCE_S
    while (followers := bystander.call("room.list")["rooms"][0]["followers"]) != 1:
        assert time.monotonic() < deadline, f"{followers} follow"


def stream(daemon: Daemon, reader: ControlClient) -> int:
    """Have 50 MB streamed past a client that reads; returns the most memory that the daemon had meanwhile."""
    reader.submit("[[size:1000000]]" * 50)
    most = 0
    for _ in range(50):
        reader.next("agent.text")
        most = max(most, daemon.memory_bytes())
    reader.finished(outcome="completed")
    return most


def test_client_that_never_reads_is_caught_up_later(daemon: Daemon, bystander: ControlClient) -> None:
    """While 50 MB stream past who reads nothing, memory stays bounded and others are served; in the end it gets all."""
    # The same once before: what the daemon needs to pass 50 MB on at all is not counted.
    needed = stream(daemon, bystander)
    first = len(bystander.events)
    lazy = daemon.follow(last=0)
    assert stream(daemon, bystander) - needed < 25 * MIB
    assert daemon.connect().call("daemon.status")
    lazy.finished(outcome="completed")
    seen = [event for event in lazy.events if "seq" in event]
    assert seen == [event for event in bystander.events[first:] if "seq" in event]
    assert sum(len(event["text"]) for event in seen if event["type"] == "agent.text") == 50_000_000


def test_client_that_asks_without_reading_is_held_up_alone(daemon: Daemon, bystander: ControlClient) -> None:
    """Who sends requests without reading the answers is not read from any more, at some point; nobody else waits."""
    client = daemon.connect()
    # The daemon holds up to 1 MiB of answers and the kernel some; each answer is longer than its request.
    requests = call(id="x" * 1000) * 64_000
    sent = 0
    while select.select([], [client.socket], [], 1)[1]:
        sent += client.socket.send(requests[sent : sent + MIB])
        assert sent < len(requests), "everything was read, although no answer was"
    assert daemon.memory_bytes() < 300 * MIB
    assert bystander.call("daemon.status")["daemon"]["pid"] == daemon.process.pid


def test_connections_over_the_limit_are_refused(daemon: Daemon, bystander: ControlClient) -> None:
    """Where all of them follow, one more is told so; as soon as others hang up there is room again."""
    followers = [daemon.follow() for _ in range(511)]
    told = [daemon.connect().receive() for _ in range(20)]
    assert {message["error"]["data"]["name"] for message in told} == {"not_now"}
    assert all("limits.connections" in message["error"]["message"] for message in told)
    assert followers[-1].call("daemon.status")["daemon"]["pid"] == daemon.process.pid
    assert bystander.call("daemon.status")["daemon"]["pid"] == daemon.process.pid
    for client in followers:
        client.close()
    for _ in range(100):
        with daemon.connect() as client:
            # Who is refused may have been hung up on by now, and reads why.
            with contextlib.suppress(ConnectionError):
                client.send(call())
            if "result" in client.receive():
                return
    raise AssertionError("there was no room for a new connection after all had hung up")


def test_want_of_descriptors_is_told_and_harms_nobody_who_is_there(daemon: Daemon, bystander: ControlClient) -> None:
    """Those who are there are answered, new ones are once there are descriptors, and the log says so now and then."""
    # An agent that is not up yet could not be started.
    bystander.finished(bystander.submit("[[text:up]]")["id"])
    number = daemon.process.pid
    limits = resource.prlimit(number, resource.RLIMIT_NOFILE)
    began = time.monotonic()
    taken = {int(each) for each in os.listdir(f"/proc/{number}/fd")}
    resource.prlimit(number, resource.RLIMIT_NOFILE, (max(taken) + 1, limits[1]))
    # The first ones take what is free below that, and two more what is kept back for such as them.
    for _ in range(max(taken) + 1 - len(taken) + 2):
        assert daemon.follow().call("daemon.status")["daemon"]["pid"] == number
    # When that is gone too, of whom nobody can find out who it is, is sent away.
    while "accept_failed" not in daemon.log and time.monotonic() < began + PATIENCE_S:
        # Who is sent away may be so before it has asked.
        with contextlib.suppress(ConnectionError):
            daemon.connect().request("events.subscribe", since=0)
    daemon.wait_for_log("accept_failed")
    for _ in range(2):
        assert bystander.call("daemon.status")["daemon"]["pid"] == number
        prompt = bystander.submit("[[text:as ever]]")
        assert bystander.finished(prompt["id"])["answer"] == "as ever"
    resource.prlimit(number, resource.RLIMIT_NOFILE, limits)
    assert daemon.connect().call("daemon.status")["daemon"]["pid"] == number
    assert daemon.log.count("accept_failed") <= 1 + (time.monotonic() - began) / TOLD_EVERY_S


def test_idle_callers_make_room_for_whoever_comes(daemon: Daemon, bystander: ControlClient, gate: Gate) -> None:
    """With 64 descriptors and 80 callers who ask nothing further hosts get in; who follows or waits is let be."""
    bystander.finished(bystander.submit("[[text:up]]")["id"])
    number = daemon.process.pid
    limits = resource.prlimit(number, resource.RLIMIT_NOFILE)
    bystander.submit(str(gate))
    bystander.next("turn.started")
    waiting = daemon.connect()
    request = waiting.request("room.restart")
    resource.prlimit(number, resource.RLIMIT_NOFILE, (DESCRIPTORS, limits[1]))
    idle = [daemon.connect() for _ in range(80)]
    for _ in range(2):
        assert daemon.connect().call("daemon.status")["daemon"]["pid"] == number
    (told,) = idle[0].read_to_end()
    assert (told["id"], told["error"]["data"]["name"]) == (None, "not_now")
    assert "nothing was asked here" in told["error"]["message"]
    resource.prlimit(number, resource.RLIMIT_NOFILE, limits)
    gate.open()
    assert waiting.answer(request)["room"]["name"] == "main"
