"""
The methods of the wire: what each one asks of the rooms, and how its answer looks.

Law: nothing here changes state; a room's owners do, and a method returns what they answered.
"""

import os
from typing import Any

from msgspec import Struct

import concordiad
from concordiad.core.codes import NOT_FOUND
from concordiad.core.model import InviteState, Origin, Priority, RoomRow, Turn, rfc3339
from concordiad.core.nearest import did_you_mean
from concordiad.core.params import (
    ApprovalAnswer,
    ById,
    EventsList,
    EventsSubscribe,
    GuestKick,
    GuestList,
    InRoom,
    InviteCreate,
    InviteList,
    InviteRevoke,
    JournalPrune,
    LogTail,
    Nothing,
    PromptList,
    PromptRetry,
    PromptSubmit,
    RoomCreate,
    RoomRestart,
    StatsGet,
    StatsLink,
    TurnInterrupt,
    TurnList,
)
from concordiad.core.portions import utf8_bytes
from concordiad.core.roles import Right, decide
from concordiad.core.views import approval_view, author_view, invite_view, turn_view
from concordiad.core.wire import Request
from concordiad.errors import LocalProtocolError, RoomError
from concordiad.front.caller import Caller
from concordiad.front.discovery import discover
from concordiad.front.measuring import measures_view
from concordiad.front.readings import (
    get_prompt,
    get_turn,
    list_events,
    list_guests,
    list_invites,
    list_prompts,
    list_rooms,
    list_turns,
    show_prompt,
    subscribe,
    tail_log,
    turn_of,
    whole_id,
)
from concordiad.front.records import find_record, find_room, find_room_to_join
from concordiad.front.retrying import retry
from concordiad.front.statistics import get_statistics, make_link
from concordiad.house.handle import House
from concordiad.journal.prompts import read_prompt, read_prompts_of
from concordiad.journal.turns import read_turn
from concordiad.room.approvals import texts_of
from concordiad.room.handle import Room
from concordiad.room.to_batcher import Submission


class Answer(Struct, frozen=True):
    """What a request is answered; with `follow`, the connection then follows that room after that number."""

    result: dict[str, Any]
    follow: tuple[Room, int] | None = None


def allow(method: str, caller: Caller) -> Right:
    """
    Say how far a caller's right to a method goes.

    Raises:
        RoomError: it has none.
    """
    if caller.role is None:
        raise RoomError.not_allowed(
            "this process was started by a room's agent, which may not command its own daemon: call from elsewhere"
        )
    if method == "hello":
        raise RoomError.not_allowed("hello is for guests, once, as the first message on the guests' door")
    right = decide(method, caller.role, may_approve=caller.may_approve)
    if right is None:
        raise RoomError.not_allowed(f"a {caller.role} may not call {method}")
    return right


async def call(house: House, caller: Caller, request: Request) -> Answer:
    """
    Meet one request.

    Raises:
        RoomError: it cannot be met; says why and what to do.
        JournalError: the journal cannot be read.
    """
    right = allow(request.method, caller)
    match request.params:
        case PromptSubmit():
            return Answer(await _submit(house, caller, right, request.params))
        case PromptRetry():
            return Answer(await retry(house, caller, right, request.params))
        case ById(identity, name):
            record = await find_record(house, name, caller)
            identity = await whole_id(house, record.name, request.method.partition(".")[0], identity, caller)
            if request.method == "prompt.get":
                return Answer(await get_prompt(house, record, identity, caller))
            if request.method == "turn.get":
                return Answer(await get_turn(house, record, identity, caller))
            room = find_room(house, name, caller)
            return Answer(await _take_out(house, caller, right, room, identity, request.method))
        case PromptList():
            return Answer(await list_prompts(house, request.params, caller))
        case TurnInterrupt(name, turn):
            stopped = await _interrupt(house, caller, right, find_room(house, name, caller), turn)
            return Answer({"turn": stopped})
        case TurnList():
            return Answer(await list_turns(house, request.params, caller))
        case EventsSubscribe():
            result, room, after = await subscribe(house, request.params, caller)
            return Answer(result, (room, after))
        case EventsList():
            return Answer(await list_events(house, request.params, caller))
        case InRoom(name):
            if request.method == "room.close" and name in house.unopened:
                return Answer({"room": name, "cancelled": await house.close(name, caller.author)})
            return Answer(await _in_room(house, caller, request.method, find_room(house, name, caller)))
        case RoomCreate():
            return Answer(await _create_room(house, caller, request.params))
        case JournalPrune(older_than_s, keep_bytes, chosen):
            pruned = await house.prune(chosen, older_than_s, keep_bytes)
            return Answer({"rooms": [each._asdict() for each in pruned]})
        case StatsGet():
            return Answer(await get_statistics(house, request.params, caller))
        case StatsLink():
            return Answer(await make_link(house, request.params, caller))
        case RoomRestart(name, is_fresh):
            room = find_room(house, name, caller)
            await room.restart(is_fresh=is_fresh, by=caller.author)
            return Answer({"room": await room.describe()})
        case ApprovalAnswer():
            return Answer(await _answer(house, caller, request.params))
        case InviteList():
            return Answer(await list_invites(house, request.params, caller))
        case GuestList():
            return Answer(await list_guests(house, request.params, caller))
        case InviteCreate() | InviteRevoke() | GuestKick():
            return Answer(
                await _about_people(house, caller, find_room(house, request.params.room, caller), request.params)
            )
        case LogTail():
            return Answer(tail_log(house, request.params))
        case Nothing() if request.method == "daemon.measure":
            return Answer(await measures_view(house))
        case Nothing() if request.method == "rpc.discover":
            return Answer(discover())
        case Nothing():
            rooms = {
                "rooms": await list_rooms(house),
                "unopened": [
                    {"name": each.row.name, "workdir": each.row.workdir, "agent": each.row.agent, "reason": each.reason}
                    for each in house.unopened.values()
                ],
            }
            return Answer(rooms if request.method == "room.list" else {**_daemon(house), **rooms})
    raise LocalProtocolError(f"method {request.method} is in the table but not here")


def _daemon(house: House) -> dict[str, Any]:
    about = {
        "version": concordiad.__version__,
        "pid": os.getpid(),
        "started_at": rfc3339(house.started_at),
        "uptime_s": house.uptime_s,
        "epoch": house.journal.epoch,
        "state_dir": str(house.state_dir),
        "set_aside": house.journal.find_set_aside(),
        "damaged": house.journal.damaged,
    }
    return {"daemon": about}


async def _submit(house: House, caller: Caller, right: Right, params: PromptSubmit) -> dict[str, Any]:
    room = await find_room_to_join(house, params.room, caller)
    size = utf8_bytes(params.text)
    if size > house.config.limits.prompt_bytes:
        raise RoomError.invalid(
            "text",
            f"the prompt has {size} bytes, the limit is {house.config.limits.prompt_bytes}: shorten it, or put it in"
            " a file and name the file",
        )
    if right is not Right.ANY and (params.raw or params.priority is Priority.HIGH):
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
    return {"prompt": await show_prompt(*placed), "turn": await turn_of(house, placed.prompt)}


async def _take_out(
    house: House, caller: Caller, right: Right, room: Room, identity: str, method: str
) -> dict[str, Any]:
    verb = method.rpartition(".")[2]
    prompt = await house.journal.read(read_prompt, identity)
    # A prompt's author never changes, so nothing can come between this and the deed.
    if right is Right.OWN and (prompt is None or prompt.author.id != caller.author.id):
        raise RoomError.not_allowed(f"prompt {identity} is somebody else's: you may {verb} your own")
    take_out = room.split if method == "prompt.split" else room.cancel
    return {"prompt": await show_prompt(*await take_out(identity, caller.author))}


async def _interrupt(house: House, caller: Caller, right: Right, room: Room, turn_id: str | None) -> dict[str, Any]:
    turn: Turn | None = None
    if turn_id is not None:
        turn_id = await whole_id(house, room.name, "turn", turn_id, caller)
    elif right is Right.OWN:
        # The one that is looked at is named to the writer, so that no other one can be stopped in its place.
        about = (await room.describe())["turn"]
        if about is None:
            raise RoomError.conflict(f"no turn is running in room {room.name}: nothing to stop")
        turn_id = str(about["id"])
    if turn_id is not None:
        turn = await house.journal.read(read_turn, turn_id)
    if turn is not None and turn.outcome is not None:
        raise RoomError.conflict(f"turn {turn_id} is over already: {turn.outcome}")
    if right is Right.OWN and (turn is None or not await _is_own(house, caller, turn)):
        raise RoomError.not_allowed(f"turn {turn_id} is not yours: you may stop one whose first prompt is yours")
    stopped = await room.interrupt(turn_id, caller.author)
    return turn_view(stopped, await house.journal.read(read_prompts_of, stopped.prompts))


async def _is_own(house: House, caller: Caller, turn: Turn) -> bool:
    """
    Tell whether the first prompt of a turn is the caller's; a turn of the agent's own is nobody's.

    What is asked is that prompt's: whoever asks the same later has it answered, too, but takes no right away by that.
    """
    prompts = await house.journal.read(read_prompts_of, turn.prompts[:1])
    return turn.origin is Origin.PROMPTS and [prompt.author.id for prompt in prompts] == [caller.author.id]


async def _about_people(
    house: House, caller: Caller, room: Room, params: InviteCreate | InviteRevoke | GuestKick
) -> dict[str, Any]:
    match params:
        case InviteCreate():
            if house.page_url is None:
                raise RoomError.not_now(
                    "no door is open: add a [guests] table to the configuration, and start concordiad again"
                )
            made, token = await room.create_invite(params, caller.author)
            url = f"{house.page_url.rstrip('/')}/#{room.name}.{token}"
            return {"invite": invite_view(made, InviteState.OPEN, url, token)}
        case InviteRevoke(identity):
            invite, closed = await room.revoke_invite(identity, caller.author)
            return {"invite": invite_view(invite, room.guestbook.state_of(invite)), "closed": closed}
    member, invite, closed = await room.kick(params.id, params.reason, caller.author)
    guest = room.guestbook.view(member, invite, is_for_host=True)
    return {"guest": guest, "closed": closed, "invite": invite_view(invite, room.guestbook.state_of(invite))}


async def _in_room(house: House, caller: Caller, method: str, room: Room) -> dict[str, Any]:
    match method:
        case "approval.list":
            return {"approvals": [approval_view(approval, whole=True) for approval in await room.approvals()]}
        case "room.close":
            return {"room": room.name, "cancelled": await house.close(room.name, caller.author)}
    await house.set_paused(room, caller.author, is_paused=method == "room.pause")
    return {"room": await room.describe()}


async def _create_room(house: House, caller: Caller, params: RoomCreate) -> dict[str, Any]:
    if not params.workdir.startswith("/"):
        raise RoomError.invalid("workdir", f"workdir {params.workdir[:100]!r} is relative: give the whole path")
    row = RoomRow(
        name=params.name,
        workdir=params.workdir.rstrip("/") or "/",
        agent=params.agent,
        model=params.model,
        permission_mode=params.permission_mode,
        idle_s=params.idle_s,
        is_created=True,
        after_crash=params.after_crash,
    )
    room = await house.create(row, caller.author)
    return {"room": await room.describe(), "warnings": house.warnings_of(room)}


async def _answer(house: House, caller: Caller, params: ApprovalAnswer) -> dict[str, Any]:
    room = find_room(house, params.room, caller)
    pending = await room.approvals()
    known = [approval.id for approval in pending]
    waiting = [identity for identity in known if identity.startswith(params.id)]
    answers = dict(params.answers)
    if not caller.is_host and answers:
        # A guest answers what it was shown, in which secrets are masked; the agent is to hear its own words.
        texts = [text for approval in pending if approval.id in waiting for text in texts_of(approval.input)]
        answers = {room.voice.meant(asked, texts): room.voice.meant(said, texts) for asked, said in answers.items()}
    try:
        approval = await room.answer(
            waiting[0] if len(waiting) == 1 else params.id,
            is_allowed=params.allow,
            answers=answers,
            reason=params.reason,
            by=caller.author,
        )
    except RoomError as error:
        if error.code is not NOT_FOUND or len(waiting) > 1:
            raise
        hint = did_you_mean(params.id, known, "see `concordiactl approvals`")
        raise RoomError.not_found(f"no approval {params.id[:40]} in room {room.name}{hint}") from error
    return {
        "approval": approval_view(approval, whole=True),
        "resolution": "approved" if params.allow else "denied",
        "by": author_view(caller.author),
    }
