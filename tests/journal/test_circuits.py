"""What a transcript tells of an API that failed when the daemon ended."""

import sqlite3
from typing import Any

import pytest

from concordiad.core.api import API_ANSWERS, ApiFailing
from concordiad.core.model import Origin, Outcome, Turn, TurnState
from concordiad.core.views import envelope, members
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.circuits import LOOKED_AT, read_api_failing
from concordiad.journal.writing import write

AT = 1_700_000_000.0
FAILED, ANSWERED, UNCERTAIN = Outcome.FAILED, Outcome.COMPLETED, Outcome.UNCERTAIN


class Written:
    """A transcript that grows, each event a second after the last one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.seq = 0

    def event(self, event_type: str, **body: Any) -> None:
        """Record an event."""
        self.seq += 1
        event = envelope("main", 1, self.seq, AT + self.seq, event_type, members(**body))
        write(self._connection, [Transaction("main", events=[Recorded(self.seq, event)])])

    def turn(self, outcome: Outcome, origin: Origin = Origin.PROMPTS) -> None:
        """Record a turn that has ended, and its event."""
        identity = f"t{self.seq}"
        turn = Turn(identity, "main", origin, (), "", AT, "i1", TurnState.FINISHED, outcome)
        write(self._connection, [Transaction("main", changes=[turn])])
        self.event("turn.finished", turn={"id": identity, "origin": origin, "outcome": outcome}, by=None)

    def change(self, state: str, reason: str | None = None, **more: float) -> None:
        """Record that the room as such has changed."""
        self.event("room.changed", state=state, reason=reason, by=None, **more)

    def fail(self, wait_s: float = 30.0) -> None:
        """Record a turn after which the queue waits."""
        self.turn(FAILED)
        self.change("api-failing", "overloaded: 529", next_attempt_s=wait_s, wait_s=wait_s)


@pytest.fixture
def written(connection: sqlite3.Connection) -> Written:
    """Begin a transcript."""
    return Written(connection)


def test_nothing_failed_before_there_was_a_turn(connection: sqlite3.Connection, written: Written) -> None:
    """A new room is believed to have an API that works, and so is one whose turns are answered."""
    assert read_api_failing(connection, "main") is None
    written.turn(ANSWERED)
    assert read_api_failing(connection, "main") is None


def test_the_last_wait_counts(connection: sqlite3.Connection, written: Written) -> None:
    """With its reason, its length and its end; of the room that is asked for."""
    written.fail()
    written.event("guest.joined", guest={"id": "g1"})
    written.fail(60.0)
    failing = ApiFailing("overloaded: 529", 60.0, AT + written.seq + 60.0)
    written.event("guest.left", guest={"id": "g1"})
    assert read_api_failing(connection, "main") == failing
    assert read_api_failing(connection, "lab") is None


def test_what_was_left_when_an_agent_came_counts(connection: sqlite3.Connection, written: Written) -> None:
    """It is told anew then: when the next prompt tries, and how long the whole wait is."""
    written.fail(60.0)
    written.change("api-failing", "overloaded: 529", next_attempt_s=12.5, wait_s=60.0)
    assert read_api_failing(connection, "main") == ApiFailing("overloaded: 529", 60.0, AT + written.seq + 12.5)


def test_a_transcript_of_before_tells_enough(connection: sqlite3.Connection, written: Written) -> None:
    """Where only the time to the next try was told, that was the whole wait."""
    written.turn(FAILED)
    written.change("api-failing", "network: gone", next_attempt_s=30.0)
    assert read_api_failing(connection, "main") == ApiFailing("network: gone", 30.0, AT + written.seq + 30.0)


@pytest.mark.parametrize("origin", [Origin.PROMPTS, Origin.AGENT])
@pytest.mark.parametrize("outcome", Outcome)
def test_a_try_without_a_word_of_the_api_changes_nothing(
    connection: sqlite3.Connection, written: Written, outcome: Outcome, origin: Origin
) -> None:
    """Nor does whatever the agent does by itself; an answered prompt does, although nothing more was told."""
    written.fail()
    written.turn(outcome, origin)
    is_over = (outcome, origin) == (ANSWERED, Origin.PROMPTS)
    assert (read_api_failing(connection, "main") is None) == is_over


@pytest.mark.parametrize(
    ("state", "reason", "is_over"),
    [
        ("resumed", None, True),
        ("closed", None, True),
        ("recovered", API_ANSWERS, True),
        ("recovered", "the agent answers again", False),
        ("paused", None, False),
        ("restarted", None, False),
        ("agent-failing", "why", False),
        ("journal-recovered", None, False),
    ],
)
def test_who_resumes_or_closes_the_room_ends_it(
    connection: sqlite3.Connection, written: Written, state: str, reason: str | None, is_over: bool
) -> None:
    """So does an answer of the API; nothing else that may happen to the room."""
    written.fail()
    written.change(state, reason)
    assert (read_api_failing(connection, "main") is None) == is_over


def test_a_failure_after_an_answer_is_the_first(connection: sqlite3.Connection, written: Written) -> None:
    """The count began anew with the answer, also where nothing told that the room had recovered."""
    written.fail()
    written.turn(ANSWERED)
    written.turn(FAILED)
    assert read_api_failing(connection, "main") is None


def test_a_damaged_event_is_passed_over(connection: sqlite3.Connection, written: Written) -> None:
    """The one before it is better than none, and what cannot be read is no reason not to start."""
    written.fail()
    first = AT + written.seq + 30.0
    written.fail(60.0)
    connection.execute("UPDATE events SET sum = sum + 1 WHERE seq = ?", (written.seq,))
    assert read_api_failing(connection, "main") == ApiFailing("overloaded: 529", 30.0, first)


def test_no_transcript_is_read_to_its_beginning(connection: sqlite3.Connection, written: Written) -> None:
    """What failed so many events ago may be tried."""
    written.fail()
    after = [Recorded(written.seq + number, b'{"type":"agent.text"}') for number in range(1, LOOKED_AT + 1)]
    write(connection, [Transaction("main", events=after[:-1])])
    assert read_api_failing(connection, "main") is not None
    write(connection, [Transaction("main", events=after[-1:])])
    assert read_api_failing(connection, "main") is None
