"""
What the turns came to: for hosts over the control socket, and for whoever has a link over HTTP.

Laws: the journal is read a slice at a time, so that nobody waits long behind it; over HTTP, who may not read is told
the same as who asks for what is not there.
"""

import re
import secrets
import time
from typing import Any, Final

import msgspec
import trio

from concordiad.core.checks import DAY_S, parse_time
from concordiad.core.model import Author, Outcome, rfc3339
from concordiad.core.params import StatsGet, StatsLink
from concordiad.core.statistics import FAR, MIDDLE, Period, Statistics, Sums, quantile
from concordiad.core.views import author_view
from concordiad.errors import JournalError, RoomError
from concordiad.front.caller import Caller
from concordiad.front.http import Request, Response, make_sentence
from concordiad.front.records import find_record
from concordiad.house.handle import House
from concordiad.journal.statistics import add_turns

USUAL_S: Final = 30 * DAY_S
MOST_SHARES: Final = 20_000
"""Days times people in one answer: some 3 MB."""
TOKEN_BYTES: Final = 24
PATH: Final = re.compile(rb"/stats/([1-9][0-9]{0,2})/(-?[0-9]{1,5})")
"""`/stats/DAYS/UTC_OFFSET_S`: for so many days until now."""
NOT_READABLE: Final = make_sentence(403, "this link is none, or not good any more: ask a host of the room for another")
_BEARER: Final = b"bearer "


async def get_statistics(house: House, params: StatsGet, caller: Caller) -> dict[str, Any]:
    """Show what turns came to. Raises RoomError."""
    if params.room is not None:
        await find_record(house, params.room, caller)
    until = time.time() if params.until is None else parse_time(params.until)
    since = _day_before(until, USUAL_S, params.utc_offset_s) if params.since is None else parse_time(params.since)
    if since > until:
        raise RoomError.invalid("since", "since is later than until: nothing can be between them")
    return await _read(house, params.room, since, until, params.utc_offset_s)


async def make_link(house: House, params: StatsLink, caller: Caller) -> dict[str, Any]:
    """Make the address of the page. Raises RoomError."""
    if house.page_url is None:
        raise RoomError.not_now(
            "no door is open: add a [guests] table to the configuration, and start concordiad again"
        )
    if params.room is not None:
        await find_record(house, params.room, caller)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    house.links.add(token, params.room, trio.current_time() + params.expires_s)
    url = f"{house.page_url.rstrip('/')}/stats.html#{token}"
    return {"url": url, "room": params.room, "expires_at": rfc3339(time.time() + params.expires_s)}


async def answer_over_http(request: Request, house: House) -> Response:
    """Answer a request whose path is PATH's."""
    found = PATH.fullmatch(request.path)
    given = request.all(b"authorization")
    is_bearer = len(given) == 1 and given[0][: len(_BEARER)].lower() == _BEARER
    link = house.links.find(given[0][len(_BEARER) :], trio.current_time()) if is_bearer else None
    if found is None or link is None:
        return NOT_READABLE
    offset_s = max(-USUAL_S, min(int(found[2]), USUAL_S))
    until = time.time()
    since = _day_before(until, (int(found[1]) - 1) * DAY_S, int(offset_s))
    try:
        figures = await _read(house, link.room, since, until, int(offset_s))
    except (RoomError, JournalError) as error:
        return make_sentence(503, str(error))
    headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Response(200, headers, msgspec.json.encode(figures))


def _day_before(until: float, span_s: float, utc_offset_s: int) -> float:
    """Return the beginning of the day in which it was so long before."""
    return max((until - span_s + utc_offset_s) // DAY_S * DAY_S - utc_offset_s, 0.0)


async def _read(house: House, room: str | None, since: float, until: float, utc_offset_s: int) -> dict[str, Any]:
    found = Statistics(utc_offset_s)
    after: int | None = 0
    while after is not None:
        after = await house.journal.read(add_turns, found, room, since, until, after)
        if len(found.shares) > MOST_SHARES:
            raise RoomError.conflict(
                f"that is more than {MOST_SHARES:,} days times people: choose a shorter time, or one room"
            )
    return {
        "room": room,
        "since": rfc3339(since),
        "until": rfc3339(until),
        "utc_offset_s": utc_offset_s,
        "total": _period(found.whole),
        "days": [{"day": day, **_period(period)} for day, period in sorted(found.days.items())],
        "people": [{"author": _author(found, person), **_sums(sums)} for person, sums in found.of_people().items()],
        "shares": [
            {"day": day, "author_id": person, **_sums(sums)}
            for (day, person), sums in sorted(found.shares.items(), key=lambda each: (each[0][0], each[0][1] or ""))
        ],
    }


def _author(found: Statistics, person: str | None) -> dict[str, Any] | None:
    author: Author | None = None if person is None else found.people[person]
    return None if author is None else author_view(author)


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "prompts": sums.prompts,
        "turns": sums.turns,
        "duration_s": round(sums.duration_s, 3),
        "input_tokens": round(sums.input_tokens, 1),
        "output_tokens": round(sums.output_tokens, 1),
        "cost_usd": round(sums.cost_usd, 6),
    }


def _period(period: Period) -> dict[str, Any]:
    return {
        **_sums(period.sums),
        "outcomes": {outcome.value: period.outcomes[outcome] for outcome in Outcome},
        **_spread("duration", period.durations_s),
        **_spread("ttft", period.ttfts_s),
        **_spread("wait", period.waits_s),
    }


def _spread(name: str, values: list[float]) -> dict[str, float | None]:
    found = {"p50": quantile(values, MIDDLE), "p95": quantile(values, FAR)}
    return {f"{name}_{which}_s": None if value is None else round(value, 3) for which, value in found.items()}
