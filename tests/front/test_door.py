"""What the guests' port answers over HTTP: the page, health, refusals, and who goes on as a WebSocket."""

import pytest
import trio

from concordiad.errors import JournalError, RoomError
from concordiad.front.door import KEPT_REQUESTS
from concordiad.journal.faults import Health
from tests.front.knocking import JOIN, KEY, OURS, PAGES, UPGRADE, Client, ServedRoom, StallingJournal, head, open_door

BARE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/app.js", "/large.js", "/?a=b", "/app.js?v=1", "/?"])
async def test_page_is_served(path: str) -> None:
    """Each file of the table comes with its type and its content, whatever the query says."""
    page = PAGES[path.partition("?")[0].encode()]
    async with open_door() as porch:
        answer = await porch.ask(path)
    assert (answer.status, answer.body) == (200, page.body)
    assert answer.headers["content-type"] == page.kind
    assert answer.headers["etag"] == page.etag
    assert answer.headers["cache-control"] == "no-cache"
    assert "connection" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/app.js", "/healthz", "/readyz", "/nothing", "/ws"])
async def test_head_is_get_without_the_body(path: str) -> None:
    """A HEAD request gets what GET gets, less the body, and the connection can be used as before."""
    async with open_door() as porch:
        get = await porch.ask(path, OURS)
        client = await porch.knock()
        answer = await client.ask(path, OURS, method="HEAD")
        if path == "/ws":
            assert (get.status, answer.status, answer.headers["allow"]) == (426, 405, "GET")
        else:
            assert (answer.status, answer.headers, answer.body) == (get.status, get.headers, b"")
        if answer.status == 200:
            assert (await client.ask("/healthz")).body == b"ok\n"
        else:
            assert await client.receive_all() == b""


@pytest.mark.parametrize("known", ['"index"', 'W/"index"', '"a", "index"', "*", '"a",W/"index" ,"b"'])
async def test_known_page_is_not_sent_again(known: str) -> None:
    """A browser that has this very content is told so, and the connection goes on."""
    async with open_door() as porch:
        client = await porch.knock()
        answer = await client.ask("/", f"If-None-Match: {known}")
        assert (answer.status, answer.headers["etag"]) == (304, '"index"')
        assert "content-length" not in answer.headers
        assert (await client.ask("/")).status == 200


@pytest.mark.parametrize("known", ['"app"', "index", '"inde"', '"index', ""])
async def test_other_page_is_sent(known: str) -> None:
    """Any other content, or what is no entity tag, is no reason not to send the page."""
    async with open_door() as porch:
        assert (await porch.ask("/", f"If-None-Match: {known}")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        *(
            "//",
            "/./",
            "/../",
            "/../etc/passwd",
            "/app.js/",
            "/app.js/..",
            "/%61pp.js",
            "/app%2ejs",
            "/APP.JS",
            "/app.js%00",
        ),
        *(
            "/index.html",
            "/ws/",
            "//ws",
            "/healthz/",
            "/nothing",
            "*",
            "/app.js;a",
            "/..%2f..%2fetc/passwd",
            "/\\..\\x",
        ),
    ],
)
async def test_what_is_not_there(path: str) -> None:
    """A path is looked up as it came; nothing in it is decoded or resolved."""
    async with open_door() as porch:
        assert (await porch.ask(path)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X"])
@pytest.mark.parametrize(("path", "allow"), [("/", "GET, HEAD"), ("/healthz", "GET, HEAD"), ("/ws", "GET")])
async def test_other_methods_are_refused(method: str, path: str, allow: str) -> None:
    """What is there is there to be read."""
    async with open_door() as porch:
        answer = await porch.ask(path, OURS, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/", "/app.js", "/healthz", "/readyz", "/nothing", "/ws", "/foreign"])
async def test_every_response_has_the_security_headers(path: str) -> None:
    """Whatever is answered, nothing may be made of it but what it is; and no version is told."""
    async with open_door() as porch:
        answer = await porch.ask(path) if path != "/foreign" else await porch.ask("/ws", "Origin: http://evil")
    assert SECURITY.items() <= answer.headers.items()
    assert answer.headers["content-security-policy"].startswith(BARE_POLICY)
    assert "camera=()" in answer.headers["permissions-policy"]
    assert not {"server", "date", "set-cookie", "access-control-allow-origin"} & answer.headers.keys()


async def test_page_may_load_its_own_and_connect_to_its_own() -> None:
    """The page's policy lets in scripts, styles and pictures of ours alone, and the WebSocket of the name asked for."""
    async with open_door() as porch:
        answer = await porch.ask()
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    ours = {f"{kind}-src": "'self'" for kind in ("script", "style", "img", "manifest")}
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    sinks = {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
    assert policy == {**nothing, **ours, **sinks, "connect-src": "'self' ws://localhost wss://localhost"}


async def test_kept_connection_serves_so_many_requests() -> None:
    """A connection is kept for further requests, up to a number, which is said with the last one."""
    async with open_door() as porch:
        client = await porch.knock()
        answers = [await client.ask("/healthz") for _ in range(KEPT_REQUESTS)]
        assert [answer.status for answer in answers] == [200] * KEPT_REQUESTS
        assert [answer.headers.get("connection") for answer in answers] == [*[None] * (KEPT_REQUESTS - 1), "close"]
        assert await client.receive_all() == b""


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests that come together are answered one after the other; what comes behind the last one is no request."""
    async with open_door() as porch:
        client = await porch.knock()
        await client.send(
            head("/") + head("/app.js", method="HEAD") + head("/healthz") + head("/app.js", "Connection: close")
        )
        await client.send(head("/healthz"))
        kinds = [(await client.receive(is_head=number == 1)).headers["content-type"] for number in range(4)]
        assert [kind.partition(";")[0] for kind in kinds] == [
            "text/html",
            "text/javascript",
            "text/plain",
            "text/javascript",
        ]
        assert await client.receive_all() == b""


@pytest.mark.parametrize(
    "request_bytes",
    [
        head("/", "Connection: close"),
        head("/", "Connection: keep-alive, CLOSE"),
        b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
        head("/", "Content-Length: 3") + b"abc",
        head("/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
        head("/", "Content-Length: 1000000000"),
    ],
)
async def test_last_request_ends_its_connection(request_bytes: bytes) -> None:
    """Who wants no more requests, or sends a body, which is never read, gets the answer and the end."""
    async with open_door() as porch:
        client = await porch.knock()
        await client.send(request_bytes + head("/healthz"))
        answer = await client.receive()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await client.receive_all() == b""


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n", 400),
        (b"GET / a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http:///app.js HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET app.js HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (head("/", "Content-Length: -1"), 400),
        (head("/", "Content-Length: 1", "Content-Length: 2"), 400),
        (head("/", "Transfer-Encoding: gzip"), 501),
        (head("/ws", OURS), 426),
        (head("/ws", OURS, "Upgrade: h2c", "Connection: Upgrade"), 426),
        (head("/ws", *JOIN).replace(b"HTTP/1.1", b"HTTP/1.0"), 426),
    ],
)
async def test_bad_head_is_told_so(request_bytes: bytes, status: int) -> None:
    """What is no request, or none that can be met, gets its status and the end of the connection."""
    async with open_door() as porch:
        client = await porch.knock()
        await client.send(request_bytes)
        answer = await client.receive()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert await client.receive_all() == b""


async def test_whole_url_is_taken() -> None:
    """A target may be a whole URL under one of our names; its path counts."""
    async with open_door() as porch:
        assert (await porch.ask("http://LOCALHOST/app.js?a")).body == PAGES[b"/app.js"].body
        assert (await porch.ask("http://localhost")).body == PAGES[b"/"].body


async def test_health_and_readiness() -> None:
    """Somebody who watches over the daemon is told that it is alive, and that it can work."""
    async with open_door() as porch:
        for path in ("/healthz", "/readyz"):
            answer = await porch.ask(path)
            assert (answer.status, answer.body, answer.headers["cache-control"]) == (200, b"ok\n", "no-store")


async def test_not_ready_without_rooms() -> None:
    """Without a room that is served the daemon is alive but not ready, and says why."""
    async with open_door(rooms={}) as porch:
        assert (await porch.ask("/healthz")).status == 200
        answer = await porch.ask("/readyz")
        assert (answer.status, answer.body) == (503, b"no room is served\n")


async def test_not_ready_once_the_rooms_have_ended() -> None:
    """When every room has ended, so has readiness."""
    async with open_door() as porch:
        porch.house.ended.set()
        assert (await porch.ask("/readyz")).status == 503


class EndingRoom:
    """A room that drains."""

    async def prove(self) -> None:
        await trio.lowlevel.checkpoint()
        raise RoomError.not_now("the room is closing")


class SilentRoom:
    """A room whose owners are stuck; counts how often they were asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def prove(self) -> None:
        self.asked += 1
        await trio.sleep_forever()


async def test_a_room_that_ends_is_no_fault_as_long_as_another_is_served() -> None:
    """A reload ends rooms and begins them anew; only where none is left there is nothing to come for."""
    async with open_door(rooms={"old": EndingRoom(), "main": ServedRoom()}) as porch:
        assert (await porch.ask("/readyz")).status == 200
    async with open_door(rooms={"old": EndingRoom()}) as porch:
        assert (await porch.ask("/readyz")).body == b"no room is served\n"


async def test_a_room_that_does_not_answer_is_not_served(autojump_clock: trio.testing.MockClock) -> None:
    """Its tasks are asked, and not asked again before they have answered; its name is told to nobody."""
    room = SilentRoom()
    async with open_door(rooms={"secret": room, "main": ServedRoom()}) as porch:
        for _ in range(3):
            answer = await porch.ask("/readyz")
            assert (answer.status, answer.body) == (503, b"a room has not answered for 2 s\n")
        assert room.asked == 1


async def test_readiness_syncs_the_disk_once_for_many(mock_clock: trio.testing.MockClock) -> None:
    """Whoever asks has a durable commit made that is seconds old at most, and cannot have one made for each asking."""
    async with open_door() as porch:
        commits = porch.house.journal.health.commits
        seen = []
        for _ in range(9):
            assert (await porch.ask("/readyz")).status == 200
            seen.append(sum(commits.counts))
            mock_clock.jump(1.0)
        assert seen == [1, 1, 1, 2, 2, 2, 3, 3, 3]


class FailingJournal:
    """A journal that cannot be read; counts how often it was asked."""

    health = Health()

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, *_: object) -> None:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        raise JournalError("the journal cannot be read: on purpose")


async def test_not_ready_without_a_journal(mock_clock: trio.testing.MockClock) -> None:
    """A journal that fails is told, and is not asked again for every stranger who wants to know."""
    journal = FailingJournal()
    async with open_door(journal=journal) as porch:
        for _ in range(3):
            answer = await porch.ask("/readyz")
            assert (answer.status, answer.body) == (503, b"the journal cannot be read: on purpose\n")
        assert journal.asked == 1
        mock_clock.jump(1.1)
        assert (await porch.ask("/readyz")).status == 503
        assert journal.asked == 2


async def test_journal_that_stalls_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    """A journal that does not answer at all is told as well, to each of those who ask."""
    async with open_door(journal=StallingJournal()) as porch:
        for _ in range(2):
            assert (await porch.ask("/readyz")).body == b"the journal has not answered for 2 s\n"
        assert (await porch.ask("/healthz")).status == 200


@pytest.mark.parametrize("more", [b"", b"\x81\x80abcd", b"x" * 8000])
async def test_websocket_goes_on_as_a_guest(more: bytes) -> None:
    """A fit request to /ws is handed over with every byte that came, and what comes later."""
    sent = head("/ws?not=told", *JOIN) + more
    async with open_door() as porch:
        client = await porch.knock()
        await client.send(sent)
        await client.send(b"later")
        assert await receive_exactly(client, len(sent) + 5) == sent + b"later"
        assert porch.guests.sources == ["127.0.0.1"]


async def receive_exactly(client: Client, size: int) -> bytes:
    """Receive so many bytes."""
    received = b""
    while len(received) < size:
        data = await client.stream.receive_some(size - len(received))
        assert data
        received += bytes(data)
    return received


async def test_upgrade_on_a_kept_connection() -> None:
    """A connection that has asked for pages may go on as a guest; what it asked before is not handed over."""
    async with open_door() as porch:
        client = await porch.knock()
        assert (await client.ask("/")).status == 200
        await client.send(head("/healthz") + head("/ws", *JOIN) + b"hello")
        assert (await client.receive()).body == b"ok\n"
        wanted = head("/ws", *JOIN) + b"hello"
        echoed = client._received + await receive_exactly(client, len(wanted) - len(client._received))
        assert echoed == wanted


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([*UPGRADE[:3]], 400),
        ([*UPGRADE, f"Sec-WebSocket-Key: {KEY}"], 400),
        ([*UPGRADE[:3], "Sec-WebSocket-Key: abc"], 400),
        ([*UPGRADE[:3], "Sec-WebSocket-Key: YWJj"], 400),
        ([*UPGRADE[:3], "Sec-WebSocket-Key: \xe9"], 400),
        ([UPGRADE[0], *UPGRADE[2:]], 400),
        ([UPGRADE[0], "Connection: keep-alive", *UPGRADE[2:]], 400),
        ([UPGRADE[0], "Connection: Upgrade", "Connection: keep-alive", *UPGRADE[2:]], 400),
        ([UPGRADE[0], "Connection: Upgrade, \xe9", *UPGRADE[2:]], 400),
        (["Upgrade: websocket, h2c", *UPGRADE[1:]], 400),
        (["Upgrade: h2c", *UPGRADE], 400),
        ([*UPGRADE, "Upgrade: h2c"], 400),
        ([*UPGRADE, "Content-Length: 3"], 400),
        ([*UPGRADE, "Transfer-Encoding: chunked"], 400),
        ([*UPGRADE, "Sec-WebSocket-Protocol: \xe9"], 400),
        ([*UPGRADE, "Sec-WebSocket-Extensions: \xe9"], 400),
        ([*UPGRADE[:2], UPGRADE[3]], 426),
        ([*UPGRADE[:2], "Sec-WebSocket-Version: 8", UPGRADE[3]], 426),
        ([*UPGRADE, "Sec-WebSocket-Version: 13"], 426),
    ],
)
async def test_upgrade_that_is_not_fit(lines: list[str], status: int) -> None:
    """A request that a WebSocket library would choke or hang on does not reach it."""
    async with open_door() as porch:
        answer = await porch.ask("/ws", OURS, *lines)
        assert (answer.status, porch.guests.sources) == (status, [])
        assert answer.headers.get("sec-websocket-version") == ("13" if status == 426 else None)


@pytest.mark.parametrize(
    "lines",
    [
        ["upgrade: WebSocket", "connection: keep-alive, upgrade", *UPGRADE[2:]],
        [*UPGRADE, "Content-Length: 0", "Sec-WebSocket-Extensions: permessage-deflate", "Cookie: \xe9"],
    ],
)
async def test_upgrade_as_browsers_write_it(lines: list[str]) -> None:
    """Case, further tokens and further headers do no harm."""
    async with open_door() as porch:
        client = await porch.knock()
        await client.send(head("/ws", OURS, *lines))
        assert (await client.stream.receive_some(3)) == b"GET"


class FailingGuest:
    """Fail at once, as a bug would."""

    def __call__(self, *_: object) -> "FailingGuest":
        return self

    async def run(self) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("secret words")


async def test_fault_in_one_connection_is_nobody_elses() -> None:
    """A mistake that one connection runs into ends that one alone."""
    async with open_door(FailingGuest()) as porch:
        other = await porch.knock()
        assert (await other.ask()).status == 200
        assert await porch.speak(head("/ws", *JOIN)) == b""
        assert (await other.ask()).status == 200
        assert porch.door.connections == 1
