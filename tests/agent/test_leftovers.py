"""What an agent leaves behind, as real processes: found by the mark in their environment, and ended."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from concordiad.agent import leftovers
from concordiad.agent.leftovers import MARK, end_leftovers, find_journals, mark_of, read_environment
from tests.support.patience import PATIENCE_S

JOURNAL = f"journal-of-test-{os.getpid()}"
OURS = mark_of(JOURNAL, "main", "i1")
BRIEF_S = 0.1
LOOKS = 2000

WAITS = "import signal\nprint('ready', flush=True)\nsignal.pause()"
IGNORES_SIGTERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS
ENDS_IN_ORDER = "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n" + WAITS
LEAVES_A_GRANDCHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-ISc", {WAITS!r}], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
"""
STARTS_ANOTHER_AS_IT_ENDS = f"""
import os, signal, subprocess, sys
def end(*_):
    child = subprocess.Popen([sys.executable, "-ISc", {WAITS!r}], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    os.write(1, b"%d\\n" % child.pid)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""


class Children:
    """Children of a test, none of which outlives it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def start(self, program: str, mark: str | None = OURS, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a program and wait until it has said something."""
        environment = variables if mark is None else {MARK: mark, **variables}
        command = [sys.executable, "-ISc", program]
        child = self._stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment))
        self._stack.callback(child.kill)
        assert child.stdout is not None
        self.said = child.stdout.readline()
        return child

    def watch(self, pid: int) -> int:
        """Watch a process that is not the test's own child."""
        pidfd = os.pidfd_open(pid)
        self._stack.callback(os.close, pidfd)
        self._stack.callback(_kill, pidfd)
        return pidfd


def _kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return


def ends(pidfd: int) -> bool:
    """Tell whether a process ends, at the latest when patience does."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(PATIENCE_S * 1000))


@pytest.fixture
def children() -> Iterator[Children]:
    """Where a test's processes come from."""
    with ExitStack() as stack:
        yield Children(stack)


def test_marked_process_is_ended(children: Children) -> None:
    """A process that bears the mark is asked to end."""
    child = children.start(WAITS)
    assert end_leftovers(OURS) == 1
    assert child.wait(PATIENCE_S) == -signal.SIGTERM


def test_process_may_end_in_order(children: Children) -> None:
    """Whoever does something when asked to end has the time for it."""
    child = children.start(ENDS_IN_ORDER)
    assert end_leftovers(OURS, PATIENCE_S) == 1
    assert child.wait(PATIENCE_S) == 7


def test_process_that_ignores_being_asked_is_killed(children: Children) -> None:
    """When the grace is over, nobody is asked any more."""
    child = children.start(IGNORES_SIGTERM)
    assert end_leftovers(OURS, BRIEF_S) == 1
    assert child.wait(PATIENCE_S) == -signal.SIGKILL


def test_stopped_process_is_killed(children: Children) -> None:
    """A process that cannot answer because it is stopped ends all the same."""
    child = children.start(WAITS)
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    assert end_leftovers(OURS, BRIEF_S) == 1
    assert child.wait(PATIENCE_S) == -signal.SIGKILL


def test_journals_are_found_by_where_they_are(children: Children) -> None:
    """Whoever has lost the journal's name finds by that what its agents have left; a journal elsewhere is another's."""
    place = f"fd00-{os.getpid()}"
    for journal in (f"old-{place}", f"older-{place}", f"other-1{place}", f"copy-{place}1"):
        children.start(WAITS, mark_of(journal, "main", "i1"))
    children.start(WAITS, None, OTHER=f"{MARK}=old-{place}/main/i1")
    assert find_journals(place) == {f"old-{place}", f"older-{place}"}


def test_grandchild_in_a_session_of_its_own_is_ended(children: Children) -> None:
    """A process whose parent is gone, out of reach of any process group, still bears the mark."""
    parent = children.start(LEAVES_A_GRANDCHILD)
    grandchild = children.watch(int(children.said))
    assert parent.wait(PATIENCE_S) == 0
    assert end_leftovers(OURS) == 1
    assert ends(grandchild)


def test_process_that_is_started_meanwhile_is_ended(children: Children) -> None:
    """What a process starts as its last act was not there when the marked ones were looked for."""
    parent = children.start(STARTS_ANOTHER_AS_IT_ENDS)
    assert end_leftovers(OURS, PATIENCE_S) == 2
    assert parent.wait(PATIENCE_S) == 0
    assert end_leftovers(OURS) == 0


@pytest.mark.parametrize(
    ("mark", "variables"),
    [
        (None, {}),
        (None, {f"{MARK}S": OURS, f"X_{MARK}": OURS}),
        (None, {"TEXT": f"{MARK}={OURS}"}),
        (f"x{OURS}", {}),
        (mark_of(JOURNAL, "main", "i2"), {}),
        (mark_of(JOURNAL, "main-2", "i1"), {}),
        (mark_of("another-journal", "main", "i1"), {}),
    ],
    ids=["none", "similar names", "in another's value", "behind", "incarnation", "room", "journal"],
)
def test_process_without_the_mark_is_untouched(children: Children, mark: str | None, variables: dict[str, str]) -> None:
    """A variable with a similar name, or the mark of somebody else, is no reason to end anything."""
    child = children.start(f"# {MARK}={OURS}\n{WAITS}", mark, **variables)
    assert end_leftovers(OURS, BRIEF_S) == 0
    assert child.poll() is None


def test_process_that_has_ended_is_no_leftover(children: Children) -> None:
    """One that only waits to be reaped is not counted, and its parent still learns how it ended."""
    child = children.start("print('ready', flush=True)\nraise SystemExit(5)")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert end_leftovers(OURS) == 0
    assert child.wait(PATIENCE_S) == 5


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (mark_of(JOURNAL), [True, True, True, False]),
        (mark_of(JOURNAL, "a"), [True, True, False, False]),
        (mark_of(JOURNAL, "a", "i1"), [True, False, False, False]),
    ],
    ids=["journal", "room", "incarnation"],
)
def test_mark_reaches_as_far_as_it_says(children: Children, mark: str, expected: list[bool]) -> None:
    """A mark is that of one incarnation, of all of a room's, or of all of a journal's."""
    marks = [
        mark_of(JOURNAL, "a", "i1"),
        mark_of(JOURNAL, "a", "i2"),
        mark_of(JOURNAL, "ab", "i1"),
        mark_of("j", "a", "i"),
    ]
    started = [children.start(WAITS, one) for one in marks]
    assert end_leftovers(mark) == sum(expected)
    assert [child.poll() is not None for child in started] == expected


def test_caller_is_never_its_own_leftover() -> None:
    """A daemon that somebody started from inside an agent does not end itself."""
    program = f"from concordiad.agent.leftovers import end_leftovers\nprint(end_leftovers({OURS!r}))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, MARK: OURS},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "0\n")


def test_no_descriptor_is_left_open(children: Children) -> None:
    """Every process that was looked at is let go of again."""
    children.start(WAITS)
    before = os.listdir("/proc/self/fd")
    end_leftovers(OURS)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_process_in_the_middle_of_an_exec_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does nothing but exec itself has an environment whenever it is looked at."""
    monkeypatch.setattr(leftovers, "EXEC_S", PATIENCE_S)
    again = tmp_path / "again"
    again.write_text('#!/bin/sh\nexec "$0"\n')
    again.chmod(0o755)
    mark = f"{MARK}={OURS}"
    with subprocess.Popen([again], env={MARK: OURS}) as child:
        try:
            seen = {mark.encode() in read_environment(child.pid) for _ in range(LOOKS)}
        finally:
            child.kill()
    assert seen == {True}


def test_an_empty_environment_is_no_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was given no environment at all is not waited for."""
    # A sleep of less than nothing raises.
    monkeypatch.setattr(leftovers, "_EXEC_POLL_S", -1.0)
    with subprocess.Popen([sys.executable, "-ISc", WAITS], stdout=subprocess.PIPE, env={}) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            assert read_environment(child.pid) == [b""]
        finally:
            child.kill()
