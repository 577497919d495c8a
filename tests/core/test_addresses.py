"""Addresses and names: what is listened on, what a browser may call it, and for whom a peer counts."""

import pytest

from concordiad.core.addresses import (
    Address,
    Names,
    is_loopback,
    make_names,
    parse_api_url,
    parse_listen,
    parse_origin,
    parse_peer,
    source_of,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8765", Address("127.0.0.1", 8765)),
        ("[::1]:0", Address("::1", 0)),
        ("[2001:DB8::0:1]:65535", Address("2001:db8::1", 65535)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
    ],
)
def test_listen(text: str, address: Address) -> None:
    """An address with a port is read, an IPv6 address in brackets."""
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    ("host", "is_local", "is_all"),
    [
        *((host, True, False) for host in ("127.0.0.1", "127.9.9.9", "::1")),
        *((host, False, True) for host in ("0.0.0.0", "::")),
        *((host, False, False) for host in ("192.0.2.1", "2001:db8::1", "10.0.0.1")),
    ],
)
def test_kinds_of_address(host: str, is_local: bool, is_all: bool) -> None:
    """Loopback and every address are told from the others."""
    address = Address(host, 1)
    assert (address.is_loopback, address.is_wildcard) == (is_local, is_all)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://A.example", ("https", "a.example")),
        ("https://a.example:443/", ("https", "a.example")),
        ("http://a:443", ("http", "a:443")),
        ("HTTP://[::1]:80", ("http", "[::1]")),
    ],
)
def test_origin(text: str, origin: tuple[str, str]) -> None:
    """An origin is what a browser makes of it: lower case, and no port that goes without saying."""
    assert parse_origin(text) == origin


def names(hosts: str, origins: str) -> Names:
    """Write expected names."""
    return Names(frozenset(hosts.encode().split()), frozenset(origins.encode().split()))


LOCAL = "127.0.0.1:8 localhost:8 [::1]:8"


def test_names_of_loopback() -> None:
    """A loopback address has the names of loopback, with the port."""
    origins = "http://127.0.0.1:8 http://localhost:8 http://[::1]:8"
    assert make_names(("http", Address("127.0.0.1", 8)), None, (), ()) == names(LOCAL, origins)
    assert make_names(("http", Address("::1", 8)), None, (), ()) == names(LOCAL, origins)
    other = make_names(("http", Address("127.0.0.2", 8)), None, (), ())
    assert other == names(f"{LOCAL} 127.0.0.2:8", f"{origins} http://127.0.0.2:8")


def test_names_without_a_port() -> None:
    """On the scheme's own port, the port need not be written."""
    own = make_names(("https", Address("192.0.2.1", 443)), None, (), ())
    assert own == names("192.0.2.1 192.0.2.1:443", "https://192.0.2.1")


def test_names_of_one_address() -> None:
    """An address that is not loopback is not called localhost."""
    assert make_names(("https", Address("192.0.2.1", 8)), None, (), ()) == names("192.0.2.1:8", "https://192.0.2.1:8")


def test_configured_names() -> None:
    """The public URL is a host and an origin; further hosts are hosts, further origins origins, and neither is both."""
    made = make_names(("http", Address("192.0.2.1", 8)), "https://P.example/", ("H:1",), ("https://o.example:443",))
    hosts = "192.0.2.1:8 p.example p.example:443 h:1"
    assert made == names(hosts, "http://192.0.2.1:8 https://p.example https://o.example")


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        *((text, "192.0.2.1") for text in ("192.0.2.1", " 192.0.2.1 ", "192.0.2.1:80", "::ffff:192.0.2.1")),
        *((text, "2001:db8::1") for text in ("2001:db8::1", "[2001:DB8::1]", "[2001:db8::1]:80", '"[2001:db8::1]:80"')),
        ("fe80::1%eth0", "fe80::1"),
        *((text, None) for text in ("", "unknown", "_hidden", "192.0.2", "192.0.2.1, 192.0.2.2", "a:b", "\ufffd")),
    ],
)
def test_peer(text: str, peer: str | None) -> None:
    """An address is read as proxies write it; what is none is none."""
    assert parse_peer(text) == peer


def test_source() -> None:
    """An IPv4 address counts for itself, an IPv6 address for its network."""
    assert source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("2001:db8:0:1:2:3:4:5") == source_of("2001:db8:0:1::") == "2001:db8:0:1::/64"
    assert [is_loopback(peer) for peer in ("127.0.0.1", "::1", "192.0.2.1")] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example:8443/", "https://a.example:8443"),
        ("https://a.example/some/path/", "https://a.example/some/path"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://127.9.9.9/x", "http://127.9.9.9/x"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:1", "http://localhost:1"),
    ],
)
def test_address_of_an_api(text: str, url: str) -> None:
    """With TLS anywhere, without it on this machine alone."""
    assert parse_api_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.example", "https://", "ftp://a", "https://a b", "https://u:p@a.example", "https://a.example?key=1"),
        *("https://a.example#x", "https://a/../b?", "https://a//b", "https://a:99999", "HTTPS://a", "https://a/%2e"),
        *("http://a.example", "http://10.0.0.1", "http://127.0.0.1.a.example", "http://localhost.a.example"),
        *("http://0.0.0.0:80", "http://[2001:db8::1]", "http://[127.0.0.1]"),
    ],
)
def test_what_is_no_address_of_an_api(text: str) -> None:
    """Nothing that holds more than an address, and nothing by which a key would cross a network in plain text."""
    with pytest.raises(ValueError, match=r"is no address|plain text|has a port"):
        parse_api_url(text)
