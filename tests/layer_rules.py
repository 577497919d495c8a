"""What a reader can check by eye, as rules over syntax trees: each is a function from a module to its breaches."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]

LAYERS: Final = (
    {"concordiad.core", "concordiad.errors", "concordiad.bytecode"},
    {"concordiad.config", "concordiad.ops"},
    {"concordiad.journal", "concordiad.agent", "concordiad.meaning"},
    {"concordiad.room"},
    {"concordiad.house"},
    {"concordiad.front"},
    {"concordiad.daemon"},
    {"concordiad.__main__"},
)
"""
The order that imports keep, lowest first. The errors are ground that the core stands on too: they know the table of
codes, and nothing else. The configuration is below whoever is configured, the house between its rooms and its doors.
"""
PURE: Final = (
    *("attrs", "cattrs", "msgspec", "rapidfuzz"),
    *(
        "bisect",
        "codecs",
        "collections",
        "contextlib",
        "datetime",
        "difflib",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
    ),
    *("re", "string", "sys", "types", "typing", "unicodedata"),
)
"""What the core may import besides itself: it computes, and does nothing else."""
CLOCKS_AND_STREAMS: Final = frozenset({"now", "utcnow", "today", "stdin", "stdout", "stderr", "argv", "exit"})
"""What the core may not touch of those."""


class Module(NamedTuple):
    """A module's dotted name and its syntax tree."""

    name: str
    tree: ast.Module


Rule = Callable[[Module], Iterator[str]]


def read_modules(package: str) -> list[Module]:
    """Read every module of a package."""
    paths = sorted((ROOT / package).rglob("*.py"))
    return [Module(_name_of(path), ast.parse(path.read_text(), str(path))) for path in paths]


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Final = [module for package in ("concordiad", "ctl") for module in read_modules(package)]


def is_in(name: str, *packages: str) -> bool:
    """Tell whether a module is one of these or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports_of(module: Module) -> Iterator[str]:
    """List the modules that a module imports, those inside its functions too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and node.level == 0, f"{module.name}: relative imports hide where they lead"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called(node: ast.AST) -> str:
    """Return the last name of what a call calls, without type arguments; empty if it is no call."""
    function = node.func if isinstance(node, ast.Call) else None
    return last_name(function.value if isinstance(function, ast.Subscript) else function)


def last_name(node: ast.AST | None) -> str:
    """Return the last name of a dotted one."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def receiver(call: ast.Call) -> str:
    """Return the last name of what gets a call's arguments: what is called, or what a nursery is told to call."""
    return last_name(call.args[0]) if called(call) in ("start_soon", "start") else called(call)


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return what a call is given by that keyword."""
    return next((given.value for given in call.keywords if given.arg == name), None)


def calls_of(module: Module) -> Iterator[ast.Call]:
    """List a module's calls."""
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def layer_of(name: str) -> int | None:
    """Return how high a module stands; None for what is in no layer."""
    return next((height for height, layer in enumerate(LAYERS) if is_in(name, *layer)), None)


def part_of(name: str) -> str:
    """Return the part of a layer that a module belongs to."""
    return ".".join(name.split(".")[:2])


def imports_run_one_way(module: Module) -> Iterator[str]:
    """A module imports from its own part and from lower layers, never from above or beside itself."""
    for imported in imports_of(module):
        here, there = layer_of(module.name), layer_of(imported)
        if here is None or there is None or part_of(imported) == part_of(module.name):
            continue
        if there > here or (there == here and here > 0):
            yield f"{module.name} imports {imported}"


def every_module_has_a_layer(module: Module) -> Iterator[str]:
    """No module of the daemon stands beside the layers; the package itself is its version, and how it is read."""
    if is_in(module.name, "concordiad") and module.name != "concordiad" and layer_of(module.name) is None:
        yield f"{module.name} is in no layer"


REHEARSAL_TAKES: Final = ("concordiad.agent.rehearsal", "concordiad.agent.orders", "concordiad.__version__")


def rehearsal_is_a_program_of_its_own(module: Module) -> Iterator[str]:
    """The rehearsal agent shares the orders with the tests' stub, and nothing with the daemon."""
    for imported in imports_of(module):
        is_ours = is_in(imported, *REHEARSAL_TAKES)
        if is_in(module.name, "concordiad.agent.rehearsal") and is_in(imported, "concordiad") and not is_ours:
            yield f"{module.name} imports {imported}"


def command_line_needs_no_daemon(module: Module) -> Iterator[str]:
    """The command line starts fast: it takes the daemon's version and codes; `doctor`, `setup` and `journal` more."""
    heavy = ("ctl.health", "ctl.commands.doctor", "ctl.setting_up", "ctl.commands.journal")
    is_doctor = is_in(module.name, *heavy)
    for imported in imports_of(module):
        is_light = is_in(imported, "concordiad.core.codes", "concordiad.__version__")
        if is_in(module.name, "ctl") and not is_doctor and is_in(imported, "concordiad") and not is_light:
            yield f"{module.name} imports {imported}"


def core_does_nothing_but_compute(module: Module) -> Iterator[str]:
    """The core has no coroutine, imports nothing that could do I/O, reads no clock, and opens nothing."""
    if not is_in(module.name, "concordiad.core"):
        return
    for imported in imports_of(module):
        if imported.split(".")[0] not in {*PURE, "concordiad"}:
            yield f"{module.name} imports {imported}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{module.name}:{node.lineno} is asynchronous"
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS_AND_STREAMS:
            yield f"{module.name}:{node.lineno} uses {node.attr}"
        if isinstance(node, ast.Call) and called(node) in ("open", "print", "input", "__import__", "exec", "eval"):
            yield f"{module.name}:{node.lineno} calls {called(node)}"


PASSED_ON: Final = {"stdin": {"Incarnation"}, "stdout": {"run_pump"}, "stderr": {"run_stderr"}}
"""To whom the keeper, who spawns the agent, hands which of its streams."""
STREAM_OWNERS: Final = {
    "stdin": ("concordiad.room.hold", "concordiad.agent.process", "concordiad.agent.unit"),
    "stdout": ("concordiad.room.pump", "concordiad.agent.process", "concordiad.agent.unit"),
    "stderr": ("concordiad.room.pump", "concordiad.agent.process", "concordiad.agent.unit"),
}
"""Who may do more with them; the process is the pipes themselves."""


def agents_streams_have_one_owner(module: Module) -> Iterator[str]:
    """The writer's hold alone writes the agent's stdin, the pump alone reads its output; others only pass them on."""
    if not is_in(module.name, "concordiad") or is_in(
        module.name, "concordiad.agent.rehearsal", "concordiad.agent.find", "concordiad.agent.shim"
    ):
        return
    may_not_read = is_in(module.name, "concordiad.room", "concordiad.agent") and module.name not in (
        "concordiad.room.pump",
        "concordiad.room.pipes",
    )
    passed_on = {
        id(argument)
        for call in calls_of(module)
        for argument in (*call.args, *(given.value for given in call.keywords))
        if isinstance(argument, ast.Attribute) and receiver(call) in PASSED_ON.get(argument.attr, ())
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in STREAM_OWNERS and id(node) not in passed_on:
            is_system = isinstance(node.value, ast.Name) and node.value.id == "sys"
            if not is_system and not is_in(module.name, *STREAM_OWNERS[node.attr]):
                yield f"{module.name}:{node.lineno} uses {node.attr}"
        if isinstance(node, ast.Call) and called(node) == "receive_some" and may_not_read:
            yield f"{module.name}:{node.lineno} reads a stream"


def journal_alone_knows_sqlite(module: Module) -> Iterator[str]:
    """Nobody but the journal imports sqlite3."""
    if not is_in(module.name, "concordiad.journal"):
        yield from (f"{module.name} imports it" for name in imports_of(module) if is_in(name, "sqlite3"))


def errors_and_cancellation_pass(module: Module) -> Iterator[str]:
    """No handler takes everything, and none takes what Trio cancels with."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{module.name}:{node.lineno} catches everything"
        caught = node.type if isinstance(node, ast.ExceptHandler) else node if called(node) == "suppress" else None
        for part in ast.walk(caught) if caught is not None else ():
            if last_name(part) in ("BaseException", "BaseExceptionGroup", "Cancelled", "get_cancelled_exc_class"):
                yield f"{module.name}:{getattr(part, 'lineno', 0)} catches {last_name(part)}"


def channels_are_bounded(module: Module) -> Iterator[str]:
    """A memory channel holds a named number of messages, or none, or one reply."""
    for call in calls_of(module):
        if called(call) == "open_memory_channel":
            size = call.args[0] if call.args else keyword(call, "max_buffer_size")
            is_named = isinstance(size, ast.Name) and size.id.isupper() and size.id not in _infinities(module)
            if not is_named and not (isinstance(size, ast.Constant) and size.value in (0, 1)):
                yield f"{module.name}:{call.lineno} has a channel without a named capacity"


def _infinities(module: Module) -> set[str]:
    assigned = [node for node in module.tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value]
    return {
        last_name(target)
        for node in assigned
        if "inf" in ast.unparse(node.value or node)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }


def shields_have_a_deadline(module: Module) -> Iterator[str]:
    """What cannot be cancelled ends by the clock."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and keyword(node, "shield") is not None:
            if called(node) not in ("move_on_after", "move_on_at", "fail_after", "fail_at"):
                yield f"{module.name}:{node.lineno} shields without a deadline"
        elif isinstance(node, ast.Attribute) and node.attr == "shield" and isinstance(node.ctx, ast.Store):
            yield f"{module.name}:{node.lineno} shields a scope that was not made for it"


def no_shell(module: Module) -> Iterator[str]:
    """Programs are started from lists of arguments."""
    for call in calls_of(module):
        shell = keyword(call, "shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield f"{module.name}:{call.lineno} starts a shell"
        if called(call) in ("system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"):
            yield f"{module.name}:{call.lineno} calls {called(call)}"


CONTAINERS: Final = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKERS: Final = ("list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter", "fromkeys")


def modules_hold_no_state(module: Module) -> Iterator[str]:
    """What can be changed is in an object that somebody owns; a table at the top of a module is Final."""
    if is_in(module.name, "ctl"):
        return  # one task in a process that soon ends, and its fast path cannot afford to import typing
    for node in module.tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            continue
        is_final = isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation)
        if (
            not is_final
            and node.value is not None
            and (isinstance(node.value, CONTAINERS) or called(node.value) in MAKERS)
        ):
            yield f"{module.name}:{node.lineno} holds what can be changed"
    for inner in ast.walk(module.tree):
        if isinstance(inner, ast.Global):
            yield f"{module.name}:{inner.lineno} changes a global"


def public_things_are_described(module: Module) -> Iterator[str]:
    """Every module with something in it, every public class and every public function says what it is."""
    if module.tree.body and ast.get_docstring(module.tree) is None:
        yield f"{module.name} has no docstring"
    yield from _undescribed(module.name, module.tree)


def _undescribed(name: str, parent: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield f"{name}.{node.name} has no docstring"
            if isinstance(node, ast.ClassDef):
                yield from _undescribed(f"{name}.{node.name}", node)


RULES: Final[list[Rule]] = [
    imports_run_one_way,
    every_module_has_a_layer,
    rehearsal_is_a_program_of_its_own,
    command_line_needs_no_daemon,
    core_does_nothing_but_compute,
    agents_streams_have_one_owner,
    journal_alone_knows_sqlite,
    errors_and_cancellation_pass,
    channels_are_bounded,
    shields_have_a_deadline,
    no_shell,
    modules_hold_no_state,
    public_things_are_described,
]
