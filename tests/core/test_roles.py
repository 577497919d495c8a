"""Who may call what: one table with a row for every method."""

import pytest

from concordiad.core.roles import MAY, Role
from concordiad.core.wire import METHODS

CHANGES_A_ROOM = ("prompt.submit", "prompt.cancel", "turn.interrupt", "approval.answer")


def test_every_method_has_its_row() -> None:
    """A method without a row could be called by anybody or by nobody; a row without a method is a mistake."""
    assert set(MAY) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_host_may_do_everything(method: str) -> None:
    """There is nothing that a host cannot do."""
    assert Role.HOST in MAY[method]


@pytest.mark.parametrize("method", METHODS)
def test_viewer_may_do_no_more_than_a_driver(method: str) -> None:
    """Whoever may only look has no right that a driver has not."""
    assert Role.VIEWER not in MAY[method] or Role.DRIVER in MAY[method]


@pytest.mark.parametrize("method", CHANGES_A_ROOM)
def test_viewer_changes_nothing(method: str) -> None:
    """A viewer reads; a driver takes part."""
    assert MAY[method] == {Role.HOST, Role.DRIVER}


def test_rooms_and_the_daemon_are_the_hosts() -> None:
    """Nobody but a host sees or changes the rooms as a whole."""
    methods = [method for method in METHODS if method.startswith(("room.", "daemon."))]
    assert methods
    assert [method for method in methods if MAY[method] != {Role.HOST}] == []
