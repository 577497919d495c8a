from typing import Any

import pytest

from ctl.watching import PromptWatch, ending
from tests.ctl.samples import ADA, APPROVAL, BOB, TURN, delta, event, finished_turn, prompt, running_turn, told

OTHER = prompt(id="01932f00-0000-7000-8000-000000000002")
OTHER_TURN = running_turn(id="01932f00-0000-7000-8000-00000000000b", prompts=[OTHER["id"]])

STARTED = event("turn.started", turn=told(running_turn()))
RETURNED = event("turn.returned", turn=told(running_turn(state="returned", reason="the agent is gone")), by=None)
FINISHED = event("turn.finished", turn=told(finished_turn()), by=None)


def watched(*events: dict[str, Any]) -> PromptWatch:
    """Let a prompt live through these events."""
    watch = PromptWatch(prompt())
    for each in events:
        watch.feed(each)
    return watch


def test_a_prompt_is_over_with_its_turn() -> None:
    """The turn that finishes is the one whose answer counts."""
    watch = watched(STARTED, FINISHED)
    assert (watch.is_over, (watch.turn or {})["answer"]) == (True, "forty-two")


def test_a_prompt_that_went_back_waits() -> None:
    """A turn that was returned says nothing about the prompt's end."""
    watch = watched(STARTED, RETURNED)
    assert (watch.is_over, watch.is_waiting, watch.turn_id) == (False, True, None)


def test_a_prompt_that_went_back_is_found_in_its_next_turn() -> None:
    """The second turn has another id and the same prompt."""
    again = told(finished_turn(id="01932f00-0000-7000-8000-00000000000c"))
    watch = watched(STARTED, RETURNED, event("turn.started", turn=again), event("turn.finished", turn=again))
    assert (again, "01932f00-0000-7000-8000-00000000000c") == (watch.turn, watch.turn_id)


def test_another_turn_is_not_ours() -> None:
    """What other prompts become ends nothing here."""
    watch = watched(event("turn.finished", turn=told(finished_turn() | OTHER_TURN)))
    assert watch.is_waiting


@pytest.mark.parametrize("kind", ["cancelled", "expired"])
def test_a_prompt_is_over_when_it_is_withdrawn(kind: str) -> None:
    """Cancelled or expired, it has no turn."""
    watch = watched(event(f"prompt.{kind}", prompt=prompt(state=kind), by=BOB))
    assert (True, kind, None, BOB) == (watch.is_over, watch.state, watch.turn, watch.by)


def test_another_prompts_end_is_not_ours() -> None:
    """Somebody else's prompt may be cancelled."""
    assert watched(event("prompt.cancelled", prompt=OTHER, by=ADA)).is_waiting


def test_a_prompt_that_is_over_already_needs_no_event() -> None:
    """A key that was used before may name one that was answered long ago."""
    assert PromptWatch(prompt(state="answered", turn=TURN, place=None)).is_over


def test_events_after_the_end_are_not_ours() -> None:
    """The watch is over when it is over."""
    assert not watched(STARTED, FINISHED).feed(delta(0, "more"))


@pytest.mark.parametrize(
    ("later", "is_ours"),
    [
        (delta(0, "a"), True),
        (delta(0, "a", turn=OTHER_TURN["id"]), False),
        (event("prompt.accepted", prompt=prompt()), True),
        (event("prompt.accepted", prompt=OTHER), False),
        (event("approval.requested", approval={"id": APPROVAL, "turn": TURN}), True),
        (event("approval.requested", approval={"id": APPROVAL, "turn": OTHER_TURN["id"]}), False),
        (event("room.changed", state="busy", reason=None), False),
        (event("agent.exited", incarnation="x"), False),
        (event("something.new", turn=TURN), True),
    ],
)
def test_ours_are_the_events_of_the_prompt_and_of_its_turn(later: dict[str, Any], is_ours: bool) -> None:
    """Everything else is other people's business."""
    assert is_ours == watched(STARTED).feed(later)


def test_an_event_without_a_turn_is_not_ours_while_we_wait() -> None:
    """No turn is not the same turn as none."""
    assert not watched().feed(event("agent.text", turn=None, block=0, text="x"))


def test_a_turn_waits_for_what_it_asked() -> None:
    """Until it is resolved."""
    watch = watched(STARTED, event("approval.requested", approval={"id": APPROVAL, "turn": TURN}))
    assert {APPROVAL} == watch.asks
    watch.feed(event("approval.resolved", approval={"id": APPROVAL, "turn": TURN}))
    assert set() == watch.asks


def test_an_ending_names_who_ended_it() -> None:
    """As the audit trail does."""
    stopped = finished_turn(outcome="interrupted", reason="interrupted by bob")
    assert ending(stopped) == "the turn was interrupted by bob"


def test_an_ending_has_its_reason() -> None:
    """The sentence says how and why."""
    failed = finished_turn(outcome="failed", reason="API Error: 529")
    assert ending(failed) == "the turn failed: API Error: 529"
