"""Records that show themselves: in a log, in a traceback, in a failed test."""

import pytest

from concordiad.core.admission import Admission
from concordiad.core.discreet import Discreet
from concordiad.core.model import Merge, Stage
from tests.core.things import make_invite, make_member

SECRET = b"\x01secret"


class Half(Discreet, frozen=True):
    """A record of which one half is to be seen."""

    UNSAID = ("hidden",)

    shown: str
    hidden: str


def test_what_is_unsaid_is_not_shown() -> None:
    """All other fields are, like those of any record."""
    assert repr(Half("ours", "theirs")) == "Half(shown='ours')"


def test_what_is_unsaid_counts_all_the_same() -> None:
    """Two records that look alike are the same only if all of their fields are."""
    assert Half("a", "b") == Half("a", "b")
    assert Half("a", "b") != Half("a", "c")


@pytest.mark.parametrize(
    "record",
    [
        make_invite(token_hash=SECRET),
        make_member(token_hash=SECRET, key_hash=SECRET),
        Admission(make_member(), make_invite(), "a secret token"),
        Merge("p1", Stage.SAME, None, "a secret question"),
    ],
)
def test_records_keep_their_secrets(record: Discreet) -> None:
    """No token's hash is shown, no token, and nobody's words."""
    assert "secret" not in repr(record)
