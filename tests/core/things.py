"""Prompts, turns and people for tests that do not care which."""

from typing import Any

from msgspec.structs import replace

from concordiad.core.model import (
    Approval,
    ApprovalKind,
    Author,
    AuthorKind,
    Invite,
    Member,
    Origin,
    Priority,
    Prompt,
    Turn,
)
from concordiad.core.roles import Role

ALICE = Author("uid:1000", "alice", AuthorKind.LOCAL)
BOB = Author("member:7", "bob", AuthorKind.GUEST)


def make_prompt(identity: str = "p1", priority: Priority = Priority.NORMAL) -> Prompt:
    """Return a prompt of which nothing is known that need not be."""
    return Prompt(identity, "main", ALICE, "what is new?", 1_700_000_000.0, priority=priority)


def make_turn(text: str = "what is new?", answer: str | None = None) -> Turn:
    """Return a running turn of which nothing is known that need not be."""
    return Turn("t1", "main", Origin.PROMPTS, ("p1",), text, 1_700_000_000.0, "i1", answer=answer)


def make_approval(tool_input: bytes = b"{}") -> Approval:
    """Return an approval that waits."""
    return Approval(
        id="a1",
        room="main",
        request_id="r1",
        turn="t1",
        kind=ApprovalKind.PERMISSION,
        tool="Bash",
        input=tool_input,
        description=None,
        requested_at=1_700_000_000.0,
        expires_at=1_700_000_600.0,
    )


def make_invite(identity: str = "i1", **more: Any) -> Invite:
    """Return a driver's invite that never ends."""
    invite = Invite(identity, "main", Role.DRIVER, b"t" * 32, 1_700_000_000.0, ALICE, expires_at=None, uses=None)
    return replace(invite, **more)


def make_member(identity: str = "m1", **more: Any) -> Member:
    """Return a guest who is away."""
    member = Member(identity, "main", "i1", "bob", b"m" * 32, None, 1_700_000_000.0, 7)
    return replace(member, **more)
