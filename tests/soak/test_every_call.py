"""The daemon is killed at each call of the kernel that leaves something outside of it, and recovers from each."""

import contextlib
import platform
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.books import Books, read_log
from tests.soak.people import Asker, Guest, listen
from tests.soak.storm import invite, ledger, make_site, transcript
from tests.soak.tracer import CALLS, COUNTING, Plan
from tests.support.control_client import ControlClient, HungUp
from tests.support.daemon import READY, Daemon, Site

pytestmark = pytest.mark.skipif(platform.machine() not in CALLS, reason="the tracer does not know this machine's calls")

TURNS = 16
STARTS = 5
"""So many of the calls are tried where not all are; a whole start under the tracer takes a second."""
MANY = 2000
"""More calls than a turn or a start ever has: whatever goes on longer is at fault."""


class Turns:
    """One site where the same turn is asked for again and again, and the daemon is killed in its middle."""

    def __init__(self, root: Path, seed: str) -> None:
        self.log = root / "asked.jsonl"
        self.plan = Plan(root / "plan")
        self.site = make_site(root, self.log)
        self.books = Books("turns")
        self._asker = Asker("asker", self.books, seed)
        with self.site.running() as daemon:
            self._guest = Guest("guest", self.books, seed, invite(daemon.connect()))

    def ask(self, limit: int) -> bool:
        """Ask once, with a kill at that call (0: none); True if the turn was over before that."""
        self.plan.write(limit)
        with started(self.site, self.plan, "later") as daemon:
            daemon.wait_until_ready()
            with (
                contextlib.closing(self._asker.connect(daemon)) as client,
                contextlib.closing(self._guest.connect(daemon)) as guest,
            ):
                self._asker.recall(client)
                daemon.send_signal(signal.SIGUSR1)
                daemon.wait_for_log(COUNTING)
                try:
                    self._asker.do(client)
                except (HungUp, ConnectionError):
                    is_over = False
                else:
                    is_over = True
                finally:
                    self._asker.read(client)
                    daemon.kill()
                    self._read_to_end(guest)
        return is_over

    def check(self) -> None:
        """See what became of everything."""
        with self.site.running() as daemon, contextlib.closing(self._asker.connect(daemon)) as client:
            self._asker.recall(client)
            self.books.check(transcript(daemon), ledger(client), read_log(self.log))

    def _read_to_end(self, guest: ControlClient) -> None:
        messages = guest.read_to_end()
        guest.events += [message["params"] for message in messages if message.get("method") == "event"]
        self._guest.read(guest)


class Starts:
    """A state that a killed daemon has left, on which start after start is killed."""

    def __init__(self, root: Path, seed: str) -> None:
        self._left, self._log = root / "left", root / "asked.jsonl"
        self.plan = Plan(root / "plan")
        self.site = make_site(root, self._log)
        self._books = Books("starts")
        self._asker = Asker("asker", self._books, seed)
        self._make(root / "left.jsonl")

    def _make(self, log: Path) -> None:
        """Leave a turn that waits for an approval, and prompts that wait behind it."""
        daemon = self.site.start()
        try:
            daemon.wait_until_ready()
            with contextlib.closing(self._asker.connect(daemon)) as client:
                burst = [
                    self._books.send(orders, has_key=True) for orders in ("[[tool:true]]", *("[[text:more]]",) * 3)
                ]
                self._asker.submit(client, burst)
                while not any(event["type"] == "approval.requested" for event in self._asker.read(client)):
                    listen(client)
        finally:
            daemon.kill()
        shutil.move(self.site.state, self._left)
        shutil.copy(self._log, log)
        self._left_log, self._last = log, self._asker.last

    def begin(self, limit: int) -> bool:
        """Start once, with a kill at that call (0: none); True if the daemon served before that; then start again."""
        shutil.rmtree(self.site.state, ignore_errors=True)
        shutil.copytree(self._left, self.site.state)
        shutil.copy(self._left_log, self._log)
        self.site.clear()
        self.plan.write(limit)
        with started(self.site, self.plan, "now") as daemon:
            is_over = daemon.has_said(READY)
        self._check()
        return is_over

    def _check(self) -> None:
        """See that the turn is uncertain, and that the others are answered in their order."""
        books = Books("starts")
        books.sent, books.acknowledged = self._books.sent, self._books.acknowledged
        self._asker.books, self._asker.last = books, self._last
        with self.site.running() as daemon:
            with contextlib.closing(self._asker.connect(daemon)) as client:
                self._asker.settle(client)
            events = transcript(daemon)
            prompts = ledger(daemon.connect())
        books.check(events, prompts, read_log(self._log))
        ends = [event["turn"] for event in events if event["type"] == "turn.finished"]
        assert [turn["outcome"] for turn in ends] == ["uncertain", *["completed"] * 3]
        assert [turn["prompts"] for turn in ends] == [[known] for known in self._books.acknowledged.values()]


def choose(some: int, calls: int, seed: str) -> list[int]:
    """Choose some of so many calls."""
    return sorted(random.Random(seed).sample(range(1, calls + 1), some))


@contextlib.contextmanager
def started(site: Site, plan: Plan, when: str) -> Iterator[Daemon]:
    """Start a daemon under the tracer; it is ended with it."""
    daemon = site.start(under=[sys.executable, "-P", "-m", "tests.soak.tracer", str(plan.path), when])
    try:
        yield daemon
    except AssertionError:
        print(f"--- {plan.read()}, the daemon said:\n{daemon.log}")
        raise
    finally:
        daemon.kill()


def test_kill_at_each_call_of_a_turn(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """Killed at any write, sync, rename or send of one turn, the daemon recovers with every promise kept."""
    turns = Turns(tmp_path, seed)
    try:
        assert turns.ask(0)
        _, calls, _ = turns.plan.read()
        assert calls > TURNS
        if is_soak:
            tried = next(limit for limit in range(1, MANY) if turns.ask(limit))
            assert tried > calls / 2
            figures.append(f"killed at each of the {tried - 1} calls of a turn")
        else:
            untouched = [limit for limit in choose(TURNS, calls, seed) if turns.ask(limit)]
            # What waits together is committed together, so a turn may have fewer calls than the first had.
            assert len(untouched) < TURNS / 2
        turns.check()
    finally:
        turns.site.clear()


def test_kill_at_each_call_of_a_start(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """Killed at any call of a start that recovers from a kill, the daemon recovers at the next one, as if at once."""
    starts = Starts(tmp_path, seed)
    try:
        assert starts.begin(0)
        _, calls, _ = starts.plan.read()
        assert calls > STARTS
        if is_soak:
            tried = next(limit for limit in range(1, MANY) if starts.begin(limit))
            assert tried > calls / 2
            figures.append(f"killed at each of the {tried - 1} calls of a start")
        else:
            untouched = [limit for limit in choose(STARTS, calls, seed) if starts.begin(limit)]
            assert len(untouched) < STARTS / 2
    finally:
        starts.site.clear()
