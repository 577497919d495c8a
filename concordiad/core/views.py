"""
How prompts, turns, approvals, people and events look on the wire: plain dictionaries whose absent values are null.

An event's body is JSON members without the braces (`b'"turn":"…","text":"…"'`), so that the agent's own bytes can be
spliced in and the fan-out can put its envelope around them without parsing anything again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from concordiad.core.model import Approval, Author, Invite, InviteState, Member, Merge, Prompt, Turn, rfc3339
from concordiad.core.pieces import Pieces
from concordiad.core.roles import Role

ANSWER_HEAD_BYTES: Final = 64 * 1024
"""How much of an answer `turn.finished` carries (interface.md); all of it is in `turn.get`."""
INPUT_HEAD_BYTES: Final = 64 * 1024
"""How much of a tool's input an `approval.requested` event carries; all of it is in `approval.list`."""
HEAD_BYTES: Final = 1024
"""How much of a long text is repeated where it was told before: of a prompt's own, and of what is asked instead."""
ASKED_HEAD_BYTES: Final = 64 * 1024
"""How much of what is asked is told once, with the leader's `prompt.merged`: no model's wording is longer."""
QUEUE_BYTES: Final = 256 * 1024
"""How much of the texts of prompts that wait a snapshot shows together."""
ORIGINALS_BYTES: Final = 1024 * 1024
"""How much of the texts of a turn's prompts `turn.get` shows together; each in full is in `prompt.get`."""
MERGED_BYTES: Final = 64 * 1024
"""How much of the texts of prompts that share a turn is shown together with the turn."""
OTHERS_BYTES: Final = 8 * 1024
"""How much of those of the others is told with each prompt that is merged: each of them hears of all before it."""
SHARE_LEAST_BYTES: Final = 256
"""Bytes that are shown of each of several texts at least."""
MERGED_HEAD_MOST: Final = 4 * 1024


WRITTEN: Final = 32 * 1024
"""Characters of a text that are written as JSON in one go: 0.1 to 0.5 ms."""

BEFORE_TYPE: Final = b'"type":"'
"""Stands in front of an event's type; the envelope's own comes first, and no room's name can hold a quote."""

LATEST_S: Final = 253402300799.0
"""The end of the year 9999: RFC 3339 has no later times."""


def _time(unix_s: float | None) -> str | None:
    return None if unix_s is None else rfc3339(unix_s)


def author_view(author: Author) -> dict[str, Any]:
    """Show an author: `id name kind`."""
    return {"id": author.id, "name": author.name, "kind": author.kind.value}


def prompt_view(
    prompt: Prompt,
    place: int | None = None,
    *,
    text_bytes: int | None = None,
    asked_bytes: int | None = HEAD_BYTES,
) -> dict[str, Any]:
    """
    Show a prompt.

    Args:
        place: 1 for the next one, None where it does not wait.
        text_bytes: how much of its text is shown; None: all of it.
        asked_bytes: the same of what is asked for it, where it was merged.
    """
    text, text_chars = _cut(prompt.text, text_bytes)
    return {
        "id": prompt.id,
        "room": prompt.room,
        "author": author_view(prompt.author),
        "text": text,
        "text_chars": text_chars,
        "state": prompt.state.value,
        "priority": prompt.priority.value,
        "key": prompt.key,
        "expires_at": _time(prompt.expires_at),
        "submitted_at": rfc3339(prompt.submitted_at),
        "place": place,
        "turn": prompt.turn,
        "retry_of": prompt.retry_of,
        "raw": prompt.is_raw,
        "alone": prompt.is_alone,
        "merge": None if prompt.merge is None else _merge_view(prompt, prompt.merge, asked_bytes),
    }


def _merge_view(prompt: Prompt, merge: Merge, asked_bytes: int | None) -> dict[str, Any]:
    asked, asked_chars = _cut(merge.asked, asked_bytes)
    return {
        "leader": merge.leader,
        "stage": _stage(merge),
        "similarity": merge.similarity,
        "asked": asked,
        "asked_chars": asked_chars,
        "verbatim": merge.asked == prompt.text,
    }


def _stage(merge: Merge) -> str:
    return "first" if merge.stage is None else merge.stage.value


def _cut(text: str, limit_bytes: int | None) -> tuple[str, int | None]:
    """Show the beginning of a text, and how many characters all of it has; None for a text that is whole."""
    if limit_bytes is None:
        return text, None
    head = head_of(text, limit_bytes)
    return head, None if len(head) == len(text) else len(text)


def share_of(limit_bytes: int, texts: int) -> int:
    """Tell how much is shown of each of so many texts."""
    return max(limit_bytes // max(texts, 1), SHARE_LEAST_BYTES)


def event_prompt_view(prompt: Prompt, place: int | None, *, is_new: bool) -> dict[str, Any]:
    """Show the prompt of an event; one that was accepted earlier, and told of in full, only by the text's beginning."""
    merge = prompt.merge
    # What is asked for a group is told once in full: as its leader's text, or with its leader.
    is_leader = merge is not None and merge.leader == prompt.id
    asked_bytes = ASKED_HEAD_BYTES if is_leader and merge is not None and merge.asked != prompt.text else HEAD_BYTES
    return prompt_view(prompt, place, text_bytes=None if is_new else HEAD_BYTES, asked_bytes=asked_bytes)


def joined_members(prompt: Prompt, others: Sequence[Prompt]) -> dict[str, Any]:
    """Show with whom a prompt shares a turn from now on, and why: what `prompt.merged` has besides the prompt."""
    head_bytes = min(share_of(OTHERS_BYTES, len(others)), HEAD_BYTES)
    merge = prompt.merge
    more = {} if merge is None else _merge_view(prompt, merge, HEAD_BYTES)
    return {
        "with": [
            {"id": other.id, "author": author_view(other.author), "text": head_of(other.text, head_bytes)}
            for other in others
        ],
        **{key: more[key] for key in ("stage", "similarity", "asked") if key in more},
    }


def merged_view(prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
    """Show the prompts of a turn that has several."""
    if len(prompts) < 2:
        return []
    head_bytes = min(share_of(MERGED_BYTES, len(prompts)), MERGED_HEAD_MOST)
    return [
        {
            "prompt": prompt.id,
            "author": author_view(prompt.author),
            "text": head_of(prompt.text, head_bytes),
            "stage": None if prompt.merge is None else _stage(prompt.merge),
            "similarity": None if prompt.merge is None else prompt.merge.similarity,
        }
        for prompt in prompts
    ]


def turn_view(turn: Turn, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Show a turn and its prompts with the whole of its answer."""
    return {
        "id": turn.id,
        "room": turn.room,
        "origin": turn.origin.value,
        "prompts": list(turn.prompts),
        "text": turn.text,
        "state": turn.state.value,
        "outcome": None if turn.outcome is None else turn.outcome.value,
        "reason": turn.reason,
        "answer": turn.answer,
        "started_at": rfc3339(turn.started_at),
        "finished_at": _time(turn.finished_at),
        "duration_s": turn.duration_s,
        "ttft_s": turn.ttft_s,
        "input_tokens": turn.input_tokens,
        "output_tokens": turn.output_tokens,
        "cost_usd": turn.cost_usd,
        "agent_turns": turn.agent_turns,
        "merged": merged_view(prompts),
    }


def authors_of(prompts: Sequence[Prompt]) -> list[Author]:
    """List who asked, each once."""
    return list({prompt.author.id: prompt.author for prompt in prompts}.values())


def head_of(text: str, limit_bytes: int) -> str:
    """Cut a text to at most so many bytes of UTF-8, never inside a character."""
    if len(text) * 4 <= limit_bytes:
        return text
    if text.isascii():
        return text[:limit_bytes]
    # No character is less than a byte: of a long text only the beginning is looked at.
    return text[:limit_bytes].encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")


def turn_event_view(turn: Turn, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Show a turn as its events carry it: with authors, the answer's head and the answer's size in bytes."""
    view = turn_view(turn, prompts)
    answer = turn.answer
    view["authors"] = [author_view(author) for author in authors_of(prompts)]
    view["answer"] = None if answer is None else head_of(answer, ANSWER_HEAD_BYTES)
    view["answer_bytes"] = None if answer is None else len(answer.encode("utf-8", "replace"))
    view["text"] = head_of(turn.text, ANSWER_HEAD_BYTES)
    return view


def approval_view(approval: Approval, *, whole: bool) -> dict[str, Any]:
    """Show a pending approval; with `whole` false an input over 64 KiB is null and `input_bytes` tells its size."""
    is_shown = whole or len(approval.input) <= INPUT_HEAD_BYTES
    return {
        "id": approval.id,
        "room": approval.room,
        "turn": approval.turn,
        "kind": approval.kind.value,
        "tool": approval.tool,
        "input": msgspec.Raw(approval.input) if is_shown else None,
        "input_bytes": len(approval.input),
        "description": approval.description,
        "requested_at": rfc3339(approval.requested_at),
        "expires_at": rfc3339(approval.expires_at),
        "may_answer": ["host", "approver"],
    }


def invite_view(invite: Invite, state: InviteState, url: str | None = None, token: str | None = None) -> dict[str, Any]:
    """Show an invite; its link and its token only to whoever has just made it."""
    return {
        "id": invite.id,
        "room": invite.room,
        "role": invite.role.value,
        "name_hint": invite.name_hint,
        "may_approve": invite.may_approve,
        "history": invite.history.value,
        "created_at": rfc3339(invite.created_at),
        "created_by": author_view(invite.created_by),
        "expires_at": _time(invite.expires_at),
        "uses": invite.uses,
        "used": invite.used,
        "uses_left": None if invite.uses is None else max(invite.uses - invite.used, 0),
        "revoked_at": _time(invite.revoked_at),
        "state": state.value,
        "url": url,
        "token": token,
    }


def person_view(member: Member, invite: Invite) -> dict[str, Any]:
    """Show somebody who is here: `id name kind role here_since`."""
    return {**author_view(member.author), "role": invite.role.value, "here_since": _time(member.here_since)}


def host_view(host: Author, here_since: float) -> dict[str, Any]:
    """Show a host who is here, like a guest."""
    return {**author_view(host), "role": Role.HOST.value, "here_since": rfc3339(here_since)}


class Connection(Protocol):
    """What a guest's connection tells of itself."""

    @property
    def address(self) -> str:
        """Where it comes from."""

    def lag(self) -> tuple[int, int]:
        """Tell how many events and bytes the guest is behind."""


def guest_view(
    member: Member, invite: Invite, connections: Sequence[Connection] = (), *, is_for_host: bool
) -> dict[str, Any]:
    """Show a guest; where it comes from, by which invite, and how far it is behind is for hosts only."""
    lags = [connection.lag() for connection in connections] if is_for_host else []
    return {
        "id": member.author.id,
        "name": member.name,
        "kind": member.author.kind.value,
        "role": invite.role.value,
        "room": member.room,
        "invite": member.invite if is_for_host else None,
        "may_approve": invite.may_approve,
        "joined_at": rfc3339(member.joined_at),
        "here_since": _time(member.here_since),
        "address": connections[-1].address if is_for_host and connections else None,
        "connections": len(connections),
        "lag_events": max(events for events, _ in lags) if lags else None,
        "lag_bytes": sum(size for _, size in lags) if lags else None,
    }


def room_view_for_guests(room: dict[str, Any]) -> dict[str, Any]:
    """Show a room without what is of the machine that it is on; why there is no agent may name a path or a process."""
    agent = {**room["agent"], "pid": None, "session_id": None}
    reason = None if room["state"] in ("agent-down", "agent-failing") else room["reason"]
    return {**room, "workdir": None, "reason": reason, "agent": agent}


def writing(text: str) -> Pieces[str | msgspec.Raw]:
    """Write a long text as JSON, in pieces, for a view to hold in its place; a short one is let be."""
    if len(text) <= WRITTEN:
        return text
    written = [b'"']
    for start in range(0, len(text), WRITTEN):
        written.append(msgspec.json.encode(text[start : start + WRITTEN])[1:-1])
        yield
    whole = msgspec.Raw(b"".join([*written, b'"']))
    # What it is a part of is written in another piece.
    yield
    return whole


def members(**values: Any) -> bytes:
    """Write an event's body: JSON members without the braces."""
    return msgspec.json.encode(values)[1:-1]


def writing_members(**values: Any) -> Pieces[bytes]:
    """Write an event's body as `members` does; a long one in pieces, each of which writes all of it once."""
    written = msgspec.json.encode(values)
    if len(written) > WRITTEN:
        yield
    return written[1:-1]


def writing_rows(views: Iterable[dict[str, Any]]) -> Pieces[list[msgspec.Raw]]:
    """Write what a listing shows, in pieces: a row for itself, and its `text` before it where that is long."""
    rows = []
    for view in views:
        text = yield from writing(view["text"])
        rows.append(msgspec.Raw(msgspec.json.encode({**view, "text": text})))
        yield
    return rows


def envelope(room: str, epoch: int, seq: int, at: float, event_type: str, body: bytes) -> bytes:
    """Put the envelope of a recorded event around its body."""
    return b'{"room":"%b","epoch":%d,"seq":%d,"at":"%b","type":"%b"%b%b}' % (
        room.encode(),
        epoch,
        seq,
        rfc3339(at).encode(),
        event_type.encode(),
        b"," if body else b"",
        body,
    )


def type_of(event: bytes) -> bytes:
    """Find the type of an event without reading all of it."""
    start = event.find(BEFORE_TYPE) + len(BEFORE_TYPE)
    return event[start : event.find(b'"', start)]


LOST_EVENT: Final = "the event that stood here is damaged in the journal or missing, and cannot be shown"


def lost_event(room: str, epoch: int, seq: int) -> bytes:
    """Say in the place of an event that it cannot be shown; its time is about that of its epoch's beginning."""
    body = members(code="event_lost", message=LOST_EVENT, fault=None)
    return envelope(room, epoch, seq, min(epoch / 1000, LATEST_S), "notice", body)


def live_envelope(room: str, epoch: int, at: float, event_type: str, body: bytes) -> bytes:
    """Put the envelope of an event that is not recorded, so has no number, around its body."""
    return b'{"room":"%b","epoch":%d,"at":"%b","type":"%b"%b%b}' % (
        room.encode(),
        epoch,
        rfc3339(at).encode(),
        event_type.encode(),
        b"," if body else b"",
        body,
    )
