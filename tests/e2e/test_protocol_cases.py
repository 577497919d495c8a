"""
The guests' WebSocket against RFC 6455, case by case.

The Autobahn fuzzing client (autobahntestsuite, on Python 2.7) runs all its cases but those of compression against an
echo on the stream that guests have, where it is installed: CONCORDIA_WSTEST names its program `wstest`, which
.ci/autobahn installs. The table below goes through the same sections against the daemon itself, everywhere; there an
answer or an error of JSON-RPC is what an echo is to Autobahn.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.daemon import ROOT, Site
from tests.support.guest_client import Link, read_link
from tests.support.raw_guest import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawGuest,
    close,
    encode,
    frame,
)

WSTEST: Final = os.environ.get("CONCORDIA_WSTEST")
FUZZING_S: Final = 900.0
GUESTS: Final = {"listen": "127.0.0.1:0", "joins_burst": 100_000, "message_bytes": 1024 * 1024}
ASK: Final = encode("turn.list", limit=1)
KOSME: Final = "κόσμε".encode()


class Case(NamedTuple):
    """
    What is sent, and what is to come of it.

    Attributes:
        sent: pieces of bytes, each sent by itself.
        heard: `answer` and `error` of JSON-RPC, and payloads of pongs, in their order.
        code: of the daemon's close frame; None: a close frame without one.
    """

    sent: Sequence[bytes]
    heard: Sequence[str | bytes] = ()
    code: int | None = 1000


def ask(size: int) -> bytes:
    """Write a request of so many bytes."""
    return ASK + b" " * (size - len(ASK))


def parts(data: bytes, size: int, opcode: int = TEXT) -> list[bytes]:
    """Write a message as frames of so many bytes."""
    starts = range(0, len(data), size)
    return [
        frame(CONTINUATION if start else opcode, data[start : start + size], is_final=start + size >= len(data))
        for start in starts
    ]


def text(data: bytes) -> list[bytes]:
    """Write a text message."""
    return [frame(TEXT, data)]


BYE: Final = close(1000)
LONG: Final = frame(TEXT, ask(1 << 16))
CASES: Final[dict[str, Case]] = {
    # 1: framing
    "1.1 empty": Case([*text(b""), BYE], ["error"]),
    **{f"1.1 of {size}": Case([*text(ask(size)), BYE], ["answer"]) for size in (125, 126, 127, 128, 65535, 65536)},
    "1.1 byte by byte": Case([*(bytes([each]) for each in frame(TEXT, ASK)), BYE], ["answer"]),
    "1.1 in one piece": Case([frame(TEXT, ASK) * 3, BYE], ["answer"] * 3),
    "1.2 binary": Case([frame(BINARY, ASK)], (), 1003),
    "1.2 empty binary": Case([frame(BINARY)], (), 1003),
    # 2: pings and pongs
    "2.1 empty ping": Case([frame(PING), BYE], [b""]),
    "2.2 ping": Case([frame(PING, b"Hello"), BYE], [b"Hello"]),
    "2.3 ping of bytes": Case([frame(PING, b"\x00\xff\xfe"), BYE], [b"\x00\xff\xfe"]),
    "2.4 longest ping": Case([frame(PING, b"x" * 125), BYE], [b"x" * 125]),
    "2.5 too long a ping": Case([frame(PING, b"x" * 126)], (), 1002),
    "2.6 ping byte by byte": Case([*(bytes([each]) for each in frame(PING, b"x" * 125)), BYE], [b"x" * 125]),
    "2.7 pong nobody asked for": Case([frame(PONG), frame(PING), BYE], [b""]),
    "2.8 pong with a payload": Case([frame(PONG, b"unasked"), frame(PING, b"1"), BYE], [b"1"]),
    "2.10 ten pings": Case([*(frame(PING, b"%d" % each) for each in range(10)), BYE], [b"%d" % n for n in range(10)]),
    # 3: reserved bits
    **{f"3 bits {bits}": Case([frame(TEXT, ASK, reserved=bits)], (), 1002) for bits in range(1, 8)},
    "3 bits of a ping": Case([frame(PING, b"x", reserved=4)], (), 1002),
    "3 bits of a close": Case([frame(CLOSE, b"\x03\xe8", reserved=4)], (), 1002),
    # 4: opcodes
    **{f"4 opcode {each}": Case([frame(each)], (), 1002) for each in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"4 opcode {each} with a payload": Case([frame(each, b"x")], (), 1002) for each in (3, 7, 11, 15)},
    # 5: fragments
    "5.1 ping in two": Case([frame(PING, b"a", is_final=False), frame(CONTINUATION, b"b")], (), 1002),
    "5.2 pong in two": Case([frame(PONG, b"a", is_final=False), frame(CONTINUATION, b"b")], (), 1002),
    "5.3 two parts": Case([*parts(ASK, 30), BYE], ["answer"]),
    "5.5 two parts in bytes": Case([*(bytes([each]) for each in b"".join(parts(ASK, 30))), BYE], ["answer"]),
    "5.6 ping between": Case([*parts(ASK, 40)[:1], frame(PING, b"!"), *parts(ASK, 40)[1:], BYE], [b"!", "answer"]),
    "5.9 nothing to continue": Case([frame(CONTINUATION, b"x"), *text(ASK)], (), 1002),
    "5.10 nothing to continue, in part": Case([frame(CONTINUATION, b"x", is_final=False)], (), 1002),
    "5.15 a new message between": Case([frame(TEXT, b"{", is_final=False), *text(ASK)], (), 1002),
    "5.16 continuation twice": Case([*parts(ASK, 40), frame(CONTINUATION, b"x")], ["answer"], 1002),
    "5.20 empty parts": Case([frame(TEXT, is_final=False), frame(0, is_final=False), frame(0, ASK), BYE], ["answer"]),
    # 6: UTF-8
    "6.1 empty parts": Case([frame(TEXT, is_final=False), frame(CONTINUATION), BYE], ["error"]),
    "6.2 cut inside a letter": Case([*parts(ASK.replace(b"1}}", b'1, "author": "%b"}}' % KOSME), 1), BYE], ["answer"]),
    **{
        f"6 {data.hex()}": Case([*text(data), BYE], ["error"])
        for data in (
            KOSME, b"\x00", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80",
        )
    },
    **{
        f"6 not {data.hex()}": Case(text(data), (), 1007)
        for data in (
            b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xed\xa0\x80",
            b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xfe", b"\xff", b"\xc2",
            b"\xe2\x82", KOSME + b"\xed\xa0\x80edited", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80",
        )
    },
    "6.4 told before the message ends": Case([frame(TEXT, KOSME + b"\xf4\x90\x80\x80", is_final=False)], (), 1007),
    # 7: closing
    "7.1 nothing after the close": Case([BYE, *text(ASK), frame(PING)]),
    "7.1 close inside a message": Case([frame(TEXT, b"{", is_final=False), BYE]),
    "7.1 close twice": Case([BYE, BYE]),
    "7.3 empty": Case([frame(CLOSE)], (), None),
    "7.3 one byte": Case([frame(CLOSE, b"x")], (), 1002),
    "7.3 with a reason": Case([close(1000, b"Hello World!")]),
    "7.3 longest reason": Case([close(1000, b"x" * 123)]),
    "7.3 too long a reason": Case([close(1000, b"x" * 124)], (), 1002),
    "7.5 reason that is no UTF-8": Case([close(1000, KOSME + b"\xed\xa0\x80")], (), 1007),
    **{
        f"7.7 code {code}": Case([close(code)], (), code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
    **{
        f"7.9 code {code}": Case([close(code)], (), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    # 9: limits
    **{f"9.1 of {size}": Case([*text(ask(size)), BYE], ["answer"]) for size in (1 << 17, 1 << 19, 1 << 20)},
    "9.1 too long": Case(text(ask((1 << 20) + 1)), (), 1009),
    "9.3 in parts": Case([*parts(ask(1 << 20), 1 << 14), BYE], ["answer"]),
    "9.3 too long in parts": Case(parts(ask((1 << 20) + 1), 1 << 14), (), 1009),
    "9.5 in small pieces": Case([*(LONG[start : start + 997] for start in range(0, len(LONG), 997)), BYE], ["answer"]),
    # 10: fragments of one size
    "10.1 65536 in parts of 1300": Case([*parts(ask(1 << 16), 1300), BYE], ["answer"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    """Run a daemon with an open door, and give a link into its room."""
    site = Site(tmp_path_factory.mktemp("protocol"), {"guests": GUESTS})
    with site.running() as daemon, daemon.connect() as host:
        yield read_link(host.call("invite.create", role="driver", uses=None)["invite"]["url"])
        assert "guest_failed" not in daemon.log
        assert "Traceback" not in daemon.log


def meaning(each: Frame) -> str | bytes | None:
    """Say what a frame is in the words of the table; None for what the daemon says by itself."""
    if each.opcode == PONG:
        return each.payload
    message = json.loads(each.payload)
    return None if "method" in message else "error" if "error" in message else "answer"


@pytest.mark.parametrize("name", CASES)
def test_case(link: Link, name: str) -> None:
    """What a client sends is answered, and the connection closed with the code that RFC 6455 has for it."""
    case = CASES[name]
    with RawGuest(link).upgrade() as guest:
        guest.request("hello", token=link.token, name="fuzzer", last=0)
        guest.until(lambda _: bool(guest.frames))
        for piece in case.sent:
            if piece is case.sent[-1] and case.heard:
                # Whoever closes, or breaks the protocol, is not answered any more.
                guest.until(lambda _: len(_heard(guest)) >= len(case.heard))
            guest.send(piece)
        guest.read_to_end()
        *_, last = guest.frames
        assert (last.opcode, last.code) == (CLOSE, case.code)
        assert _heard(guest) == list(case.heard)


def _heard(guest: RawGuest) -> list[str | bytes]:
    """Tell what came after the answer to the hello, less the close."""
    meanings = [meaning(each) for each in guest.frames[1:] if each.opcode != CLOSE]
    return [each for each in meanings if each is not None]


@pytest.mark.skipif(WSTEST is None, reason="CONCORDIA_WSTEST does not name Autobahn's wstest")
def test_autobahn_finds_no_fault(tmp_path: Path) -> None:
    """The fuzzing client finds nothing failed in any of its cases; how soon an echo comes is ours to choose."""
    assert WSTEST is not None
    command = [sys.executable, "-m", "tests.support.echo_door"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as echo:
        try:
            assert echo.stdout is not None
            port = int(echo.stdout.readline())
            spec = {
                "outdir": str(tmp_path / "reports"),
                "servers": [{"agent": "concordia", "url": f"ws://127.0.0.1:{port}", "options": {"version": 18}}],
                "cases": ["*"],
                # Compression is never negotiated.
                "exclude-cases": ["12.*", "13.*"],
                "exclude-agent-cases": {},
            }
            (tmp_path / "spec.json").write_text(json.dumps(spec))
            fuzz = [WSTEST, "--mode=fuzzingclient", f"--spec={tmp_path / 'spec.json'}"]
            subprocess.run(fuzz, check=True, cwd=tmp_path, timeout=FUZZING_S, stdout=subprocess.DEVNULL)
        finally:
            echo.terminate()
    results = json.loads((tmp_path / "reports" / "index.json").read_text())["concordia"]
    good = {"OK", "NON-STRICT", "INFORMATIONAL"}
    seen = {each: {result["behavior"], result["behaviorClose"]} for each, result in results.items()}
    assert {each: behaviors for each, behaviors in seen.items() if not behaviors <= good} == {}
    assert len(seen) > 290
