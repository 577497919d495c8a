"""Objects of the wire, as the daemon would write them."""

from typing import Any

Json = dict[str, Any]

PROMPT = "01932f00-0000-7000-8000-000000000001"
TURN = "01932f00-0000-7000-8000-00000000000a"
APPROVAL = "01932f00-0000-7000-8000-0000000000ff"
ADA = {"id": "uid:1000", "name": "ada", "kind": "local"}
BOB = {"id": "uid:1001", "name": "bob", "kind": "local"}
AT = "2026-11-21T01:30:58.123Z"


def prompt(**changes: Any) -> Json:
    """Make a prompt that waits at the first place."""
    return {
        "id": PROMPT,
        "room": "main",
        "author": ADA,
        "text": "what is the answer?",
        "state": "waiting",
        "priority": "normal",
        "key": None,
        "expires_at": None,
        "submitted_at": AT,
        "place": 1,
        "text_chars": None,
        "turn": None,
        "retry_of": None,
        "raw": False,
        "alone": False,
        "merge": None,
    } | changes


def merge(stage: str, similarity: float | None = None, asked: str = "what is the answer?") -> Json:
    """Make a share in a turn: `first`, or by which stage it came to the first one."""
    return {
        "leader": PROMPT,
        "stage": stage,
        "similarity": similarity,
        "asked": asked,
        "asked_chars": None,
        "verbatim": False,
    }


def sharer(stage: str, similarity: float | None = None, **changes: Any) -> Json:
    """Make one of those who share a turn, as `prompt.get` and a turn name them."""
    about = {"prompt": PROMPT, "author": ADA, "text": "what is the answer?", "stage": stage, "similarity": similarity}
    return about | changes


def merged(stage: str = "near", **changes: Any) -> Json:
    """Make the event of bob's prompt, which is merged with ada's."""
    text = "what's the answer?"
    joined = prompt(
        id="b", author=BOB, text=text, merge=merge(stage, 0.968) | {"verbatim": changes.get("asked") == text}
    )
    others = [{"id": PROMPT, "author": ADA, "text": "what is the answer?"}]
    told_of = {"stage": stage, "similarity": 0.968, "asked": "what is the answer?"}
    return event("prompt.merged", **{"prompt": joined, "with": others, **told_of} | changes)


def running_turn(**changes: Any) -> Json:
    """Make a turn that has just started."""
    return {
        "id": TURN,
        "room": "main",
        "origin": "prompts",
        "prompts": [PROMPT],
        "text": "what is the answer?",
        "state": "running",
        "outcome": None,
        "reason": None,
        "answer": None,
        "started_at": AT,
        "finished_at": None,
        "duration_s": None,
        "ttft_s": None,
        "input_tokens": None,
        "output_tokens": None,
        "cost_usd": None,
        "agent_turns": None,
    } | changes


def finished_turn(answer: str | None = "forty-two", **changes: Any) -> Json:
    """Make a turn that was completed, whole."""
    return (
        running_turn(
            state="finished",
            outcome="completed",
            answer=answer,
            finished_at=AT,
            duration_s=3.21,
            ttft_s=0.4,
            input_tokens=1234,
            output_tokens=56,
            cost_usd=0.0123,
            agent_turns=1,
        )
        | changes
    )


def told(turn: Json, **changes: Any) -> Json:
    """Make of a turn what its events carry."""
    answer = turn["answer"]
    size = None if answer is None else len(answer.encode())
    return turn | {"authors": [ADA], "answer_bytes": size} | changes


def permission(**changes: Any) -> Json:
    """Make a request to use Bash."""
    return {
        "id": APPROVAL,
        "room": "main",
        "turn": TURN,
        "kind": "permission",
        "tool": "Bash",
        "input": {"command": "rm -r build", "description": "Remove the build"},
        "input_bytes": 60,
        "description": "Remove the build",
        "requested_at": AT,
        "expires_at": AT,
        "may_answer": ["host"],
    } | changes


def question(**changes: Any) -> Json:
    """Make a request with two questions."""
    return permission(
        kind="question",
        tool="AskUserQuestion",
        description=None,
        input={
            "questions": [
                {
                    "question": "Which colour?",
                    "header": "Colour",
                    "options": [{"label": "red", "description": "like fire"}, {"label": "blue", "description": ""}],
                    "multiSelect": False,
                },
                {
                    "question": "Which tools?",
                    "header": "Tools",
                    "options": [{"label": "hammer"}, {"label": "saw"}, {"label": "file"}],
                    "multiSelect": True,
                },
            ]
        },
        **changes,
    )


def event(kind: str, seq: int | None = 7, /, **members: Any) -> Json:
    """Make an event of room main; without a number it is one that is not recorded."""
    numbered = {} if seq is None else {"seq": seq}
    return {"room": "main", "epoch": 3, **numbered, "at": AT, "type": kind, **members}


def delta(offset: int, text: str, block: int = 0, turn: str = TURN) -> Json:
    """Make a piece of live text."""
    return event("agent.delta", None, turn=turn, block=block, kind="text", offset=offset, text=text)


def merging(tokens_saved_estimate: int = 0, **merged: int) -> Json:
    """Make the figures of a room's merging: so many prompts by each stage."""
    stages = {"same": 0, "near": 0, "meaning": 0} | merged
    waits = {"window_wait_s": 0.0, "meaning_wait_s": 0.0}
    return {"prompts": 9, "turns": 6, "merged": stages, **waits, "tokens_saved_estimate": tokens_saved_estimate}


def room(**changes: Any) -> Json:
    """Make a room that has nothing to do."""
    return {
        "name": "main",
        "workdir": "/srv/project",
        "state": "idle",
        "paused": False,
        "reason": None,
        "after_crash": "leave",
        "agent": {
            "name": "claude",
            "kind": "claude-code",
            "rehearsal": False,
            "version": "2.1.329",
            "model": "opus",
            "pid": 4242,
            "incarnation": "01932f00-0000-7000-8000-0000000000aa",
            "session_id": None,
            "restarts": 0,
            "started_at": AT,
        },
        "turn": None,
        "queue": 0,
        "approvals": 0,
        "guests": 0,
        "followers": 1,
        "merging": merging(),
        "cursor": {"epoch": 3, "seq": 7},
    } | changes


def status(*rooms: Json) -> Json:
    """Make the answer of daemon.status."""
    daemon = {"version": "0.1.0", "pid": 99, "started_at": AT, "uptime_s": 64.2, "epoch": 3, "state_dir": "/var/x"}
    return {"daemon": daemon, "rooms": list(rooms)}


CURSOR = {"epoch": 3, "seq": 6}
"""The place before the first event that a script tells."""
LISTENING: Json = {"cursor": CURSOR, "resync": False, "snapshot": None}
"""The answer to a subscription that has nothing to catch up with."""


INVITE = "01932f00-0000-7000-8000-000000001111"
GUEST = "01932f00-0000-7000-8000-000000002222"
EVE = {"id": f"guest:{GUEST}", "name": "eve", "kind": "guest"}


def invite(**changes: Any) -> Json:
    """Make an invite as it is listed: without its link."""
    return {
        "id": INVITE,
        "room": "main",
        "role": "viewer",
        "name_hint": None,
        "may_approve": False,
        "history": "joining",
        "created_at": AT,
        "created_by": ADA,
        "expires_at": "2099-01-02T03:04:05.000Z",
        "uses": 1,
        "used": 0,
        "uses_left": 1,
        "revoked_at": None,
        "state": "open",
        "url": None,
        "token": None,
    } | changes


def guest(**changes: Any) -> Json:
    """Make a guest who is here."""
    return {
        **EVE,
        "role": "viewer",
        "room": "main",
        "invite": INVITE,
        "may_approve": False,
        "joined_at": AT,
        "here_since": AT,
        "address": "192.0.2.7",
        "connections": 1,
        "lag_events": 0,
        "lag_bytes": 0,
    } | changes
