"""The traces of a daemon: what a collector is told of prompts, and that nobody waits for it."""

from collections.abc import Iterator

import pytest

from tests.e2e.gate import Gate
from tests.support.daemon import Site
from tests.support.otlp_receiver import Receiver, receiving

TRACE = "0af76519-16cd-43dd-8448-eb211c80319c"
STEPS = ("prompt", "wait", "turn", "first output", "answer")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a collector."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def traced(site: Site, receiver: Receiver) -> Site:
    """Give a place for daemons that send traces there; what they log themselves is left out of their log."""
    site.configure({"traces": {"endpoint": receiver.endpoint}, "log": {"level": "error"}})
    return site


def test_a_prompt_is_one_trace_from_its_submission_to_the_answer(traced: Site, receiver: Receiver) -> None:
    """Each step has its time and its place below the prompt's, and the ids that lead to the log; nobody's text."""
    with traced.running() as daemon:
        client = daemon.follow()
        prompt = client.submit("[[text:hush]]")
        turn = client.finished(prompt["id"])
        spans = receiver.next("submit", *STEPS)
        whole, submit, wait, ran = (spans[name] for name in ("prompt", "submit", "wait", "turn"))
        assert {each.trace for each in spans.values()} == {prompt["id"]}
        assert whole.parent == b""
        assert {each.parent for each in (submit, wait, ran)} == {whole.span}
        assert {spans[name].parent for name in ("first output", "answer")} == {ran.span}
        assert len({each.span for each in spans.values()}) == 6
        assert whole.began_ns <= submit.began_ns <= submit.ended_ns <= whole.ended_ns
        assert wait.ended_ns == ran.began_ns == spans["first output"].began_ns
        assert spans["first output"].ended_ns == spans["answer"].began_ns <= spans["answer"].ended_ns == ran.ended_ns
        about = {"concordia.room": "main", "concordia.turn": turn["id"], "concordia.prompt": prompt["id"]}
        assert about.items() <= ran.attributes.items()
        assert submit.attributes["concordia.request"] == whole.attributes["concordia.request"]
        assert ran.attributes["gen_ai.usage.output_tokens"] == turn["output_tokens"]
        assert not any(each.is_error for each in spans.values())
        assert {each.service for each in spans.values()} == {"concordiad"}
        assert "hush" not in str(spans)
        assert "turn_finished" not in daemon.log


def test_a_callers_own_trace_goes_on(traced: Site, receiver: Receiver) -> None:
    """A host that says where in a trace it is finds the prompt there."""
    with traced.running() as daemon:
        client = daemon.follow()
        client.submit("[[text:child]]", traceparent=f"00-{TRACE.replace('-', '')}-b7ad6b7169203331-01")
        spans = receiver.next("submit", *STEPS)
        assert {each.trace for each in spans.values()} == {TRACE}
        assert spans["prompt"].parent.hex() == "b7ad6b7169203331"


def test_what_a_crash_left_is_told_in_the_same_trace(traced: Site, receiver: Receiver, gate: Gate) -> None:
    """The next daemon tells that it is uncertain, below the span that the last one has told of."""
    with traced.running() as daemon:
        client = daemon.follow()
        prompt = client.submit(f"{gate}")["id"]
        client.next("turn.started")
        submit = receiver.next("submit")["submit"]
        daemon.kill()
    gate.open()
    with traced.running():
        spans = receiver.next("prompt", "wait", "turn")
        assert {each.trace for each in spans.values()} == {prompt} == {submit.trace}
        assert spans["prompt"].span == submit.parent
        assert spans["prompt"].is_error and spans["prompt"].message.startswith("daemon_died")


def test_nobody_waits_for_a_collector_that_fails(traced: Site, receiver: Receiver) -> None:
    """What it does not take is lost and counted, the log says so once, and the daemon goes on and stops as ever."""
    traced.configure({"traces": {"endpoint": receiver.endpoint}})
    receiver.status = 400
    with traced.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:one]]")["id"])
        daemon.wait_for_log("traces_failing")
        receiver.refused.get()
        client.finished(client.submit("[[text:two]]")["id"])
        assert daemon.stop() == 0
        assert daemon.log.count('"traces_failing"') == 1
        assert '"traces_lost"' in daemon.log
        assert receiver.is_empty


def test_without_the_library_the_daemon_says_what_to_install(traced: Site) -> None:
    """A table that asks for it is no reason to go without it in silence."""
    hidden = traced.home / "opentelemetry"
    hidden.mkdir()
    (hidden / "__init__.py").touch()
    traced.environment["PYTHONPATH"] = f"{traced.home}:{traced.environment['PYTHONPATH']}"
    ended = traced.refuse()
    assert ended.code == 78 and "pip install 'concordia[otel]'" in ended.log
