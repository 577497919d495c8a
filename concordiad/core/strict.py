"""
Strict structuring: nothing is coerced, nothing unknown is let through, and an error names the field that it is about.

Used for what clients send and for the configuration alike.
"""

import math
from typing import Any

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

STRUCTURE_ERRORS = (ClassValidationError, IterableValidationError, ValueError, TypeError)
"""What structuring raises for bad input."""

_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}


def name_of_type(value: object) -> str:
    """Say what kind of JSON or TOML value this is."""
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def make_strict_converter() -> cattrs.Converter:
    """Make a converter for frozen attrs classes of strings, whole numbers, numbers, booleans, tuples and mappings."""
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for expected, name in ((str, "a string"), (int, "a whole number"), (bool, "true or false")):
        converter.register_structure_hook(expected, _strict(expected, name))
    converter.register_structure_hook(float, _structure_number)
    return converter


def _strict(expected: type, name: str) -> Any:
    def structure(value: object, _: object) -> object:
        if type(value) is not expected:
            raise ValueError(f"must be {name}, not {name_of_type(value)}")
        return value

    return structure


def _structure_number(value: object, _: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"must be a number, not {name_of_type(value)}")


def structure_choice(value: object, choices: Any) -> Any:
    """Structure an enum of strings, naming its members where the value is none of them."""
    if value not in [member.value for member in choices]:
        raise ValueError(f"is {value!r}, it must be one of {', '.join(choices)}")
    return choices(value)


class Fault(Exception):
    """The first thing that is wrong: the field's dotted name, one sentence, the known names where it is unknown."""

    def __init__(self, field: str, message: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.known = known


def first_fault(error: BaseException, path: str = "") -> Fault:
    """Find the field that a structuring error is about."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        inner = error.exceptions[0]
        notes = [note for note in getattr(inner, "__notes__", ()) if hasattr(note, "name") or hasattr(note, "index")]
        here = str(getattr(notes[-1], "name", getattr(notes[-1], "index", ""))) if notes else ""
        return first_fault(inner, f"{path}.{here}".strip("."))
    if isinstance(error, ForbiddenExtraKeysError):
        name = f"{path}.{min(error.extra_fields)}".strip(".")
        known = tuple(attribute.name for attribute in attrs.fields(error.cl))
        return Fault(name, f"{name} is not known here: known are {', '.join(known) or 'none'}", known)
    if isinstance(error, KeyError):
        return Fault(path, f"{path} is missing")
    message = str(error)
    subject = message.partition(" ")[0]
    if path.rpartition(".")[2] == subject or not path:
        return Fault(path or (subject if subject.isidentifier() else ""), message)
    return Fault(path, f"{path} {message}")
