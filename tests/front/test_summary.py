"""The sentence that `systemctl status` shows."""

from typing import Any

import pytest

from concordiad.front.summary import sentence


def room(name: str, state: str = "idle", *authors: str, **counts: int) -> dict[str, Any]:
    """Make a room as `room.list` shows it."""
    turn = {"authors": [{"name": author} for author in authors]} if authors else None
    return {"name": name, "state": state, "turn": turn, "queue": 0, "approvals": 0, "guests": 0, **counts}


@pytest.mark.parametrize(
    ("rooms", "said"),
    [
        ([], "no room is open"),
        ([room("main")], "main idle"),
        ([room("main", "busy", "vera"), room("docs")], "main busy for vera, docs idle"),
        ([room("main", "busy", "vera", "tom")], "main busy for vera and tom"),
        ([room("main", "busy", "a", "b", "c")], "main busy"),
        (
            [room("main", queue=1, approvals=2, guests=1)],
            "main idle; 1 prompt waits; 2 approvals wait; 1 guest is here",
        ),
        ([room("a", queue=1), room("b", queue=2, guests=3)], "a idle, b idle; 3 prompts wait; 3 guests are here"),
        ([*(room(f"r{n}") for n in range(4)), room("x", "busy", "vera")], "5 rooms: 4 idle, 1 busy for vera"),
        ([{"name": "main", "state": "does not answer"}], "main does not answer"),
    ],
)
def test_the_sentence_names_what_an_operator_wants_to_know(rooms: list[dict[str, Any]], said: str) -> None:
    """Few rooms are named, many are counted; what is nought is left out."""
    assert sentence(rooms) == said


def test_what_could_not_be_opened_is_named() -> None:
    """A room that is missing is no silence."""
    assert sentence([room("main")], ["docs", "lab"]) == "main idle; could not be opened: docs, lab"
