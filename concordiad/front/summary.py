"""How the daemon is, in one sentence: what `systemctl status` shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import trio

from concordiad.errors import RoomError
from concordiad.house.handle import House

PATIENCE_S: Final = 1.0
"""How long a room may take to say how it is: who asks has a watchdog to feed."""
NAMED: Final = 4
"""So many rooms are named one by one; more are counted."""
NO_ANSWER: Final = "does not answer"


async def summarise(house: House) -> str:
    """Ask every room how it is, and say it; returns within PATIENCE_S and a little, whatever they do."""
    told: dict[str, Mapping[str, Any]] = {}
    with trio.move_on_after(PATIENCE_S):
        async with trio.open_nursery() as asking:
            for name in house.rooms:
                asking.start_soon(_ask, house, name, told)
    rooms = [told.get(name, {"name": name, "state": NO_ANSWER}) for name in house.rooms]
    return sentence(rooms, sorted(house.unopened), len(house.journal.find_set_aside()), len(house.journal.damaged))


async def _ask(house: House, name: str, told: dict[str, Mapping[str, Any]]) -> None:
    room = house.rooms.get(name)
    try:
        if room is not None:
            told[name] = await room.describe()
    except RoomError:
        told[name] = {"name": name, "state": "closing"}


def sentence(
    rooms: Sequence[Mapping[str, Any]], unopened: Sequence[str] = (), set_aside: int = 0, damaged: int = 0
) -> str:
    """Say how the rooms are, as `room.list` shows them, which could not be opened, and what the journal has lost."""
    if not rooms:
        states = "no room is open"
    elif len(rooms) <= NAMED:
        states = ", ".join(f"{room['name']} {_state(room)}" for room in rooms)
    else:
        counted = Counter(_state(room) for room in rooms)
        states = f"{len(rooms)} rooms: " + ", ".join(f"{count} {state}" for state, count in counted.most_common())
    counts = (
        _count(sum(room.get("queue", 0) for room in rooms), "prompt waits", "prompts wait"),
        _count(sum(room.get("approvals", 0) for room in rooms), "approval waits", "approvals wait"),
        _count(sum(room.get("guests", 0) for room in rooms), "guest is here", "guests are here"),
        f"could not be opened: {', '.join(unopened)}" if unopened else "",
        _count(damaged, "row of the journal is damaged", "rows of the journal are damaged"),
        _count(set_aside, "journal is set aside", "journals are set aside"),
    )
    return "; ".join(filter(None, (states, *counts)))


def _state(room: Mapping[str, Any]) -> str:
    turn = room.get("turn")
    authors = [author["name"] for author in turn.get("authors", ())] if turn else []
    state = str(room["state"])
    return f"{state} for {' and '.join(authors)}" if authors and len(authors) <= 2 else state


def _count(number: int, one: str, several: str) -> str:
    return "" if not number else f"{number} {one if number == 1 else several}"
