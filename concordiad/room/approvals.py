"""
The approvals of one room: what the agent asked for, who answered first, and when time is up.

Law: an approval is resolved once; whoever comes later is told how it was resolved. The writer owns this.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import trio

from concordiad.core.agents import ApprovalAsked
from concordiad.core.model import Approval, ApprovalKind, Author
from concordiad.core.views import approval_view, author_view, members
from concordiad.errors import RoomError
from concordiad.room.ledger import mark
from concordiad.room.to_fanout import Draft

RESOLVED_KEPT: Final = 256
"""Resolved approvals remembered, so that a late answer is told who was first: more than anybody scrolls back."""
NEVER: Final = float("inf")
OPEN_MOST: Final = 256
"""Approvals that wait for people in one room: an agent asks for one tool each, and seldom runs ten at once."""
OPEN_BYTES: Final = 32 * 1024 * 1024
"""What the tools' inputs that wait may take together, whatever the first of them takes."""


class Resolution(NamedTuple):
    """How an approval was resolved: approved, denied, timed_out or withdrawn; by whom, where it was a person."""

    how: str
    by: Author | None


class Approvals:
    """
    What waits for people, and what did lately.

    Args:
        room: its name.
        grace_s: how long an approval waits for an answer.
        new_id: makes ids.
        now: Unix seconds.
    """

    def __init__(self, room: str, grace_s: float, new_id: Callable[[], str], now: Callable[[], float]) -> None:
        self._room = room
        self._grace_s = grace_s
        self._new_id = new_id
        self._now = now
        self._pending: dict[str, tuple[Approval, float]] = {}
        self._resolved: OrderedDict[str, Resolution] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """Count those that wait."""
        return len(self._pending)

    def has_room(self, asked: ApprovalAsked) -> bool:
        """Tell whether people can be asked that, too."""
        is_small = not self._pending or self._bytes + len(asked.input) <= OPEN_BYTES
        return is_small and len(self._pending) < OPEN_MOST

    def add(self, asked: ApprovalAsked, *, is_rehearsal: bool) -> tuple[Draft, Approval]:
        """Let what the agent asks for wait; return the event that tells of it, and its row."""
        now = self._now()
        approval = Approval(
            id=self._new_id(),
            room=self._room,
            request_id=asked.request_id,
            turn=asked.turn,
            kind=asked.kind,
            tool=asked.tool,
            input=asked.input,
            description=asked.description,
            requested_at=now,
            expires_at=now + self._grace_s,
        )
        self._pending[approval.id] = (approval, trio.current_time() + self._grace_s)
        self._bytes += len(approval.input)
        body = members(approval=approval_view(approval, whole=False))
        return Draft("approval.requested", mark(body, is_rehearsal=is_rehearsal)), approval

    def inherit(self, approvals: Sequence[Approval]) -> None:
        """Let wait what has waited in an earlier run of the daemon."""
        for approval in approvals:
            left_s = max(approval.expires_at - self._now(), 0.0)
            self._pending[approval.id] = (approval, trio.current_time() + left_s)
            self._bytes += len(approval.input)

    def pending(self) -> list[Approval]:
        """List what waits, oldest first."""
        return [approval for approval, _ in self._pending.values()]

    def next_deadline(self) -> float:
        """Tell when the next one times out."""
        return min((deadline for _, deadline in self._pending.values()), default=NEVER)

    def overdue(self, now: float) -> list[Approval]:
        """List what nobody answered in time."""
        return [approval for approval, deadline in self._pending.values() if deadline <= now]

    def find_request(self, request_id: str) -> Approval | None:
        """Find a waiting approval by the agent's own name for it."""
        return next((approval for approval, _ in self._pending.values() if approval.request_id == request_id), None)

    def check(self, approval_id: str, answers: dict[str, str], *, is_allowed: bool) -> Approval:
        """
        Find the approval that an answer is for.

        Raises:
            RoomError: it is resolved already, it never was, or the answers do not fit its questions.
        """
        if approval_id in self._resolved:
            how, by = self._resolved[approval_id]
            raise RoomError.conflict(f"approval {approval_id} is {how} already" + (f" by {by.name}" if by else ""))
        if approval_id not in self._pending:
            raise RoomError.not_found(f"no approval {approval_id}: see `concordiactl approvals`")
        approval = self._pending[approval_id][0]
        if is_allowed:
            _check_answers(approval, answers)
        return approval

    def resolve(self, approval: Approval, resolution: Resolution) -> None:
        """Take an approval out and remember how it was resolved."""
        del self._pending[approval.id]
        self._bytes -= len(approval.input)
        self._resolved[approval.id] = resolution
        while len(self._resolved) > RESOLVED_KEPT:
            self._resolved.popitem(last=False)


def resolved(approval: Approval, resolution: Resolution, reason: str | None, *, is_rehearsal: bool) -> Draft:
    """Write the event that tells how an approval was resolved."""
    body = members(
        approval=approval_view(approval, whole=False),
        resolution=resolution.how,
        by=None if resolution.by is None else author_view(resolution.by),
        reason=reason,
    )
    return Draft("approval.resolved", mark(body, is_rehearsal=is_rehearsal))


def _check_answers(approval: Approval, answers: dict[str, str]) -> None:
    if approval.kind is ApprovalKind.PERMISSION:
        if answers:
            raise RoomError.invalid(
                "answers", f"{approval.tool} asks for permission, it takes no answers: leave them out"
            )
        return
    questions = questions_of(approval.input)
    unknown = [key for key in answers if key not in questions]
    if unknown:
        raise RoomError.invalid("answers", f"there is no question {unknown[0]!r}: the questions are {_list(questions)}")
    missing = [question for question in questions if question not in answers]
    if missing:
        raise RoomError.invalid("answers", f"not answered: {_list(missing)}")


def questions_of(tool_input: bytes) -> list[str]:
    """Read the questions of an AskUserQuestion input; empty where it has another shape."""
    try:
        value: Any = msgspec.json.decode(tool_input)
    except RecursionError:
        return []
    questions = value.get("questions") if isinstance(value, dict) else None
    if not isinstance(questions, list):
        return []
    return [
        entry["question"] for entry in questions if isinstance(entry, dict) and isinstance(entry.get("question"), str)
    ]


def texts_of(tool_input: bytes) -> list[str]:
    """List every text in a tool's input; empty where it is nested too deeply to be read."""
    try:
        return list(_texts(msgspec.json.decode(tool_input)))
    except RecursionError:
        return []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _list(questions: list[str]) -> str:
    return "; ".join(repr(question) for question in questions)
