"""
The guests' page: every file that is served, read once at the start.

Law: a request's path is looked up in a table and never touches the file system.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from concordiad.front.http import Request, Response

WEB: Final = Path(__file__).parents[1] / "web"
"""Where the files lie."""
INDEX: Final = "index.html"
KINDS: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
"""What is served; a file of any other kind that lies there (an editor's copy) is not."""


class Page(Struct, frozen=True):
    """One file: its type, the name of this very content, and the content."""

    kind: str
    etag: str
    body: bytes


def read_pages(directory: Path) -> dict[bytes, Page]:
    """Read the files of a directory by the path that each is asked for by; the index is at `/`."""
    return dict(_read(directory))


def _read(directory: Path) -> Iterator[tuple[bytes, Page]]:
    for path in sorted(directory.rglob("*")):
        place = path.relative_to(directory)
        if path.suffix not in KINDS or any(part.startswith(".") for part in place.parts) or not path.is_file():
            continue
        body = path.read_bytes()
        name = "" if place == Path(INDEX) else place.as_posix()
        yield f"/{name}".encode(), Page(KINDS[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"', body)


def show_page(page: Page, request: Request, host: bytes) -> Response:
    """Answer a request for a page; a browser that has this very content already is told so."""
    # no-cache: kept, but asked about each time, so that a new version of the daemon is a new page at once.
    headers = (("ETag", page.etag), ("Cache-Control", "no-cache"))
    known = {token.strip().removeprefix(b"W/") for each in request.all(b"if-none-match") for token in each.split(b",")}
    if known & {page.etag.encode(), b"*"}:
        return Response(304, headers, host=host)
    return Response(200, (("Content-Type", page.kind), *headers), page.body, host)
