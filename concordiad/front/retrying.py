"""Asking again what came to nothing: a new prompt that names the old one."""

from typing import Any, Final

from concordiad.core.model import Priority, Prompt, PromptState
from concordiad.core.params import PromptRetry
from concordiad.core.roles import Right
from concordiad.errors import RoomError
from concordiad.front.caller import Caller
from concordiad.front.readings import show_prompt, turn_of, whole_id
from concordiad.front.records import find_room_to_join
from concordiad.house.handle import House
from concordiad.journal.listing import find_ids
from concordiad.journal.prompts import read_prompt, read_prompts_of
from concordiad.journal.turns import read_turn
from concordiad.room.to_batcher import Submission

CAME_TO_NOTHING: Final = (PromptState.FAILED, PromptState.UNCERTAIN, PromptState.CANCELLED, PromptState.EXPIRED)


def submission_again(old: Prompt, **changes: Any) -> Submission:
    """Make what was handed in anew, by its own author unless `changes` name another one."""
    expires_s = None if old.expires_at is None else old.expires_at - old.submitted_at
    again = {
        "author": old.author,
        "text": old.text,
        "priority": old.priority,
        "expires_s": expires_s,
        "is_alone": old.is_alone,
        "is_raw": old.is_raw,
        "retry_of": old.id,
    }
    return Submission(**{**again, **changes})


async def retry(house: House, caller: Caller, right: Right, params: PromptRetry) -> dict[str, Any]:
    """
    Ask a prompt again, or the one of a turn, in the caller's name; answered once the new one is durable.

    Raises:
        RoomError: there is no such prompt, it is somebody else's, or it waits, runs or was answered.
    """
    room = await find_room_to_join(house, params.room, caller)
    identity = await _prompt_id(house, room.name, right, params.id, caller)
    old = await house.journal.read(read_prompt, identity)
    if old is None:
        raise RoomError.not_found(f"no prompt {identity} in room {room.name}")
    if right is Right.OWN and old.author.id != caller.author.id:
        raise RoomError.not_allowed(f"prompt {identity} is somebody else's: you may ask your own again")
    if right is Right.OWN and (old.is_raw or old.priority is Priority.HIGH):
        raise RoomError.not_allowed("only a host may submit with raw or with priority high")
    if old.state not in CAME_TO_NOTHING:
        raise RoomError.conflict(f"prompt {identity} is {old.state}: only what came to nothing can be asked again")
    placed = await room.submit(submission_again(old, author=caller.author, key=params.key))
    return {"prompt": await show_prompt(*placed), "turn": await turn_of(house, placed.prompt)}


async def _prompt_id(house: House, room: str, right: Right, named: str, caller: Caller) -> str:
    """Find the prompt that is named, or the one that the caller may ask again of a turn. Raises RoomError."""
    found = await house.journal.read(find_ids, "prompt", room, named.lower(), caller.seen_from)
    turns = [] if found else await house.journal.read(find_ids, "turn", room, named.lower(), caller.seen_from)
    turn = None if len(turns) != 1 else await house.journal.read(read_turn, turns[0])
    if turn is None:
        return await whole_id(house, room, "prompt", named, caller)
    if not turn.prompts:
        raise RoomError.conflict(f"turn {turn.id} was the agent's own: there is no prompt to be asked again")
    prompts = await house.journal.read(read_prompts_of, turn.prompts)
    theirs = [prompt.id for prompt in prompts if right is not Right.OWN or prompt.author.id == caller.author.id]
    if len(theirs) > 1:
        some = ", ".join(theirs)
        raise RoomError.conflict(f"turn {turn.id} has {len(theirs)} prompts, name the one to be asked again: {some}")
    return theirs[0] if theirs else turn.prompts[0]
