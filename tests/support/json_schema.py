"""
As much of JSON Schema as docs/openrpc.json uses; a word that is not known here is an error.

One thing is stricter than the standard: a field that an object's schema does not name is a fault, for a daemon's
answers have no field that its description does not tell of.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

Schema = Mapping[str, Any]

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
KNOWN: Final = {
    *("$ref", "additionalProperties", "anyOf", "const", "default", "enum", "format", "items", "maxLength", "maximum"),
    *("minLength", "minimum", "oneOf", "properties", "required", "type"),
}


def faults(value: object, schema: Schema, document: Mapping[str, Any], where: str = "it") -> Iterator[str]:
    """Say what of a value is not as its schema has it."""
    assert schema.keys() <= KNOWN, f"unknown words in the schema of {where}: {schema.keys() - KNOWN}"
    if "$ref" in schema:
        yield from faults(value, resolve(schema["$ref"], document), document, where)
        return
    yield from _faults_of_choices(value, schema, document, where)
    if "type" in schema and not _is_of(value, schema["type"]):
        yield f"{where} is {value!r:.80}, not of type {schema['type']}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{where} is {value!r:.80}, not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r:.80}, not one of {schema['enum']}"
    if isinstance(value, str):
        yield from _faults_of_text(value, schema, where)
    elif isinstance(value, int | float):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{where} is {value}, out of bounds"
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from faults(each, schema.get("items", {}), document, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield from _faults_of_object(value, schema, document, where)


def resolve(reference: str, document: Mapping[str, Any]) -> Schema:
    """Follow a reference within the document. Raises KeyError."""
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def _faults_of_choices(value: object, schema: Schema, document: Mapping[str, Any], where: str) -> Iterator[str]:
    for word in ("anyOf", "oneOf"):
        if word not in schema:
            continue
        tries = [list(faults(value, each, document, where)) for each in schema[word]]
        fits = sum(not each for each in tries)
        if not fits or (word == "oneOf" and fits > 1):
            # The one that went deepest says most about what is wrong.
            yield from max(tries, key=lambda each: "".join(each).split(" ")[0].count(".")) or [
                f"{where} is {fits} of {word}"
            ]


def _is_of(value: object, kinds: str | list[str]) -> bool:
    names = [kinds] if isinstance(kinds, str) else kinds
    allowed = [kind for name in names for kind in _KINDS[name]]
    return isinstance(value, tuple(allowed)) and (not isinstance(value, bool) or bool in allowed)


def _faults_of_text(value: str, schema: Schema, where: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{where} has {len(value)} characters"
    try:
        match schema.get("format"):
            case "uuid":
                UUID(value)
            case "date-time":
                if datetime.fromisoformat(value).tzinfo is None:
                    yield f"{where} is {value!r}, without an offset"
    except ValueError:
        yield f"{where} is {value!r:.80}, no {schema['format']}"


def _faults_of_object(
    value: Mapping[str, Any], schema: Schema, document: Mapping[str, Any], where: str
) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}.{name} is missing"
    named, others = schema.get("properties"), schema.get("additionalProperties")
    for name, each in value.items():
        if named is not None and name in named:
            yield from faults(each, named[name], document, f"{where}.{name}")
        elif isinstance(others, Mapping):
            yield from faults(each, others, document, f"{where}.{name}")
        elif named is not None or others is False:
            yield f"{where}.{name} is not described"
