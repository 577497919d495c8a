"""How prompts that became one turn are told of, alone."""

from typing import Any

import pytest

from ctl.merging import Company, likeness
from tests.ctl.samples import ADA, BOB, PROMPT, Json, event, merge, prompt, sharer


@pytest.mark.parametrize(
    ("stage", "similarity", "words"),
    [
        ("same", 1.0, "the same words"),
        ("near", 1.0, "nearly the same words, 100%"),
        ("near", 0.999, "nearly the same words, 99%"),
        ("near", 0.968, "nearly the same words, 97%"),
        ("meaning", None, "the same meaning"),
    ],
)
def test_likeness_is_told_as_it_was_measured(stage: str, similarity: float | None, words: str) -> None:
    """What differs is never rounded up to all."""
    assert likeness(stage, similarity) == words


CLEO = {"id": "guest:3", "name": "cleo", "kind": "guest"}
NEAR = "⇉ one turn with ada’s (nearly the same words, 97%); asked is: what is the answer?"
ALSO = "⇉ one turn also with cleo’s (the same words)"
BOBS = prompt(id="b", author=BOB, text="what's the answer?")
ADAS = prompt()


def joins(one: Json, *others: Json, stage: str = "near", leader: str = PROMPT, **changes: Any) -> Json:
    """Make the event that a prompt shares the turn of others."""
    measured = {"near": 0.968, "same": 1.0}.get(stage)
    share = merge(stage, measured) | {"leader": leader} | changes
    companions = [{key: other[key] for key in ("id", "author", "text")} for other in others]
    told = {key: share[key] for key in ("stage", "similarity", "asked")}
    return event("prompt.merged", **{"prompt": one | {"merge": share}, "with": companions, **told})


def leaves(one: Json, *others: str, by: Json | None = None, reason: str | None = None) -> Json:
    """Make the event that a prompt has a turn of its own again."""
    return event("prompt.split", **{"prompt": one, "from": list(others), "by": by, "reason": reason})


CLEOS = prompt(id="c", author=CLEO)
DANS = prompt(id="d", author=CLEO | {"name": "dan"})


@pytest.mark.parametrize(
    ("ours", "events", "told"),
    [
        (BOBS, [joins(BOBS, ADAS)], [NEAR]),
        (BOBS, [joins(BOBS, ADAS), joins(CLEOS, ADAS, BOBS, stage="same")], [NEAR, ALSO]),
        (
            ADAS,
            [joins(BOBS, ADAS), joins(CLEOS, ADAS, BOBS, stage="same")],
            ["⇉ one turn with bob’s (nearly the same words, 97%)", ALSO],
        ),
        (DANS, [joins(BOBS, ADAS), event("prompt.accepted", prompt=CLEOS), leaves(BOBS, PROMPT)], [None] * 3),
        (BOBS, [joins(BOBS, ADAS), leaves(BOBS, PROMPT, by=BOB)], [NEAR, "⇇ has a turn of its own again"]),
        (BOBS, [joins(BOBS, ADAS), leaves(BOBS, PROMPT, by=ADA)], [NEAR, "⇇ has a turn of its own again (by ada)"]),
        (BOBS, [leaves(BOBS, by=BOB)], [None]),
        (
            ADAS,
            [joins(BOBS, ADAS), leaves(BOBS, PROMPT, by=BOB), leaves(ADAS, "b", reason="bob took a prompt back out")],
            [
                "⇉ one turn with bob’s (nearly the same words, 97%)",
                None,
                "⇇ has a turn of its own again: bob took a prompt back out",
            ],
        ),
        (
            BOBS,
            [joins(BOBS, ADAS), joins(CLEOS, ADAS, BOBS, stage="same"), leaves(CLEOS, PROMPT, "b", by=CLEO)],
            [NEAR, ALSO, "⇇ cleo’s has a turn of its own again"],
        ),
    ],
    ids=["joins", "one more", "leads", "not ours", "leaves", "is taken out", "never shared", "is left", "one less"],
)
def test_an_author_is_told_what_its_prompt_shares(ours: Json, events: list[Json], told: list[str | None]) -> None:
    """With whom, why, and what is asked instead of its own words, once."""
    company = Company(ours)
    assert [company.feed(each) for each in events] == told


def test_a_group_that_is_told_of_anew_is_told_once() -> None:
    """A language model's yes is told by an event for each of them; what each says of the others is known then."""
    worded: Json = {"stage": "meaning", "asked": "sum up"}
    events = [
        joins(ADAS, BOBS, CLEOS, stage="first", asked="sum up"),
        joins(BOBS, ADAS, CLEOS, **worded),
        joins(CLEOS, ADAS, BOBS, **worded),
    ]
    whole = {
        PROMPT: (0, "⇉ one turn with bob’s and cleo’s, this one first; asked is: sum up"),
        "b": (1, "⇉ one turn with ada’s and cleo’s (the same meaning); asked is: sum up"),
        "c": (2, "⇉ one turn with ada’s and bob’s (the same meaning); asked is: sum up"),
    }
    for ours in (ADAS, BOBS, CLEOS):
        company = Company(ours)
        place, said = whole[ours["id"]]
        assert [company.feed(each) for each in events] == [said if index == place else None for index in range(3)]


def test_another_wording_is_told_of() -> None:
    """Whoever joins may change what is asked."""
    company = Company(BOBS)
    company.feed(joins(BOBS, ADAS))
    again = joins(ADAS, BOBS, CLEOS, stage="first", asked="sum up")
    assert company.feed(again) == "⇉ asked is now: sum up"


def test_another_first_one_is_told_of() -> None:
    """Who is left when the first one goes is looked at anew."""
    company = Company(BOBS)
    company.feed(joins(BOBS, ADAS))
    company.feed(joins(CLEOS, ADAS, BOBS, stage="same"))
    assert company.feed(event("prompt.cancelled", prompt=ADAS, by=ADA)) is None
    again = joins(CLEOS, BOBS, leader="b", asked="what's the answer?")
    assert company.feed(again) == "⇉ one turn with cleo’s (nearly the same words, 97%)"


def test_a_long_text_of_ones_own_is_ones_own() -> None:
    """Events have only its beginning, and its length."""
    long = "why? " * 1000
    company = Company(BOBS | {"text": long})
    ours = joins(BOBS, ADAS, stage="same", asked=long[:1024], asked_chars=len(long), verbatim=True)
    assert company.feed(ours) == "⇉ one turn with ada’s (the same words)"
    company = Company(BOBS | {"text": long})
    other = joins(BOBS, ADAS, asked=long[:1024], asked_chars=len(long) + 1)
    assert "asked is: why?" in (company.feed(other) or "")


def test_what_was_found_is_not_said_again() -> None:
    """Whoever comes back to a prompt by its key is told what it shares, and then only of what is new."""
    company = Company(BOBS)
    ours = BOBS | {"merge": merge("near", 0.968)}
    those = [sharer("first"), sharer("near", 0.968, prompt="b", author=BOB)]
    assert company.find({"prompt": ours, "turn": None, "merged": those}) == NEAR
    assert company.feed(joins(BOBS, ADAS)) is None
    assert company.find({"prompt": ours, "turn": None, "merged": those}) is None
    assert company.feed(joins(CLEOS, ADAS, BOBS, stage="same")) == ALSO
    assert company.find({"prompt": BOBS, "turn": None, "merged": []}) is None
