"""`status`: the daemon and its rooms."""

import time
from typing import Any, Final

import click

from concordiad.core.codes import EXIT_FAILURE
from ctl.failures import Failure
from ctl.harmless import first_line
from ctl.merging import figures
from ctl.people import lag_of, role_of
from ctl.printing import print_result
from ctl.quantities import duration, plural, relative, unix_time
from ctl.screen import Screen, fields, indent
from ctl.settings import Command, Settings, read_duration
from ctl.standing import sentence_of

SILENCE_SHOWN_S: Final = 30
"""An agent that thinks or uses a tool says nothing for a while; what is worth a word is longer."""

DAMAGED_SHOWN = 5
"""Damaged rows of the journal that are named; `journal check` names more."""


def _state(out: Screen, room: dict[str, Any]) -> str:
    colour, sentence = sentence_of(room["state"])
    pause = "paused: nothing new begins" if room["paused"] and room["state"] != "paused" else ""
    about = ", ".join(part for part in (sentence, pause, first_line(room["reason"] or "")) if part)
    return f"{out.style('● ' + first_line(room['state']), colour)}  {about}".rstrip()


def _agent(out: Screen, agent: dict[str, Any], now: float) -> str:
    kind = " ".join(first_line(part) for part in (agent["kind"], agent["version"], agent["model"]) if part)
    parts = [f"{first_line(agent['name'])} ({kind})"]
    parts += [f"pid {agent['pid']}"] if agent["pid"] is not None else []
    parts += [f"started {relative(agent['started_at'], now)}"] if agent["started_at"] is not None else []
    parts += [plural(agent["restarts"], "restart")] if agent["restarts"] else []
    text = ", ".join(parts)
    return f"{text}\n{out.style('rehearsal: no model answers here', 'yellow')}" if agent["rehearsal"] else text


def _behind(turn: dict[str, Any], now: float) -> str:
    """Show the turn of prompts that the agent has while it works on one of its own."""
    behind = turn.get("behind")
    if behind is None:
        return ""
    text = f"{behind['id']}, handed over {duration(now - unix_time(behind['started_at']))} ago"
    text += "" if behind["acknowledged"] else ", not acknowledged"
    return f"{text}; {first_line(behind['stopping'])}" if behind["stopping"] else text


def _room(settings: Settings, out: Screen, room: dict[str, Any], guests: list[dict[str, Any]], now: float) -> str:
    turn = room["turn"]
    here = settings._replace(room=room["name"])
    waiting = plural(room["queue"], "prompt waits", "prompts wait")
    asking = plural(room["approvals"], "approval waits", "approvals wait")
    running = "" if turn is None else f"{turn['id']}, for {duration(now - unix_time(turn['started_at']))}"
    silent_s = 0.0 if turn is None else turn.get("silent_s", 0.0)
    running += f", silent for {duration(silent_s)}" if silent_s >= SILENCE_SHOWN_S else ""
    pairs = [
        ("state", _state(out, room)),
        ("directory", first_line(room["workdir"])),
        ("agent", _agent(out, room["agent"], now).replace("\n", "\n" + " " * 11)),
        ("turn", running),
        ("", "" if turn is None else first_line(turn["text"])),
        ("behind it", "" if turn is None else _behind(turn, now)),
        ("queue", waiting if room["queue"] else "empty"),
        ("merging", figures(room["merging"])),
        ("approvals", f"{asking}: {here.command('approvals')}" if room["approvals"] else ""),
        ("people", f"{plural(room['guests'], 'guest')}, {plural(room['followers'], 'follower')}"),
        *(("", _guest(guest, now)) for guest in guests),
    ]
    return f"{out.style('room ' + room['name'], 'bold')}\n{indent(fields(out, pairs), 2)}"


def _journal(out: Screen, daemon: dict[str, Any]) -> list[tuple[str, str]]:
    """Show what is wrong with the journal, and what to do, until that is done."""
    lines = [
        f"{out.style('● damaged', 'red')}  {first_line(each)}: not served, restart to salvage"
        for each in daemon.get("damaged", [])[:DAMAGED_SHOWN]
    ]
    lines += [
        f"{out.style('● set aside', 'yellow')}  {first_line(each)}: move it away, with its -wal, when nobody needs it"
        for each in daemon.get("set_aside", [])
    ]
    return [("journal" if number == 0 else "", line) for number, line in enumerate(lines)]


def _unopened(out: Screen, room: dict[str, Any]) -> str:
    pairs = [("state", f"{out.style('● not open', 'red')}  {first_line(room['reason'])}")]
    return f"{out.style('room ' + first_line(room['name']), 'bold')}\n{indent(fields(out, pairs), 2)}"


def _guest(guest: dict[str, Any], now: float) -> str:
    address = f"from {first_line(guest['address'])}" if guest["address"] else ""
    lag = lag_of(guest)
    here = f"came {relative(guest['here_since'], now)}" if guest["here_since"] else ""
    behind = "" if lag in ("", "none") else f"{lag} behind"
    about = (f"{first_line(guest['name'])} ({role_of(guest)})", address, here, behind)
    return ", ".join(part for part in about if part)


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1)
    return f": did you mean {near[0]}?" if near else f": there are {', '.join(names) or 'none'}"


def _watch(settings: Settings, every_s: float) -> None:
    from ctl.dashboard import watch

    def look() -> dict[str, Any]:
        with settings.connect() as connection:
            told = connection.call("daemon.measure")
        names = [room["name"] for room in told["rooms"]]
        if settings.room is not None:
            told["rooms"] = [room for room in told["rooms"] if room["name"] == settings.room]
            if not told["rooms"]:
                raise Failure(f"there is no room {settings.room!r}{_nearest(settings.room, names)}", EXIT_FAILURE)
        return told

    watch(Screen.out(), look, every_s, is_json=settings.is_json)


@click.command(
    cls=Command,
    examples=(
        ("concordiactl status", "The daemon and every room."),
        ("concordiactl status --watch", "Figures of every room, as they change."),
        ("concordiactl status --room docs", "One room; it is a failure if that is not there."),
        ("concordiactl status -o json | jq -r '.rooms[].state'", "For a program."),
    ),
)
@click.option("-w", "--watch", "is_watching", is_flag=True, help="Show figures, and look again and again.")
@click.option("--every", metavar="DURATION", default="2s", show_default=True, help="How often, with --watch.")
@click.pass_obj
def status(settings: Settings, is_watching: bool, every: str) -> None:
    """
    Show the daemon, its rooms, and who is there as a guest.

    With --watch, on a terminal in place and until Ctrl-C: for each room its queue and how old that is, turns and those
    that came to nothing, how long they took and how long until their first output (half of them · 95 % of them), what
    was merged, tokens, cost, restarts of the agent, guests; all since the daemon's start.
    """
    if is_watching:
        _watch(settings, read_duration(every, least_s=0.1))
        return
    with settings.connect() as connection:
        result = connection.call("daemon.status")
        rooms = [room for room in result["rooms"] if settings.room in (None, room["name"])]
        guests = {
            room["name"]: connection.call("guest.list", room=room["name"])["guests"] for room in rooms if room["guests"]
        }
        path = connection.path
    if settings.room is not None:
        names = [room["name"] for room in result["rooms"]]
        for room in result.get("unopened", []):
            if room["name"] == settings.room:
                raise Failure(f"room {settings.room} could not be opened: {room['reason']}", EXIT_FAILURE)
        result.pop("unopened", None)
        result["rooms"] = [room for room in result["rooms"] if room["name"] == settings.room]
        if not result["rooms"]:
            raise Failure(f"there is no room {settings.room!r}{_nearest(settings.room, names)}", EXIT_FAILURE)
    result["guests"] = [guest for listed in guests.values() for guest in listed]
    out = Screen.out()
    daemon = result["daemon"]
    now = time.time()
    head = out.style(f"concordiad {daemon['version']}", "bold")
    about = f"{head}, pid {daemon['pid']}, up {duration(daemon['uptime_s'])}\n"
    places = fields(out, [("socket", path), ("state", first_line(daemon["state_dir"])), *_journal(out, daemon)])
    shown = [_room(settings, out, room, guests.get(room["name"], []), now) for room in rooms]
    shown += [_unopened(out, room) for room in result.get("unopened", [])]
    print_result(settings, result, "\n".join([about + indent(places, 2), *shown]))
