"""Strict structuring: nothing coerced, nothing unknown, and errors that name their field."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from attrs import field, frozen

from concordiad.core.strict import (
    QUOTED_LENGTH,
    STRUCTURE_ERRORS,
    Fault,
    FieldError,
    first_fault,
    make_strict_converter,
    structure_choice,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def is_positive(_: object, attribute: Any, value: int) -> None:
    """Refuse nought and less, as the validators of the wire do."""
    if value <= 0:
        raise FieldError(attribute.name, f"is {value}, it must be positive")


@frozen
class Inner:
    count: int = field(default=1, validator=is_positive)


@frozen
class Outer:
    name: str
    inner: Inner = Inner()
    maybe: Inner | None = None
    inners: Mapping[str, Inner] = field(factory=dict)
    words: tuple[str, ...] = ()
    colour: Colour = Colour.RED
    ratio: float = 1.0
    is_on: bool = False

    def __attrs_post_init__(self) -> None:
        if self.is_on and self.ratio == 0:
            raise ValueError("nothing can be on at no ratio")


CONVERTER = make_strict_converter()
CONVERTER.register_structure_hook(Colour, structure_choice)


def fault_of(**values: object) -> Fault:
    """Return what is wrong with these values."""
    with pytest.raises(STRUCTURE_ERRORS) as caught:
        CONVERTER.structure(values, Outer)
    return first_fault(caught.value)


def test_good_values_are_taken_as_they_are() -> None:
    """What has the right types becomes the object, whole numbers as numbers where those are wanted."""
    values = {
        "name": "n",
        "inner": {"count": 2},
        "maybe": {},
        "inners": {"a": {"count": 3}},
        "words": ["x", "y"],
        "colour": "blue",
        "ratio": 2,
        "is_on": True,
    }
    expected = Outer("n", Inner(2), Inner(), {"a": Inner(3)}, ("x", "y"), Colour.BLUE, 2.0, True)
    assert CONVERTER.structure(values, Outer) == expected


@pytest.mark.parametrize(
    ("values", "where", "message"),
    [
        ({}, "name", "name is missing"),
        ({"name": 1}, "name", "name must be a string, not a number"),
        ({"name": None}, "name", "name must be a string, not null"),
        ({"name": "n", "is_on": 1}, "is_on", "is_on must be true or false, not a number"),
        ({"name": "n", "ratio": "1"}, "ratio", "ratio must be a number, not a string"),
        ({"name": "n", "ratio": True}, "ratio", "ratio must be a number, not a boolean"),
        ({"name": "n", "ratio": float("nan")}, "ratio", "ratio must be a finite number"),
        ({"name": "n", "ratio": float("-inf")}, "ratio", "ratio must be a finite number"),
        ({"name": "n", "ratio": 10**400}, "ratio", "ratio must be a finite number"),
        ({"name": "n", "inner": []}, "inner", "inner must be an object, not a list"),
        ({"name": "n", "inner": 1}, "inner", "inner must be an object, not a number"),
        ({"name": "n", "maybe": "x"}, "maybe", "maybe must be an object, not a string"),
        ({"name": "n", "inner": {"count": True}}, "inner.count", "inner.count must be a whole number, not a boolean"),
        ({"name": "n", "inner": {"count": 1.0}}, "inner.count", "inner.count must be a whole number, not a number"),
        ({"name": "n", "inner": {"count": 0}}, "inner.count", "inner.count is 0, it must be positive"),
        ({"name": "n", "maybe": {"count": 0}}, "maybe.count", "maybe.count is 0, it must be positive"),
        ({"name": "n", "inner": {"n": 0}}, "inner.n", "inner.n is not known here: known are count"),
        ({"name": "n", "inners": {"a": {"count": 0}}}, "inners.a.count", "inners.a.count is 0, it must be positive"),
        ({"name": "n", "inners": {"must": 1}}, "inners.must", "inners.must must be an object, not a number"),
        ({"name": "n", "words": "xy"}, "words", "words must be a list, not a string"),
        ({"name": "n", "words": {"x": 1}}, "words", "words must be a list, not an object"),
        ({"name": "n", "words": ["x", 1]}, "words.1", "words.1 must be a string, not a number"),
        ({"name": "n", "colour": "green"}, "colour", "colour is 'green', it must be one of red, blue"),
        ({"name": "n", "colour": []}, "colour", "colour is [], it must be one of red, blue"),
        ({"name": "n", "is_on": True, "ratio": 0}, "", "nothing can be on at no ratio"),
    ],
)
def test_error_names_its_field(values: dict[str, object], where: str, message: str) -> None:
    """A fault has the dotted name of its field, and a sentence that begins with it."""
    fault = fault_of(**values)
    assert (fault.field, str(fault)) == (where, message)


def test_unknown_field_comes_with_the_known_ones() -> None:
    """Who writes a name that there is not is told those that there are."""
    assert fault_of(name="n", nam="m").known == (
        "name",
        "inner",
        "maybe",
        "inners",
        "words",
        "colour",
        "ratio",
        "is_on",
    )


@pytest.mark.parametrize("values", [{"colour": "x" * 10_000}, {"x" * 10_000: 1}, {"inners": {"x" * 10_000: 1}}])
def test_error_shows_little_of_what_is_long(values: dict[str, object]) -> None:
    """A fault of a long value or a long name is as short as any other."""
    fault = fault_of(name="n", **values)
    assert len(str(fault)) < 2 * QUOTED_LENGTH + 100
    assert len(fault.field) < QUOTED_LENGTH + 20
