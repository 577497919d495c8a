"""
What may be read of the rooms: one thing, a page of things, the transcript from a place on.

Laws: nothing here changes anything. What waits is read from its owner, what is recorded from the journal. What a guest
may not see, another room or what was over before it joined, is answered exactly like what does not exist.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from concordiad.core.checks import parse_time
from concordiad.core.discretion import event_for_guests, hide_key, prompt_for
from concordiad.core.model import Prompt, PromptState, Turn
from concordiad.core.nearest import COMPARED, did_you_mean
from concordiad.core.params import EventsList, EventsSubscribe, GuestList, InviteList, LogTail, PromptList, TurnList
from concordiad.core.portions import first_portion
from concordiad.core.views import (
    HEAD_BYTES,
    ORIGINALS_BYTES,
    QUEUE_BYTES,
    approval_view,
    invite_view,
    merged_view,
    prompt_view,
    room_view_for_guests,
    share_of,
    turn_event_view,
    turn_view,
    writing,
    writing_rows,
)
from concordiad.errors import RoomError
from concordiad.front.caller import Caller
from concordiad.front.records import Record, find_record, find_room, find_room_to_join
from concordiad.house.handle import House
from concordiad.journal.changes import Recorded
from concordiad.journal.events import read_events
from concordiad.journal.listing import Filter, find_ids, find_latest_ids
from concordiad.journal.people import read_invites, read_members
from concordiad.journal.prompts import read_prompt, read_prompt_page, read_prompts_of
from concordiad.journal.turns import read_turn, read_turn_page
from concordiad.room.handle import Room
from concordiad.room.slices import in_slices
from concordiad.room.to_batcher import Placed

IS_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PEOPLE: Final = 1000
"""Invites or guests in a listing of all of them, the latest: what is over is kept for long."""
PAGE_BYTES: Final = 256 * 1024
"""Bytes in one page of events: a single event may be larger, then it is a page of its own."""
PAGE_CHARS: Final = 256 * 1024
"""Characters of text in one page of prompts: a single prompt may have more, then it is a page of its own."""
SNAPSHOT_EVENTS: Final = 100
"""Events in the snapshot that a reader gets who cannot continue."""
SNAPSHOT_BYTES: Final = 256 * 1024


async def whole_id(house: House, room: str, kind: str, prefix: str, caller: Caller) -> str:
    """Find the one id of a room that begins like this, among what the caller may see. Raises RoomError."""
    found = await house.journal.read(find_ids, kind, room, prefix.lower(), caller.seen_from)
    if len(found) == 1 or prefix in found:
        return found[0] if prefix not in found else prefix
    if found:
        some = ", ".join(found)
        raise RoomError.conflict(f"{len(found)} or more {kind}s of room {room} begin with {prefix}: {some}")
    # To guests nothing more is told, so that what they may not see stays like what does not exist, to the letter.
    hint = ""
    if caller.is_host:
        known = await house.journal.read(find_latest_ids, kind, room, COMPARED)
        listing = "concordiactl history --prompts" if kind == "prompt" else "concordiactl history"
        hint = did_you_mean(prefix, known, f"list them with `{listing}`")
    raise RoomError.not_found(f"no {kind} {prefix[:40]} in room {room}{hint}")


async def get_prompt(house: House, room: Record, identity: str, caller: Caller) -> dict[str, Any]:
    """Show one prompt, and the turn that it is in. Raises RoomError."""
    prompt = await house.journal.read(read_prompt, identity)
    if prompt is None:
        raise RoomError.not_found(f"no prompt {identity} in room {room.name}")
    waiting = await room.waiting()
    places = {each.id: place for each, place in waiting}
    view = await show_prompt(prompt, places.get(identity), asked_bytes=None)
    return {
        "prompt": hide_key(caller.reader, prompt, view),
        "turn": await turn_of(house, prompt),
        "merged": merged_view(_company([each for each, _ in waiting], identity)),
    }


def _company(waiting: Sequence[Prompt], identity: str) -> list[Prompt]:
    """Find those that will share a waiting prompt's turn, itself among them, the leader first."""
    leader = next((each.merge.leader for each in waiting if each.id == identity and each.merge is not None), None)
    company = [
        each for each in waiting if leader is not None and each.merge is not None and each.merge.leader == leader
    ]
    return sorted(company, key=lambda each: each.id != leader)


async def show_prompt(prompt: Prompt, place: int | None, asked_bytes: int | None = HEAD_BYTES) -> dict[str, Any]:
    """Show a prompt as `prompt_view` does, with its text written already where it is long."""
    view = prompt_view(prompt, place, asked_bytes=asked_bytes)
    view["text"] = await in_slices(writing(view["text"]))
    return view


async def get_turn(house: House, room: Record, identity: str, caller: Caller) -> dict[str, Any]:
    """Show one turn with its whole answer, and its prompts. Raises RoomError."""
    turn = await house.journal.read(read_turn, identity)
    if turn is None:
        raise RoomError.not_found(f"no turn {identity} in room {room.name}")
    prompts = await house.journal.read(read_prompts_of, turn.prompts)
    text_bytes = share_of(ORIGINALS_BYTES, len(prompts))
    shown = (prompt_for(caller.reader, prompt, text_bytes=text_bytes) for prompt in prompts)
    return {"turn": await _written(turn, prompts), "prompts": await in_slices(writing_rows(shown))}


async def turn_of(house: House, prompt: Prompt) -> dict[str, Any] | None:
    """Show the turn that a prompt is in, if it is in one."""
    turn = None if prompt.turn is None else await house.journal.read(read_turn, prompt.turn)
    return None if turn is None else await _written(turn, await house.journal.read(read_prompts_of, turn.prompts))


async def _written(turn: Turn, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Show a turn, with what is long in it written already."""
    view = turn_view(turn, prompts)
    for name in ("text", "answer"):
        if view[name] is not None:
            view[name] = await in_slices(writing(view[name]))
    return view


async def list_rooms(house: House) -> list[dict[str, Any]]:
    """Show every room; one that ends while it is asked is none any more."""
    shown = []
    for room in tuple(house.rooms.values()):
        with suppress(RoomError):
            shown.append(await room.describe())
    return shown


async def list_prompts(house: House, params: PromptList, caller: Caller) -> dict[str, Any]:
    """Show a page of prompts. Raises RoomError."""
    room = await find_record(house, params.room, caller)
    waiting = await room.waiting()
    if params.states == (PromptState.WAITING,):
        return await _page_of_queue(params, waiting, caller)
    places = {prompt.id: place for prompt, place in waiting}
    chosen = _filter(params.states, params, caller, _row_after(params.cursor))
    prompts, following = await house.journal.read(read_prompt_page, room.name, chosen, params.limit, PAGE_CHARS)
    shown = (prompt_for(caller.reader, prompt, places.get(prompt.id)) for prompt in prompts)
    return {"prompts": await in_slices(writing_rows(shown)), "next": following}


async def _page_of_queue(params: PromptList, waiting: list[Placed], caller: Caller) -> dict[str, Any]:
    chosen = _filter((), params, caller, None)
    first = _number_after(params.cursor)
    shown = [
        # By its number in the listing, for those that share a turn share a place.
        (number, prompt, place)
        for number, (prompt, place) in enumerate(waiting, 1)
        if number > first
        and (chosen.author is None or chosen.author in (prompt.author.id, prompt.author.name))
        and (chosen.since is None or prompt.submitted_at >= chosen.since)
        and (chosen.until is None or prompt.submitted_at <= chosen.until)
    ]
    page, has_more = first_portion(shown, params.limit, PAGE_CHARS, lambda row: len(row[1].text))
    following = page[-1][0] if has_more else None
    rows = await in_slices(writing_rows(prompt_for(caller.reader, prompt, place) for _, prompt, place in page))
    return {"prompts": rows, "next": None if following is None else str(following)}


def _filter(states: Sequence[str], params: PromptList | TurnList, caller: Caller, after: str | None) -> Filter:
    return Filter(
        states=states,
        author=params.author,
        since=None if params.since is None else parse_time(params.since),
        until=None if params.until is None else parse_time(params.until),
        after=after,
        seen_from=caller.seen_from,
    )


async def list_turns(house: House, params: TurnList, caller: Caller) -> dict[str, Any]:
    """Show a page of turns. Raises RoomError."""
    room = await find_record(house, params.room, caller)
    chosen = _filter(params.outcomes, params, caller, _row_after(params.cursor))
    turns, following = await house.journal.read(read_turn_page, room.name, chosen, params.limit)
    views = []
    for turn in turns:
        prompts = await house.journal.read(read_prompts_of, turn.prompts)
        views.append(turn_event_view(turn, prompts))
    return {"turns": views, "next": following}


def _row_after(cursor: str | None) -> str | None:
    if cursor is not None and not IS_ID.fullmatch(cursor):
        raise _no_cursor(cursor)
    return cursor


def _number_after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise _no_cursor(cursor)
    return int(cursor)


def _no_cursor(cursor: str) -> RoomError:
    return RoomError.invalid("cursor", f"cursor {cursor[:40]!r} is none of ours: use the `next` of an earlier page")


async def subscribe(house: House, params: EventsSubscribe, caller: Caller) -> tuple[dict[str, Any], Room, int]:
    """Say where a subscription begins, and with which snapshot where it cannot be continued. Raises RoomError."""
    room = await find_room_to_join(house, params.room, caller)
    is_fresh = params.after is None and params.since is None
    snapshot = await _snapshot(house, room, caller) if is_fresh else None
    transcript = room.transcript
    cursor = transcript.cursor
    after = cursor.seq
    is_resync = False
    if params.after is not None:
        # From before the horizon nobody has a cursor, so there is nothing to be learnt from what becomes of one.
        is_resync = params.after.seq < caller.after_seq or not transcript.can_continue(params.after)
        after = cursor.seq if is_resync else params.after.seq
    elif params.since is not None:
        after = min(max(params.since - 1, 0), cursor.seq)
    elif params.last is not None:
        after = max(cursor.seq - params.last, 0)
    after = max(after, caller.after_seq)
    if is_resync:
        snapshot = await _snapshot(house, room, caller)
        since = max(cursor.seq - SNAPSHOT_EVENTS, caller.after_seq) + 1
        events = await house.journal.read(read_events, room.name, since, SNAPSHOT_EVENTS, SNAPSHOT_BYTES)
        snapshot["events"] = _show([event for event in events if event.seq <= after], caller)
    if snapshot is not None:
        # What happens meanwhile comes behind that cursor.
        snapshot["queue"] = await in_slices(writing_rows(snapshot["queue"]))
    result = {
        "cursor": {"epoch": cursor.epoch, "seq": after},
        "resync": is_resync,
        "snapshot": snapshot,
    }
    return result, room, after


async def _snapshot(house: House, room: Room, caller: Caller) -> dict[str, Any]:
    about = await room.describe()
    waiting = await room.waiting()
    text_bytes = share_of(QUEUE_BYTES, len(waiting))
    return {
        "room": about if caller.is_host else room_view_for_guests(about),
        "queue": [prompt_for(caller.reader, *placed, text_bytes=text_bytes) for placed in waiting],
        "turn": about["turn"],
        "approvals": [approval_view(approval, whole=True) for approval in await room.approvals()],
        "people": room.people(),
        "events": [],
    }


def _show(events: Sequence[Recorded], caller: Caller) -> list[msgspec.Raw]:
    """Give recorded events to a host as they are, to a guest less what guests are not told."""
    return [msgspec.Raw(event.json if caller.is_host else event_for_guests(event.json)) for event in events]


async def list_events(house: House, params: EventsList, caller: Caller) -> dict[str, Any]:
    """Show a page of recorded events. Raises RoomError."""
    room = await find_record(house, params.room, caller)
    cursor = room.cursor
    since = cursor.seq - params.last + 1 if params.last is not None else params.since
    since = max(since, caller.after_seq + 1)
    events = await house.journal.read(read_events, room.name, since, params.limit, PAGE_BYTES)
    events = [event for event in events if event.seq <= cursor.seq]
    following = events[-1].seq + 1 if events and events[-1].seq < cursor.seq else None
    return {
        "events": _show(events, caller),
        "next": following,
        "cursor": {"epoch": cursor.epoch, "seq": cursor.seq},
    }


async def list_invites(house: House, params: InviteList, caller: Caller) -> dict[str, Any]:
    """Show the invites that let somebody in, or back in, or also those that do not any more. Raises RoomError."""
    room = find_room(house, params.room, caller)
    if not params.all:
        return {"invites": [invite_view(each, state) for each, state in room.guestbook.invites()]}
    invites = await house.journal.read(read_invites, room.name, PEOPLE)
    return {"invites": [invite_view(invite, room.guestbook.state_of(invite)) for invite in invites]}


async def list_guests(house: House, params: GuestList, caller: Caller) -> dict[str, Any]:
    """Show who is here, or also who is away or gone. Raises RoomError."""
    room = find_room(house, params.room, caller)
    if not params.all:
        return {"guests": room.guestbook.guests(is_for_host=caller.is_host), "hosts": room.transcript.hosts()}
    if not caller.is_host:
        raise RoomError.not_allowed("only a host may list guests who are not here: leave `all` out")
    known = await house.journal.read(read_members, room.name, PEOPLE)
    guests = [room.guestbook.view(member, invite, is_for_host=True) for member, invite in known]
    return {"guests": guests, "hosts": room.transcript.hosts()}


def tail_log(house: House, params: LogTail) -> dict[str, Any]:
    """Show the latest entries of the log, and whose journal has them all."""
    entries = house.log.recent.after(params.after or 0)
    chosen = entries[: params.last] if params.after is not None else entries[-params.last :] if params.last else []
    unit = house.log.unit
    return {
        "entries": [msgspec.Raw(entry.json) for entry in chosen],
        "next": chosen[-1].number if chosen else params.after or (entries[-1].number if entries else 0),
        "epoch": house.journal.epoch,
        "unit": None if unit is None else {"name": unit.name, "of_user": unit.is_users},
    }
