"""`stats`: what the turns came to, by day and by person; or the address of the page that draws it."""

import csv
import io
import time
from datetime import datetime
from typing import Any, Final

import click

from ctl.harmless import first_line, harmless
from ctl.paging import read_time
from ctl.printing import print_result
from ctl.quantities import cost, count, duration, relative
from ctl.screen import Screen, table
from ctl.settings import OUTPUTS, Command, Settings, read_duration

DAYS: Final = ("DAY", "PROMPTS", "TURNS", "NOT COMPLETED", "TOOK", "MEDIAN", "95 %", "WAITED", "TOKENS", "COST")
PEOPLE: Final = ("PERSON", "PROMPTS", "TURNS", "TOOK", "TOKENS", "COST")
COLUMNS: Final = ("day", "author_id", "author", "kind", "prompts", "turns")
AMOUNTS: Final = ("duration_s", "input_tokens", "output_tokens", "cost_usd")
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute."""


def _amounts(sums: dict[str, Any]) -> tuple[str, str]:
    return f"{count(round(sums['input_tokens']))}/{count(round(sums['output_tokens']))}", cost(sums["cost_usd"])


def _day(name: str, day: dict[str, Any]) -> tuple[str, ...]:
    others = {name.replace("_", " "): number for name, number in day["outcomes"].items() if name != "completed"}
    return (
        name,
        str(day["prompts"]),
        str(day["turns"]),
        ", ".join(f"{number} {name}" for name, number in others.items() if number),
        duration(day["duration_s"]),
        duration(day["duration_p50_s"]),
        duration(day["duration_p95_s"]),
        duration(day["wait_p50_s"]),
        *_amounts(day),
    )


def _person(person: dict[str, Any]) -> tuple[str, ...]:
    name = first_line(person["author"]["name"]) if person["author"] else "nobody"
    return (name, str(person["prompts"]), str(person["turns"]), duration(person["duration_s"]), *_amounts(person))


def _text(screen: Screen, found: dict[str, Any]) -> str:
    days = [_day(day["day"], day) for day in found["days"]]
    people = [_person(person) for person in found["people"]]
    total = _day("in all", found["total"])
    return f"{table(screen, DAYS, [*days, total])}\n{table(screen, PEOPLE, people)}"


def _plain(text: str) -> str:
    text = harmless(text)
    return f"'{text}" if text.startswith(FORMULAS) else text


def _csv(found: dict[str, Any]) -> str:
    known = {person["author"]["id"]: person["author"] for person in found["people"] if person["author"]}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *AMOUNTS))
    for share in found["shares"]:
        author = known.get(share["author_id"], {"name": "", "kind": ""})
        who = (_plain(share["author_id"] or ""), _plain(author["name"]), author["kind"])
        writer.writerow((share["day"], *who, share["prompts"], share["turns"], *(share[name] for name in AMOUNTS)))
    return text.getvalue()


def _print_link(settings: Settings, params: dict[str, Any], expires_s: float) -> None:
    with settings.connect() as connection:
        link = connection.call("stats.link", **params, expires_s=expires_s)
    whose = "of all rooms" if link["room"] is None else f"of room {link['room']}"
    if not settings.is_json:
        until = relative(link["expires_at"], time.time())
        Screen.err().line(f"whoever has this address may read the figures {whose}; it ends {until}")
    print_result(settings, link, link["url"])


@click.command(
    cls=Command,
    outputs=(*OUTPUTS, "csv"),
    examples=(
        ("concordiactl stats", "The last 30 days of the room, by day and by person."),
        ("concordiactl stats --all-rooms --since 2026-11-01", "All rooms, since the beginning of November."),
        ("concordiactl stats --since 365d -o csv > stats.csv", "A row for each day and person, for a spreadsheet."),
        ("concordiactl stats -o json | jq '.people[] | {name: .author.name, cost_usd}'", "Who has caused which cost."),
        ("concordiactl stats --link", "The address of a page that draws it, good for an hour."),
    ),
)
@click.option("--all-rooms", is_flag=True, help="Of all rooms together.")
@click.option("--since", type=read_time, metavar="TIME", help="Only turns that began from this time on.")
@click.option("--until", type=read_time, metavar="TIME", help="Only turns that began before this time.")
@click.option("--link", is_flag=True, help="Print the address of the page that draws the figures.")
@click.option(
    "--expires",
    type=lambda text: read_duration(text, least_s=1),
    metavar="DURATION",
    help="How long the address of --link is good, a day at most (default: 1h).",
)
@click.pass_obj
def stats(
    settings: Settings, /, all_rooms: bool, since: str | None, until: str | None, link: bool, expires: float | None
) -> None:
    """
    Show how many turns there were, how long they took and what they cost, by day and by person.

    What one turn cost is shared equally among those whose prompts it was. A day begins at midnight here. What is
    forgotten by retention is not counted.
    """
    if all_rooms and settings.room is not None:
        raise click.UsageError("--all-rooms and --room exclude each other")
    if expires is not None and not link:
        raise click.UsageError("--expires is about the address of --link")
    room = {"room": None if all_rooms else settings.room_name}
    if link:
        if since is not None or until is not None or settings.output == "csv":
            raise click.UsageError("--link is about the page, where the time is chosen: leave the other options out")
        _print_link(settings, room, 3600.0 if expires is None else expires)
        return
    params = room | {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    offset = datetime.now().astimezone().utcoffset()
    with settings.connect() as connection:
        found = connection.call(
            "stats.get", **params, utc_offset_s=0 if offset is None else round(offset.total_seconds())
        )
    if settings.output == "csv":
        Screen.out().write(_csv(found))
    elif not settings.is_json and not found["total"]["turns"]:
        where = "no room" if all_rooms else f"room {settings.room_name}"
        Screen.err().line(f"{where} has {'a turn' if all_rooms else 'no turn'} that ended in that time")
    else:
        print_result(settings, found, _text(Screen.out(), found))
