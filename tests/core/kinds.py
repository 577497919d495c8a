"""Kinds of JSON and TOML values, and which of them a field of a class lets in."""

import types
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Union, get_args, get_origin

import attrs

KINDS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "whole number": 7,
    "number": 7.5,
    "string": "x",
    "list": ["x"],
    "object": {"x": "y"},
}


def accepted_kinds(expected: Any) -> set[str]:
    """Return the kinds of JSON value that a type lets in."""
    if get_origin(expected) in (Union, types.UnionType):
        return set().union(*(accepted_kinds(one) for one in get_args(expected)))
    origin = get_origin(expected) or expected
    if origin in (dict, Mapping) or attrs.has(origin):
        return {"object"}
    if isinstance(origin, type) and issubclass(origin, StrEnum):
        return {"string"}
    return {
        type(None): {"null"},
        bool: {"boolean"},
        int: {"whole number"},
        float: {"whole number", "number"},
        str: {"string"},
        tuple: {"list"},
    }[origin]
