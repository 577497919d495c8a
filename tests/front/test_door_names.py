"""Under which names the guests' port answers, and to whom: a foreign Host or Origin gets one and the same refusal."""

from typing import Any

import pytest

from tests.front.knocking import JOIN, OURS, UPGRADE, head, open_door

NAMES: dict[str, Any] = {
    "public_url": "https://Room.Example/",
    "hosts": ("localhost", "proxy.internal:8443"),
    "origins": ("http://localhost", "https://other.example:444"),
}
FOREIGN_HOSTS = [
    *("evil", "evil:80", "localhost.evil", "evil.localhost", "localhost.", "127.0.0.1", "127.0.0.1:1", "localhost:1"),
    *(
        "room.example:444",
        "room.example:",
        "room.example.",
        "proxy.internal",
        "localhost:80 ",
        "[::1]",
        "0.0.0.0",
        "local",
    ),
    *("localhost,evil", "localhost evil", "user@localhost", "http://localhost", "xn--n3h", "loc\xe4lhost", ""),
]
FOREIGN_ORIGINS = [
    *(
        "http://evil",
        "null",
        "",
        "*",
        "http://localhost:1",
        "https://localhost",
        "http://localhost/",
        "HTTP://localhost",
    ),
    *(
        "http://localhost.evil",
        "http://evil.localhost",
        "http://localhost http://evil",
        "http://localhost, http://evil",
    ),
    *(
        "file://",
        "chrome-extension://abc",
        "http://room.example",
        "https://room.example:444",
        "https://room.example:443",
    ),
    *("https://other.example", "http://proxy.internal:8443", "//localhost", "localhost", "http://[::1]", "\xe9"),
]


async def test_foreign_host_is_refused_everywhere() -> None:
    """A name that is none of ours is refused for every path and method, byte for byte the same."""
    async with open_door(**NAMES) as porch:
        told = {
            await porch.speak(head(path, OURS, *UPGRADE, host=host, method=method))
            for host in FOREIGN_HOSTS
            for method, path in (("GET", "/"), ("GET", "/ws"), ("POST", "/nothing"), ("GET", "/healthz"))
        }
    assert [answer[:12] for answer in told] == [b"HTTP/1.1 403"]


async def test_foreign_origin_is_refused() -> None:
    """So is any origin but ours, for a WebSocket and for what looks a little like one, in the very same words."""
    async with open_door(**NAMES) as porch:
        told = {await porch.speak(head("/ws", f"Origin: {origin}", *UPGRADE)) for origin in FOREIGN_ORIGINS}
        told |= {
            await porch.speak(head("/ws", *UPGRADE)),
            await porch.speak(head("/ws")),
            await porch.speak(head("/ws?token=x", "Origin: http://evil")),
            await porch.speak(head("/ws", "Origin: http://evil", method="POST")),
            await porch.speak(head("/ws", OURS, OURS, *UPGRADE)),
            await porch.speak(head("/ws", OURS, "Origin: http://evil", *UPGRADE)),
            await porch.speak(head("/ws", *JOIN, host="evil")),
            await porch.speak(head("/ws", *UPGRADE, "Content-Length: 5") + b"hello"),
            await porch.speak(head("http://evil/ws", *JOIN)),
            await porch.speak(head("http://localhost:1/", *JOIN)),
            await porch.speak(head("http://localhost/", host="evil")),
            await porch.speak(b"GET / HTTP/1.0\r\n\r\n"),
        }
        assert porch.guests.sources == []
    assert [answer[:12] for answer in told] == [b"HTTP/1.1 403"]


async def test_refusal_after_a_good_request_is_the_same() -> None:
    """On a kept connection it is the same refusal, and the connection's end."""
    async with open_door(**NAMES) as porch:
        first = await porch.speak(head("/", host="evil"))
        client = await porch.knock()
        assert (await client.ask()).status == 200
        await client.send(head("/", host="evil") + head("/"))
        assert await client.receive_all() == first


async def test_refusal_tells_nothing_of_the_door() -> None:
    """It names neither what was asked for nor what would be allowed."""
    async with open_door(**NAMES) as porch:
        told = (await porch.speak(head("/", "X-Secret: hush", host="evil"))).lower()
    assert not [word for word in (b"evil", b"hush", b"example", b"internal", b"localhost", b"127.") if word in told]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "room.example", "room.example:443", "ROOM.example", "proxy.internal:8443"],
)
async def test_names_of_ours(host: str) -> None:
    """The configured names and the public URL's are answered, in any case of letters."""
    async with open_door(**NAMES) as porch:
        answer = await porch.knock()
        await answer.send(head("/", host=host))
        assert (await answer.receive()).status == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
async def test_names_of_the_address(name: str) -> None:
    """A loopback address is answered under each name that a browser has for it, with the port."""
    async with open_door(hosts=(), origins=()) as porch:
        client = await porch.knock()
        await client.send(head("/", host=f"{name}:{porch.port}"))
        assert (await client.receive()).status == 200
        await client.send(head("/ws", f"Origin: http://{name}:{porch.port}", *UPGRADE, host=f"{name}:{porch.port}"))
        assert await client.stream.receive_some(3) == b"GET"


@pytest.mark.parametrize("origin", ["http://localhost", "https://room.example", "https://other.example:444"])
@pytest.mark.parametrize("host", ["localhost", "room.example"])
async def test_origins_of_ours(origin: str, host: str) -> None:
    """A page of ours may connect, under whichever of our names; a configured origin is no name of ours."""
    async with open_door(**NAMES) as porch:
        client = await porch.knock()
        await client.send(head("/ws", f"Origin: {origin}", *UPGRADE, host=host))
        assert await client.stream.receive_some(3) == b"GET"
        assert (await porch.speak(head("/", host="other.example:444")))[:12] == b"HTTP/1.1 403"


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host: localhost", "X-Forwarded-Proto: https", "Forwarded: host=localhost"]
)
async def test_what_a_proxy_says_permits_nothing(header: str) -> None:
    """No forwarded name makes a foreign one ours, with a proxy configured or without."""
    for behind_proxy in (False, True):
        async with open_door(behind_proxy=behind_proxy, **NAMES) as porch:
            told = await porch.speak(head("/", header, host="evil"))
        assert told[:12] == b"HTTP/1.1 403"


async def test_ipv6() -> None:
    """The door listens on an IPv6 address as well; its page's policy does not name what cannot be written there."""
    async with open_door(listen="[::1]:0") as porch:
        client = await porch.knock(host="::1")
        await client.send(head("/", host=f"[::1]:{porch.port}"))
        answer = await client.receive()
        assert answer.status == 200
        assert answer.headers["content-security-policy"].endswith("; connect-src 'self'")
        await client.send(head("/ws", *JOIN))
        assert await client.stream.receive_some(3) == b"GET"
        assert porch.guests.sources == ["::1"]
