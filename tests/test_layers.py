"""
What a reader can check by eye, checked over every module of the daemon and the command line.

Each rule is shown to find a breach in a snippet before it is believed of the whole program.
"""

import ast
from typing import Final

import pytest

from tests.layer_rules import (
    MODULES,
    RULES,
    Module,
    Rule,
    agents_streams_have_one_owner,
    channels_are_bounded,
    command_line_needs_no_daemon,
    core_does_nothing_but_compute,
    errors_and_cancellation_pass,
    every_module_has_a_layer,
    imports_run_one_way,
    journal_alone_knows_sqlite,
    modules_hold_no_state,
    no_shell,
    public_things_are_described,
    rehearsal_is_a_program_of_its_own,
    shields_have_a_deadline,
)

NOT_PURE: Final = (
    *("asyncio", "http.client", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select"),
    *("signal", "socket", "sqlite3", "structlog", "subprocess", "tempfile", "threading", "time", "trio", "uuid"),
)
BREACHES: Final[list[tuple[Rule, str, str]]] = [
    (imports_run_one_way, "concordiad.core.lines", "from concordiad.config.limits import Limits"),
    (imports_run_one_way, "concordiad.errors", "import concordiad.room"),
    (imports_run_one_way, "concordiad.journal.writing", "from concordiad.agent.find import WITHHELD"),
    (imports_run_one_way, "concordiad.agent.find", "from concordiad import journal"),
    (imports_run_one_way, "concordiad.room.pump", "def f():\n    from concordiad.front.methods import call"),
    (imports_run_one_way, "concordiad.room", "from concordiad.house.handle import House"),
    (imports_run_one_way, "concordiad.house", "import concordiad.front.methods"),
    (imports_run_one_way, "concordiad.front.outbox", "from concordiad.daemon import Setup"),
    (imports_run_one_way, "concordiad.daemon", "from concordiad.__main__ import main"),
    (every_module_has_a_layer, "concordiad.utils", ""),
    (rehearsal_is_a_program_of_its_own, "concordiad.agent.rehearsal.desk", "from concordiad.core import lines"),
    (rehearsal_is_a_program_of_its_own, "concordiad.agent.rehearsal", "from concordiad.agent import process"),
    (command_line_needs_no_daemon, "ctl.commands.tail", "from concordiad.core.wire import Cursor"),
    (command_line_needs_no_daemon, "ctl.cli", "def f():\n    import concordiad.config"),
    *((core_does_nothing_but_compute, "concordiad.core.x", f"import {name}") for name in NOT_PURE),
    (core_does_nothing_but_compute, "concordiad.core.x", "from os import environ"),
    (core_does_nothing_but_compute, "concordiad.core.x", "async def f(): pass"),
    (core_does_nothing_but_compute, "concordiad.core.x", "print('hello')"),
    (core_does_nothing_but_compute, "concordiad.core.agents.x", "text = open('/etc/hostname').read()"),
    (core_does_nothing_but_compute, "concordiad.core.x", "from datetime import datetime\nat = datetime.now()"),
    (core_does_nothing_but_compute, "concordiad.core.x", "import sys\nsys.stdout.write('a')"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "async def f(p): await p.stdin.write(b'')"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "def f(agent): agent.stdin.close()"),
    (agents_streams_have_one_owner, "concordiad.room.pump", "def f(agent): pipe = agent.stdin"),
    (agents_streams_have_one_owner, "concordiad.front.methods", "def f(agent): send(agent.stdin)"),
    (agents_streams_have_one_owner, "concordiad.room.writer", "async def f(p): return p.stdout"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "async def f(p): await read(p.stdout)"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "async def f(p): await run_stderr(p.stdout)"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "def f(n, p): n.start_soon(steal, p.stderr)"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "async def f(pipe): await pipe.receive_some(1)"),
    (journal_alone_knows_sqlite, "concordiad.daemon", "import sqlite3"),
    (journal_alone_knows_sqlite, "concordiad.room", "from sqlite3 import sqlite_version"),
    (errors_and_cancellation_pass, "concordiad.x", "try: f()\nexcept: pass"),
    (errors_and_cancellation_pass, "concordiad.x", "try: f()\nexcept BaseException: raise"),
    (errors_and_cancellation_pass, "concordiad.x", "try: f()\nexcept (ValueError, BaseException): raise"),
    (errors_and_cancellation_pass, "concordiad.x", "try: f()\nexcept trio.Cancelled: raise"),
    (errors_and_cancellation_pass, "concordiad.x", "try: f()\nexcept* Cancelled: pass"),
    (errors_and_cancellation_pass, "concordiad.x", "with contextlib.suppress(trio.Cancelled): f()"),
    (channels_are_bounded, "concordiad.x", "trio.open_memory_channel(math.inf)"),
    (channels_are_bounded, "concordiad.x", "trio.open_memory_channel[int](float('inf'))"),
    (channels_are_bounded, "concordiad.x", "trio.open_memory_channel[int](max_buffer_size=math.inf)"),
    (channels_are_bounded, "concordiad.x", "open_memory_channel(1000)"),
    (channels_are_bounded, "concordiad.x", "open_memory_channel(size)"),
    (channels_are_bounded, "concordiad.x", "FULL: Final = math.inf\nopen_memory_channel(FULL)"),
    (shields_have_a_deadline, "concordiad.x", "with trio.CancelScope(shield=True): pass"),
    (shields_have_a_deadline, "concordiad.x", "scope.shield = True"),
    (no_shell, "concordiad.x", "subprocess.run('ls', shell=True)"),
    (no_shell, "concordiad.x", "trio.run_process('ls', shell=is_shell)"),
    (no_shell, "concordiad.x", "os.system('ls')"),
    (modules_hold_no_state, "concordiad.x", "clients = []"),
    (modules_hold_no_state, "concordiad.x", "clients: dict[str, int] = {}"),
    (modules_hold_no_state, "concordiad.x", "clients = {name for name in names}"),
    (modules_hold_no_state, "concordiad.x", "clients = collections.defaultdict(list)"),
    (modules_hold_no_state, "concordiad.x", "count = 0\ndef f():\n    global count\n    count += 1"),
    (public_things_are_described, "concordiad.x", "import os"),
    (public_things_are_described, "concordiad.x", '"""."""\ndef f(): pass'),
    (public_things_are_described, "concordiad.x", '"""."""\nasync def f(): pass'),
    (public_things_are_described, "concordiad.x", '"""."""\nclass A: pass'),
    (public_things_are_described, "concordiad.x", '"""."""\nclass A:\n    """."""\n    def f(self): pass'),
]
LET_THROUGH: Final[list[tuple[Rule, str, str]]] = [
    (imports_run_one_way, "concordiad.core.turns", "from concordiad.errors import LocalProtocolError"),
    (imports_run_one_way, "concordiad.room.writer", "import concordiad.room.messages\nfrom concordiad import config"),
    (every_module_has_a_layer, "concordiad.room.similarity", ""),
    (rehearsal_is_a_program_of_its_own, "concordiad.agent.rehearsal.turn", "from concordiad.agent.orders import Order"),
    (command_line_needs_no_daemon, "ctl.cli", "from concordiad import __version__\nimport concordiad.core.codes"),
    (core_does_nothing_but_compute, "concordiad.core.x", "import sys\nmost = sys.float_info.max"),
    (core_does_nothing_but_compute, "concordiad.room.x", "import os\nasync def f(): pass"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "async def f(p): await run_pump(p.stdout, 1)"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "def f(n, p): n.start_soon(run_stderr, p.stderr)"),
    (agents_streams_have_one_owner, "concordiad.room.keeper", "def f(p): return Incarnation(stdin=p.stdin)"),
    (agents_streams_have_one_owner, "concordiad.room.hold", "async def f(p): await p.stdin.write(b'')"),
    (agents_streams_have_one_owner, "concordiad.ops.log", "import sys\nsys.stderr.isatty()"),
    (journal_alone_knows_sqlite, "concordiad.journal.schema", "import sqlite3"),
    (errors_and_cancellation_pass, "concordiad.x", "try: f()\nexcept* (ValueError, OSError): pass"),
    (channels_are_bounded, "concordiad.x", "LEAST: Final = 7\nopen_memory_channel[int | None](LEAST)"),
    (channels_are_bounded, "concordiad.x", "open_memory_channel[int](1)"),
    (shields_have_a_deadline, "concordiad.x", "with trio.move_on_after(1, shield=True): pass"),
    (no_shell, "concordiad.x", "subprocess.run(['ls'], shell=False)"),
    (modules_hold_no_state, "concordiad.x", "TABLE: Final = {1: 2}\nNAMES = ('a', 'b')\nKind = list[int]"),
    (modules_hold_no_state, "ctl.x", "TABLE = {1: 2}"),
    (public_things_are_described, "concordiad.x", ""),
    (public_things_are_described, "concordiad.x", '"""."""\nclass _A:\n    def f(self): pass\ndef _f(): pass'),
]


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_kept(rule: Rule) -> None:
    """No module of the daemon or the command line breaks the rule."""
    assert [breach for module in MODULES for breach in rule(module)] == []


@pytest.mark.parametrize(("rule", "name", "source"), BREACHES)
def test_breach_is_found(rule: Rule, name: str, source: str) -> None:
    """A snippet that breaks a rule is found to."""
    assert len(list(rule(Module(name, ast.parse(source))))) == 1


@pytest.mark.parametrize(("rule", "name", "source"), LET_THROUGH)
def test_good_code_is_let_through(rule: Rule, name: str, source: str) -> None:
    """A snippet that keeps a rule, though it looks a little like a breach, is let through."""
    assert list(rule(Module(name, ast.parse(source)))) == []


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_been_broken(rule: Rule) -> None:
    """A rule that no snippet breaks and none keeps could be one that finds nothing, or everything."""
    assert rule in [broken for broken, *_ in BREACHES]
    assert rule in [kept for kept, *_ in LET_THROUGH]


def test_there_is_something_to_check() -> None:
    """The modules were found."""
    names = {module.name for module in MODULES}
    assert {"concordiad", "concordiad.core.agents.claude_code", "concordiad.room.writer", "ctl.cli"} <= names
