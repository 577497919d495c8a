"""TLS on the guests' port, with a certificate of this test's own making."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from concordiad.config.doors import Guests
from concordiad.errors import ConfigError
from concordiad.front.entrance import bind_door
from tests.front.knocking import PAGES, UPGRADE, Client, are_open, head, open_door
from tests.support.certificates import Pair, make_pair


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Give a certificate and its key."""
    return make_pair(tmp_path_factory.mktemp("tls"), "ours")


def trusting(pair: Pair) -> ssl.SSLContext:
    """Make the settings of a client that trusts this certificate."""
    return ssl.create_default_context(cafile=str(pair[0]))


def settings(pair: Pair) -> dict[str, Any]:
    """Return the keys of the configuration."""
    return {"tls_certificate": str(pair[0]), "tls_key": str(pair[1])}


async def test_page_and_guests_over_tls(pair: Pair) -> None:
    """Pages, refusals and guests are served over TLS, on a kept connection, under an origin of https."""
    async with open_door(**settings(pair)) as porch:
        assert porch.door.entrance.url == f"https://127.0.0.1:{porch.port}"
        client = await porch.knock(trusting(pair))
        assert (await client.ask("/large.js")).body == PAGES[b"/large.js"].body
        assert (await client.ask("/healthz")).status == 200
        own = f"Origin: https://localhost:{porch.port}"
        await client.send(head("/ws", own, *UPGRADE) + b"more")
        assert await client.stream.receive_some(3) == b"GET"
        other = await porch.knock(trusting(pair))
        assert (await other.ask("/ws", own.replace("https", "http"), *UPGRADE)).status == 403
        assert await other.receive_all() == b""


async def test_protocols(pair: Pair) -> None:
    """What is agreed on is HTTP/1.1 over TLS 1.2 or newer, whatever else a client offers."""
    async with open_door(**settings(pair)) as porch:
        context = trusting(pair)
        context.set_alpn_protocols(["h2", "http/1.1"])
        client = await porch.knock(context)
        await client.ask()
        assert isinstance(client.stream, trio.SSLStream)
        assert client.stream.selected_alpn_protocol() == "http/1.1"
        assert porch.door.entrance.tls is not None
        assert porch.door.entrance.tls.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"])
async def test_half_a_handshake_is_not_waited_for(pair: Pair, sent: bytes, mock_clock: MockClock) -> None:
    """A handshake that does not come, or not to its end, is given up after head_s."""
    async with open_door(head_s=5, **settings(pair)) as porch:
        client = await porch.knock()
        await client.send(sent)
        await wait_all_tasks_blocked()
        mock_clock.jump(4.9)
        await wait_all_tasks_blocked()
        assert porch.door.connections == 1
        mock_clock.jump(0.2)
        await wait_all_tasks_blocked()
        assert are_open(client) == [False]
        assert await client.receive_all() == b""


async def test_slow_head_over_tls_is_not_waited_for(pair: Pair, mock_clock: MockClock) -> None:
    """The time for a head begins before the handshake."""
    async with open_door(head_s=5, **settings(pair)) as porch:
        client = await porch.knock(trusting(pair))
        await wait_all_tasks_blocked()
        mock_clock.jump(4)
        await client.send(b"GET / HTT")
        await wait_all_tasks_blocked()
        mock_clock.jump(1.1)
        assert (await client.receive()).status == 408
        assert await client.receive_all() == b""


@pytest.mark.parametrize("sent", [head("/"), b"\x16\x03\x01\x00\x05hello", b"\0" * 1000])
async def test_what_is_no_tls_is_hung_up_on(pair: Pair, sent: bytes) -> None:
    """Plain text on a TLS port, or garbage, ends that connection and no other."""
    async with open_door(**settings(pair)) as porch:
        other = await porch.knock(trusting(pair))
        assert (await other.ask()).status == 200
        assert b"HTTP" not in await porch.speak(sent)
        assert (await other.ask()).status == 200
        assert porch.door.connections == 1


async def test_client_that_trusts_us_not(pair: Pair) -> None:
    """A client that refuses the certificate costs its own connection."""
    async with open_door(**settings(pair)) as porch:
        client = await porch.knock(ssl.create_default_context())
        with pytest.raises(trio.BrokenResourceError):
            await client.ask()
        await wait_all_tasks_blocked()
        assert (await Client((await porch.knock(trusting(pair))).stream).ask()).status == 200


def fault_of(pair: Pair) -> str:
    """Return why a door with these files is not opened."""
    with (
        pytest.raises(ConfigError) as caught,
        bind_door(
            Guests(listen="127.0.0.1:0", **settings(pair)),
            may_move=False,
        ),
    ):
        pass
    return str(caught.value)


def test_files_that_do_not_fit(pair: Pair, tmp_path: Path) -> None:
    """A file that is missing, is no PEM, belongs to another key, or has a pass phrase is named at the start."""
    none, other = tmp_path / "none", make_pair(tmp_path, "other")
    garbage = tmp_path / "garbage"
    garbage.write_text("garbage")
    locked = make_pair(tmp_path, "locked", "-passout", "pass:secret")
    assert "cannot be read: No such file" in fault_of((none, pair[1]))
    assert "cannot be read: No such file" in fault_of((pair[0], none))
    for wrong in ((garbage, pair[1]), (pair[0], garbage), (pair[0], other[1]), locked):
        fault = fault_of(wrong)
        assert "no pair in PEM without a pass phrase" in fault
        assert str(wrong[0]) in fault and str(wrong[1]) in fault
