import pytest

from concordiad.core.nearest import did_you_mean, nearest

OLD, NEW = "01932f6a-7c11-7000-8000-00000000beef", "01932f6b-90aa-7000-8000-00000000cafe"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("01932f6c", NEW),
        ("01932F6A-7c12", OLD),
        (OLD.replace("beef", "beet"), OLD),
        ("0193f26b", NEW),
        ("deadbeef", None),
        ("latest", None),
        ("", None),
    ],
)
def test_a_slip_is_near(typed: str, found: str | None) -> None:
    """What was typed is held against the beginnings; of two that are as near, the later one is taken."""
    assert nearest(typed, [OLD, NEW]) == found


def test_a_sentence_ends_with_the_nearest_or_where_to_look() -> None:
    """Somebody who reads it can go on."""
    assert did_you_mean("bop", ["bob", "ann"], "see `guests`") == ": see `guests`"
    assert did_you_mean("bobb", ["bob", "ann"], "see `guests`") == ": did you mean bob?"
