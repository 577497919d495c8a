"""Secrets in what leaves for guests: masked whole, and when they come in pieces of live text."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.core.masking import LiveMasker, Masker

SECRET = "sk-ant-api03-0123456789"
MASK = "*" * len(SECRET)


def delta(text: str, offset: int, block: int = 0) -> bytes:
    """Write a line of live text as it is published."""
    params = {"room": "main", "epoch": 1, "at": "2026-11-21T08:00:00.000Z", "type": "agent.delta"}
    body = {**params, "turn": "t", "block": block, "kind": "text", "offset": offset, "text": text}
    return msgspec.json.encode({"jsonrpc": "2.0", "method": "event", "params": body}) + b"\n"


def shown_of(lines: Any) -> str:
    """Join the live text of some lines as a client does: a piece that does not fit is dropped."""
    shown = ""
    for line in lines:
        event = msgspec.json.decode(line)["params"]
        if event["offset"] == len(shown):
            shown += event["text"]
    return shown


def test_a_secret_is_masked_wherever_it_stands() -> None:
    """Also several times, and beside another one that holds it."""
    masker = Masker([SECRET, f"{SECRET}-more"])
    line = msgspec.json.encode({"a": SECRET, "b": f"x{SECRET}-more{SECRET}y"})
    assert msgspec.json.decode(masker.mask(line)) == {"a": MASK, "b": f"x{'*' * (len(SECRET) + 5)}{MASK}y"}


@pytest.mark.parametrize("secret", ['quo"te-and\\slash', "schlüssel-straße", "path/with/slashes"])
def test_a_secret_is_found_in_every_way_that_json_writes_it(secret: str) -> None:
    """Escaped by us, by Python with ASCII only, and with escaped slashes."""
    masker = Masker([secret])
    for line in (
        msgspec.json.encode([secret]),
        json.dumps([secret]).encode(),
        json.dumps([secret]).replace("/", "\\/"),
    ):
        data = line if isinstance(line, bytes) else line.encode()
        assert msgspec.json.decode(masker.mask(data)) == ["*" * len(secret)]


def test_short_values_and_no_values_mask_nothing() -> None:
    """A short one would be found in ordinary words."""
    assert (bool(Masker(["short"])), bool(Masker()), Masker(["short"]).mask(b"short")) == (False, False, b"short")


@given(st.text("sk-ant x", max_size=12), st.text("sk-ant x", max_size=12), st.lists(st.integers(1, 9), min_size=1))
def test_a_secret_in_pieces_is_never_shown(before: str, after: str, cuts: list[int]) -> None:
    """However the text is cut; once the finished block comes, nothing but the mask was seen of the secret."""
    text = before + SECRET + after
    masker, place = LiveMasker(Masker([SECRET])), 0
    lines: list[bytes] = []
    for index in range(len(text)):
        step = cuts[index % len(cuts)]
        if place < len(text):
            lines += masker.mask([delta(text[place : place + step], place)])
        place += step
    shown = shown_of(lines)
    masked = before + MASK + after
    assert masked.startswith(shown)
    assert len(masked) - len(shown) < len(SECRET)
    assert all(SECRET[:20] not in line.decode() for line in lines)


def test_text_without_a_secret_passes_and_blocks_are_apart() -> None:
    """What one block holds back is not put into another one, and a block may begin anew."""
    masker = LiveMasker(Masker([SECRET]))
    assert shown_of(masker.mask([delta("hello ", 0), delta("world", 6)])) == "hello world"
    assert masker.mask([delta("sk-ant", 0, block=1)]) == []
    (other,) = masker.mask([delta("-api", 0, block=2)])
    assert msgspec.json.decode(other)["params"]["text"] == "-api"
    assert shown_of(masker.mask([delta("again ", 0, block=1), delta("so", 6, block=1)])) == "again so"


def test_a_secret_whose_beginning_nobody_followed_does_not_end_in_the_clear() -> None:
    """Who comes while it is written, or was behind, gets no piece that goes on from what was never looked at."""
    masker = LiveMasker(Masker([SECRET]))
    assert masker.mask([delta(SECRET[9:], 12), delta(" and more", 26)]) == []
    assert shown_of(masker.mask([delta("hello", 0), delta(SECRET[-4:], 40)])) == "hello"
    assert masker.mask([delta(SECRET[-4:], 44)]) == []
    assert shown_of(masker.mask([delta("hello", 0), delta(" world", 5)])) == "hello world"


def test_recorded_lines_are_masked_whole() -> None:
    """And without secrets nothing is touched."""
    line = msgspec.json.encode({"params": {"type": "agent.text", "text": SECRET}}) + b"\n"
    assert LiveMasker(Masker([SECRET])).mask([line]) == [line.replace(SECRET.encode(), MASK.encode())]
    assert LiveMasker(Masker()).mask([line]) == [line]
