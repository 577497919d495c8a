"""Every way in which the API fails the real Claude Code CLI, as a turn that says why; the next one is answered."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_real_cli_daemon import agent_table
from tests.e2e.test_rehearsal_misbehaviours import answer_to
from tests.support.control_client import ControlClient, types
from tests.support.daemon import Site
from tests.support.messages_api import MessagesApi

pytestmark = pytest.mark.real_cli


def make_site(root: Path, api: MessagesApi, graces: dict[str, object] | None = None, **agent: Any) -> Site:
    """Make a place for daemons whose room `main` has the real CLI with these settings."""
    site = Site(root)
    (site.home / "work").mkdir()
    table = {**agent_table(site, api.url), **agent}
    room = {"agent": "claude", "workdir": str(site.home / "work")}
    site.configure({"rooms.main": room, "agents.claude": table, "graces": graces or {}})
    return site


def outcome_of(client: ControlClient, text: str) -> tuple[str, str]:
    """Submit a prompt and return its turn's outcome and reason."""
    turn = client.finished(client.submit(text)["id"])
    return turn["outcome"], turn["reason"] or ""


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("[[error:400]]", "api_error 400: "),
        ("[[error:401]]", "api_error 401: "),
        ("[[error:429]]", "api_error 429: "),
        ("[[error:500]]", "api_error 500: "),
        ("[[error:529]]", "api_error 529: "),
        ("[[die]]", "api_error: "),
    ],
)
def test_api_error_is_named_and_the_room_goes_on(tmp_path: Path, order: str, reason: str) -> None:
    """A turn that the API failed is failed with the status in its reason; the next one is answered."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api)
        with site.running() as daemon:
            client = daemon.follow()
            outcome, told = outcome_of(client, order)
            assert outcome == "failed"
            assert told.startswith(reason)
            assert outcome_of(client, "[[text:alive]]") == ("completed", "")


def test_too_large_a_request_is_named(tmp_path: Path) -> None:
    """A request that the API calls too large, also after the CLI has compacted it, fails its turn with a reason."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api)
        with site.running() as daemon:
            client = daemon.follow()
            outcome, told = outcome_of(client, "[[error:413]]")
            assert outcome == "failed"
            assert told != ""
            assert outcome_of(client, "[[text:alive]]") == ("completed", "")


def test_passing_rate_limit_is_only_a_delay(tmp_path: Path) -> None:
    """A rate limit that passes shows as retries; the turn is answered."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api)
        with site.running() as daemon:
            client = daemon.follow()
            assert outcome_of(client, "[[error:429,1]] [[text:well]]") == ("completed", "")
            retries = [event for event in client.events if event["type"] == "agent.api_retry"]
            assert [(event["status"], event["error"]) for event in retries] == [(429, "rate_limit")]


def test_hanging_api_can_be_interrupted(tmp_path: Path) -> None:
    """A turn whose API says nothing more can be interrupted, and the next one is answered."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api)
        with site.running() as daemon:
            client = daemon.follow()
            prompt = client.submit("[[hang]]")
            client.next("agent.delta")
            client.call("turn.interrupt")
            turn = client.finished(prompt["id"])
            assert (turn["outcome"], turn["reason"]) == ("interrupted", f"interrupted by {prompt['author']['name']}")
            assert outcome_of(client, "[[text:alive]]") == ("completed", "")


def test_hanging_api_ends_its_turn_by_itself(tmp_path: Path) -> None:
    """A turn whose API says nothing more is timed out and keeps what was said; the same agent answers the next one."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api, {"silence_s": 3})
        with site.running() as daemon:
            client = daemon.follow()
            turn = client.finished(client.submit("[[hang]]")["id"])
            assert (turn["outcome"], turn["reason"]) == ("timed_out", "silence: the agent said nothing for 3 s")
            assert turn["answer"]
            assert answer_to(client, client.submit("[[text:alive]]")["id"]) == "alive"
            assert "agent.exited" not in types(client.events)


def test_tool_is_no_silence_of_the_cli(tmp_path: Path) -> None:
    """A command that says nothing for longer than the limit is waited for."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api, {"silence_s": 6}, args=["--allowed-tools=Bash"])
        with site.running() as daemon:
            client = daemon.follow()
            assert outcome_of(client, "[[tool:python3 -c 'import time; time.sleep(8)']]") == ("completed", "")


@pytest.mark.parametrize(
    ("args", "reason"),
    [(["--max-turns=1"], "max_turns"), (["--max-budget-usd=0.000001"], "budget_exhausted")],
)
def test_exhausted_limit_is_named(tmp_path: Path, args: list[str], reason: str) -> None:
    """A turn that ran into the CLI's own limit of rounds or of money is failed, with that limit as its reason."""
    with MessagesApi() as api:
        site = make_site(tmp_path, api, args=args)
        with site.running() as daemon:
            client = daemon.follow()
            outcome, told = outcome_of(client, "[[tool:echo one]] [[tool:echo two]]")
            assert outcome == "failed"
            assert told.startswith(reason)
