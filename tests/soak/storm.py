"""
A daemon that is killed again and again while people use it, and the account of what became of their prompts.

Each round starts the daemon on what the last one left, lets the people work, and sends SIGKILL at a random moment: in
one of four rounds while it starts, else after a random number of things that the people were told.
"""

import contextlib
import os
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.soak.books import ENDED, Books, read_log
from tests.soak.people import Approver, Guest, Keyed, Person, Unkeyed, approve
from tests.support.control_client import ControlClient, Event, Message
from tests.support.daemon import Daemon, Site
from tests.support.guest_client import read_link

START_S: Final = 0.5
"""Kills while the daemon starts are spread over so long: on two cores it serves after 0.3 s."""
THINGS: Final = 120
"""A run is over after so many things that somebody was told, at most."""
RUN_S: Final = 3.0
"""And after so long, whatever was told."""
PAGE: Final = 500


class Storm:
    """One site, its people, and what they were promised."""

    def __init__(self, root: Path, name: str, seed: str) -> None:
        root.mkdir()
        self.log = root / "asked.jsonl"
        self.books = Books(name)
        self._rng = random.Random(f"{seed} {name}")
        self._site = make_site(root, self.log)
        names = [f"{name}-{each}" for each in ("keyed", "guest", "unkeyed", "approver")]
        with self._site.running() as daemon:
            token = invite(daemon.connect())
        self._keyed = (Keyed(names[0], self.books, seed), Guest(names[1], self.books, seed, token))
        others = (Unkeyed(names[2], self.books, seed), Approver(names[3], self.books, seed))
        self._people: Sequence[Person] = (*self._keyed, *others)

    def blow(self, rounds: int) -> None:
        """Kill the daemon so many times, then see what became of everything. Raises AssertionError."""
        with contextlib.closing(self):
            for _ in range(rounds):
                self._round()
            self._settle()

    def close(self) -> None:
        """Leave no process behind, also after a failure."""
        self._site.clear()

    def _round(self) -> None:
        daemon = self._site.start()
        try:
            if self._rng.random() < 0.25:
                threading.Event().wait(self._rng.uniform(0, START_S))
                return
            daemon.wait_until_ready()
            assert older_than(daemon, self._site) == []
            with working(self._people, daemon):
                self.books.wait_for_changes(self._rng.randint(1, THINGS), RUN_S)
        except AssertionError:
            print(f"--- the last of {self._site.state}, process {daemon.process.pid}:\n{daemon.log}")
            raise
        finally:
            daemon.kill()

    def _settle(self) -> None:
        """Let everything that waits be answered, and compare the end with the promises."""
        with self._site.running() as daemon:
            client = daemon.follow(since=0)
            for person in self._keyed:
                person.ask_again(daemon)
            prompts = settle(client)
            events = transcript(daemon)
        self.books.check(events, prompts, read_log(self.log))


def make_site(root: Path, log: Path) -> Site:
    """Make a place with a guests' port, whose agent logs each prompt that it is given."""
    # Not `args`: those would have the daemon try the program twice at each start.
    command = [sys.executable, "-P", "-m", "concordiad.agent.rehearsal", f"--log={log}"]
    guests = {"listen": "127.0.0.1:0", "requests_per_s": 1000.0}
    return Site(root, {"guests": guests, "agents.rehearsal": {"command": command}, "graces": {"exit_s": 1.0}})


def invite(host: ControlClient) -> str:
    """Make a link for guests who may see everything, and return its token."""
    made = host.call("invite.create", role="driver", uses=None, history="start")
    return read_link(made["invite"]["url"]).token


@contextlib.contextmanager
def working(people: Sequence[Person], daemon: Daemon) -> Iterator[None]:
    """Let people use a daemon; kill it at the end, and raise what any of them has to say."""
    gone = threading.Event()
    with ThreadPoolExecutor(len(people)) as pool:
        works = [pool.submit(person.work, daemon, gone) for person in people]
        try:
            yield
        finally:
            daemon.kill()
            gone.set()
    for work in works:
        work.result()


def settle(client: ControlClient) -> list[Message]:
    """Approve what is asked for until no prompt waits or runs; returns the whole ledger."""
    while True:
        prompts = ledger(client)
        if all(prompt["state"] in ENDED for prompt in prompts):
            return prompts
        approve(client, client.until(lambda event: event["type"] in ("approval.requested", "turn.finished"))[-1])


def transcript(daemon: Daemon) -> list[Event]:
    """Read all of the room's transcript until now."""
    client = daemon.follow(since=0)
    last = client.call("room.list")["rooms"][0]["cursor"]["seq"]
    client.until(lambda event: event.get("seq") == last)
    return [event for event in client.events if "seq" in event]


def ledger(client: ControlClient) -> list[Message]:
    """Read all prompts, page by page."""
    prompts: list[Message] = []
    page = client.call("prompt.list", limit=PAGE)
    while True:
        prompts += page["prompts"]
        if page["next"] is None:
            return prompts
        page = client.call("prompt.list", limit=PAGE, cursor=page["next"])


def older_than(daemon: Daemon, site: Site) -> list[str]:
    """List what the agents of earlier runs have left running."""
    own = started_at(daemon.process.pid) or 0
    return [command for number, command in site.leftovers().items() if (started_at(number) or own) < own]


def started_at(number: int) -> int | None:
    """Tell when a process was started, in ticks since the machine's start; None if it is gone."""
    try:
        stat = Path("/proc", str(number), "stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def blow_all(root: Path, seed: str, rounds: int) -> list[Books]:
    """Share so many kills among as many sites as there are processors, and return their books."""
    count = max(2, os.cpu_count() or 1)
    storms = [Storm(root / f"site-{number}", str(number), seed) for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        works = [pool.submit(storm.blow, -(-rounds // count)) for storm in storms]
    for work in works:
        work.result()
    return [storm.books for storm in storms]
