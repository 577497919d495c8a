"""
Who is not let in, and who is put out: what strangers learn, how soon bad traffic ends, and that nobody else notices.

All attempts are made on one daemon with two rooms, which a guest of one of them uses all the while.
"""

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import pytest

from concordiad.core.admission import NOT_ADMITTED
from concordiad.core.frames import close_frame
from concordiad.core.params import METHODS
from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site
from tests.support.guest_client import Link, join, join_for_a_moment, make_key, read_link
from tests.support.patience import LATE_S
from tests.support.raw_guest import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    Frame,
    RawGuest,
    encode,
    frame,
)

GUESTS: Final = {"listen": "127.0.0.1:0", "joins_burst": 100_000, "requests_per_s": 100, "keepalive_s": 300}
SOON_S: Final = 6.0 + LATE_S
"""Five seconds are the promise; the rest is for a machine that has other things to do."""
MEMORY_BYTES: Final = 48 * 1024 * 1024
"""What any number of these attempts may make the daemon grow by: one message of 1 MiB is parsed to some ten."""
WRONG: Final = "A" * 32


class Scene:
    """
    A daemon, its host, and a guest who must not notice anything.

    Attributes:
        tokens: one for each way in which a token can be of no use, and good ones: `good`, `lab`.
    """

    def __init__(self, daemon: Daemon, host: ControlClient) -> None:
        self.daemon = daemon
        self.host = host
        self.link: Link = read_link(self._invite(uses=None)["url"])
        self.good, _ = join(self._invite(role="driver")["url"], "bystander")
        self.tokens = {"wrong": WRONG, "empty": "", "not ASCII": "é" * 32, "long": "A" * 200, "good": self.link.token}
        self._end_some()
        self.cursor = self.look()
        self.memory_bytes = daemon.memory_bytes()

    def _invite(self, **params: Any) -> dict[str, Any]:
        return dict(self.host.call("invite.create", **params)["invite"])

    def _end_some(self) -> None:
        members = {}
        expired, members["expired"], answer = join_for_a_moment(partial(self._invite, uses=3), "expired")
        self.tokens["member of expired"] = answer["member_token"]
        revoked, used_up, kicked = (self._invite(**more) for more in ({"uses": 3}, {}, {"uses": 3}))
        for name, invite in (("revoked", revoked), ("used up", used_up), ("kicked", kicked)):
            members[name], answer = join(invite["url"], name)
            self.tokens[f"member of {name}"] = answer["member_token"]
        self.tokens |= {"expired": expired["token"], "revoked": revoked["token"], "used up": used_up["token"]}
        self.host.call("invite.revoke", id=revoked["id"])
        self.host.call("guest.kick", id="kicked")
        # It is used up, but whoever came by it may come back.
        del self.tokens["member of used up"]
        assert [members[name].wait_for_close().code for name in ("expired", "revoked", "kicked")] == [4403] * 3
        for guest in members.values():
            guest.close()
        self.host.next("guest.left", reason="left")
        self.tokens["lab"] = self._invite(room="lab", uses=None)["token"]

    def look(self) -> list[Any]:
        """Tell where the transcripts end."""
        return [room["cursor"]["seq"] for room in self.host.call("room.list")["rooms"]]

    def knock(self) -> RawGuest:
        """Connect somebody who is upgraded and has said nothing."""
        return RawGuest(self.link).upgrade()

    def enter(self) -> RawGuest:
        """Let somebody in, by the same door but with other manners."""
        while (answer := (guest := self._introduce()).frames[0]).code == 4401:
            # The machine stood still for longer than a hello may take here.
            guest.socket.close()
        assert "member_token" in json.loads(answer.payload)["result"]
        return guest

    def _introduce(self) -> RawGuest:
        guest = self.knock()
        guest.request("hello", token=self.tokens["good"], name="intruder", last=0)
        guest.until(lambda _: bool(guest.frames))
        return guest

    def check(self) -> None:
        """See that nobody else has noticed anything, and what it has cost."""
        prompt = self.good.submit("Still there?")
        assert self.good.finished(prompt["id"])["outcome"] == "completed"
        for word in ("guest_failed", "connection_failed", "Traceback"):
            assert word not in self.daemon.log
        assert self.daemon.memory_bytes() - self.memory_bytes < MEMORY_BYTES


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run a daemon with an open door and two rooms."""
    root = tmp_path_factory.mktemp("refusals")
    (root / "lab").mkdir()
    lab = {"workdir": str(root / "lab"), "agent": "rehearsal"}
    site = Site(root, {"guests": GUESTS, "rooms.lab": lab, "graces": {"head_s": 5, "hello_s": 5}})
    with site.running() as daemon:
        scene = Scene(daemon, daemon.follow())
        yield scene
        scene.good.close()


@pytest.fixture
def calm(scene: Scene) -> Iterator[Scene]:
    """Give the scene, and see afterwards that nobody was harmed."""
    yield scene
    scene.check()


def hello(token: str, **more: Any) -> bytes:
    """Write a hello."""
    return encode("hello", token=token, name="eve", **more)


GOOD_HELLO: Final = hello("TOKEN")
"""With a good token in the place of its own."""

TOKENS: Final[dict[str, Callable[[dict[str, str]], bytes]]] = {
    **{name: lambda tokens, name=name: hello(tokens[name]) for name in (  # type: ignore[misc]
        "wrong", "empty", "not ASCII", "long", "expired", "revoked", "used up",
        "member of expired", "member of revoked", "member of kicked",
    )},
    "used up, another's key": lambda tokens: hello(tokens["used up"], key=make_key()),
    "for another room": lambda tokens: hello(tokens["lab"], room="main"),
    "for no room": lambda tokens: hello(tokens["good"], room="nowhere"),
    "a prefix": lambda tokens: hello(tokens["good"][:-1]),
    "in other letters": lambda tokens: hello(tokens["good"].swapcase()),
    "none": lambda _: encode("hello", name="eve"),
    "a number": lambda _: encode("hello", token=1, name="eve"),
    "a list": lambda _: encode("hello", token=["x"], name="eve"),
    "null": lambda _: encode("hello", token=None, name="eve"),
}  # fmt: skip

MALFORMED: Final[dict[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"let me in",
    "half JSON": GOOD_HELLO[:-1],
    "two values": GOOD_HELLO + b"{}",
    "a batch": b"[" + GOOD_HELLO + b"]",
    "a number": b"7",
    "null": b"null",
    "deep": b"[" * 10_000,
    "NaN": GOOD_HELLO.replace(b'"eve"', b"NaN"),
    "a key twice": GOOD_HELLO.replace(b'"name"', b'"token": "' + WRONG.encode() + b'", "name"'),
    "unknown field": GOOD_HELLO.replace(b'"name"', b'"role": "host", "name"'),
    "unknown member": GOOD_HELLO.replace(b'"id"', b'"scope": "host", "id"'),
    "a notification": GOOD_HELLO.replace(b'"id": 1, ', b""),
    "other version": GOOD_HELLO.replace(b"2.0", b"1.0"),
    "params in a list": GOOD_HELLO.replace(b'"params": {', b'"params": [{').replace(b"}}", b"}]}"),
    "short key": GOOD_HELLO.replace(b'"name"', b'"key": "x", "name"'),
}


def refusal_of(guest: RawGuest) -> bytes:
    """Read to the end, which is to come in time."""
    with guest:
        assert guest.read_to_end() < SOON_S
    return guest.received


@pytest.fixture(scope="module")
def refusal(scene: Scene) -> bytes:
    """Give every byte that a stranger gets who presents a wrong token."""
    guest = scene.knock()
    guest.request("hello", token=WRONG, name="eve")
    received = refusal_of(guest)
    assert received.endswith(b"\r\n\r\n" + close_frame(4401, NOT_ADMITTED))
    assert received.count(b"\r\n") == 5
    return received


@pytest.mark.parametrize("case", TOKENS)
def test_no_token_is_like_any_other(calm: Scene, refusal: bytes, case: str) -> None:
    """Whatever is wrong with a token, the same bytes come back, and no room has anything to tell."""
    guest = calm.knock()
    guest.send(frame(TEXT, TOKENS[case](calm.tokens)))
    assert refusal_of(guest) == refusal


IN_PARTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "two frames": lambda text: frame(TEXT, text[:9], is_final=False) + frame(CONTINUATION, text[9:]),
    "behind a pong": lambda text: frame(PONG) + frame(TEXT, text),
}


@pytest.mark.parametrize("case", IN_PARTS)
def test_a_wrong_token_in_parts_is_like_any_other(calm: Scene, refusal: bytes, case: str) -> None:
    """What does not come as one frame is heard by the WebSocket library, which is no way in either."""
    guest = calm.knock()
    guest.send(IN_PARTS[case](hello(WRONG)))
    assert refusal_of(guest) == refusal


def test_who_was_refused_is_not_heard_again(calm: Scene, refusal: bytes) -> None:
    """A good hello right behind a bad one, in one packet, lets nobody in."""
    guest = calm.knock()
    guest.send(frame(TEXT, hello(WRONG)) + frame(TEXT, hello(calm.tokens["good"])))
    assert refusal_of(guest) == refusal
    assert "eve" not in [each["name"] for each in calm.host.call("guest.list")["guests"]]


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_hello_is_like_a_wrong_token(calm: Scene, refusal: bytes, case: str) -> None:
    """A hello that cannot be read gets the same bytes as a wrong token, even with a good token in it."""
    guest = calm.knock()
    guest.send(frame(TEXT, MALFORMED[case].replace(b"TOKEN", calm.tokens["good"].encode())))
    assert refusal_of(guest) == refusal


@pytest.mark.parametrize("method", [*sorted(METHODS.keys() - {"hello"}), "no.such"])
def test_nothing_but_hello_comes_first(calm: Scene, refusal: bytes, method: str) -> None:
    """Any other method gets the same bytes, whether there is such a one or not, and does nothing."""
    guest = calm.knock()
    guest.request(method, text="hi", room="main", token=calm.tokens["good"])
    assert refusal_of(guest) == refusal


def test_binary_hello_is_like_a_wrong_token(calm: Scene, refusal: bytes) -> None:
    """Messages are text, the first one too."""
    guest = calm.knock()
    guest.send(frame(BINARY, hello(calm.tokens["good"])))
    assert refusal_of(guest) == refusal


SILENCES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "a pong": frame(PONG),
    "half a head": b"\x81",
    "half a frame": frame(TEXT, GOOD_HELLO)[:-1],
    "half a message": frame(TEXT, GOOD_HELLO[:9], is_final=False),
}


@pytest.mark.parametrize("case", SILENCES)
def test_silence_is_like_a_wrong_token(calm: Scene, refusal: bytes, case: str) -> None:
    """Who says nothing, or does not finish, gets the same bytes after five seconds."""
    guest = calm.knock()
    guest.send(SILENCES[case])
    assert refusal_of(guest) == refusal


def test_refusals_leave_no_trace(scene: Scene, refusal: bytes) -> None:
    """After all of them the transcripts have what the bystander asked, and nobody else is known."""
    guests = scene.host.call("guest.list", all=True)["guests"]
    assert {guest["name"] for guest in guests} <= {"bystander", "expired", "revoked", "used up", "kicked"}
    assert scene.host.call("guest.list", room="lab", all=True)["guests"] == []
    assert "eve" not in {event.get("guest", {}).get("name") for event in scene.host.events}
    assert refusal not in scene.daemon.log.encode()
    assert not any(token in scene.daemon.log for token in scene.tokens.values() if token)


ORIGINS: Final[dict[str, tuple[str, ...]]] = {
    "foreign": ("Origin: http://evil.example",),
    "missing": (),
    "null": ("Origin: null",),
    "empty": ("Origin:",),
    "another port": ("Origin: http://127.0.0.1:1",),
    "another scheme": ("Origin: https://127.0.0.1:PORT",),
    "a suffix": ("Origin: http://127.0.0.1:PORT.evil.example",),
    "a path": ("Origin: http://127.0.0.1:PORT/",),
    "twice": ("Origin: http://127.0.0.1:PORT", "Origin: http://127.0.0.1:PORT"),
    "two in one": ("Origin: http://127.0.0.1:PORT, http://evil.example",),
}
HOSTS: Final = ("evil.example", "evil.example:PORT", "127.0.0.1:PORT.evil.example", "127.0.0.1:1", "127.0.0.2:PORT")


def forbidden(scene: Scene, lines: list[str], target: str = "/ws") -> bytes:
    """Make a request with those lines, and return all that comes of it."""
    port = str(scene.link.port)
    with RawGuest(scene.link, [line.replace("PORT", port) for line in lines], target) as guest:
        guest.upgrade()
        guest.read_to_end()
        return guest.received


def test_foreign_pages_get_one_refusal_before_the_upgrade(calm: Scene) -> None:
    """Whatever is wrong with Origin or Host, and whatever was asked for, the same 403 comes, byte for byte."""
    ours = "Origin: http://127.0.0.1:PORT"
    answers = {name: forbidden(calm, ["Host: 127.0.0.1:PORT", *lines, *UPGRADE]) for name, lines in ORIGINS.items()}
    answers |= {host: forbidden(calm, [f"Host: {host}", ours, *UPGRADE]) for host in HOSTS}
    targets = ("/", "/healthz", "/nowhere", "/ws?token=" + calm.tokens["good"])
    answers |= {target: forbidden(calm, ["Host: evil.example", ours, *UPGRADE], target) for target in targets}
    assert len(set(answers.values())) == 1, answers
    assert answers["foreign"].startswith(b"HTTP/1.1 403 ")
    assert b"main" not in answers["foreign"] and b"lab" not in answers["foreign"]


def flood(data: bytes, count: int = 1000) -> bytes:
    """Say one thing many times."""
    return data * count


NOISE: Final = random.Random(6455)
FATAL: Final[dict[str, tuple[bytes, int]]] = {
    "garbage": (b"\xf3\x05" + NOISE.randbytes(100_000), 1002),
    "HTTP once more": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
    **{f"opcode {opcode}": (frame(opcode, b"x"), 1002) for opcode in (3, 7, 0xB, 0xF)},
    **{f"reserved bits {bits}": (frame(TEXT, b"x", reserved=bits), 1002) for bits in (1, 2, 4, 7)},
    "unmasked": (frame(TEXT, encode("turn.list"), mask=None), 1002),
    "invalid UTF-8": (frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xff"), 1007),
    "a surrogate in UTF-8": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a part of a ping": (frame(PING, b"x", is_final=False), 1002),
    "a long ping": (frame(PING, b"x" * 126), 1002),
    "a close of one byte": (frame(CLOSE, b"x"), 1002),
    "binary": (frame(BINARY, encode("turn.list")), 1003),
    "a long message": (frame(TEXT, b"x" * (1024 * 1024 + 1)), 1009),
    "a message announced": (b"\x81\xff" + (1 << 62).to_bytes(8) + b"mask", 1009),
    "a length with its highest bit": (b"\x81\xff" + b"\xff" * 8 + b"mask", 1009),
    "many parts": (
        frame(TEXT, b"x" * 60_000, is_final=False) + flood(frame(0, b"x" * 60_000, is_final=False), 20),
        1009,
    ),
    "flood of messages": (flood(frame(TEXT, encode("turn.list"))), 1008),
    "flood of prompts": (flood(frame(TEXT, encode("prompt.submit", text="x" * 500))), 1008),
    "flood of pings": (flood(frame(PING, b"x")), 1008),
    "flood of pongs": (flood(frame(PONG, b"x")), 1008),
    "flood of parts": (frame(TEXT, b"x", is_final=False) + flood(frame(CONTINUATION, b"x", is_final=False)), 1008),
    "flood of nothing": (flood(frame(TEXT, b"")), 1008),
}


@pytest.mark.parametrize("case", FATAL)
def test_bad_traffic_of_a_guest_ends_it(calm: Scene, case: str) -> None:
    """A guest who breaks the protocol or floods is closed with the code for that, in time and alone."""
    data, code = FATAL[case]
    with calm.enter() as guest:
        before = len(guest.frames)
        guest.began = time.monotonic()
        guest.send(data)
        assert guest.read_to_end() < SOON_S
        assert [each.code for each in guest.frames[before:] if each.opcode == CLOSE] == [code]


@pytest.mark.parametrize("case", FATAL)
def test_bad_traffic_of_a_stranger_ends_it(calm: Scene, refusal: bytes, case: str) -> None:
    """Before the hello the same ends the connection in time, with nothing of any room."""
    guest = calm.knock()
    guest.send(FATAL[case][0])
    received = refusal_of(guest)
    assert received.startswith(refusal.partition(b"\r\n\r\n")[0])
    assert guest.frames[-1].opcode == CLOSE
    assert b"main" not in received and b"lab" not in received


def test_half_a_handshake_is_not_waited_for(calm: Scene) -> None:
    """Who connects and says nothing, half a head, or a byte now and then, is hung up on after five seconds."""
    silent, half, slow = (RawGuest(calm.link) for _ in range(3))
    half.send(b"GET /ws HTTP/1.1\r\nHost: ")
    head = b"GET /ws HTTP/1.1\r\n" + b"X-Slow: a\r\n" * 200
    slow.socket.settimeout(0.1)
    for number in range(len(head)):
        slow.send(head[number : number + 1])
        with contextlib.suppress(TimeoutError):
            if slow.socket.recv(65536).startswith(b"HTTP/1.1 408 "):
                break
    assert time.monotonic() - slow.began < SOON_S
    for guest in (silent, half, slow):
        with guest:
            guest.read_to_end()
    assert (silent.received, half.received[:13]) == (b"", b"HTTP/1.1 408 ")
    assert time.monotonic() - silent.began < SOON_S


@pytest.mark.parametrize("line", [b"X: " + b"a" * 100_000, b"X: a\r\n" * 20_000, b"GET " * 10_000])
def test_giant_head_is_refused(calm: Scene, line: bytes) -> None:
    """A head over the limit is refused at once, however it is made up."""
    with RawGuest(calm.link) as guest:
        guest.send(b"GET /ws HTTP/1.1\r\n" + line)
        assert guest.read_to_end() < SOON_S
        assert guest.received[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400")


QUESTIONABLE: Final[dict[str, tuple[bytes, str]]] = {
    "no JSON": (b"hello there", "parse_error"),
    "deep lists": (b"[" * 100_000, "invalid_request"),
    "deep params": (encode("turn.list", limit=0).replace(b" 0", b"[" * 100_000), "parse_error"),
    "many objects": (encode("turn.list", limit=0).replace(b" 0", b"[" + b"{}," * 300_000 + b"{}]"), "invalid_params"),
    "NaN": (encode("turn.list", limit=float("nan")), "parse_error"),
    "infinity": (encode("turn.list", limit=float("inf")), "parse_error"),
    "a batch": (b"[" + encode("turn.list") + b"]", "invalid_request"),
    "a key twice": (encode("turn.list", limit=5).replace(b"}}", b', "limit": "x"}}'), "invalid_params"),
    "hello again": (encode("hello", token=WRONG), "not_allowed"),
    "half a character": (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', "parse_error"),
}


def answers(guest: RawGuest) -> list[dict[str, Any]]:
    """Return what the daemon has answered, without the events and pings that may come in between."""
    messages = (json.loads(each.payload) for each in guest.frames if each.opcode == TEXT)
    return [message for message in messages if "method" not in message]


@pytest.mark.parametrize("case", QUESTIONABLE)
def test_bad_json_of_a_guest_is_answered(calm: Scene, case: str) -> None:
    """What is WebSocket but no request gets the error of its name, and the connection goes on."""
    data, name = QUESTIONABLE[case]
    with calm.enter() as guest:
        before = len(answers(guest))
        for number, message in enumerate((data, encode("turn.list", limit=1)), before + 1):
            guest.send(frame(TEXT, message))
            guest.until(lambda _, number=number: len(answers(guest)) == number)  # type: ignore[misc]
        refused, met = answers(guest)[before:]
    assert (refused["error"]["data"]["name"], "result" in met) == (name, True)


def test_what_a_guest_names_makes_no_long_line_of_the_log(calm: Scene) -> None:
    """A viewer who asks for a room by a name of half a megabyte does not fill the disk with it."""
    with calm.enter() as guest:
        before = len(answers(guest))
        guest.request("prompt.submit", text="hi", room="a-long-name" + "x" * 500_000)
        guest.until(lambda _: len(answers(guest)) > before)
        assert answers(guest)[-1]["error"]["data"]["name"] == "not_allowed"
    assert len(calm.daemon.wait_for_log("a-long-name")) < 1000


@pytest.mark.parametrize("case", IN_PARTS)
def test_a_good_hello_in_parts_lets_in_like_a_whole_one(calm: Scene, case: str) -> None:
    """Where a first message is heard makes no difference to whom it lets in."""
    message = encode("hello", token=calm.tokens["good"], name="intruder", last=0)

    def come() -> Frame:
        with calm.knock() as guest:
            guest.send(IN_PARTS[case](message))
            guest.until(lambda _: bool(guest.frames))
            return guest.frames[0]

    # Refused is whoever needs longer than a hello may take here, because the machine stood still.
    while (answer := come()).code == 4401:
        continue
    assert "member_token" in json.loads(answer.payload)["result"]


def test_others_are_served_while_many_misbehave(calm: Scene) -> None:
    """Beside fifty silent strangers and as many who flood, a guest is answered as always, and memory is bounded."""
    silent = [calm.knock() for _ in range(40)]
    floods = [frame(TEXT, b"x" * 1_000_000, is_final=False), *(data for data, _ in FATAL.values())]
    intruders = [calm.enter() for _ in range(40)]
    slowest_s = 0.0
    for number, intruder in enumerate(intruders):
        intruder.send(floods[number % len(floods)])
        began = time.monotonic()
        prompt = calm.good.submit(f"[[text:{number}]]")
        assert calm.good.finished(prompt["id"])["answer"] == str(number)
        slowest_s = max(slowest_s, time.monotonic() - began)
    assert slowest_s < SOON_S
    for guest in (*silent, *intruders):
        guest.socket.close()
