"""
Configured credentials on their way to guests: masked in live text, in what is recorded, and in every answer.

The rehearsal agent says a text word by word, so a credential of several words is streamed in pieces.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.control_client import ControlClient, Event
from tests.support.daemon import REHEARSAL, Daemon, Site
from tests.support.guest_client import GuestClient, join

KEY: Final = "sk-ant-0123456789-abc/def"
PHRASE: Final = 'correct horse "battery" stäple'
"""Words, quotes and a letter beyond ASCII: streamed in pieces, and written by JSON with escapes."""
MASKS: Final = {"*" * len(KEY), "*" * len(PHRASE)}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon whose agent has two credentials, and an open door."""
    credentials = {}
    for name, value in (("ANTHROPIC_API_KEY", KEY), ("TEST_PASSPHRASE", PHRASE)):
        path = tmp_path / name
        path.touch(mode=0o600)
        path.write_text(value)
        credentials[name] = str(path)
    agent = {**REHEARSAL, "env": {"CONCORDIA_REHEARSAL_PACE_MS": "30"}, "credentials": credentials}
    site = Site(tmp_path, {"guests": {"listen": "127.0.0.1:0"}, "agents.rehearsal": agent})
    with site.running() as daemon:
        yield daemon
    site.clear()


@pytest.fixture
def host(daemon: Daemon) -> ControlClient:
    """Give somebody who may see everything."""
    return daemon.follow()


def enter(host: ControlClient, **more: Any) -> GuestClient:
    """Let a guest in."""
    return join(host.call("invite.create", role="driver", **more)["invite"]["url"])[0]


def live_text(events: list[Event]) -> str:
    """Put together what was streamed; the offsets have to fit."""
    text = ""
    for event in events:
        if event["type"] == "agent.delta":
            assert event["offset"] == len(text)
            text += event["text"]
    return text


def assert_knows_nothing(guest: GuestClient) -> None:
    """Fail if a credential, as it is or as JSON writes it, is in any byte that a guest got."""
    received = guest.received.decode(errors="replace")
    for word in (KEY, KEY.replace("/", "\\/"), PHRASE, PHRASE.replace('"', '\\"'), "horse", "stäple", "st\\u00e4ple"):
        assert word not in received


def test_live_text_is_masked_across_its_pieces(host: ControlClient) -> None:
    """A credential that comes in four pieces of live text is never seen, and the text around it stays in its place."""
    with enter(host) as guest:
        prompt = host.submit(f"[[gate:/]][[text:before {PHRASE} after {KEY} end]]")
        answer = guest.finished(prompt["id"])["answer"]
        host.finished(prompt["id"])
        assert any("horse" in event["text"] and PHRASE not in event["text"] for event in host.events if "text" in event)
        assert live_text(host.events) == f"before {PHRASE} after {KEY} end"
        masked = f"before {'*' * len(PHRASE)} after {'*' * len(KEY)} end"
        assert (live_text(guest.events), answer) == (masked, masked)
        assert_knows_nothing(guest)


def test_tool_calls_and_results_are_masked(host: ControlClient) -> None:
    """What a tool is given, asks approval for and says, is masked for guests and as it is for the host."""
    with enter(host, may_approve=True) as guest:
        prompt = host.submit(f"[[think:{PHRASE}]][[tool:printenv ANTHROPIC_API_KEY TEST_PASSPHRASE; echo {KEY}]]")
        approval = guest.next("approval.requested")["approval"]
        assert "*" * len(KEY) in approval["input"]["command"]
        guest.call("approval.list")
        guest.call("approval.answer", id=approval["id"], allow=True)
        guest.finished(prompt["id"])
        host.finished(prompt["id"])
        for_host, for_guest = (
            next(event for event in client.events if event["type"] == "agent.tool_result") for client in (host, guest)
        )
        assert KEY in str(for_host) and PHRASE in str(for_host)
        assert all(mask in str(for_guest) for mask in MASKS)
        assert_knows_nothing(guest)


def test_every_answer_is_masked(host: ControlClient) -> None:
    """Whoever comes later and asks for everything there is reads it masked, and the host does not."""
    prompt = host.submit(f"{PHRASE} and {KEY}")
    turn = host.finished(prompt["id"])["id"]
    with enter(host, history="start") as guest:
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            ("prompt.get", {"id": prompt["id"]}),
            ("prompt.list", {}),
            ("turn.get", {"id": turn}),
            ("turn.list", {}),
            ("events.list", {}),
            ("events.subscribe", {"last": 100}),
        )
        for method, params in calls:
            for_guest, for_host = (str(client.call(method, **params)) for client in (guest, host))
            if method != "events.subscribe":
                assert KEY in for_host, method
                assert "*" * len(KEY) in for_guest, method
        assert_knows_nothing(guest)


def test_what_a_guest_sends_itself_is_masked_for_the_others(host: ControlClient) -> None:
    """A guest who knows a credential does not tell the other guests by asking about it."""
    with enter(host) as teller, enter(host) as listener:
        prompt = teller.submit(f"What is {KEY}?")
        assert "*" * len(KEY) in listener.next("prompt.accepted")["prompt"]["text"]
        listener.finished(prompt["id"])
        assert_knows_nothing(listener)
        assert host.next("prompt.accepted")["prompt"]["text"] == f"What is {KEY}?"


def test_a_masked_question_can_be_answered(host: ControlClient) -> None:
    """By what the guest was shown; the agent hears its own words, which the guest never does."""
    with enter(host, may_approve=True) as guest:
        prompt = host.submit(f"[[ask:Is it {KEY}?|use {KEY}|no]]")
        asked = guest.next("approval.requested")["approval"]
        (question,) = asked["input"]["questions"]
        assert question["question"] == f"Is it {'*' * len(KEY)}?"
        choice = question["options"][0]["label"]
        guest.call("approval.answer", id=asked["id"], allow=True, answers={question["question"]: choice})
        assert guest.finished(prompt["id"])["outcome"] == "completed"
        host.finished(prompt["id"])
        results = [event for event in host.events if event["type"] == "agent.tool_result"]
        assert f'\\"Is it {KEY}?\\"=\\"use {KEY}\\"' in json.dumps(results)
        assert_knows_nothing(guest)
