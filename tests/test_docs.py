"""The pages say what the code says: tables, names, defaults, numbers, examples and links."""

import ast
import json
import re
import typing
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from concordiad.agent.find import WITHHELD
from concordiad.agent.leftovers import END_GRACE_S
from concordiad.agent.orders import REHEARSAL_VERBS, VERBS
from concordiad.config import parse_config
from concordiad.config.doors import Control, Guests, Metrics
from concordiad.config.limits import Graces, Limits
from concordiad.config.tables import Agent, Config, Gemini, Log, Merging, Retention, Room, Traces
from concordiad.core import codes
from concordiad.core.admission import CLOSED, EXPIRED, NOT_ADMITTED, REMOVED, REVOKED, STOPPING
from concordiad.core.breaker import BREAKER_TABLE, BreakerInput, BreakerState
from concordiad.core.event_shapes import EVENTS
from concordiad.core.faults import RULES
from concordiad.core.grouping import DoubtReason
from concordiad.core.model import History, InviteState, Origin, Outcome, PromptState, TurnState
from concordiad.core.params import METHODS
from concordiad.core.roles import RIGHTS, Right, Role
from concordiad.core.turns import PROMPT_TABLE, TURN_TABLE, WRITER_TABLE, WriterInput, WriterState
from concordiad.core.views import guest_view, invite_view, person_view
from concordiad.core.wire import decode_request
from concordiad.daemon import LAST_EVENTS_S
from concordiad.front.company import SILENT
from concordiad.front.door import HEAD_REFUSALS
from concordiad.front.guest import AWAY, GARBAGE, NOT_TEXT
from concordiad.front.owned_stream import FLOOD, TOO_LONG, UNFINISHED
from concordiad.meaning.replies import Trouble
from concordiad.room.keeper import PIPE_GRACE_S
from ctl.commands.invite import create
from tests.core.things import make_invite, make_member
from tests.pages import (
    PAGES,
    ROOT,
    SOURCES,
    anchors,
    blocks,
    calls,
    constants,
    examples,
    find,
    first_column,
    page,
    rows,
    section,
    tables,
    text_of,
    tree,
)
from tests.support.daemon import Site

COMMON_FIELDS: Final = {"room", "epoch", "seq", "at", "type", "rehearsal"}
UNRECORDED: Final = ("agent.delta", "hosts.here", "room.changed")


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_in_the_code_is_there(name: str) -> None:
    """A module, or a function, method or constant behind a colon, that a page names in backquotes exists."""
    missing = []
    for path, attribute in re.findall(r"`((?:[\w.-]+/)*\w+\.py)(?::([\w.]+))?`", page(name)):
        places = [place for place in (ROOT / path, ROOT / "concordiad" / path) if place.is_file()]
        if not places or find(tree(places[0]), attribute) is None:
            missing.append(f"{path}:{attribute}")
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Every link within the repository leads to a file, and to a heading of it where it names one."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    """A test that stands for a promise exists, in the file that its link leads to."""
    missing = []
    for test, path in re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", page(name)):
        file = (ROOT / name).parent / path
        if not file.is_file() or find(tree(file), test) is None:
            missing.append(f"{path}: {test}")
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_every_promise_names_a_test(name: str) -> None:
    """Each row of a table whose last column is for tests names one."""
    unproven = []
    for block in page(name).split("\n\n"):
        lines = block.strip().split("\n")
        if re.search(r"\| (its )?tests?( here)? \|$", lines[0]):
            unproven += [line for line in lines[2:] if not re.search(r"\[`test_\w+`\]\(", line.rsplit(" | ", 1)[1])]
    assert unproven == []


def state_table(table: Mapping[tuple[str, str], str], states: Sequence[str], inputs: Sequence[str]) -> str:
    """Write a state table as the page shows it: a row a state that can move, a column an input."""
    lines = [f"| | {' | '.join(inputs)} |", f"| --- |{' --- |' * len(inputs)}"]
    for state in states:
        cells = [table.get((state, each), "–") for each in inputs]
        if set(cells) != {"–"}:
            lines.append(f"| **{state}** | {' | '.join(cells)} |")
    return "\n".join(lines)


def inputs_of(table: Mapping[Any, str]) -> list[str]:
    """List what moves a machine, in the order of its table."""
    return list(dict.fromkeys(str(move) for _, move in table))


@pytest.mark.parametrize(
    ("heading", "table", "states", "inputs"),
    [
        ("### A prompt", PROMPT_TABLE, list(PromptState), inputs_of(PROMPT_TABLE)),
        ("### A turn", TURN_TABLE, list(TurnState), inputs_of(TURN_TABLE)),
        ("### The writer", WRITER_TABLE, list(WriterState), list(WriterInput)),
        ("### A breaker", BREAKER_TABLE, list(BreakerState), list(BreakerInput)),
    ],
    ids=["prompt", "turn", "writer", "breaker"],
)
def test_state_tables_are_those_of_the_code(
    heading: str, table: Mapping[tuple[str, str], str], states: Sequence[str], inputs: Sequence[str]
) -> None:
    """Each state machine is on the page as it is in the code."""
    assert state_table(table, states, inputs) in section(page("docs/architecture.md"), heading)


def test_every_task_is_on_the_page() -> None:
    """Every task of the daemon is in the table of owners."""
    tasks = {
        node.name
        for path in SOURCES
        for node in tree(path).body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("run_")
    }
    assert sorted(tasks) == sorted(first_column(section(page("docs/architecture.md"), "## One owner per thing")))


def test_capacities_are_those_of_the_code() -> None:
    """Each number in the table of channels is the constant's that it names."""
    table = [row for row in rows(section(page("docs/architecture.md"), "## Channels")) if row[1].isdigit()]
    assert [row[1] for row in table] == [number_of(row[2]) for row in table]


def number_of(cell: str) -> str:
    """Look up a constant of the code, given as `path.py:NAME`."""
    path, _, name = cell.strip("`").partition(":")
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return str(getattr(import_module(f"concordiad.{module}"), name))


def toml(value: object) -> str:
    """Write a default as the page shows it."""
    if value is None:
        return "–"
    if isinstance(value, float) and value.is_integer():
        return f"`{int(value)}`"
    return f"`{json.dumps(value)}`"


def default_of(attribute: "attrs.Attribute[Any]") -> object:
    """Return a field's default."""
    factory = getattr(attribute.default, "factory", None)
    return attribute.default if factory is None else factory()


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("## `[control]`", Control),
        ("## `[limits]`", Limits),
        ("## `[graces]`", Graces),
        ("## `[log]`", Log),
        ("## `[guests]`", Guests),
        ("## `[merging]`", Merging),
        ("## `[gemini]`", Gemini),
        ("## `[metrics]`", Metrics),
        ("## `[traces]`", Traces),
        ("## `[retention]`", Retention),
        ("## `[rooms.NAME]`", Room),
        ("## `[agents.NAME]`", Agent),
    ],
)
def test_every_key_is_on_the_page_with_its_default(heading: str, table: type[attrs.AttrsInstance]) -> None:
    """Each table has its keys, in the order of the code, with their defaults."""
    shown = [[row[0], row[2]] for row in rows(section(page("docs/configuration.md"), heading))]
    assert [[f"`{each.name}`", toml(default_of(each))] for each in attrs.fields(table)] == shown


def test_every_table_of_the_configuration_is_on_the_page() -> None:
    """There is no table that the page does not know."""
    headings = re.findall(r"^## `\[(\w+)", page("docs/configuration.md"), re.MULTILINE)
    assert [each.name for each in attrs.fields(Config)] == headings


def test_examples_of_the_configuration_are_taken() -> None:
    """Whoever copies an example has a configuration that is understood."""
    assert [parse_config(block) for block in blocks(page("docs/configuration.md"), "toml")]
    assert [parse_config(block) for block in blocks(page("docs/guests.md"), "toml")]


def test_limits_of_guests_are_those_of_the_code() -> None:
    """The table for hosts has each limit of the configuration, in its order, with its default."""
    numbers = [each for each in attrs.fields(Guests) if type(each.default) in (int, float)]
    table = rows(section(page("docs/guests.md"), "## Limits"))
    assert [[f"`{each.name}`", toml(each.default)] for each in numbers] == [row[:2] for row in table]


def test_what_does_not_work_is_on_the_page() -> None:
    """Every status that the door answers with, and every code that closes a connection, is explained once."""
    statuses, closes = tables(section(page("docs/guests.md"), "## When it does not work"))
    made = {call.args[0].value for call in calls("make_sentence") if isinstance(call.args[0], ast.Constant)}
    assert sorted({str(status) for status in (*made, *HEAD_REFUSALS) if status != 200}) == [row[0] for row in statuses]
    frames = [each for call in calls("close_frame") for each in call.args[:1] if isinstance(each, ast.Constant)]
    closings = [each.args[0] for each in calls("Closing")]
    codes_of_code = {str(each.value) for each in (*frames, *closings) if isinstance(each, ast.Constant)}
    # No daemon sends 1006: it is what a client calls an end without a close.
    assert sorted(codes_of_code | {"1006"}) == [row[0] for row in closes]


def test_defaults_of_an_invite_are_on_the_page() -> None:
    """What `invite create` does without options is what the table for hosts says."""
    options = {option.opts[0]: option.default for option in create.params}
    table = tables(section(page("docs/guests.md"), "## What to give whom"))[1]
    shown = {row[0].strip("`"): row[1].strip("`") for row in table}
    assert {name: each if isinstance(each := options[name], str) else "none" for name in shown} == shown


def test_what_an_agent_does_not_get_is_on_the_page() -> None:
    """Each variable that the page says is withheld is, and each word of the code's pattern is in one on the page."""
    withheld = first_column(section(page("docs/configuration.md"), "### What it does not get"))
    named = [name for cell in withheld for name in re.split(r"`, `", cell)]
    assert [name for name in named if not WITHHELD.fullmatch(name.replace("*", "X"))] == []
    assert [part for part in re.findall(r"[A-Z]{3,}", WITHHELD.pattern) if part not in " ".join(named)] == []


def test_every_order_of_the_rehearsal_agent_is_on_the_page() -> None:
    """Whoever tries Concordia finds each order that the rehearsal agent obeys."""
    table = section(page("docs/configuration.md"), "## The rehearsal agent")
    assert [f"[[{verb}]]" for verb in (*VERBS, *REHEARSAL_VERBS)] == first_column(table)


def test_every_event_of_the_log_is_on_the_page() -> None:
    """Whoever reads the log finds each of its events explained."""
    logged = {text_of(call.args[0]) for call in calls("info", "warning", "error")}
    shown = first_column(section(page("docs/operation.md"), "## Logs"))
    assert sorted(each for each in logged if each) == sorted(shown)


def test_every_code_of_the_model_is_on_the_page() -> None:
    """Whoever reads in the log why nothing was merged finds the code explained."""
    shown = tables(section(page("docs/merging.md"), "## Meaning: Gemini"))[-1]
    assert [row[0] for row in shown] == [f"`{code}`" for code in (*Trouble, *DoubtReason)]


def test_time_to_stop_is_the_sum_of_the_graces() -> None:
    """The page tells how long a stop may take with the defaults."""
    graces = Graces()
    fixed_s = END_GRACE_S + PIPE_GRACE_S + LAST_EVENTS_S
    total_s = graces.turn_s + graces.interrupt_s + graces.exit_s + graces.kill_s + fixed_s
    wanted = f"`turn_s + interrupt_s + exit_s + kill_s + {fixed_s:g}` = **{total_s:g} s**"
    assert wanted in section(page("docs/operation.md"), "## Stop")


def event_sections() -> dict[str, str]:
    """Return the section of each type of event."""
    whole = section(page("docs/protocol.md"), "## Events")
    return {name: section(whole, f"### `{name}`") for name in re.findall(r"^### `(.*)`$", whole, re.MULTILINE)}


def fields_of(text: str, *, number: int = 0) -> set[str]:
    """Return the names in a table of fields."""
    return {row[0].strip("`") for row in tables(text)[number]}


def may_be_missing(text: str) -> set[str]:
    """Return the names of the fields that a table says may be missing."""
    return {row[0].strip("`") for row in rows(text) if "missing" in row[2]}


def is_nullable(attribute: "attrs.Attribute[Any]") -> bool:
    """Tell whether null is a value of a field."""
    return type(None) in typing.get_args(attribute.type)


def test_every_method_is_on_the_page() -> None:
    """The page has every method, in the order of the code, and no other."""
    text = section(page("docs/protocol.md"), "## Methods")
    assert list(METHODS) == re.findall(r"^### `(.*)`$", text, re.MULTILINE)


@pytest.mark.parametrize("method", METHODS)
def test_every_param_is_on_the_page_with_its_default(method: str) -> None:
    """Each method has its params, in the order of the code, with their defaults; null is the default of what may be."""
    wanted = []
    table = rows(section(page("docs/protocol.md"), f"### `{method}`"))
    for each in attrs.fields(METHODS[method]):
        default = default_of(each)
        shown = "required" if default is attrs.NOTHING else "`null`" if default is None else toml(default)
        wanted.append([f"`{each.name}`", shown])
        # Where null is not the default, the page says that it may be given.
        says_null = any(row[0] == f"`{each.name}`" and "or null" in row[1] for row in table)
        assert is_nullable(each) == (default is None or says_null)
    assert wanted == [[row[0], row[2]] for row in table]


@pytest.mark.parametrize("method", METHODS)
def test_example_requests_are_understood(method: str) -> None:
    """The example of a method is a request that the daemon understands, and an answer with its id."""
    request, answer = examples(section(page("docs/protocol.md"), f"### `{method}`"))
    decoded = decode_request(json.dumps(request).encode())
    assert (decoded.method, decoded.id) == (method, answer["id"])
    assert "result" in answer


def test_every_type_of_event_is_on_the_page() -> None:
    """Every type of event that the code can emit has its section, and there is no section for any other."""
    pattern = re.compile(r"(prompt|turn|agent|approval|guest|hosts|invite|room)\.[a-z_]+|notice")
    emitted = {each for each in constants() if pattern.fullmatch(each)} - (METHODS.keys() - EVENTS.keys())
    assert sorted(emitted) == sorted(event_sections())


def test_every_fault_is_on_the_page() -> None:
    """With its limit and what is done, in the order of the code."""
    shown = [(row[0], row[2], row[3]) for row in rows(section(page("docs/protocol.md"), "### Faults"))]
    wanted = [
        (f"`{fault.value}`", "–" if rule.limit is None else f"`{rule.limit}`", f"`{rule.action.value}`")
        for fault, rule in RULES.items()
    ]
    assert shown == wanted
    assert {rule.limit for rule in RULES.values()} - {None} <= {each.name for each in attrs.fields(Graces)}


def test_every_notice_is_on_the_page() -> None:
    """Each code of a notice is in its table."""
    told = {text_of(call.args[0]) for call in calls("notice")}
    told |= {text_of(word.value) for call in calls("members") for word in call.keywords if word.arg == "code"}
    assert sorted(each for each in told if each) == sorted(fields_of(event_sections()["notice"], number=1))


@pytest.mark.parametrize("event_type", sorted(event_sections()))
def test_example_events_have_the_fields_of_their_table(event_type: str) -> None:
    """The example of an event has the common fields and those of its table; only some may be missing."""
    text = event_sections()[event_type]
    (example,) = examples(text)
    assert example["type"] == event_type
    assert_has_fields(example, text)


def assert_has_fields(event: Mapping[str, Any], text: str) -> None:
    """Fail if an event has a field that the page does not know, or lacks one that may not be missing."""
    known = fields_of(text) | COMMON_FIELDS
    optional = may_be_missing(text) | {"rehearsal"} | ({"seq"} if event["type"] in UNRECORDED else set())
    assert known - event.keys() <= optional, event
    assert event.keys() <= known, event


def test_objects_and_events_of_a_daemon_have_the_fields_of_the_page(tmp_path: Path) -> None:
    """Whatever a running daemon shows and says has the fields of its table."""
    protocol = page("docs/protocol.md")
    site = Site(tmp_path)
    with site.running() as daemon:
        client = daemon.follow(since=0)
        client.submit("[[think:so]] [[tool:true]] [[text:done]]")
        approval = client.next("approval.requested")["approval"]
        snapshot = daemon.connect().call("events.subscribe")["snapshot"]
        client.call("approval.answer", id=approval["id"], allow=True)
        client.next("turn.finished")
        shown = client.call("daemon.status")
        events = list(client.events)
    turn = section(protocol, "### TURN")
    running, (prompt,) = snapshot["turn"], [event["prompt"] for event in events if event["type"] == "prompt.accepted"]
    (room,) = shown["rooms"]
    assert running.keys() == fields_of(turn) | fields_of(turn, number=1) | fields_of(turn, number=2)
    for heading, view in (
        ("PROMPT", prompt),
        ("AUTHOR", prompt["author"]),
        ("APPROVAL", approval),
        ("SNAPSHOT", snapshot),
        ("ROOM", room),
        ("ROOM.agent", room["agent"]),
        ("CURSOR", room["cursor"]),
        ("DAEMON", shown["daemon"]),
    ):
        assert (heading, set(view)) == (heading, fields_of(section(protocol, f"### {heading}")))
    sections = event_sections()
    for event in events:
        assert_has_fields(event, sections[event["type"]])
    assert {"agent.delta", "agent.thinking", "agent.tool_result", "approval.resolved"} <= {e["type"] for e in events}


def test_people_have_the_fields_of_the_page() -> None:
    """Whoever comes, and what lets anybody in, is shown with the fields of its table."""
    invite, member = make_invite(), make_member()
    for heading, view in (
        ("INVITE", invite_view(invite, InviteState.OPEN)),
        ("PERSON", person_view(member, invite)),
        ("GUEST", guest_view(member, invite, is_for_host=True)),
    ):
        assert (heading, set(view)) == (heading, fields_of(section(page("docs/protocol.md"), f"### {heading}")))


def test_rights_are_those_of_the_code() -> None:
    """The page says of every method who may call it, and how far that goes."""
    words = {None: "–", Right.ANY: "yes", Right.OWN: "own", Right.GRANTED: "granted"}
    wanted = [[f"`{method}`", *(words[row.get(role)] for role in Role)] for method, row in RIGHTS.items() if row]
    shown = rows(section(page("docs/protocol.md"), "## Who may call what"))
    assert wanted == shown
    assert [method for method, row in RIGHTS.items() if not row] == ["hello"]


def test_closes_are_those_of_the_code() -> None:
    """The page says with which codes and reasons a guest's connection is closed."""
    closings = [[str(each.code), each.reason] for each in (REVOKED, EXPIRED, REMOVED, CLOSED, STOPPING)]
    frames = [SILENT, *GARBAGE.values(), NOT_TEXT, FLOOD, UNFINISHED, TOO_LONG, *AWAY.values()]
    faults = sorted([str(int.from_bytes(frame[2:4])), frame[4:].decode()] for frame in frames)
    shown = [row[:2] for row in tables(section(page("docs/protocol.md"), "## Who may call what"))[1]]
    assert [["4401", NOT_ADMITTED], *closings, *faults] == shown


@pytest.mark.parametrize(
    ("heading", "field", "values"),
    [
        ("INVITE", "state", InviteState),
        ("INVITE", "history", History),
        ("PROMPT", "state", PromptState),
        ("TURN", "state", TurnState),
        ("TURN", "outcome", Outcome),
        ("TURN", "origin", Origin),
    ],
)
def test_states_are_on_the_page(heading: str, field: str, values: Sequence[str]) -> None:
    """Each value of a field is named where the field is explained."""
    table = rows(section(page("docs/protocol.md"), f"### {heading}"))
    meaning = next(row[2] for row in table if row[0] == f"`{field}`")
    assert [value for value in values if f"`{value}`" not in meaning] == []


def test_limits_are_those_of_the_code() -> None:
    """Each number in the tables of limits is the constant's that it names."""
    both = [row for table in tables(section(page("docs/protocol.md"), "## Limits")) for row in table]
    assert [row[1] for row in both] == [number_of(row[3]) for row in both]


def test_codes_are_those_of_the_code() -> None:
    """The table of error codes is core/codes.py's, row by row."""
    wanted = [[str(code.number), f"`{code.name}`", str(code.exit_code), code.meaning] for code in codes.CODES]
    assert wanted == rows(section(page("docs/protocol.md"), "## Errors"))


def test_exit_codes_are_those_of_the_code() -> None:
    """Every exit code is in the table, and no other."""
    real = [value for name, value in vars(codes).items() if name.startswith("EXIT_") and isinstance(value, int)]
    assert [str(value) for value in real] == first_column(section(page("docs/protocol.md"), "## Exit codes"))


def is_test(name: str) -> bool:
    """Tell whether there is a test of that whole name: a file of tests/, two colons, a function."""
    path, _, test = name.partition("::")
    return test.startswith("test_") and (ROOT / path).is_file() and find(tree(ROOT / path), test) is not None


def test_every_promise_of_reliability_has_its_tests_and_its_figure() -> None:
    """Each row has the whole names of tests that there are, and what was measured; no promise stands there twice."""
    promises = [row for table in tables(page("docs/reliability.md")) for row in table]
    cells = {name: re.sub(r"`[^`]*`(, )?", "", tests) for name, tests, _ in promises}
    assert {name: left for name, left in cells.items() if left} == {}
    named = [name for _, tests, _ in promises for name in re.findall(r"`([^`]*)`", tests)]
    assert (len(named) >= len(promises) > 0, [name for name in named if not is_test(name)]) == (True, [])
    assert [name for name, _, measured in promises if len(measured) < len("exact")] == []
    assert len(cells) == len(promises)
