"""
What the guests' port listens on, under which names a browser may reach it, and whom a request counts for.

Laws: a name that is not allowed by name is not allowed; nothing is looked up, so an address is written as an address.
"""

import ipaddress
import re
from typing import Final

from msgspec import Struct

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
"""What a browser on this machine may call it."""
SOURCE_BITS: Final = 64
"""Of an IPv6 address: what one person is given at the least (RFC 6177), so what one person can change at will."""
_HOST: Final = re.compile(r"(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_LISTEN: Final = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*)):(?P<port>[0-9]{1,5})")
_API_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
MOST_PORT: Final = 65535


class Address(Struct, frozen=True):
    """An address to listen on; port 0 is any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def is_wildcard(self) -> bool:
        """Tell whether it is every address of the machine."""
        return ipaddress.ip_address(self.host).is_unspecified

    @property
    def name(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


class Names(Struct, frozen=True):
    """
    What may stand in a request's Host and Origin.

    Attributes:
        hosts: in lower case.
        origins: as browsers write them.
    """

    hosts: frozenset[bytes]
    origins: frozenset[bytes]


def parse_listen(text: str) -> Address:
    """
    Read `ADDRESS:PORT`.

    Raises:
        ValueError: it is none; the message goes on behind the key's name.
    """
    match = _LISTEN.fullmatch(text)
    host = match and (match["six"] or match["four"])
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        address = None
    if (
        match is None
        or address is None
        or int(match["port"]) > MOST_PORT
        or (address.version == 6) != bool(match["six"])
    ):
        raise ValueError('is no address with a port: write it as "127.0.0.1:8765" or "[::1]:8765"')
    return Address(str(address), int(match["port"]))


def parse_loopback(text: str) -> Address:
    """
    Read `ADDRESS:PORT` that only this machine can reach.

    Raises:
        ValueError: it is none.
    """
    address = parse_listen(text)
    if not address.is_loopback:
        raise ValueError('can be reached by other machines: write a loopback address, such as "127.0.0.1:9464"')
    return address


def parse_host(text: str) -> str:
    """
    Read what a Host header may be, `NAME` or `NAME:PORT`, and put it into lower case.

    Raises:
        ValueError: it is none.
    """
    match = _HOST.fullmatch(text.lower())
    if match is None or int(match["port"] or 0) > MOST_PORT:
        raise ValueError('is no host: write it as "name" or "name:port", as it stands in the browser\'s address')
    return match[0]


def parse_origin(text: str) -> tuple[str, str]:
    """
    Read an origin, `http(s)://NAME[:PORT]`: its scheme, and its host without the port that goes without saying.

    Raises:
        ValueError: it is none.
    """
    scheme, separator, rest = text.lower().partition("://")
    match = _HOST.fullmatch(rest.removesuffix("/"))
    if not separator or scheme not in DEFAULT_PORTS or match is None or int(match["port"] or 0) > MOST_PORT:
        raise ValueError('is no origin: write it as "https://name" or "http://name:port", with nothing behind it')
    return scheme, match[0].removesuffix(f":{DEFAULT_PORTS[scheme]}")


def parse_api_url(text: str) -> str:
    """
    Read where an API is, `https://NAME[:PORT][/PATH]`, or `http://` on this machine; drops a slash at its end.

    Raises:
        ValueError: it is none, or everybody on the way could read along.
    """
    scheme, separator, rest = text.partition("://")
    host, slash, path = rest.rstrip("/").partition("/")
    match = _HOST.fullmatch(host.lower())
    if not separator or scheme not in DEFAULT_PORTS or match is None or not _API_PATH.fullmatch(slash + path):
        raise ValueError('is no address of an API: write it as "https://name" or "https://name:port/path"')
    if int(match["port"] or 0) > MOST_PORT:
        raise ValueError(f"has a port greater than {MOST_PORT}")
    if scheme == "http" and match["name"] != "localhost" and not _is_loopback_literal(match["name"]):
        raise ValueError("would be in plain text on its way: write it with https, which only loopback can do without")
    return text.rstrip("/")


def _is_loopback_literal(name: str) -> bool:
    try:
        six = ipaddress.IPv6Address(name[1:-1]) if name.startswith("[") else None
        return (six or ipaddress.IPv4Address(name)).is_loopback
    except ValueError:
        return False


def make_names(
    own: tuple[str, Address], public_url: str | None, hosts: tuple[str, ...], origins: tuple[str, ...]
) -> Names:
    """
    List the names that a door answers to.

    Args:
        own: the scheme that it speaks, and the address that it is bound to.
        public_url: what links are made of.
        hosts: further ones, of the configuration.
        origins: further ones, of the configuration.
    """
    scheme, address = own
    names = LOOPBACK_NAMES if address.is_loopback or address.is_wildcard else ()
    urls = [f"{scheme}://{name}:{address.port}" for name in dict.fromkeys((*names, address.name))]
    whole = [parse_origin(url) for url in ([*urls, public_url] if public_url else urls)]
    allowed = {parse_host(host) for host in hosts}
    for each_scheme, host in whole:
        allowed.add(host)
        if parse_port(host) is None:
            allowed.add(f"{host}:{DEFAULT_PORTS[each_scheme]}")
    joined = {"://".join(each) for each in (*whole, *map(parse_origin, origins))}
    return Names(frozenset(map(str.encode, allowed)), frozenset(map(str.encode, joined)))


def parse_port(host: str) -> str | None:
    """Return the port of a host, if it has one."""
    match = _HOST.fullmatch(host)
    return match["port"] if match is not None else None


def parse_peer(text: str) -> str | None:
    """Read an address as people and proxies write it, perhaps with a port; None if it is none."""
    plain = text.strip().strip('"')
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ipaddress.ip_address(plain.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


def source_of(peer: str) -> str:
    """Return for whom an address counts: an IPv6 address for its network, since one person has all of that."""
    return str(ipaddress.ip_network((peer, SOURCE_BITS), strict=False)) if ":" in peer else peer


def is_loopback(peer: str) -> bool:
    """Tell whether a peer is on this machine."""
    return ipaddress.ip_address(peer).is_loopback
