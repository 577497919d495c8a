"""Prompts of several people become one turn: over the real door, with a restart, with a language model."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.ctl.program import run, start
from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Refused, cursor
from tests.support.daemon import Daemon, Site, Tables
from tests.support.gemini_stub import KEY, Fail, GeminiStub
from tests.support.guest_client import GuestClient, join

ASKED = "Why does test_import fail?"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a place for a daemon with an open door; its room quotes what everybody wrote."""
    site = Site(tmp_path, {"guests": {"listen": "127.0.0.1:0"}, "merging": {"attribution": "quoted"}})
    yield site
    site.clear()


@pytest.fixture
def people() -> Iterator[ExitStack]:
    """Hang up for everybody who came."""
    with ExitStack() as people:
        yield people


def come(people: ExitStack, host: ControlClient, *names: str) -> list[GuestClient]:
    """Let drivers in."""
    url = host.call("invite.create", role="driver", uses=None)["invite"]["url"]
    return [people.enter_context(join(url, name)[0]) for name in names]


def keep_busy(host: ControlClient, gate: Gate) -> dict[str, Any]:
    """Begin a turn that goes on until the gate is opened."""
    running = host.submit(f"[[text:so]]{gate}")
    host.until(lambda event: event["type"] == "turn.started" and running["id"] in event["turn"]["prompts"])
    return running


def test_those_who_ask_the_same_get_one_answer(site: Site, people: ExitStack, gate: Gate) -> None:
    """Each is told with whom and why, the agent who asks, and the turn's outcome is everybody's."""
    with site.running() as daemon, daemon.follow() as host:
        tom, vera = come(people, host, "Tom", "Vera")
        keep_busy(host, gate)
        first = tom.submit(ASKED)
        second = vera.submit(f"please, {ASKED.lower()}")
        assert first["merge"] is None
        assert (second["merge"]["leader"], second["merge"]["asked"], second["place"]) == (first["id"], ASKED, 1)
        told = tom.next("prompt.merged")
        assert [(other["author"]["name"], other["text"]) for other in told["with"]] == [("Tom", ASKED)]
        gate.open()
        turn = vera.finished(second["id"])
        assert tom.finished(first["id"])["id"] == turn["id"]
        assert [(each["author"]["name"], each["stage"]) for each in turn["merged"]] == [
            ("Tom", "first"),
            ("Vera", second["merge"]["stage"]),
        ]
        assert turn["text"] == ASKED
        quoted = f'["Tom" wrote]\n> {ASKED}\n\n["Vera" wrote]\n> please, {ASKED.lower()}'
        assert turn["answer"].endswith(f'["Tom" and "Vera" ask]\n\n{ASKED}\n\n{quoted}')
        for prompt in (first, second):
            kept = host.call("prompt.get", id=prompt["id"])["prompt"]
            assert (kept["state"], kept["merge"]["leader"]) == ("answered", first["id"])


def test_a_long_text_is_told_once(site: Site, people: ExitStack, gate: Gate) -> None:
    """Events, pages and snapshots tell of it again by its beginning; each prompt by itself has all of it."""
    text = "Why? " * 50_000
    with site.running() as daemon, daemon.follow() as host:
        crowd = come(people, host, "Ada", "Ben", "Cleo", "Dan", "Eve")
        keep_busy(host, gate)
        ids = [guest.submit(text)["id"] for guest in crowd]
        told = [host.next("prompt.merged") for _ in ids[1:]]
        assert max(len(json.dumps(event)) for event in told) < 16 * 1024
        assert told[-1]["prompt"]["merge"] == {
            "leader": ids[0],
            "stage": "same",
            "similarity": 1.0,
            "asked": text[:1024],
            "asked_chars": len(text),
            "verbatim": True,
        }
        queue = host.call("events.subscribe")["snapshot"]["queue"]
        assert {(len(each["text"]), each["text_chars"]) for each in queue} == {(256 * 1024 // 5, len(text))}
        for states in (["waiting"], ["waiting", "running"]):
            listed: list[str] = []
            cursor = None
            while not listed or cursor is not None:
                page = host.call("prompt.list", states=states, cursor=cursor)
                assert len(page["prompts"]) == 1 or states == ["waiting", "running"]
                listed += [each["id"] for each in page["prompts"] if each["state"] == "waiting"]
                cursor = page["next"]
            assert sorted(listed) == sorted(ids)
        merge = host.call("prompt.get", id=ids[-1])["prompt"]["merge"]
        assert (merge["asked"], merge["asked_chars"]) == (text, None)
        crowd[0].call("prompt.cancel", id=ids[0])
        gate.open()
        turn = host.finished(ids[1])
        originals = host.call("turn.get", id=turn["id"])["prompts"]
        assert [(len(each["text"]), each["text_chars"]) for each in originals] == [(len(text), None)] * 4


def test_one_can_be_taken_back_out_until_the_turn_starts(site: Site, people: ExitStack, gate: Gate) -> None:
    """By its author, or a host; by nobody else, and not any more once it runs."""
    with site.running() as daemon, daemon.follow() as host:
        tom, vera = come(people, host, "Tom", "Vera")
        keep_busy(host, gate)
        first, second = tom.submit(ASKED), vera.submit(ASKED)
        with pytest.raises(Refused, match="you may split your own"):
            tom.call("prompt.split", id=second["id"])
        split = vera.call("prompt.split", id=second["id"])["prompt"]
        assert (split["merge"], split["alone"], split["place"]) == (None, True, 2)
        assert host.next("prompt.split")["by"]["name"] == "Vera"
        gate.open()
        one, other = tom.finished(first["id"]), vera.finished(second["id"])
        assert one["id"] != other["id"]
        with pytest.raises(Refused) as refusal:
            vera.call("prompt.split", id=second["id"])
        assert refusal.value.name == "conflict"


@pytest.mark.parametrize("is_killed", [False, True])
def test_groups_are_what_they_were_after_a_restart(site: Site, people: ExitStack, gate: Gate, is_killed: bool) -> None:
    """In their order; and whoever asks the same then joins them."""
    with site.running() as daemon, daemon.follow() as host:
        tom, vera = come(people, host, "Tom", "Vera")
        running = keep_busy(host, gate)
        ids = [tom.submit(ASKED)["id"], vera.submit("something else")["id"], vera.submit(ASKED)["id"]]
        ids += [tom.submit("Something else")["id"]]
        host.call("room.pause")
        before = host.call("prompt.list", states=["waiting"])["prompts"]
        gate.open()
        host.finished(running["id"])
        last = cursor(host.events[-1])
        if is_killed:
            daemon.kill()
    with site.running() as daemon, daemon.follow(after=last) as host:
        after = host.call("prompt.list", states=["waiting"])["prompts"]
        assert after == before
        assert {prompt["id"] for prompt in after} == set(ids)
        host.call("room.resume")
        places: dict[int, list[str]] = {}
        for prompt in after:
            places.setdefault(prompt["place"], []).append(prompt["id"])
        assert [host.finished()["prompts"] for _ in places] == list(places.values())


def test_whoever_waits_is_told_what_the_prompt_shares(site: Site, people: ExitStack, gate: Gate) -> None:
    """With whom, why, and what is asked instead; who comes and goes; beside the answer, and in `show` by name."""
    words = f"please, {ASKED.lower()}"
    with site.running() as daemon, daemon.follow() as host:
        tom, vera = come(people, host, "Tom", "Vera")
        keep_busy(host, gate)
        first = tom.submit(ASKED)["id"]
        with start(site.home, "submit", "--wait", words, variables={"CONCORDIA_SOCKET": str(site.socket)}) as waiter:
            assert waiter.stderr is not None
            assert waiter.stdout is not None
            said = waiter.stderr.readline().decode()
            found = re.fullmatch(r"⇉ one turn with Tom’s \((nearly the same words, \d+%)\); asked is: (.*)\n", said)
            assert found is not None, said
            assert found[2] == ASKED
            second = host.call("prompt.list", states=["waiting"])["prompts"][1]["id"]
            third = vera.submit(ASKED)["id"]
            assert waiter.stderr.readline().decode() == "⇉ one turn also with Vera’s (the same words)\n"
            shown = run(site.home, "show", second, CONCORDIA_SOCKET=str(site.socket)).out
            assert f"one turn   with Tom’s and Vera’s ({found[1]})\n" in shown
            others = f"  {first}  Tom (first): {ASKED}\n  {third}  Vera (the same words): {ASKED}\n"
            assert f"\none turn with\n{others}" in shown
            assert shown.endswith(f"\nasked as one\n  {ASKED}\n")
            vera.call("prompt.split", id=third)
            assert waiter.stderr.readline().decode() == "⇇ Vera’s has a turn of its own again\n"
            company = tom.call("prompt.get", id=first)["merged"]
            assert [(each["prompt"], each["stage"]) for each in company] == [(first, "first"), (second, "near")]
            gate.open()
            answer = waiter.stdout.read().decode()
            assert "⇉" not in answer + waiter.stderr.read().decode()
        turn = host.finished(second)
        assert answer.rstrip("\n") == turn["answer"]
        shown = run(site.home, "show", first, CONCORDIA_SOCKET=str(site.socket)).out
        assert f"\none turn with\n  {second}  {company[1]['author']['name']} ({found[1]}): {words}\n" in shown
        assert host.call("prompt.get", id=first)["merged"] == []


def meaning_of(tmp_path: Path, api: GeminiStub) -> Site:
    """Make a place for a daemon with a language model, in whose room nothing else merges."""
    tables: Tables = {"gemini": {"base_url": api.url, "deadline_s": 60}, "merging": {"stages": ["meaning"]}}
    site = Site(tmp_path, {"guests": {"listen": "127.0.0.1:0"}, **tables})
    place = site.home / ".config" / "concordia" / "gemini_api_key"
    place.parent.mkdir(parents=True)
    place.touch(mode=0o600)
    place.write_text(f"{KEY}\n")
    return site


@pytest.mark.parametrize("is_failing", [False, True])
def test_what_means_the_same_is_merged_where_a_model_is_sure(
    tmp_path: Path, people: ExitStack, gate: Gate, is_failing: bool
) -> None:
    """With its wording; where it fails, each prompt has a turn of its own, to the letter."""
    texts = ["Why does it fail?", "please, why does it fail"]
    with GeminiStub() as api:
        site = meaning_of(tmp_path, api)
        if is_failing:
            api.otherwise = Fail(400)
        with site.running() as daemon, daemon.follow() as host:
            tom, vera = come(people, host, "Tom", "Vera")
            keep_busy(host, gate)
            first, second = tom.submit(texts[0]), vera.submit(texts[1])
            if not is_failing:
                told = vera.until(lambda event: event["type"] == "prompt.merged")[-1]
                assert told["stage"] in ("first", "meaning")
            gate.open()
            turns = [tom.finished(first["id"]), vera.finished(second["id"])]
        site.clear()
    if is_failing:
        assert [turn["text"] for turn in turns] == texts
    else:
        assert [each["stage"] for each in turns[0]["merged"]] == ["first", "meaning"]
        assert turns[0]["id"] == turns[1]["id"]
        assert turns[0]["text"] in texts


def test_a_prompt_that_is_to_be_alone_stays_alone(daemon: Daemon, gate: Gate) -> None:
    """Whoever says so has a turn for itself."""
    with daemon.follow() as host:
        keep_busy(host, gate)
        ids = [host.submit(ASKED, alone=True)["id"] for _ in range(2)]
        gate.open()
        assert [host.finished(each)["prompts"] for each in ids] == [[each] for each in ids]
