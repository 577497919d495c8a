"""Prompts, turns and people for tests that do not care which."""

from concordiad.core.model import Approval, ApprovalKind, Author, AuthorKind, Origin, Priority, Prompt, Turn

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
