"""
What a value of a request may be: the limits, and who says so by name.

Law: a value is taken as it is or refused by its field's name, with what would be right; nothing is coerced.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs
from attrs import frozen

from concordiad.core.portions import text_parts, utf8_bytes
from concordiad.core.roles import Role
from concordiad.core.strict import FieldError

KEY_LIMIT: Final = 200
"""Characters in an idempotency key."""
PAGE_LIMIT: Final = 500
"""Rows in one page of a listing."""
LAST_LIMIT: Final = 10_000
"""Events that one subscription may ask to see again by number of lines."""
LOG_LIMIT: Final = 1000
"""Entries of the log in one answer: as many as are kept."""
LONGEST_S: Final = 366 * 86400.0
"""The longest time that somebody may ask for: a year."""
FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing: the fillers of Hangul, and Braille without a dot (Unicode 15)."""
VISIBLE: Final = re.compile(
    "[^\\s\\x00-\\x1f\\x7f-\\x9f\\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
"""Anything but blanks, controls and format characters (Cc, Cf; Unicode 16), which are as blank as blanks are."""
HEAD: Final = 4096
"""Characters of a text that are looked at first: nearly all show something there."""
BLANK_BYTES: Final = bytes(byte for byte in range(128) if VISIBLE.search(chr(byte)) is None)
"""The blanks and controls of ASCII."""
NAME_LIMIT: Final = 40
"""Characters in a guest's name."""
HELLO_KEY_LEAST: Final = 16
"""Characters that the key of a `hello` has at least: who guesses it becomes that guest."""
USES_LIMIT: Final = 1_000_000
"""Members that one invite may make, where their number is limited at all."""
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0


@frozen
class Check:
    """
    A validator of attrs that also says what it allows.

    Attributes:
        schema: the same in words of JSON Schema, as far as that has any.
    """

    _check: Callable[[Any, "attrs.Attribute[Any]", Any], None]
    schema: Mapping[str, Any]

    def __call__(self, params: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        """Raise FieldError for a value that is not allowed."""
        self._check(params, attribute, value)


def _allows(**schema: Any) -> Callable[[Callable[[Any, "attrs.Attribute[Any]", Any], None]], Check]:
    return lambda check: Check(check, schema)


def _shows_nothing(text: str) -> bool:
    """Tell whether nothing of a text can be seen, which takes long by VISIBLE alone if it begins with a lot of that."""
    if VISIBLE.search(text, 0, HEAD) is not None:
        return False
    if text.isascii():
        return not any(part.encode().translate(None, BLANK_BYTES) for part in text_parts(text))
    return VISIBLE.search(text, HEAD) is None


@_allows(minLength=1)
def is_text(_: Any, attribute: "attrs.Attribute[str]", value: str) -> None:
    """Take what shows something and can be written as UTF-8."""
    if _shows_nothing(value):
        raise FieldError(attribute.name, "is empty or blank: say what you want to ask")
    try:
        utf8_bytes(value)
    except UnicodeEncodeError:
        raise FieldError(attribute.name, "is not valid Unicode: it holds a lone surrogate") from None


@_allows(minLength=1, maxLength=KEY_LIMIT)
def is_name(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    """Take a key, an id or a name of a thing."""
    if value is not None and not (0 < len(value) <= KEY_LIMIT and value.isprintable()):
        raise FieldError(attribute.name, f"must be 1 to {KEY_LIMIT} printable characters")


def _is_visible(character: str) -> bool:
    """Tell whether a character shows something by itself, as blanks, combining marks and fillers do not."""
    return unicodedata.category(character)[0] in "LNPS" and character not in FILLERS


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with a guest's name; None if it is good."""
    if not any(_is_visible(character) for character in name):
        return "is empty or blank: give the name that the others shall see"
    if len(name) > NAME_LIMIT or not name.isprintable():
        return f"must be 1 to {NAME_LIMIT} printable characters"
    return None


@_allows(minLength=1, maxLength=NAME_LIMIT)
def is_guests_name(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    """Take a name that a guest can have."""
    fault = None if value is None else fault_of_name(value)
    if fault is not None:
        raise FieldError(attribute.name, fault)


@_allows(minLength=HELLO_KEY_LEAST, maxLength=KEY_LIMIT)
def is_hello_key(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    """Take a key that nobody guesses."""
    if value is not None and not (HELLO_KEY_LEAST <= len(value) <= KEY_LIMIT and value.isprintable()):
        raise FieldError(attribute.name, f"must be {HELLO_KEY_LEAST} to {KEY_LIMIT} printable characters")


@_allows(enum=[Role.DRIVER.value, Role.VIEWER.value])
def is_guests_role(_: Any, attribute: "attrs.Attribute[Role]", value: Role) -> None:
    """Take the roles that an invite can give."""
    if value is Role.HOST:
        raise FieldError(
            attribute.name, "is host, but an invite makes drivers and viewers: hosts use the control socket"
        )


def is_between(low: float, high: float) -> Check:
    """Take numbers from one to another, both of them too."""

    @_allows(minimum=low, maximum=high)
    def check(_: Any, attribute: "attrs.Attribute[float]", value: float | None) -> None:
        if value is not None and not low <= value <= high:
            raise FieldError(attribute.name, f"is {value:.12g}, it must be from {low:.12g} to {high:.12g}")

    return check


def parse_time(text: str) -> float:
    """
    Read a time of RFC 3339 with its offset, as Unix seconds.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no offset")
    return time.timestamp()


@_allows(format="date-time")
def is_time(_: Any, attribute: "attrs.Attribute[str]", value: str | None) -> None:
    """Take a time of RFC 3339 with its offset."""
    if value is None:
        return
    try:
        parse_time(value)
    except ValueError as error:
        example = "2026-11-21T08:00:00Z"
        raise FieldError(attribute.name, f"is {value[:40]!r}, it must be a time such as {example}") from error
