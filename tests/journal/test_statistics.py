"""Turns in the journal, counted slice by slice as they were recorded."""

import itertools
import random
import sqlite3
from collections import Counter

import pytest
from msgspec.structs import replace

from concordiad.core.model import Author, AuthorKind, Outcome, TurnState
from concordiad.core.statistics import Statistics
from concordiad.journal.changes import Transaction
from concordiad.journal.statistics import SLICE, add_turns
from concordiad.journal.writing import write
from tests.core.things import ALICE, BOB, make_prompt, make_turn

BEGINNING = 1_700_000_000.0
FOREVER = 2_000_000_000.0
EVE = Author("member:9", "bob", AuthorKind.GUEST)


class Written:
    """What was recorded, for counting it another way."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.ids = itertools.count()

    def turn(
        self, *authors: Author, at: float = BEGINNING, room: str = "main", cost: float = 1.0, is_kept: bool = True
    ) -> None:
        """Record a turn that ended, and its prompts, which had waited for two seconds."""
        prompts = [
            replace(make_prompt(f"p{next(self.ids)}"), room=room, author=author, submitted_at=at - 2)
            for author in authors
        ]
        turn = replace(
            make_turn(),
            id=f"t{next(self.ids)}",
            room=room,
            prompts=tuple(prompt.id for prompt in prompts),
            started_at=at,
            state=TurnState.FINISHED,
            outcome=Outcome.COMPLETED,
            duration_s=4.0,
            cost_usd=cost,
        )
        write(self.connection, [Transaction(room, changes=[*(prompts if is_kept else ()), turn])])

    def count(self, room: str | None = None, since: float = 0.0, until: float = FOREVER) -> tuple[Statistics, int]:
        """Count all of it; also tell how many slices that took."""
        found = Statistics(0)
        after: int | None = 0
        slices = 0
        while after is not None:
            after = add_turns(self.connection, found, room, since, until, after)
            slices += 1
        return found, slices


@pytest.fixture
def written(connection: sqlite3.Connection) -> Written:
    """Open a journal to be filled."""
    return Written(connection)


def test_each_turn_is_counted_once_over_slices(written: Written) -> None:
    """Whatever the number of its authors."""
    chance = random.Random(5)
    asked: Counter[str] = Counter()
    for number in range(2 * SLICE + 1):
        authors = chance.sample((ALICE, BOB, EVE), k=chance.randint(1, 3))
        asked.update(author.id for author in authors)
        written.turn(*authors, at=BEGINNING + 60 * number)
    found, slices = written.count()
    assert (found.whole.sums.turns, found.whole.sums.prompts, slices) == (2 * SLICE + 1, asked.total(), 3)
    assert {person: sums.prompts for person, sums in found.of_people().items()} == asked
    assert sum(sums.cost_usd for sums in found.of_people().values()) == pytest.approx(2 * SLICE + 1)
    assert set(found.whole.waits_s) == {2.0}
    assert sum(day.sums.turns for day in found.days.values()) == 2 * SLICE + 1


def test_a_whole_slice_may_be_the_last(written: Written) -> None:
    """Nothing comes after it, which is found out by looking."""
    for _ in range(SLICE):
        written.turn(ALICE)
    found, slices = written.count()
    assert (found.whole.sums.turns, slices) == (SLICE, 2)


def test_only_what_was_asked_for_is_counted(written: Written) -> None:
    """One room, and turns that began within the time: its beginning belongs to it, its end does not."""
    for at in (BEGINNING, BEGINNING + 10, BEGINNING + 20):
        written.turn(ALICE, at=at)
        written.turn(BOB, at=at, room="lab")
    assert written.count()[0].whole.sums.turns == 6
    assert list(written.count("lab")[0].people) == [BOB.id]
    assert written.count("main", BEGINNING + 10, BEGINNING + 20)[0].whole.sums.turns == 1


def test_turns_without_known_prompts_are_nobodys(written: Written) -> None:
    """The agent's own, and those whose prompts are forgotten."""
    written.turn()
    written.turn(ALICE, is_kept=False)
    found, _ = written.count()
    assert [(person, sums.turns) for person, sums in found.of_people().items()] == [(None, 2)]


def test_turns_that_run_or_went_back_are_not_counted(written: Written) -> None:
    """Only what is over has come to something."""
    for number, state in enumerate((TurnState.RUNNING, TurnState.RETURNED)):
        turn = replace(make_turn(), id=f"other{number}", state=state)
        write(written.connection, [Transaction("main", changes=[turn])])
    assert written.count()[0].whole.sums.turns == 0
