"""
Links: what they lead to, read strictly.

Law: no sentence repeats a link, for whoever reads a log or looks over a shoulder would be let in by it.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from concordiad.core.codes import EXIT_USAGE
from ctl.failures import Failure

FORMS: Final = "https://HOST/#ROOM.TOKEN, or concordia://HOST:PORT/TOKEN"
_ROOM_AND_TOKEN: Final = re.compile(r"([a-z0-9-]{1,32})\.([\w-]{16,200})", re.ASCII)
_TOKEN: Final = re.compile(r"[\w-]{16,200}", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*")
_PORTS: Final = {"http": 80, "https": 443}


class Link(NamedTuple):
    """
    Where a room is, and what opens it.

    Attributes:
        origin: scheme, host and port as a browser writes them: what the daemon is told, and what tokens are kept by.
        host: to connect to.
        port: to connect to.
        is_tls: whether the connection is encrypted.
        resource: the path of the WebSocket.
        room: None where the link does not tell.
        token: an invite's.
    """

    origin: str
    host: str
    port: int
    is_tls: bool
    resource: str
    room: str | None
    token: str

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        return self.origin.partition("://")[2]

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to this machine, or into a tunnel that begins here."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def read_link(text: str) -> Link:
    """
    Read a link.

    Raises:
        Failure: it is none.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode()
    except ValueError as error:
        raise _wrong("its address makes no sense") from error
    if parts.scheme not in ("http", "https", "concordia"):
        raise _wrong("it begins otherwise")
    if not _HOST.fullmatch(host):
        raise _wrong("its address makes no sense")
    if "@" in parts.netloc or parts.query:
        raise _wrong("there is more in it")
    room, token = _opening(parts.scheme, parts.path, parts.fragment)
    is_tls = parts.scheme == "https"
    if parts.scheme == "concordia" and port is None:
        raise _wrong("the port is missing")
    scheme = "https" if is_tls else "http"
    number = port if port is not None else _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{shown}" if number == _PORTS[scheme] else f"{scheme}://{shown}:{number}"
    prefix = "" if parts.scheme == "concordia" else parts.path.rstrip("/")
    return Link(origin, host, number, is_tls, f"{prefix}/ws", room, token)


def _opening(scheme: str, path: str, fragment: str) -> tuple[str | None, str]:
    if scheme == "concordia":
        token = path.removeprefix("/")
        if fragment or not _TOKEN.fullmatch(token):
            raise _wrong("its token is cut off or damaged")
        return None, token
    found = _ROOM_AND_TOKEN.fullmatch(fragment)
    if found is None:
        raise _wrong("what stands behind # is missing, cut off or damaged: quote the link for the shell")
    return found[1], found[2]


def _wrong(why: str) -> Failure:
    return Failure(f"this is no link to a room ({why}); it looks like {FORMS}", EXIT_USAGE)
