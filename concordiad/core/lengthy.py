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
        read[name] = msgspec.json.decode(raw)
    yield
    return read
