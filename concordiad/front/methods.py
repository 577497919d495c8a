"""
The methods of the wire: what each one asks of the rooms, and how its answer looks.

Law: nothing here changes state; a room's owners do, and a method returns what they answered.
"""

import difflib
import os
import time
from typing import Any, Final

import msgspec
from attrs import frozen

import concordiad
from concordiad.core.model import Author, Priority, Prompt, PromptState, rfc3339
from concordiad.core.roles import MAY, Role
from concordiad.core.views import approval_view, author_view, prompt_view, turn_event_view, turn_view
from concordiad.core.wire import (
    ApprovalAnswer,
    ById,
    EventsList,
    EventsSubscribe,
    InRoom,
    Nothing,
    PromptList,
    PromptSubmit,
    Request,
    TurnInterrupt,
    TurnList,
)
from concordiad.errors import LocalProtocolError, RoomError
from concordiad.house import House
from concordiad.journal.rows import (
    read_events,
    read_prompt,
    read_prompt_page,
    read_prompts_of,
    read_turn,
    read_turn_page,
)
from concordiad.room import Room
from concordiad.room.messages import Submission

ROW_MOST: Final = 2**62
"""A row number above all others."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Bytes in one page of events: a single event may be larger, then it is a page of its own."""
SNAPSHOT_EVENTS: Final = 100
"""Events in the snapshot that a reader gets who cannot continue."""
SNAPSHOT_BYTES: Final = 256 * 1024


@frozen
class Caller:
    """Who calls, as the transport found out; never what the caller says of itself."""

    author: Author
    role: Role


@frozen
class Answer:
    """What a request is answered; with `follow`, the connection then follows that room after that number."""

    result: dict[str, Any]
    follow: tuple[Room, int] | None = None


async def call(house: House, caller: Caller, request: Request) -> Answer:
    """
    Meet one request.

    Raises:
        RoomError: it cannot be met; says why and what to do.
        JournalError: the journal cannot be read.
    """
    if caller.role not in MAY[request.method]:
        raise RoomError.not_allowed(f"a {caller.role} may not call {request.method}")
    match request.params:
        case PromptSubmit():
            return Answer(await _submit(house, caller, request.params))
        case ById(identity, room):
            return Answer(await _by_id(house, caller, request.method, identity, find_room(house, room)))
        case PromptList():
            return Answer(await _list_prompts(house, request.params))
        case TurnInterrupt(room, turn):
            stopped = await _interrupt(house, caller, find_room(house, room), turn)
            return Answer({"turn": stopped})
        case TurnList():
            return Answer(await _list_turns(house, request.params))
        case EventsSubscribe():
            return await _subscribe(house, request.params)
        case EventsList():
            return Answer(await _list_events(house, request.params))
        case InRoom(room):
            approvals = await find_room(house, room).approvals()
            return Answer({"approvals": [approval_view(approval, whole=True) for approval in approvals]})
        case ApprovalAnswer():
            return Answer(await _answer(house, caller, request.params))
        case Nothing():
            rooms = [await room.describe() for room in house.rooms.values()]
            return Answer({"rooms": rooms} if request.method == "room.list" else {**_daemon(house), "rooms": rooms})
    raise LocalProtocolError(f"method {request.method} is in the table but not here")


def find_room(house: House, name: str) -> Room:
    """Find an open room. Raises RoomError."""
    room = house.rooms.get(name)
    if room is None:
        close = difflib.get_close_matches(name, house.rooms, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(house.rooms) or 'none'}"
        raise RoomError.not_found(f"there is no room {name[:64]!r}: {hint}")
    return room


def _daemon(house: House) -> dict[str, Any]:
    about = {
        "version": concordiad.__version__,
        "pid": os.getpid(),
        "started_at": rfc3339(house.started_at),
        "uptime_s": round(time.time() - house.started_at, 3),
        "epoch": house.journal.epoch,
        "state_dir": str(house.state_dir),
    }
    return {"daemon": about}


async def _submit(house: House, caller: Caller, params: PromptSubmit) -> dict[str, Any]:
    room = find_room(house, params.room)
    size = len(params.text.encode())
    if size > house.config.limits.prompt_bytes:
        raise RoomError.invalid(
            "text",
            f"the prompt has {size} bytes, the limit is {house.config.limits.prompt_bytes}: shorten it, or put it in"
            " a file and name the file",
        )
    if caller.role is not Role.HOST and (params.raw or params.priority is Priority.HIGH):
        raise RoomError.not_allowed("only a host may submit with raw or with priority high")
    placed = await room.submit(
        Submission(
            author=caller.author,
            text=params.text,
            priority=params.priority,
            key=params.key,
            expires_s=params.expires_s,
            is_alone=params.alone,
            is_raw=params.raw,
        )
    )
    return {"prompt": prompt_view(placed.prompt, placed.place), "turn": await _turn_of(house, placed.prompt)}


async def _turn_of(house: House, prompt: Prompt) -> dict[str, Any] | None:
    turn = None if prompt.turn is None else await house.journal.read(read_turn, prompt.turn)
    return None if turn is None else turn_view(turn)


async def _by_id(house: House, caller: Caller, method: str, identity: str, room: Room) -> dict[str, Any]:
    match method:
        case "prompt.cancel":
            placed = await room.cancel(identity, caller.author)
            return {"prompt": prompt_view(placed.prompt, placed.place)}
        case "prompt.get":
            prompt = await house.journal.read(read_prompt, identity)
            if prompt is None or prompt.room != room.name:
                raise RoomError.not_found(f"no prompt {identity} in room {room.name}")
            places = {waiting.id: place for place, waiting in enumerate(await room.waiting(), 1)}
            return {"prompt": prompt_view(prompt, places.get(identity)), "turn": await _turn_of(house, prompt)}
    turn = await house.journal.read(read_turn, identity)
    if turn is None or turn.room != room.name:
        raise RoomError.not_found(f"no turn {identity} in room {room.name}")
    prompts = await house.journal.read(read_prompts_of, turn.prompts)
    return {"turn": turn_view(turn), "prompts": [prompt_view(prompt) for prompt in prompts]}


async def _interrupt(house: House, caller: Caller, room: Room, turn_id: str | None) -> dict[str, Any]:
    if turn_id is not None:
        turn = await house.journal.read(read_turn, turn_id)
        if turn is None or turn.room != room.name:
            raise RoomError.not_found(f"no turn {turn_id} in room {room.name}")
        if turn.outcome is not None:
            raise RoomError.conflict(f"turn {turn_id} is over already: {turn.outcome}")
    return turn_view(await room.interrupt(turn_id, caller.author))


async def _list_prompts(house: House, params: PromptList) -> dict[str, Any]:
    room = find_room(house, params.room)
    waiting = await room.waiting()
    if params.states == (PromptState.WAITING,):
        first = _row(params.cursor, 0)
        page = list(enumerate(waiting, 1))[first : first + params.limit]
        following = first + params.limit if len(waiting) > first + params.limit else None
        return {"prompts": [prompt_view(prompt, place) for place, prompt in page], "next": _cursor(following)}
    places = {prompt.id: place for place, prompt in enumerate(waiting, 1)}
    before = _row(params.cursor, ROW_MOST)
    prompts, row = await house.journal.read(read_prompt_page, room.name, params.states, params.limit, before)
    return {"prompts": [prompt_view(prompt, places.get(prompt.id)) for prompt in prompts], "next": _cursor(row)}


async def _list_turns(house: House, params: TurnList) -> dict[str, Any]:
    room = find_room(house, params.room)
    turns, row = await house.journal.read(read_turn_page, room.name, params.limit, _row(params.cursor, ROW_MOST))
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


async def _subscribe(house: House, params: EventsSubscribe) -> Answer:
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
    return Answer(result, (room, after))


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


async def _list_events(house: House, params: EventsList) -> dict[str, Any]:
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


async def _answer(house: House, caller: Caller, params: ApprovalAnswer) -> dict[str, Any]:
    approval = await find_room(house, params.room).answer(
        params.id,
        is_allowed=params.allow,
        answers=dict(params.answers),
        reason=params.reason,
        by=caller.author,
    )
    return {
        "approval": approval_view(approval, whole=True),
        "resolution": "approved" if params.allow else "denied",
        "by": author_view(caller.author),
    }
