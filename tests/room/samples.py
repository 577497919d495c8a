"""People, prompts and settings as the tests of a room use them."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from concordiad.config.limits import Graces
from concordiad.core.model import Author, AuthorKind, Prompt
from concordiad.room.to_batcher import Submission
from concordiad.room.to_fanout import Draft, Post

ANN = Author("uid:1000", "ann", AuthorKind.LOCAL)
BOB = Author("uid:1001", "bob", AuthorKind.LOCAL)
NOW = 1_800_000_000.0
"""The wall clock of tests in virtual time: it stands still, so that nothing depends on it by accident."""
GRACES = Graces(approval_s=600, start_s=60, turn_s=30, silence_s=660, interrupt_s=5, exit_s=5, kill_s=5, message_s=10)


def clock() -> float:
    """Tell the wall clock's time."""
    return NOW


def count_ids(prefix: str) -> Callable[[], str]:
    """Make ids that can be told apart at a glance, t1 and t2 and so on."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def prompt(identity: str = "p1", text: str = "Why?", **more: Any) -> Prompt:
    """Make a prompt that waits."""
    return replace(Prompt(identity, "main", ANN, text, NOW), **more)


def submission(text: str = "Why?", **more: Any) -> Submission:
    """Make what Ann hands in."""
    return replace(Submission(ANN, text), **more)


def body_of(draft: Draft) -> dict[str, Any]:
    """Read a draft's body."""
    body = msgspec.json.decode(b"{%b}" % draft.body)
    assert isinstance(body, dict)
    return body


def drafts_of(posts: Sequence[Post], event_type: str = "") -> list[dict[str, Any]]:
    """Read the bodies of all drafts, or of those of one type, in their order."""
    drafts = [draft for post in posts for draft in post.drafts]
    return [body_of(draft) for draft in drafts if event_type in ("", draft.event_type)]


def types_of(posts: Sequence[Post]) -> list[str]:
    """List the types of all drafts in their order."""
    return [draft.event_type for post in posts for draft in post.drafts]
