"""Who may call what: one table with a row for every method, and one function that reads it."""

import pytest

from concordiad.core.params import METHODS
from concordiad.core.roles import RIGHTS, Right, Role, decide

READING = {
    "prompt.get",
    "prompt.list",
    "turn.get",
    "turn.list",
    "events.subscribe",
    "events.list",
    "approval.list",
    "guest.list",
    "rpc.discover",
}
TAKING_PART = {"prompt.submit", "prompt.retry", "prompt.cancel", "prompt.split", "turn.interrupt"}


def allowed(role: Role, *, may_approve: bool = False) -> dict[str, Right]:
    """List what a role may call, and how far its right goes."""
    rights = {method: decide(method, role, may_approve=may_approve) for method in METHODS}
    return {method: right for method, right in rights.items() if right is not None}


def test_every_method_has_its_row() -> None:
    """A method without a row could be called by anybody or by nobody; a row without a method is a mistake."""
    assert set(RIGHTS) == set(METHODS)


def test_host_may_do_everything() -> None:
    """There is nothing that a host cannot do, except to come in as a guest."""
    assert allowed(Role.HOST) == dict.fromkeys(METHODS.keys() - {"hello"}, Right.ANY)


def test_viewer_reads_and_changes_nothing() -> None:
    """Whoever may only look has the reading methods and no other."""
    assert allowed(Role.VIEWER) == dict.fromkeys(READING, Right.ANY)


def test_driver_takes_part_with_what_is_its_own() -> None:
    """A driver reads like a viewer, and has a right to what is its own."""
    assert allowed(Role.DRIVER) == dict.fromkeys(READING, Right.ANY) | dict.fromkeys(TAKING_PART, Right.OWN)


@pytest.mark.parametrize("role", [Role.DRIVER, Role.VIEWER])
def test_invite_can_grant_a_driver_approvals_and_nobody_anything_else(role: Role) -> None:
    """What an invite adds is the right to answer approvals, and only to a driver's."""
    added = {"approval.answer": Right.ANY} if role is Role.DRIVER else {}
    assert allowed(role, may_approve=True) == allowed(role) | added


def test_nobody_calls_hello() -> None:
    """It is how a guest becomes somebody, and is no method of anybody."""
    assert [role for role in Role if decide("hello", role, may_approve=True) is not None] == []
