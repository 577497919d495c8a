"""What the tests of a failing journal ask and expect of a daemon."""

from typing import Final

from tests.support.control_client import ControlClient, Event, Refused, numbers

MANY: Final = 200
"""More prompts than the rest of a block, and of the log that was copied back, has room for."""


def state_of(client: ControlClient) -> tuple[str, str | None]:
    """Ask for the state of the room, and its reason."""
    (room,) = client.call("room.list")["rooms"]
    return room["state"], room["reason"]


def submit_until_refused(client: ControlClient) -> tuple[list[str], Refused]:
    """Submit prompts until one is refused; return the ids of the others, and the refusal."""
    accepted = []
    for number in range(MANY):
        try:
            accepted.append(client.submit(f"[[text:{number}]]")["id"])
        except Refused as refusal:
            return accepted, refusal
    raise AssertionError(f"{MANY} prompts were accepted on a full disk")


def assert_whole(client: ControlClient, followed: list[Event]) -> None:
    """Fail unless a follower was told every recorded event once, and the record is the same."""
    recorded = client.call("events.list", since=1)["events"]
    assert numbers(followed) == list(range(1, len(numbers(followed)) + 1))
    assert [event for event in followed if "seq" in event] == recorded[: len(numbers(followed))]
