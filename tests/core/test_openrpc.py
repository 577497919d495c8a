"""The OpenRPC document: up to date, whole, what the pages say, and what the daemon understands."""

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from concordiad.core import codes
from concordiad.core.event_shapes import EVENTS
from concordiad.core.openrpc import METHOD_TABLE
from concordiad.core.params import METHODS
from concordiad.core.roles import RIGHTS
from concordiad.core.shapes import OBJECTS
from concordiad.core.wire import BadRequest, decode_request
from concordiad.front.discovery import discover, write
from tests.pages import ROOT, examples, page, rows, section, tables
from tests.support.json_schema import KNOWN, faults, resolve

DOCUMENT: dict[str, Any] = json.loads(write())
BY_NAME = {method["name"]: method for method in DOCUMENT["methods"]}
SCHEMAS = DOCUMENT["components"]["schemas"]


def test_committed_document_is_up_to_date() -> None:
    """If not: `python -m concordiad.front.discovery > docs/openrpc.json`."""
    assert write() == (ROOT / "docs" / "openrpc.json").read_text(encoding="utf-8")


def test_what_is_answered_is_what_is_written() -> None:
    """`rpc.discover` and the file are the same."""
    assert json.loads(json.dumps(discover())) == DOCUMENT


def test_every_method_is_described() -> None:
    """In the order of the code."""
    assert list(METHODS) == list(METHOD_TABLE) == [method["name"] for method in DOCUMENT["methods"]]


def test_document_is_one_of_openrpc() -> None:
    """What OpenRPC 1.3 asks of a document, a method and a param is there; what is ours begins with x-."""
    assert re.fullmatch(r"1\.3\.\d+", DOCUMENT["openrpc"])
    assert_fields(DOCUMENT, {"openrpc", "info", "methods"}, {"components"})
    assert_fields(DOCUMENT["info"], {"title", "version"}, {"description", "license"})
    assert_fields(DOCUMENT["info"]["license"], {"name"}, set())
    assert_fields(DOCUMENT["components"], {"schemas", "errors"}, set())
    assert [
        name for kind in DOCUMENT["components"].values() for name in kind if not re.fullmatch(r"[\w.-]+", name)
    ] == []
    for method in DOCUMENT["methods"]:
        assert_fields(method, {"name", "summary", "params", "paramStructure", "result", "errors"}, {"description"})
        assert method["paramStructure"] == "by-name"
        assert_fields(method["result"], {"name", "schema", "required"}, set())
        for param in method["params"]:
            assert_fields(param, {"name", "required", "schema"}, set())
        names = [param["name"] for param in method["params"]]
        assert len(names) == len(set(names))
        # Params that may be left out stand behind those that may not.
        needs = [param["required"] for param in method["params"]]
        assert needs == sorted(needs, reverse=True)


def assert_fields(thing: dict[str, Any], required: set[str], optional: set[str]) -> None:
    """Fail if a thing lacks a field or has one that OpenRPC does not know."""
    given = {name for name in thing if not name.startswith("x-")}
    assert required <= given <= required | optional


def all_schemas() -> Iterator[dict[str, Any]]:
    """Return every schema of the document, those within others too."""
    for method in DOCUMENT["methods"]:
        for each in (method["result"], *method["params"]):
            yield from parts_of(each["schema"])
    for schema in SCHEMAS.values():
        yield from parts_of(schema)


def parts_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return a schema and those within it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    inner += [schema[word] for word in ("items", "additionalProperties") if isinstance(schema.get(word), dict)]
    for each in inner:
        yield from parts_of(each)


def test_schemas_are_understood() -> None:
    """Every word of them is one that the tests check, every reference leads somewhere, what is required is there."""
    for schema in all_schemas():
        assert schema.keys() <= KNOWN
        if "$ref" in schema:
            assert resolve(schema["$ref"], DOCUMENT)
        assert set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    for method in DOCUMENT["methods"]:
        assert [resolve(error["$ref"], DOCUMENT)["code"] for error in method["errors"]]


def test_errors_are_those_of_the_code() -> None:
    """Each code has its entry."""
    shown = {name: (error["code"], error["message"]) for name, error in DOCUMENT["components"]["errors"].items()}
    assert shown == {code.name: (code.number, code.meaning) for code in codes.CODES}


def test_roles_are_those_of_the_code() -> None:
    """Each method says who may call it."""
    assert {name: method["x-roles"] for name, method in BY_NAME.items()} == RIGHTS


@pytest.mark.parametrize("method", METHODS)
def test_params_are_those_of_the_class(method: str) -> None:
    """Names, and which of them have to be given; a default is allowed by its own schema."""
    params = BY_NAME[method]["params"]
    wanted = [(each.name, each.default is attrs.NOTHING) for each in attrs.fields(METHODS[method])]
    assert wanted == [(param["name"], param["required"]) for param in params]
    for param in params:
        assert ("default" in param["schema"]) != param["required"]
        if not param["required"]:
            assert list(faults(param["schema"]["default"], param["schema"], DOCUMENT, param["name"])) == []


def beyond(schema: dict[str, Any]) -> Iterator[object]:
    """Make values that a param's schema forbids."""
    yield {} if "array" in schema.get("type", ()) else []
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, schema["maximum"] + 1)
    if "minLength" in schema:
        yield "x" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if "enum" in schema:
        yield "nonsense"


OUT_OF_BOUNDS = [
    (method["name"], param["name"], value)
    for method in DOCUMENT["methods"]
    for param in method["params"]
    for value in beyond(param["schema"])
]


@pytest.mark.parametrize(("method", "name", "value"), OUT_OF_BOUNDS, ids=lambda each: str(each)[:20])
def test_what_the_document_forbids_is_refused(method: str, name: str, value: object) -> None:
    """One beyond each bound is refused, and the field is named."""
    (request, _) = examples(section(page("docs/protocol.md"), f"### `{method}`"))
    message = {**request, "params": {**request["params"], name: value}}
    with pytest.raises(BadRequest) as refusal:
        decode_request(json.dumps(message).encode())
    assert refusal.value.field == name


@pytest.mark.parametrize("method", METHODS)
def test_examples_of_the_page_are_as_described(method: str) -> None:
    """A request's params and an answer's result fit their schemas."""
    request, answer = examples(section(page("docs/protocol.md"), f"### `{method}`"))
    named = {param["name"]: param["schema"] for param in BY_NAME[method]["params"]}
    for name, value in request["params"].items():
        assert list(faults(value, named[name], DOCUMENT, name)) == []
    assert list(faults(answer["result"], BY_NAME[method]["result"]["schema"], DOCUMENT)) == []


@pytest.mark.parametrize("event_type", EVENTS)
def test_examples_of_events_are_as_described(event_type: str) -> None:
    """An event of the page fits its schema, and no other's."""
    (example,) = examples(section(section(page("docs/protocol.md"), "## Events"), f"### `{event_type}`"))
    assert list(faults(example, {"$ref": f"#/components/schemas/EVENT.{event_type}"}, DOCUMENT)) == []
    assert list(faults(example, {"$ref": "#/components/schemas/EVENT"}, DOCUMENT)) == []


def test_errors_of_the_page_are_as_described() -> None:
    """The example of an error fits its schema."""
    _, answer = examples(section(page("docs/protocol.md"), "## Errors"))
    assert list(faults(answer["error"], {"$ref": "#/components/schemas/ERROR"}, DOCUMENT)) == []


WORDS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "whole number": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "null": {"type": "null"},
    "list of strings": {"type": "array", "items": {"type": "string"}},
}
SHORT = ("ROOM", "SNAPSHOT")
"""Where a turn is one that is cut."""


def is_as_said(schema: dict[str, Any], words: str, *, is_short: bool) -> bool:
    """Tell whether a field's schema is what the page says of its type."""
    said = words.removesuffix(" or null")
    is_nullable = words != said or words == "null"
    if said == "any JSON":
        return not schema
    if is_nullable and "anyOf" in schema:
        schema = schema["anyOf"][0]
    elif is_nullable and words != "null":
        kinds = schema.get("type", ["string", "null"])
        if "null" not in kinds:
            return False
        schema = {**schema, "type": kinds[0]}
    if said.startswith("list of ") and said[8:].isupper():
        return schema["type"] == "array" and is_as_said(schema["items"], said[8:], is_short=is_short)
    if said.isupper():
        return bool(schema == {"$ref": f"#/components/schemas/{said}{'.short' if is_short and said == 'TURN' else ''}"})
    if said == "object":
        return bool(schema == {"$ref": "#/components/schemas/ROOM.agent"})
    if said == "string or list":
        return bool(schema == {"type": ["string", "array"]})
    if "enum" in schema or "const" in schema:
        return said in ("string", "`true`")
    wanted, kind = WORDS[said], schema["type"]
    return bool(kind == wanted["type"] and ("format" not in wanted or schema.get("format") == wanted["format"]))


@pytest.mark.parametrize("name", [name for name in OBJECTS if name not in ("TURN.short", "ERROR")])
def test_objects_are_those_of_the_page(name: str) -> None:
    """An object's schema has the fields of its table, in their order, each of the type that is said there."""
    properties = OBJECTS[name]["properties"]
    table = [(row[0].strip("`"), row[1]) for row in rows(section(page("docs/protocol.md"), f"### {name}"))]
    assert [field for field, _ in table] == list(properties)
    wrong = {
        field: (words, properties[field])
        for field, words in table
        if not is_as_said(properties[field], words, is_short=name in SHORT)
    }
    # The page says of a room's directory that it is null for guests.
    assert wrong.keys() <= ({"workdir"} if name == "ROOM" else set()), wrong


def test_short_turn_is_that_of_the_page() -> None:
    """What an event and a room show of a turn has the fields of all its tables."""
    shown = [row[0].strip("`") for table in tables(section(page("docs/protocol.md"), "### TURN")) for row in table]
    assert shown == list(OBJECTS["TURN.short"]["properties"])


@pytest.mark.parametrize("event_type", EVENTS)
def test_events_are_those_of_the_page(event_type: str) -> None:
    """An event's schema has the fields of its table, each of the type that is said there."""
    text = section(section(page("docs/protocol.md"), "## Events"), f"### `{event_type}`")
    properties = EVENTS[event_type]["properties"]
    table = {row[0].strip("`"): row[1] for row in tables(text)[0]}
    assert list(table) == list(properties)
    wrong = [name for name, words in table.items() if not is_as_said(properties[name], words, is_short=True)]
    assert wrong == []
