"""What the value of a key may be: validators for the fields of the tables, which say what would be right."""

import math
import os
import re
from collections.abc import Callable
from typing import Any

import attrs

from concordiad.core.strict import FieldError, quote


def at_least(low: float, high: float = math.inf) -> Any:
    """Make a validator of a number: it is within both bounds, and they are allowed themselves."""

    def check(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        if value < low:
            raise FieldError(attribute.name, f"is {value:g}, it must be at least {low:g}")
        if value > high:
            raise FieldError(attribute.name, f"is {value:g}, it must be at most {high:g}")

    return check


def zero_or_at_least(low: float) -> Any:
    """Make a validator of a number of which 0 means never: else it is so large at least."""
    check_sign = at_least(0)

    def check(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        check_sign(instance, attribute, value)
        if 0 < value < low:
            raise FieldError(attribute.name, f"is {value:g}, it must be 0 (never) or at least {low:g}")

    return check


def read_by(parse: Callable[[str], object]) -> Any:
    """Make a validator of a reader: of one text, of each of several, or of none."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: str | tuple[str, ...] | None) -> None:
        for each in (value,) if isinstance(value, str) else value or ():
            try:
                parse(each)
            except ValueError as error:
                raise FieldError(attribute.name, f"{quote(each)} {error}") from error

    return check


def parse_socket(text: str) -> str:
    """Take the path of a socket, or nothing. Raises ValueError."""
    # sun_path of unix(7) has 108 bytes, the last of them a zero.
    if text and (not text.startswith("/") or len(os.fsencode(text)) > 107):
        raise ValueError("is no absolute path of a socket, of at most 107 bytes")
    return text


def parse_credential(text: str) -> str:
    """Take the name of a credential, or the path of a file. Raises ValueError."""
    if "/" not in text and text in {"", ".", ".."}:
        raise ValueError('is no name of a credential: give a name such as "gemini_api_key", or the path of a file')
    return text


def parse_model(text: str) -> str:
    """Take the name of a language model. Raises ValueError."""
    # It stands in a URL, and whatever else would fit there is no model's name.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ValueError('is no name of a model: write it as "gemini-…", without "models/"')
    return text
