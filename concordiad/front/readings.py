"""
What may be read of the rooms: one thing, a page of things, the transcript from a place on.

Law: nothing here changes anything. What waits is read from its owner, what is recorded from the journal.
"""

import difflib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from concordiad.core.model import Prompt, PromptState
from concordiad.core.views import approval_view, prompt_view, turn_event_view, turn_view
from concordiad.core.wire import (
    EventsList,
    EventsSubscribe,
    PromptList,
    TurnList,
    parse_time,
)
from concordiad.errors import RoomError
from concordiad.house import House
from concordiad.journal.rows import (
    Filter,
    find_ids,
    read_events,
    read_prompt,
    read_prompt_page,
    read_prompts_of,
    read_turn,
    read_turn_page,
)
from concordiad.room import Room

ROW_MOST: Final = 2**62
"""A row number above all others."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Bytes in one page of events: a single event may be larger, then it is a page of its own."""
SNAPSHOT_EVENTS: Final = 100
"""Events in the snapshot that a reader gets who cannot continue."""
SNAPSHOT_BYTES: Final = 256 * 1024


def find_room(house: House, name: str) -> Room:
    """Find an open room. Raises RoomError."""
    room = house.rooms.get(name)
    if room is None:
        close = difflib.get_close_matches(name, house.rooms, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(house.rooms) or 'none'}"
        raise RoomError.not_found(f"there is no room {name[:64]!r}: {hint}")
    return room


async def whole_id(house: House, room: Room, kind: str, prefix: str) -> str:
    """Find the one id of a room that begins like this. Raises RoomError."""
    found = await house.journal.read(find_ids, kind, room.name, prefix.lower())
    if len(found) == 1 or prefix in found:
        return found[0] if prefix not in found else prefix
    if found:
        some = ", ".join(found)
        raise RoomError.conflict(f"{len(found)} or more {kind}s of room {room.name} begin with {prefix}: {some}")
    raise RoomError.not_found(f"no {kind} {prefix[:40]} in room {room.name}: list them with `concordiactl history`")


async def get_prompt(house: House, room: Room, identity: str) -> dict[str, Any]:
    """Show one prompt, and the turn that it is in. Raises RoomError."""
    prompt = await house.journal.read(read_prompt, identity)
    if prompt is None:
        raise RoomError.not_found(f"no prompt {identity} in room {room.name}")
    places = {waiting.id: place for place, waiting in enumerate(await room.waiting(), 1)}
    return {"prompt": prompt_view(prompt, places.get(identity)), "turn": await turn_of(house, prompt)}


async def get_turn(house: House, room: Room, identity: str) -> dict[str, Any]:
    """Show one turn with its whole answer, and its prompts. Raises RoomError."""
    turn = await house.journal.read(read_turn, identity)
    if turn is None:
        raise RoomError.not_found(f"no turn {identity} in room {room.name}")
    prompts = await house.journal.read(read_prompts_of, turn.prompts)
    return {"turn": turn_view(turn), "prompts": [prompt_view(prompt) for prompt in prompts]}


async def turn_of(house: House, prompt: Prompt) -> dict[str, Any] | None:
    """Show the turn that a prompt is in, if it is in one."""
    turn = None if prompt.turn is None else await house.journal.read(read_turn, prompt.turn)
    return None if turn is None else turn_view(turn)


async def list_prompts(house: House, params: PromptList) -> dict[str, Any]:
    """Show a page of prompts. Raises RoomError."""
    room = find_room(house, params.room)
    waiting = await room.waiting()
    if params.states == (PromptState.WAITING,):
        return _page_of_queue(params, waiting)
    places = {prompt.id: place for place, prompt in enumerate(waiting, 1)}
    chosen = _filter(params.states, params)
    prompts, row = await house.journal.read(read_prompt_page, room.name, chosen, params.limit)
    return {"prompts": [prompt_view(prompt, places.get(prompt.id)) for prompt in prompts], "next": _cursor(row)}


def _page_of_queue(params: PromptList, waiting: list[Prompt]) -> dict[str, Any]:
    chosen = _filter((), params)
    first = _row(params.cursor, 0)
    shown = [
        (place, prompt)
        for place, prompt in enumerate(waiting, 1)
        if place > first
        and (chosen.author is None or chosen.author in (prompt.author.id, prompt.author.name))
        and (chosen.since is None or prompt.submitted_at >= chosen.since)
        and (chosen.until is None or prompt.submitted_at <= chosen.until)
    ]
    page = shown[: params.limit]
    following = page[-1][0] if len(shown) > len(page) else None
    return {"prompts": [prompt_view(prompt, place) for place, prompt in page], "next": _cursor(following)}


def _filter(states: Sequence[str], params: PromptList | TurnList) -> Filter:
    return Filter(
        states=states,
        author=params.author,
        since=None if params.since is None else parse_time(params.since),
        until=None if params.until is None else parse_time(params.until),
        before=_row(params.cursor, ROW_MOST),
    )


async def list_turns(house: House, params: TurnList) -> dict[str, Any]:
    """Show a page of turns. Raises RoomError."""
    room = find_room(house, params.room)
    chosen = _filter(params.outcomes, params)
    turns, row = await house.journal.read(read_turn_page, room.name, chosen, params.limit)
    views = []
    for turn in turns:
        prompts = await house.journal.read(read_prompts_of, turn.prompts)
        views.append(turn_event_view(turn, [prompt.author for prompt in prompts]))
    return {"turns": views, "next": _cursor(row)}


def _cursor(row: int | None) -> str | None:
    return None if row is None else str(row)


def _row(cursor: str | None, default: int) -> int:
    if cursor is None:
        return default
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise RoomError.invalid("cursor", f"cursor {cursor[:40]!r} is none of ours: use the `next` of an earlier page")
    return int(cursor)


async def subscribe(house: House, params: EventsSubscribe) -> tuple[dict[str, Any], Room, int]:
    """Say where a subscription begins, and with which snapshot where it cannot be continued. Raises RoomError."""
    room = find_room(house, params.room)
    is_fresh = params.after is None and params.since is None
    snapshot = await _snapshot(house, room) if is_fresh else None
    transcript = room.transcript
    cursor = transcript.cursor
    after = cursor.seq
    is_resync = False
    if params.after is not None:
        is_resync = not transcript.can_continue(params.after)
        after = cursor.seq if is_resync else params.after.seq
    elif params.since is not None:
        after = min(max(params.since - 1, 0), cursor.seq)
    elif params.last is not None:
        after = max(cursor.seq - params.last, 0)
    if is_resync:
        snapshot = await _snapshot(house, room)
        since = max(cursor.seq - SNAPSHOT_EVENTS + 1, 1)
        events = await house.journal.read(read_events, room.name, since, SNAPSHOT_EVENTS, SNAPSHOT_BYTES)
        snapshot["events"] = [msgspec.Raw(event.json) for event in events if event.seq <= after]
    result = {
        "cursor": {"epoch": cursor.epoch, "seq": after},
        "resync": is_resync,
        "snapshot": snapshot,
    }
    return result, room, after


async def _snapshot(house: House, room: Room) -> dict[str, Any]:
    about = await room.describe()
    waiting = await room.waiting()
    return {
        "room": about,
        "queue": [prompt_view(prompt, place) for place, prompt in enumerate(waiting, 1)],
        "turn": about["turn"],
        "approvals": [approval_view(approval, whole=True) for approval in await room.approvals()],
        "people": [],
        "events": [],
    }


async def list_events(house: House, params: EventsList) -> dict[str, Any]:
    """Show a page of recorded events. Raises RoomError."""
    room = find_room(house, params.room)
    cursor = room.transcript.cursor
    since = max(cursor.seq - params.last + 1, 1) if params.last is not None else params.since
    events = await house.journal.read(read_events, room.name, since, params.limit, PAGE_BYTES)
    events = [event for event in events if event.seq <= cursor.seq]
    following = events[-1].seq + 1 if events and events[-1].seq < cursor.seq else None
    return {
        "events": [msgspec.Raw(event.json) for event in events],
        "next": following,
        "cursor": {"epoch": cursor.epoch, "seq": cursor.seq},
    }
