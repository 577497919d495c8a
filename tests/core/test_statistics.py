import pytest

from concordiad.core.links import MOST, Links
from concordiad.core.model import Author, AuthorKind, Outcome
from concordiad.core.statistics import Statistics, TurnFigures, quantile

ADA, BEN = (Author(f"uid:{number}", name, AuthorKind.LOCAL) for number, name in enumerate(("ada", "ben")))
NOON = 1_700_049_600.0
"""2023-11-15, 12:00 in UTC."""
HOUR_S = 3600


def turn(*authors: Author, at: float = NOON, cost: float | None = 3.0) -> TurnFigures:
    """Make a turn of these authors' prompts, one each time that one is named."""
    return TurnFigures(at, Outcome.COMPLETED, 6.0, 0.5, 30, 60, cost, authors, [1.0] * len(authors))


def count(*turns: TurnFigures, utc_offset_s: int = 0) -> Statistics:
    """Count turns."""
    found = Statistics(utc_offset_s)
    for each in turns:
        found.add(each)
    return found


def test_a_shared_turn_is_shared_equally() -> None:
    """Among people, however many prompts each had in it; together they are the whole."""
    found = count(turn(ADA, ADA, BEN), turn(BEN))
    people = found.of_people()
    assert list(people) == ["uid:1", "uid:0"]
    assert (people["uid:0"].prompts, people["uid:0"].turns, people["uid:0"].cost_usd) == (2, 1, 1.5)
    assert (people["uid:1"].prompts, people["uid:1"].turns, people["uid:1"].cost_usd) == (2, 2, 4.5)
    for name in ("prompts", "duration_s", "input_tokens", "output_tokens", "cost_usd"):
        assert sum(getattr(sums, name) for sums in people.values()) == getattr(found.whole.sums, name)
    assert found.whole.sums.turns == 2


def test_a_turn_of_nobody_is_nobodys() -> None:
    """The agent's own, or one whose prompts are forgotten."""
    found = count(turn(), turn(ADA))
    assert found.shares["2023-11-15", None].cost_usd == 3.0
    assert (found.shares["2023-11-15", None].prompts, found.whole.sums.prompts) == (0, 1)


@pytest.mark.parametrize(
    ("offset_h", "day"), [(0, "2023-11-15"), (11, "2023-11-15"), (12, "2023-11-16"), (-13, "2023-11-14")]
)
def test_days_begin_at_the_readers_midnight(offset_h: int, day: str) -> None:
    """A turn belongs to the day on which it began there."""
    assert list(count(turn(ADA), utc_offset_s=offset_h * HOUR_S).days) == [day]


def test_what_is_not_known_counts_as_nothing() -> None:
    """An agent that tells no cost has none, and no median."""
    found = count(TurnFigures(NOON, Outcome.FAILED, None, None, None, None, None, [ADA], [0.0]))
    assert (found.whole.sums.cost_usd, found.whole.durations_s, found.whole.outcomes[Outcome.FAILED]) == (0.0, [], 1)


def test_people_have_the_name_of_their_latest_prompt() -> None:
    """The id is who it is."""
    found = count(turn(ADA), turn(Author("uid:0", "Ada L.", AuthorKind.LOCAL)))
    assert found.people["uid:0"].name == "Ada L."
    assert list(found.of_people()) == ["uid:0"]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.95, 7), ([3, 1, 2], 0.5, 2), ([4, 3, 2, 1], 0.5, 2), (range(1, 101), 0.95, 95)],
)
def test_quantiles_are_values_that_there_were(values: list[float], share: float, expected: float | None) -> None:
    """Never one in between."""
    assert quantile(values, share) == expected


def test_links_end() -> None:
    """At their time, and the one that ends first where there are too many."""
    links = Links()
    links.add("a", "main", until=10.0)
    assert links.find(b"a", now=9.9) == ("main", 10.0)
    assert links.find(b"a", now=10.0) is None
    assert links.find(b"b", now=0.0) is None
    for number in range(MOST):
        links.add(f"later{number}", None, until=20.0 + number)
    assert links.find(b"a", now=0.0) is None
    assert links.find(b"later0", now=0.0) == (None, 20.0)
