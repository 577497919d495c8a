"""Heads of requests and whole responses, without a connection."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concordiad.front.http import HeadFault, HeadReader, Response, make_sentence
from concordiad.front.pages import read_pages
from tests.core.steadily import steadily

LIMIT = 200
PIECES = st.lists(
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /b?c HTTP/1.0\r\n\r\n",
            b"HEAD http://a/b HTTP/1.1\nHost: a\nA: b\n\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * LIMIT + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * (LIMIT - 31) + b"\r\n\r\n",
            *(b"GET / HTTP/1.1\r\n", b"\r\n", b"\n", b"A: b\r\n", b"\0", b"x" * (LIMIT + 1), b"Host: a\r\n", b" "),
        ]
    ),
    max_size=6,
)


def read(stream: bytes, sizes: Sequence[int]) -> tuple[list[tuple[bytes, bytes, list[bytes]]], int | None]:
    """Read the heads of a stream that comes in pieces of these sizes; and the status of what is no head."""
    reader = HeadReader(LIMIT)
    heads = []
    for size in cycle(sizes):
        try:
            while (request := reader.next()) is not None:
                heads.append((request.method, request.path, request.all(b"host")))
        except HeadFault as fault:
            return heads, fault.status
        if not stream:
            return heads, None
        fed = min(size, reader.room)
        reader.feed(stream[:fed])
        stream = stream[fed:]
    raise AssertionError("sizes are endless")


@steadily
@given(PIECES, st.lists(st.integers(1, LIMIT + 1), min_size=1, max_size=4))
def test_chunking_never_matters(pieces: list[bytes], sizes: list[int]) -> None:
    """However a stream is cut, it has the same heads, and the same fault at the same place."""
    stream = b"".join(pieces)
    assert read(stream, sizes) == read(stream, [1]) == read(stream, [LIMIT + 1])


@steadily
@given(st.binary(max_size=2 * LIMIT))
def test_garbage_is_a_fault_or_waits(data: bytes) -> None:
    """Whatever comes is a head, or a fault with a status that we answer, or not enough yet; never anything else."""
    assert read(data, [7])[1] in (None, 400, 431, 501)


def test_bytes_of_a_head_are_kept() -> None:
    """With a head go the bytes that it was, and those that have come behind it; the next one begins with those."""
    first, second = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"
    reader = HeadReader(LIMIT)
    reader.feed(first + second + b"xyz")
    requests = [reader.next(), reader.next()]
    assert [request and request.raw for request in requests] == [first + second + b"xyz", second + b"xyz"]


def test_what_is_kept_is_bounded() -> None:
    """There is never room for more than a head and one byte, and always for one byte."""
    reader = HeadReader(LIMIT)
    assert reader.room == LIMIT + 1
    reader.feed(b"x" * LIMIT)
    assert (reader.next(), reader.room) == (None, 1)
    reader.feed(b"x")
    with pytest.raises(HeadFault):
        reader.next()


def test_fault_does_not_quote_what_came() -> None:
    """Neither the fault nor what it came from has anything of the head in it."""
    reader = HeadReader(LIMIT)
    reader.feed(b"GET / HTTP/1.1\r\nSecret: hush\0\r\n\r\n")
    with pytest.raises(HeadFault) as caught:
        reader.next()
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert "hush" not in repr(caught.value)


def test_response_in_full() -> None:
    """A sentence is a small whole response, and HEAD gets all of it but the sentence."""
    response = make_sentence(404, "nothing é", ("A", "b"))
    whole = response.encode(is_head=False, is_last=True)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[:5] == [
        *(b"HTTP/1.1 404 Not Found", b"Content-Type: text/plain; charset=utf-8", b"Cache-Control: no-store", b"A: b"),
        b"Content-Length: 11",
    ]
    assert (head.split(b"\r\n")[-1], body) == (b"Connection: close", "nothing é\n".encode())
    assert response.encode(is_head=True, is_last=True) == head + b"\r\n\r\n"


def test_not_modified_has_no_length() -> None:
    """A 304 says nothing of a body that it has not (RFC 9110, 8.6)."""
    assert b"Content-Length" not in Response(304).encode(is_head=False, is_last=False)


def test_pages_are_what_lies_there(tmp_path: Path) -> None:
    """Files of known kinds are served by their path, the index at `/`; nothing else that lies there is."""
    (tmp_path / "parts").mkdir()
    (tmp_path / ".hidden").mkdir()
    served = {"index.html": b"<p>", "app.js": b"1", "parts/a.css": b"", "parts/index.html": b"2", "icon.svg": b"<svg/>"}
    others = {"app.js~": b"", "README": b"", "a.py": b"", ".b.js": b"", ".hidden/c.js": b""}
    for name, body in (served | others).items():
        (tmp_path / name).write_bytes(body)
    pages = read_pages(tmp_path)
    assert {path: page.body for path, page in pages.items()} == {
        b"/": b"<p>",
        **{f"/{name}".encode(): body for name, body in served.items() if name != "index.html"},
    }
    assert pages[b"/parts/a.css"].kind == "text/css; charset=utf-8"
    assert len({page.etag for page in pages.values()}) == len(served)
    (tmp_path / "app.js").write_bytes(b"2")
    assert read_pages(tmp_path)[b"/app.js"].etag == pages[b"/parts/index.html"].etag != pages[b"/app.js"].etag


def test_no_page_at_all(tmp_path: Path) -> None:
    """A directory that is empty or not there has no pages."""
    assert read_pages(tmp_path) == read_pages(tmp_path / "none") == {}
