"""
What was promised to whom, and what became of it: kept by all who use a daemon, and checked against what it says later.

Each prompt has a word of its own in its text, so that the agent's log, the transcript and the ledger can be compared
without trusting any id.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.control_client import Event, Message

WORD: Final = re.compile(r"\bword-[0-9a-z-]+\b")
ENDED: Final = frozenset({"answered", "failed", "cancelled", "expired", "uncertain"})
"""The states that a prompt does not leave any more."""


class Submission(NamedTuple):
    """A prompt as it was sent: its word, its text, and its idempotency key if it has one."""

    word: str
    text: str
    key: str | None


class Books:
    """
    The account of one site.

    Attributes:
        sent: every prompt that was sent, by its word.
        acknowledged: the ids of those that were acknowledged, by their words.
        cancelled: the ids whose cancel was acknowledged.
        seen: every recorded event that anybody was given, by its number.
    """

    def __init__(self, name: str) -> None:
        self.sent: dict[str, Submission] = {}
        self.acknowledged: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.seen: dict[int, Event] = {}
        self._name = name
        self._change = threading.Condition()
        self._changes = 0

    def send(self, orders: str, *, has_key: bool) -> Submission:
        """Note a prompt that is about to be sent, and give it its word."""
        with self._change:
            word = f"word-{self._name}-{len(self.sent)}"
            submission = Submission(word, f"{orders} {word}", f"key of {word}" if has_key else None)
            self.sent[word] = submission
            return submission

    def acknowledge(self, submission: Submission, prompt: Message) -> None:
        """Note an answer; whoever asks again with the same key is told of the same prompt."""
        with self._change:
            assert prompt["text"] == submission.text
            assert self.acknowledged.setdefault(submission.word, prompt["id"]) == prompt["id"]
            self._count()

    def cancel(self, prompt: str) -> None:
        """Note that a cancel was acknowledged."""
        with self._change:
            self.cancelled.add(prompt)
            self._count()

    def see(self, event: Event) -> None:
        """Note an event that somebody was given; everybody is given the same one under the same number."""
        with self._change:
            shown = as_all_see_it(event)
            assert self.seen.setdefault(event["seq"], shown) == shown
            self._count()

    def wait_for_changes(self, number: int, within_s: float) -> None:
        """Wait until so many more things were noted, or so long."""
        with self._change:
            wanted = self._changes + number
            self._change.wait_for(lambda: self._changes >= wanted, within_s)

    def summary(self) -> str:
        """Say how much was kept account of."""
        told = f"{len(self.sent)} prompts sent, {len(self.acknowledged)} acknowledged, {len(self.cancelled)} cancelled"
        return f"{told}, {len(self.seen)} events read"

    def _count(self) -> None:
        self._changes += 1
        self._change.notify_all()

    def check(self, events: Sequence[Event], prompts: Sequence[Message], asked: Sequence[Message]) -> None:
        """
        Compare the promises with the end.

        Args:
            events: the whole transcript.
            prompts: the whole ledger.
            asked: the lines of the agent's log.

        Raises:
            AssertionError: a promise was broken; says which.
        """
        check_numbers(events)
        by_number = {event["seq"]: as_all_see_it(event) for event in events}
        assert [seq for seq, event in self.seen.items() if by_number.get(seq) != event] == []
        self._check_acknowledged(prompts)
        check_asked(events, prompts, asked)

    def _check_acknowledged(self, prompts: Sequence[Message]) -> None:
        by_id = {prompt["id"]: prompt for prompt in prompts}
        lost = {word: known for word, known in self.acknowledged.items() if known not in by_id}
        assert lost == {}, "acknowledged, and lost"
        for word, known in self.acknowledged.items():
            assert by_id[known]["text"] == self.sent[word].text
        assert [known for known in self.cancelled if by_id[known]["state"] != "cancelled"] == []
        assert {word: count for word, count in words_of(prompts).items() if count > 1} == {}, "accepted twice"


def as_all_see_it(event: Event) -> Event:
    """Leave out what guests are not told: invites, others' idempotency keys, and what names the machine's own."""
    shown = {name: value for name, value in event.items() if name not in ("invite", "pid")}
    if "prompt" in shown:
        shown["prompt"] = {**shown["prompt"], "key": None}
    if event["type"] in ("agent.exited", "room.changed"):
        shown.pop("reason", None)
    return shown


def words_of(things: Iterable[Message]) -> Counter[str]:
    """Count the words in the texts of some things."""
    return Counter(word for thing in things for word in WORD.findall(thing["text"]))


def check_numbers(events: Sequence[Event]) -> None:
    """Every number is there once, in order, and epochs only rise."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    epochs = [event["epoch"] for event in events]
    assert epochs == sorted(epochs)


def check_asked(events: Sequence[Event], prompts: Sequence[Message], asked: Sequence[Message]) -> None:
    """No turn is handed over twice; no prompt is asked again, unless the room was told that it is uncertain."""
    started = Counter(event["turn"]["id"] for event in events if event["type"] == "turn.started")
    assert {turn: count for turn, count in started.items() if count > 1} == {}
    finished = [event["turn"] for event in events if event["type"] in ("turn.finished", "turn.returned")]
    ends = Counter(turn["id"] for turn in finished)
    assert {turn: ends[turn] for turn in started if ends[turn] != 1} == {}, "not exactly one end"
    handed_over = Counter(line["uuid"] for line in asked)
    assert {turn: count for turn, count in handed_over.items() if count > 1 or turn not in started} == {}
    uncertain = Counter(known for turn in finished if turn["outcome"] == "uncertain" for known in turn["prompts"])
    times = words_of(asked)
    for prompt in prompts:
        (word,) = WORD.findall(prompt["text"])
        assert prompt["state"] in ENDED, prompt
        assert times[word] <= 1 + uncertain[prompt["id"]], f"asked {times[word]} times: {prompt}"
        if prompt["state"] in ("cancelled", "expired") and prompt["turn"] is None:
            assert times[word] == 0, f"asked all the same: {prompt}"
        if prompt["state"] == "answered":
            assert times[word] >= 1, f"answered without being asked: {prompt}"


def read_log(path: Path) -> list[Message]:
    """Read what the rehearsal agent has logged: every prompt that it was given."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
