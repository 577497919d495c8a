"""The figures of turns, for hosts and for whoever has a link."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from concordiad.core.codes import CONFLICT, INVALID_PARAMS, NOT_FOUND
from concordiad.front import statistics
from tests.front.inside import HOST, PAGE, Inside, open_house
from tests.front.knocking import Porch, open_door

TOKEN = "t" * 32


async def asked(inside: Inside, *texts: str) -> None:
    """Have prompts of a host answered."""
    for text in texts:
        await inside.until(await inside.submit(HOST, text), "answered")


async def test_figures_are_those_of_the_turns(tmp_path: Path) -> None:
    """What each turn came to, added up by day and by person."""
    async with open_house(tmp_path, "main", "lab") as inside:
        guest = await inside.guest(name="bob")
        await asked(inside, "one", "two")
        await inside.until(await inside.submit(guest, "three"), "answered")
        found = await inside.call(HOST, "stats.get")
        turns = (await inside.call(HOST, "turn.list"))["turns"]
        assert [len(found["days"]), len(turns)] == [1, 3]
        for name in ("duration_s", "input_tokens", "output_tokens", "cost_usd"):
            assert found["total"][name] == pytest.approx(sum(turn[name] for turn in turns), abs=0.001)
        assert found["total"]["outcomes"]["completed"] == found["total"]["prompts"] == 3
        shares = {person["author"]["name"]: person["prompts"] for person in found["people"]}
        assert shares == {"ann": 2, "bob": 1}
        assert {share["author_id"] for share in found["shares"]} == {HOST.author.id, guest.author.id}
        assert (await inside.call(HOST, "stats.get", room="lab"))["total"]["turns"] == 0
        assert (await inside.call(HOST, "stats.get", room="main"))["total"] == found["total"]


async def test_usual_time_begins_at_a_midnight(tmp_path: Path) -> None:
    """Thirty days before the end, where the reader is."""
    async with open_house(tmp_path, "main") as inside:
        found = await inside.call(HOST, "stats.get", until="2026-11-21T08:30:00Z", utc_offset_s=3600)
        assert (found["since"], found["until"]) == ("2026-10-21T23:00:00.000Z", "2026-11-21T08:30:00.000Z")


async def test_what_cannot_be_told_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A room that never was, a time that ends before it begins, and far too much."""
    async with open_house(tmp_path, "main") as inside:
        for method in ("stats.get", "stats.link"):
            refusal = await inside.refusal(HOST, method, room="mian")
            assert refusal is not None
            assert refusal[0] is NOT_FOUND
            assert "did you mean main?" in refusal[1]
        times = {"since": "2026-11-21T08:00:00Z", "until": "2026-11-20T08:00:00Z"}
        assert (await inside.refusal(HOST, "stats.get", **times) or [None])[0] is INVALID_PARAMS
        await asked(inside, "one")
        monkeypatch.setattr(statistics, "MOST_SHARES", 0)
        assert (await inside.refusal(HOST, "stats.get") or [None])[0] is CONFLICT


async def test_a_link_leads_to_the_figures_until_it_ends(tmp_path: Path) -> None:
    """The token stands behind the #, which no browser sends."""
    async with open_house(tmp_path, "main") as inside:
        link = await inside.call(HOST, "stats.link", room="main", expires_s=60)
        address, _, token = link["url"].partition("#")
        assert address == f"{PAGE}/stats.html"
        now = trio.current_time()
        good = inside.house.links.find(token.encode(), now)
        assert good is not None
        assert (good.room, link["room"]) == ("main", "main")
        assert inside.house.links.find(token.encode(), now + 60) is None
        assert token not in repr(inside.house.links.__dict__)


async def read(porch: Porch, path: str, *lines: str) -> tuple[int, bytes]:
    """Ask for the figures."""
    answer = await porch.ask(path, *lines)
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, answer.body


async def test_figures_over_http() -> None:
    """From the midnight before so many days, until now; of the link's room."""
    async with open_door() as porch:
        porch.house.links.add(TOKEN, "main", trio.current_time() + 60)
        status, body = await read(porch, "/stats/7/3600", f"Authorization: Bearer {TOKEN}")
        figures = json.loads(body)
        since, until = (datetime.fromisoformat(figures[name]).astimezone(UTC) for name in ("since", "until"))
        assert (status, figures["room"], figures["utc_offset_s"]) == (200, "main", 3600)
        assert (since.hour, since.minute, since.second) == (23, 0, 0)
        assert 6 <= (until - since).total_seconds() / 86400 <= 7


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/stats/7/0", []),
        ("/stats/7/0", ["Authorization: Bearer wrong"]),
        ("/stats/7/0", ["Authorization: Bearer " + TOKEN.upper()]),
        ("/stats/7/0", ["Authorization: Basic " + TOKEN]),
        ("/stats/7/0", ["Authorization: Bearer " + TOKEN, "Authorization: Bearer " + TOKEN]),
        ("/stats/7/0", ["Authorization: Bearer over"]),
        (f"/stats/7/0?token={TOKEN}", []),
        *((path, ["Authorization: Bearer " + TOKEN]) for path in ("/stats/0/0", "/stats/7", "/stats/1000/0")),
    ],
)
async def test_who_may_not_read_is_told_nothing(path: str, given: list[str]) -> None:
    """Byte for byte the same, whatever is wrong."""
    async with open_door() as porch:
        porch.house.links.add(TOKEN, None, trio.current_time() + 60)
        porch.house.links.add("over", None, trio.current_time())
        refusal = await porch.ask("/stats/7/0", "Authorization: Bearer ")
        answer = await porch.ask(path, *given)
        assert (answer.status, answer.raw) == (403, refusal.raw)


async def test_other_methods_are_refused() -> None:
    """The figures are there to be read."""
    async with open_door() as porch:
        assert (await porch.ask("/stats/7/0", method="POST")).status == 405
