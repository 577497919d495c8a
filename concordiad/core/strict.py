"""
Strict structuring: nothing is coerced, nothing unknown is let through, and an error names the field that it is about.

Used for what clients send and for the configuration alike.
"""

import sys
from collections.abc import Callable
from typing import Any, Final, get_origin

import attrs
import cattrs
from cattrs.cols import is_mapping, list_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn

STRUCTURE_ERRORS: Final = (ClassValidationError, IterableValidationError, ValueError, TypeError)
"""What structuring raises for bad input."""

QUOTED_LENGTH: Final = 100
"""How much of a bad value an error shows: it may be as long as a message."""

LISTED: Final = 1000
"""Entries of a list: more than anything has a use for, fewer than would take long to look at."""

_NAMES: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}

_Structure = Callable[[Any, Any], Any]


def name_of_type(value: object) -> str:
    """Say what kind of JSON or TOML value this is."""
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def make_strict_converter() -> cattrs.Converter:
    """Make a converter for frozen attrs classes of strings, whole numbers, numbers, booleans, tuples and mappings."""
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for expected, name in ((str, "a string"), (int, "a whole number"), (bool, "true or false")):
        converter.register_structure_hook(expected, _only(expected, name))
    converter.register_structure_hook(float, _structure_number)
    converter.register_structure_hook_factory(attrs.has, _make_object_hook)
    converter.register_structure_hook_factory(is_mapping, _make_mapping_hook)
    converter.register_structure_hook_factory(_is_tuple, _make_tuple_hook)
    return converter


def _is_tuple(kind: Any) -> bool:
    origin: object = get_origin(kind)
    return origin is tuple


def _only(expected: type, name: str, structure: _Structure = lambda value, _: value) -> _Structure:
    def check(value: object, kind: object) -> Any:
        if type(value) is not expected:
            raise ValueError(f"must be {name}, not {name_of_type(value)}")
        return structure(value, kind)

    return check


def _make_object_hook(kind: Any, converter: cattrs.Converter) -> _Structure:
    return _only(dict, "an object", make_dict_structure_fn(kind, converter))


def _make_mapping_hook(kind: Any, converter: cattrs.Converter) -> _Structure:
    return _only(dict, "an object", mapping_structure_factory(kind, converter))


def _make_tuple_hook(kind: Any, converter: cattrs.Converter) -> _Structure:
    # Left to itself, cattrs takes a string for the list of its letters and an object for the list of its keys.
    structure = list_structure_factory(kind, converter)
    return _only(list, "a list", lambda value, _: tuple(structure(_listed(value), kind)))


def _listed(value: list[Any]) -> list[Any]:
    if len(value) > LISTED:
        raise ValueError(f"has {len(value)} entries, at most {LISTED} are taken")
    return value


def _structure_number(value: object, _: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"must be a number, not {name_of_type(value)}")
    # Not a number is not less than anything, and a whole number may be too long for a float.
    if not abs(value) <= sys.float_info.max:
        raise ValueError("must be a finite number")
    return float(value)


def structure_choice(value: object, choices: Any) -> Any:
    """Structure an enum of strings, naming its members where the value is none of them."""
    if value not in [member.value for member in choices]:
        raise ValueError(f"is {quote(value)}, it must be one of {', '.join(choices)}")
    return choices(value)


def quote(value: object) -> str:
    """Write a value for an error message, cut short."""
    text = repr(value)
    return text if len(text) <= QUOTED_LENGTH else f"{text[:QUOTED_LENGTH]}…"


class FieldError(ValueError):
    """A validator's complaint about one field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


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
        if notes:
            here = str(getattr(notes[-1], "name", getattr(notes[-1], "index", "")))
            return first_fault(inner, _join(path, here))
        return first_fault(inner, path)
    if isinstance(error, ForbiddenExtraKeysError):
        name = _join(path, min(error.extra_fields))
        known = _names_in(error.cl)
        return Fault(name, f"{name} is not known here: known are {', '.join(known) or 'none'}", known)
    if isinstance(error, KeyError):
        return Fault(path, f"{path} is missing")
    if isinstance(error, FieldError):
        path = _join(path, error.field)
    return Fault(path, f"{path} {error}".strip())


def _join(path: str, name: str) -> str:
    shown = name if len(name) <= QUOTED_LENGTH else f"{name[:QUOTED_LENGTH]}…"
    return f"{path}.{shown}" if path else shown


def _names_in(kind: Any) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in attrs.fields(kind))
