"""
The people of one room while its daemon is killed: each is a thread that works until the daemon is gone.

What they do is chance, out of one seed; when the daemon ends is chance too, so a seed repeats the mixture and not each
moment. Everybody follows the transcript by a cursor of their own, over all runs of the daemon.
"""

import contextlib
import random
import re
import threading
from typing import Any, Final

from tests.soak.books import Books, Submission
from tests.support.control_client import ControlClient, Event, HungUp, Message, Refused, cursor
from tests.support.daemon import Daemon
from tests.support.guest_client import GuestClient, Link, Rejected
from tests.support.patience import PATIENCE_S

MIXTURE: Final = {
    "[[text:done]]": 60,
    "[[slow:8,4]]": 15,
    "[[size:150000]]": 6,
    "[[tool:true]]": 6,
    "[[background:sleep 600]]": 3,
    "[[orphan:600]]": 4,
    "[[error:529,1]][[text:done]]": 3,
    "[[think:hm]][[text:done]]": 2,
    "[[kill]]": 1,
}
"""What is asked, and how often in a hundred times."""
CROWDED: Final = 12
"""Prompts that wait; then nobody hands in any more until some are done."""
BURST: Final = 4
DOOR: Final = re.compile(r"guests: http://(?P<host>[0-9.]+):(?P<port>[0-9]+)")


class Person:
    """
    Somebody who uses a room over all runs of its daemon.

    Args:
        name: of this person, and of its share of the seed.
        books: where everything is noted.
        seed: what its chances come from.
    """

    def __init__(self, name: str, books: Books, seed: str) -> None:
        self.books = books
        self.rng = random.Random(f"{seed} {name}")
        self.last: Message | None = None

    def work(self, daemon: Daemon, gone: threading.Event) -> None:
        """Use a daemon that serves, until it is gone. Raises AssertionError if it breaks a promise."""
        client = None
        try:
            client = self.connect(daemon)
            while True:
                self.do(client)
                self.read(client)
        except TimeoutError:
            raise
        except (HungUp, Rejected, OSError):
            assert gone.wait(PATIENCE_S), "hung up on somebody while the daemon runs"
        finally:
            if client is not None:
                # What had come by then was given to somebody all the same.
                self.read(client)
                client.close()

    def connect(self, daemon: Daemon) -> ControlClient:
        """Connect, and go on with the transcript where this person stopped."""
        client = ControlClient(daemon.site.socket)
        try:
            answer = client.call("events.subscribe", **({"since": 0} if self.last is None else {"after": self.last}))
        except (HungUp, OSError):
            client.close()
            raise
        assert answer["resync"] is False
        return client

    def do(self, client: ControlClient) -> None:
        """Do one thing, which waits for the daemon somewhere. Raises HungUp or OSError when that is gone."""
        raise NotImplementedError

    def read(self, client: ControlClient) -> list[Event]:
        """Note the recorded events that have come: each follows the one before, also over a restart."""
        events = [event for event in client.events if "seq" in event]
        client.events.clear()
        for event in events:
            assert self.last is None or event["seq"] == self.last["seq"] + 1
            self.last = cursor(event)
            self.books.see(event)
        return events

    def wait_for_a_turn(self, client: ControlClient) -> None:
        """Read until a turn has ended."""
        while not any(event["type"] == "turn.finished" for event in self.read(client)):
            listen(client)

    def wait_for_room(self, client: ControlClient) -> None:
        """Wait for as long as many prompts wait; a daemon that is killed soon does fewer than people hand in."""
        while len(client.call("prompt.list", states=["waiting"])["prompts"]) > CROWDED:
            self.wait_for_a_turn(client)

    def submit(self, client: ControlClient, burst: list[Submission]) -> list[Message]:
        """Hand in prompts at once, and note the answers as they come."""
        requests = [client.request("prompt.submit", **wanted(each)) for each in burst]
        prompts = []
        for submission, request in zip(burst, requests, strict=True):
            prompts.append(client.answer(request)["prompt"])
            self.books.acknowledge(submission, prompts[-1])
        return prompts

    def burst(self, *, has_keys: bool) -> list[Submission]:
        """Think of some prompts."""
        orders = self.rng.choices(list(MIXTURE), list(MIXTURE.values()), k=self.rng.randint(1, BURST))
        return [self.books.send(each, has_key=has_keys) for each in orders]


def wanted(submission: Submission) -> dict[str, Any]:
    """Write the params of a submission."""
    return {"text": submission.text, **({} if submission.key is None else {"key": submission.key})}


def listen(client: ControlClient) -> None:
    """Wait for the next message of a connection without an open request: an event. Raises HungUp."""
    client.events.append(client.receive()["params"])


def approve(client: ControlClient, event: Event) -> None:
    """Approve what an event asks for, if it asks for anything and still waits for somebody."""
    if event["type"] == "approval.requested":
        with contextlib.suppress(Refused):
            client.call("approval.answer", id=event["approval"]["id"], allow=True)


class Keyed(Person):
    """Hands in prompts with keys; those whose answer was lost with a daemon are handed in again."""

    def __init__(self, name: str, books: Books, seed: str) -> None:
        super().__init__(name, books, seed)
        self.unanswered: list[Submission] = []

    def do(self, client: ControlClient) -> None:
        """Hand in what was not answered, else something new."""
        self.wait_for_room(client)
        self.unanswered = self.unanswered or self.burst(has_keys=True)
        self.submit(client, self.unanswered)
        self.unanswered = []

    def ask_again(self, daemon: Daemon) -> None:
        """Hand in what was not answered; a key is its author's own, so nobody else can."""
        with contextlib.closing(self.connect(daemon)) as client:
            self.submit(client, self.unanswered)
            self.unanswered = []


class Unkeyed(Person):
    """Hands in prompts without keys, whose fate is unknown when no answer comes; cancels some."""

    def do(self, client: ControlClient) -> None:
        """Hand in a burst; take one of it back if it still waits."""
        self.wait_for_room(client)
        prompts = self.submit(client, self.burst(has_keys=False))
        if self.rng.random() < 0.3:
            with contextlib.suppress(Refused):
                self.books.cancel(client.call("prompt.cancel", id=prompts[-1]["id"])["prompt"]["id"])


class Approver(Person):
    """Reads along, and lets the agent do whatever it asks for."""

    def do(self, client: ControlClient) -> None:
        """Wait for the next event, and approve it if that can be."""
        listen(client)
        approve(client, client.events[-1])


class Asker(Keyed):
    """Asks one thing at a time, lets the agent do it, and waits for the end."""

    def do(self, client: ControlClient) -> None:
        """Ask for a turn that has every step of one; wait until nothing waits or runs."""
        self.unanswered = [self.books.send("[[text:one]][[tool:true]][[text:two]]", has_key=True)]
        self.recall(client)

    def recall(self, client: ControlClient) -> None:
        """Ask again what was not answered, if anything; wait until nothing waits or runs."""
        if self.unanswered:
            self.submit(client, self.unanswered)
            self.unanswered = []
        self.settle(client)

    def settle(self, client: ControlClient) -> None:
        """Approve what is asked for until nothing waits or runs."""
        while True:
            for event in self.read(client):
                approve(client, event)
            is_over = not client.call("prompt.list", states=["waiting", "running"])["prompts"]
            if not client.events:
                if is_over:
                    return
                listen(client)


class Guest(Keyed):
    """Comes through the guests' port, always as the same person."""

    def __init__(self, name: str, books: Books, seed: str, token: str) -> None:
        super().__init__(name, books, seed)
        self._name = name
        self._token = token

    def connect(self, daemon: Daemon) -> ControlClient:
        """Come in, and go on with the transcript."""
        link = door_of(daemon)
        guest = GuestClient(link.host, link.port)
        try:
            answer = guest.hello(self._token, self._name, after=self.last or {"epoch": 0, "seq": 0})
        except (HungUp, OSError):
            guest.close()
            raise
        if self.last is None:
            guest.events[:0] = answer["snapshot"]["events"]
        assert self.last is None or answer["resync"] is False
        self._token = answer["member_token"] or self._token
        return guest

    def do(self, client: ControlClient) -> None:
        """Hand in something now and then, as often as a guest may; read along otherwise."""
        if self.rng.random() < 0.2:
            super().do(client)
        else:
            listen(client)


def door_of(daemon: Daemon) -> Link:
    """Read in the daemon's log where its guests' port is."""
    found = DOOR.search(daemon.wait_for_log("guests: http://"))
    assert found is not None
    return Link(found["host"], int(found["port"]), "main", "")
