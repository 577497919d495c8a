"""
A message's params read so that they cost no more than their length lets expect.

Law: what is long is text. A megabyte of lists in lists is a hundred times the work of a megabyte of text, and no method
has a use for it: so what is no string in long params is measured before any of it becomes an object.
"""

from typing import Any, Final

import attrs
import msgspec

from concordiad.core.pieces import Pieces

OTHER_BYTES: Final = 32 * 1024
"""Bytes of params that are no strings: the answers to all questions of an agent, in the longest script."""
PIECE_BYTES: Final = 32 * 1024
"""Of a long text: read in 0.1 ms, or in 0.3 ms where all of it is backslashes."""
ESCAPE_BYTES: Final = len(r"\u0000")
"""The longest of JSON's escapes; the others have two bytes (RFC 8259, section 7)."""
HIGH: Final = tuple(rb"\ud%b" % digit for digit in (b"8", b"9", b"a", b"b"))
"""How the first half of a pair of surrogates begins."""
QUOTED_CHARACTERS: Final = 200
"""How much of a refusal is told: it may quote a name as long as the message."""


class Unreasonable(ValueError):
    """Params that are longer than their method has a use for, or have a field that it does not have."""


def make_shape(params_class: type[Any]) -> type[msgspec.Struct]:
    """Describe the fields of a method's params, each as it was written."""
    fields = [(each.name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for each in attrs.fields(params_class)]
    return msgspec.defstruct(params_class.__name__, fields, forbid_unknown_fields=True)


def reading_params(params: msgspec.Raw, shape: type[msgspec.Struct]) -> Pieces[Any]:
    """
    Read params, whose members may still be of any kind; long ones in pieces.

    Raises:
        Unreasonable: they are long, and no method's.
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: they are no JSON that can be read.
    """
    if len(params) <= OTHER_BYTES:
        return msgspec.json.decode(params)
    yield
    try:
        found = msgspec.json.decode(params, type=shape)
    except msgspec.ValidationError as error:
        raise Unreasonable(str(error)[:QUOTED_CHARACTERS]) from error
    members = {name: raw for name in shape.__struct_fields__ if (raw := getattr(found, name)) is not msgspec.UNSET}
    others = sum(len(raw) for raw in members.values() if bytes(memoryview(raw)[:1]) != b'"')
    if others > OTHER_BYTES:
        raise Unreasonable(f"{others} bytes of params are no text, the limit is {OTHER_BYTES}: send less at once")
    read = {}
    for name, raw in members.items():
        yield
        read[name] = yield from _reading(raw)
    yield
    return read


def _reading(raw: msgspec.Raw) -> Pieces[Any]:
    """Read a value; a long text in pieces."""
    text = memoryview(raw)
    if len(text) <= 2 * PIECE_BYTES or bytes(text[:1]) != b'"':
        return msgspec.json.decode(raw)
    begin, end, parts = 1, len(text) - 1, []
    while begin < end:
        cut = _cut(text, begin, min(begin + PIECE_BYTES, end), end)
        try:
            parts.append(msgspec.json.decode(b'"%b"' % bytes(text[begin:cut])))
        except (msgspec.DecodeError, UnicodeDecodeError):
            # What is wrong with it is told of the whole: where it is, above all.
            return msgspec.json.decode(raw)
        yield
        begin = cut
    return "".join(parts)


def _cut(text: memoryview, begin: int, cut: int, end: int) -> int:
    """
    Find where a JSON text can be cut in two: not within an escape, a pair of surrogates or a character in UTF-8.

    Args:
        begin: where a piece begins, at such a place itself.
        cut: where it would end.
        end: where the text ends.

    Returns:
        That place, or the first one behind it.
    """
    tail = bytes(text[begin:cut])
    for length in range(1, min(ESCAPE_BYTES, len(tail)) + 1):
        before = tail[: len(tail) - length + 1]
        if (len(before) - len(before.rstrip(b"\\"))) % 2:
            # The last escape begins here.
            first = cut - length
            cut = max(cut, first + _escape_bytes(text, first))
            if bytes(text[first : first + 4]).lower() in HIGH and bytes(text[cut : cut + 1]) == b"\\":
                # The first half of a pair is no text without the second one.
                cut += _escape_bytes(text, cut)
            break
    while cut < end and text[cut] & 0b1100_0000 == 0b1000_0000:
        cut += 1
    return min(cut, end)


def _escape_bytes(text: memoryview, at: int) -> int:
    return ESCAPE_BYTES if bytes(text[at + 1 : at + 2]) == b"u" else 2
