"""Fifty people who ask twenty things each within two seconds: the real daemon, the real CLI, an API on loopback."""

import contextlib
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_real_cli_daemon import agent_table
from tests.support.control_client import CHUNK_BYTES, Event
from tests.support.daemon import Site
from tests.support.guest_client import GuestClient, join
from tests.support.messages_api import MessagesApi

pytestmark = pytest.mark.real_cli

AUTHORS = 50
PROMPTS = 20


@pytest.fixture
def site(tmp_path: Path, api: MessagesApi) -> Iterator[Site]:
    """Give a place for a daemon with the real CLI and an open door."""
    site = Site(tmp_path)
    (site.home / "work").mkdir()
    site.configure(
        {
            # Nobody here answers a ping.
            "guests": {"listen": "127.0.0.1:0", "keepalive_s": 3600},
            "rooms.main": {"agent": "claude", "workdir": str(site.home / "work")},
            "agents.claude": agent_table(site, api.url),
        }
    )
    yield site
    site.clear()


def text_of(author: int, number: int) -> str:
    """Say what somebody asks: nineteen times what everybody does, in words of their own, and one thing of their own."""
    if number == author % PROMPTS:
        return f"[[text:only for {author}]]"
    question = f"[[text:answer {number}]]"
    return (question, f"  {question}", f"{question}\n")[author % 3]


def ask_everything(guests: list[GuestClient]) -> None:
    """Let everybody hand in everything, in turns, without waiting for answers."""
    for number in range(PROMPTS):
        for author, guest in enumerate(guests):
            guest.request("prompt.submit", text=text_of(author, number))


@contextlib.contextmanager
def reading(guests: list[GuestClient]) -> Iterator[None]:
    """Read whatever comes for people, and pass it over: whoever does not read gets no further answers."""
    stopped, stop = socket.socketpair()
    with selectors.DefaultSelector() as selector, stopped, stop:
        for readable in (stopped, *(guest.socket for guest in guests)):
            selector.register(readable, selectors.EVENT_READ, readable)

        def read() -> None:
            while True:
                for key, _ in selector.select():
                    if key.data is stopped:
                        return
                    if not key.data.recv(CHUNK_BYTES):
                        selector.unregister(key.data)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            stop.send(b"x")
            reader.join()


def starts(events: list[Event]) -> dict[str, int]:
    """Tell of each prompt which turn it had, by its number; a second turn of one is an error."""
    turns = [event["turn"] for event in events if event["type"] == "turn.started"]
    counted = Counter(prompt for turn in turns for prompt in turn["prompts"])
    assert set(counted.values()) == {1}
    return {prompt: number for number, turn in enumerate(turns) for prompt in turn["prompts"]}


def fair_share(events: list[Event]) -> list[tuple[int, int]]:
    """Tell of each prompt how many turns it waited, and how many it may: one of everybody for each of one's own."""
    waits: list[tuple[int, int]] = []
    waiting: dict[str, set[str]] = {}
    open_since: dict[str, tuple[str, int, int]] = {}
    turns = 0
    for event in events:
        if event["type"] == "prompt.accepted":
            prompt = event["prompt"]
            mine = waiting.setdefault(prompt["author"]["id"], set())
            mine.add(prompt["id"])
            open_since[prompt["id"]] = (prompt["author"]["id"], turns, len(mine))
        elif event["type"] == "turn.started":
            for prompt in event["turn"]["prompts"]:
                author, since, before = open_since.pop(prompt)
                waiting[author].discard(prompt)
                waits.append((turns - since, before * AUTHORS))
            turns += 1
    return waits


def test_everybody_is_answered_once_and_waits_for_its_share(site: Site, api: MessagesApi) -> None:
    """A thousand prompts are a few dozen turns; each prompt has one, and nobody's second goes before others' first."""
    with site.running() as daemon, contextlib.ExitStack() as people:
        host = people.enter_context(daemon.follow(last=0))
        url = host.call("invite.create", role="driver", uses=None)["invite"]["url"]
        guests = [people.enter_context(join(url, f"g{number:02}", last=0)[0]) for number in range(AUTHORS)]
        with reading(guests):
            ask_everything(guests)
            left = AUTHORS * PROMPTS
            while left:
                left -= len(host.next("turn.finished")["turn"]["prompts"])
        room = host.call("room.list")["rooms"][0]
    events = host.events
    accepted = [event for event in events if event["type"] == "prompt.accepted"]
    finished = [event["turn"] for event in events if event["type"] == "turn.finished"]
    assert len(accepted) == AUTHORS * PROMPTS
    turn_of = starts(events)
    assert turn_of.keys() == {event["prompt"]["id"] for event in accepted}
    assert {turn["outcome"] for turn in finished} == {"completed"}
    answers = {prompt: turn["answer"] for turn in finished for prompt in turn["prompts"]}
    for event in accepted:
        assert f"[[text:{answers[event['prompt']['id']]}]]" == event["prompt"]["text"].strip()
    for turn in finished:
        authors = [author["id"] for author in turn["authors"]]
        assert len(authors) == len(turn["prompts"]) == max(len(turn["merged"]), 1)
    assert [pair for pair in fair_share(events) if pair[0] > pair[1]] == []
    for author in {event["prompt"]["author"]["id"] for event in accepted}:
        mine = [turn_of[event["prompt"]["id"]] for event in accepted if event["prompt"]["author"]["id"] == author]
        assert mine == sorted(set(mine))
    figures = room["merging"]
    assert (figures["prompts"], figures["turns"]) == (AUTHORS * PROMPTS, len(finished))
    assert sum(figures["merged"].values()) == AUTHORS * PROMPTS - len(finished)
    assert figures["tokens_saved_estimate"] > 0
    # Everybody's nineteen questions in common would be 950 turns.
    assert len(finished) < AUTHORS * PROMPTS / 4
    asked = [request.scene.prompt.text for request in api.requests if request.scene is not None]
    assert len(asked) == len(finished)
    assert any("more ask]" in text for text in asked)
