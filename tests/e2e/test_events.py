"""Following a room: from where a client may begin, and how it goes on after it was away."""

from collections.abc import Iterator

import pytest

from tests.e2e.gate import Gate
from tests.support.control_client import ControlClient, Event, cursor, numbers
from tests.support.daemon import Daemon, Site


@pytest.fixture
def history(daemon: Daemon) -> Iterator[list[Event]]:
    """Give the recorded events of a room that has had three turns."""
    with daemon.connect() as client:
        client.call("events.subscribe", since=0)
        for number in range(3):
            client.finished(client.submit(f"[[text:number {number}]]")["id"])
        yield recorded(client)


def recorded(client: ControlClient) -> list[Event]:
    """Return the events with a number that a client has read."""
    return [event for event in client.events if "seq" in event]


def end_of(client: ControlClient) -> list[Event]:
    """Have one more turn, and return every recorded event that the client got up to its end."""
    client.finished(client.submit("[[text:the end]]")["id"])
    return recorded(client)


def test_subscription_without_a_start_is_live_only(daemon: Daemon, history: list[Event]) -> None:
    """Without a start there is a snapshot of the room, and events from now on."""
    client = daemon.connect()
    answer = client.call("events.subscribe")
    assert answer["cursor"] == cursor(history[-1])
    assert answer["resync"] is False
    assert answer["snapshot"]["room"]["name"] == "main"
    assert numbers(end_of(client))[0] == history[-1]["seq"] + 1


@pytest.mark.parametrize("last", [0, 1, 3, 10_000])
def test_subscription_to_the_last_events(daemon: Daemon, history: list[Event], last: int) -> None:
    """With `last` that many recorded events come first, or as many as there are."""
    client = daemon.follow(last=last)
    first = max(history[-1]["seq"] - last, 0) + 1
    events = end_of(client)
    assert numbers(events) == list(range(first, events[-1]["seq"] + 1))
    assert [event for event in events if event["seq"] <= history[-1]["seq"]] == history[first - 1 :]


@pytest.mark.parametrize("since", [0, 1, 4, 1_000_000])
def test_subscription_since_a_number(daemon: Daemon, history: list[Event], since: int) -> None:
    """With `since` that event is the first one; where it does not exist yet, what comes next is."""
    client = daemon.follow(since=since)
    first = min(max(since, 1), history[-1]["seq"] + 1)
    events = end_of(client)
    assert numbers(events) == list(range(first, events[-1]["seq"] + 1))
    assert events[: len(history) - first + 1] == history[first - 1 :]


def test_subscription_continues_after_a_cursor(daemon: Daemon, history: list[Event]) -> None:
    """With `after` the next event is the first one, and nothing is resynchronised."""
    client = daemon.connect()
    answer = client.call("events.subscribe", after=cursor(history[3]))
    assert (answer["cursor"], answer["resync"], answer["snapshot"]) == (cursor(history[3]), False, None)
    assert numbers(end_of(client))[0] == 5


@pytest.mark.parametrize("wrong", [{"seq": 1_000_000}, {"epoch": 77}, {"epoch": 0, "seq": 0}, {"epoch": 2**53}])
def test_impossible_cursor_is_resynchronised(daemon: Daemon, history: list[Event], wrong: dict[str, int]) -> None:
    """A cursor of an epoch that never was, or beyond its end, gets a snapshot with the last events, then live ones."""
    client = daemon.connect()
    answer = client.call("events.subscribe", after=cursor(history[0]) | wrong)
    assert answer["resync"] is True
    assert answer["cursor"] == cursor(history[-1])
    assert answer["snapshot"]["events"] == history
    assert numbers(end_of(client))[0] == history[-1]["seq"] + 1


def test_cursor_continues_over_a_restart(site: Site) -> None:
    """A follower that was away while the daemon was killed and started again misses nothing and sees nothing twice."""
    with site.running() as daemon:
        client = daemon.follow()
        client.finished(client.submit("[[text:one]]")["id"])
        seen = recorded(client)[-1]
        later = client.submit("[[text:two]]")
        client.finished(later["id"])
        daemon.kill()
    with site.running() as daemon:
        client = daemon.connect()
        answer = client.call("events.subscribe", after=cursor(seen))
        assert (answer["resync"], answer["snapshot"]) == (False, None)
        events = end_of(client)
        assert numbers(events) == list(range(seen["seq"] + 1, events[-1]["seq"] + 1))
        epochs = [event["epoch"] for event in events]
        assert epochs == sorted(epochs)
        assert (epochs[0], len(set(epochs))) == (seen["epoch"], 2)
        accepted = [event["prompt"]["id"] for event in events if event["type"] == "prompt.accepted"]
        assert accepted[0] == later["id"]


def test_snapshot_shows_what_goes_on(daemon: Daemon, gate: Gate) -> None:
    """The snapshot has the queue in its order, the running turn, and what waits for people."""
    client = daemon.follow()
    client.submit(f"{gate}[[tool:true]]")
    turn = client.next("turn.started")["turn"]
    waiting = [client.submit("second"), client.submit("third")]
    gate.open()
    asked = client.next("approval.requested")["approval"]
    snapshot = daemon.connect().call("events.subscribe")["snapshot"]
    assert snapshot["queue"] == waiting
    assert snapshot["turn"]["id"] == turn["id"]
    assert snapshot["approvals"] == [asked]
    client.call("approval.answer", id=asked["id"], allow=True)
    for _ in range(3):
        client.finished()


def test_second_subscription_replaces_the_first(daemon: Daemon, history: list[Event]) -> None:
    """Who subscribes again on the same connection follows once, from the new start."""
    client = daemon.connect()
    client.call("events.subscribe")
    client.call("events.subscribe", since=1)
    events = end_of(client)
    assert numbers(events) == list(range(1, events[-1]["seq"] + 1))
    assert events[: len(history)] == history


def test_starting_points_exclude_each_other(daemon: Daemon) -> None:
    """Two starting points are refused."""
    refusal = daemon.connect().refused("events.subscribe", since=1, last=1)
    assert refusal.name == "invalid_params"
    assert "give one of them" in str(refusal)


def test_events_are_listed_page_by_page(daemon: Daemon, history: list[Event]) -> None:
    """Pages of the transcript join to all of it, each event once; `last` gives its end."""
    client = daemon.connect()
    seen: list[Event] = []
    since: int | None = 0
    while since is not None:
        page = client.call("events.list", since=since, limit=4)
        assert len(page["events"]) <= 4
        seen += page["events"]
        since = page["next"]
    assert seen == history
    last = client.call("events.list", last=2)
    assert (last["events"], last["next"]) == (history[-2:], None)
    assert last["cursor"] == cursor(history[-1])


def test_followers_see_the_same(daemon: Daemon) -> None:
    """Ten followers get the same events in the same order, live deltas too."""
    followers = [daemon.follow(last=0) for _ in range(10)]
    prompt = followers[0].submit("[[slow:30,0]][[think:so]][[size:100000]]")
    seen = []
    for follower in followers:
        follower.next("prompt.accepted", prompt=prompt)
        seen.append(follower.until(lambda event: event["type"] == "turn.finished"))
    assert all(events == seen[0] for events in seen)
