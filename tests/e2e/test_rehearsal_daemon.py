"""Prompts and turns: the real daemon with the rehearsal agent."""

from tests.e2e.gate import Gate
from tests.support.control_client import Event, numbers, types
from tests.support.daemon import Daemon, Site


def prompts_of(events: list[Event], event_type: str) -> list[str]:
    """Name the prompts that events of a type are about, in their order."""
    return [prompt for event in events if event["type"] == event_type for prompt in event["turn"]["prompts"]]


def test_prompt_is_answered(daemon: Daemon) -> None:
    """A prompt's events come in their order, numbered without a gap, and its turn tells everything."""
    client = daemon.follow()
    prompt = client.submit("hello there")
    turn = client.finished(prompt["id"])
    assert numbers(client.events) == [1, 2, 3, 4, 5]
    ordered = [kind for kind in types(client.events) if kind != "agent.started"]
    assert ordered == ["prompt.accepted", "turn.started", "agent.text", "turn.finished"]
    assert all(event["room"] == "main" and event["epoch"] == client.events[0]["epoch"] for event in client.events)
    assert all(event["rehearsal"] for event in client.events if not event["type"].startswith("prompt."))
    assert turn["outcome"] == "completed"
    assert turn["reason"] is None
    assert turn["answer"] == "Rehearsal agent, no model behind it. You said: hello there"
    assert turn["answer_bytes"] == len(turn["answer"])
    assert turn["authors"] == [prompt["author"]]
    assert turn["input_tokens"] == 2
    assert turn["output_tokens"] == len(turn["answer"].split())
    assert turn["cost_usd"] > 0
    assert turn["agent_turns"] == 1
    assert 0 < turn["ttft_s"] <= turn["duration_s"]


def test_prompt_and_turn_can_be_looked_up(daemon: Daemon) -> None:
    """What `prompt.get`, `turn.get` and `turn.list` say of a turn is what its last event said."""
    client = daemon.follow()
    submitted = client.submit("look me up")
    assert (submitted["state"], submitted["place"], submitted["turn"]) == ("waiting", 1, None)
    turn = client.finished()
    found = client.call("prompt.get", id=submitted["id"])
    assert found["prompt"] == submitted | {"state": "answered", "place": None, "turn": turn["id"]}
    whole = client.call("turn.get", id=turn["id"])
    assert whole["turn"] == found["turn"]
    assert whole["turn"] == {key: turn[key] for key in whole["turn"]}
    assert whole["prompts"] == [found["prompt"]]
    assert client.call("turn.list") == {"turns": [turn], "next": None}


def test_two_clients_submit_while_busy(daemon: Daemon, gate: Gate) -> None:
    """Each prompt of two clients gets a turn and a result of its own, in the order of their acceptance."""
    one, other = daemon.follow(), daemon.connect()
    expected = [one.submit(f"{gate}[[text:first]]")["id"]]
    one.next("turn.started")
    expected += [[one, other][number % 2].submit(f"[[text:number {number}]]")["id"] for number in range(4)]
    gate.open()
    turns = [one.finished() for _ in expected]
    assert [turn["prompts"] for turn in turns] == [[prompt] for prompt in expected]
    assert [turn["answer"] for turn in turns] == ["first", *(f"number {number}" for number in range(4))]
    assert prompts_of(one.events, "turn.started") == expected


def test_priority_decides_who_is_next(daemon: Daemon, gate: Gate) -> None:
    """A high prompt goes first and a low one last, whenever they came; the queue says so."""
    client = daemon.follow()
    client.submit(str(gate))
    client.next("turn.started")
    for priority in ("low", "normal", "high", "normal"):
        client.submit(priority, priority=priority)
    waiting = client.call("prompt.list", states=["waiting"])["prompts"]
    assert [prompt["text"] for prompt in waiting] == ["high", "normal", "normal", "low"]
    assert [prompt["place"] for prompt in waiting] == [1, 2, 3, 4]
    gate.open()
    for prompt in waiting:
        assert client.next("turn.started")["turn"]["prompts"] == [prompt["id"]]
    client.finished(waiting[-1]["id"])


def test_waiting_prompt_is_cancelled(daemon: Daemon, gate: Gate) -> None:
    """A cancelled prompt never gets a turn; everybody is told who took it out."""
    client = daemon.follow()
    client.submit(str(gate))
    client.next("turn.started")
    dropped, kept = client.submit("dropped"), client.submit("kept")
    answer = client.call("prompt.cancel", id=dropped["id"])["prompt"]
    assert (answer["state"], answer["place"]) == ("cancelled", None)
    event = client.next("prompt.cancelled")
    assert event["prompt"] == answer
    assert event["by"] == dropped["author"]
    assert client.call("prompt.get", id=kept["id"])["prompt"]["place"] == 1
    gate.open()
    client.finished(kept["id"])
    assert dropped["id"] not in prompts_of(client.events, "turn.started")
    assert client.refused("prompt.cancel", id=dropped["id"]).name == "conflict"


def test_running_prompt_cannot_be_cancelled(daemon: Daemon, gate: Gate) -> None:
    """Who wants to cancel what runs already is told to interrupt instead; nothing happens to it."""
    client = daemon.follow()
    prompt = client.submit(str(gate))
    client.next("turn.started")
    refusal = client.refused("prompt.cancel", id=prompt["id"])
    assert refusal.name == "conflict"
    assert "interrupt" in str(refusal)
    gate.open()
    assert client.finished(prompt["id"])["outcome"] == "completed"


def test_answered_prompt_cannot_be_cancelled(daemon: Daemon) -> None:
    """Who wants to cancel what is answered is told that it is."""
    client = daemon.follow()
    prompt = client.submit("quick")
    client.finished()
    refusal = client.refused("prompt.cancel", id=prompt["id"])
    assert refusal.name == "conflict"
    assert "answered already" in str(refusal)


def test_unknown_ids_are_named(daemon: Daemon) -> None:
    """Whatever is asked about an id that nobody has, the answer names the id."""
    client = daemon.connect()
    for method in ("prompt.cancel", "prompt.get", "turn.get"):
        refusal = client.refused(method, id="nobody-has-this")
        assert refusal.name == "not_found"
        assert "nobody-has-this" in str(refusal)
    refusal = client.refused("turn.interrupt", turn="nobody-has-this")
    assert (refusal.name, "nobody-has-this" in str(refusal)) == ("not_found", True)
    refusal = client.refused("approval.answer", id="nobody-has-this", allow=True)
    assert (refusal.name, "nobody-has-this" in str(refusal)) == ("not_found", True)


def test_key_makes_a_retry_harmless(daemon: Daemon, gate: Gate) -> None:
    """The same text under the same key is the same prompt: waiting, running, and answered with its turn."""
    client = daemon.follow()
    client.submit(str(gate))
    client.next("turn.started")
    first = client.submit("once only", key="k1")
    assert client.call("prompt.submit", text="once only", key="k1") == {"prompt": first, "turn": None}
    gate.open()
    turn = client.finished(first["id"])
    again = client.call("prompt.submit", text="once only", key="k1")
    assert (again["prompt"]["id"], again["prompt"]["state"]) == (first["id"], "answered")
    assert again["turn"]["id"] == turn["id"]
    last = client.submit("something else")
    client.finished(last["id"])
    assert types(client.events).count("turn.finished") == 3


def test_key_with_another_text_is_a_conflict(daemon: Daemon) -> None:
    """A key stands for one text; who uses it for another is told which prompt has it."""
    client = daemon.connect()
    first = client.submit("one text", key="k1")
    refusal = client.refused("prompt.submit", text="another text", key="k1")
    assert refusal.name == "conflict"
    assert first["id"] in str(refusal)
    assert client.submit("another text", key="k2")["id"] != first["id"]


def test_key_holds_across_a_crash_of_the_daemon(site: Site, gate: Gate) -> None:
    """A retry after kill -9 and a restart still finds the prompt that was acknowledged, and it runs once."""
    with site.running() as daemon:
        client = daemon.follow()
        client.submit(str(gate))
        client.next("turn.started")
        prompt = client.submit("once only", key="k1")
        daemon.kill()
    with site.running() as daemon:
        client = daemon.follow()
        assert client.submit("once only", key="k1")["id"] == prompt["id"]
        assert client.refused("prompt.submit", text="other", key="k1").name == "conflict"
        assert client.finished(prompt["id"])["outcome"] == "completed"
        assert client.submit("once only", key="k1")["state"] == "answered"
        assert prompts_of(client.events, "turn.started").count(prompt["id"]) == 1


def test_prompt_expires_while_it_waits(daemon: Daemon, gate: Gate) -> None:
    """A prompt whose time is up before its turn is told to have expired, and never gets one."""
    client = daemon.follow()
    client.submit(str(gate))
    client.next("turn.started")
    late = client.submit("too late", expires_s=0.05)
    assert late["expires_at"] is not None
    event = client.next("prompt.expired")
    assert (event["prompt"]["id"], event["prompt"]["state"]) == (late["id"], "expired")
    gate.open()
    client.finished(client.submit("in time", expires_s=3600)["id"], outcome="completed")
    assert client.call("prompt.get", id=late["id"])["prompt"]["state"] == "expired"
    assert late["id"] not in prompts_of(client.events, "turn.started")


def test_full_queue_refuses_for_now(site: Site, gate: Gate) -> None:
    """Above the limit of waiting prompts a submitter is asked to try later, and told when."""
    site.configure({"limits": {"waiting_prompts": 2}})
    with site.running() as daemon:
        client = daemon.follow()
        client.submit(str(gate))
        client.next("turn.started")
        client.submit("one")
        client.submit("two")
        refusal = client.refused("prompt.submit", text="three")
        assert refusal.name == "not_now"
        assert refusal.retry_after_s is not None
        gate.open()
        client.finished(outcome="completed")
        client.next("turn.started")
        assert client.submit("three")["state"] == "waiting"
        for _ in range(3):
            client.finished(outcome="completed")


def test_history_is_paged(daemon: Daemon) -> None:
    """Turns and prompts are listed newest first, page by page, each once."""
    client = daemon.follow()
    prompts = [client.submit(f"number {number}")["id"] for number in range(5)]
    turns = [client.finished()["id"] for _ in prompts]
    for method, key, expected in (("turn.list", "turns", turns), ("prompt.list", "prompts", prompts)):
        seen: list[str] = []
        cursor = None
        while True:
            page = client.call(method, limit=2, cursor=cursor)
            seen += [entry["id"] for entry in page[key]]
            assert len(page[key]) <= 2
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == expected[::-1]


def test_deltas_join_to_the_block(daemon: Daemon) -> None:
    """Live text and thinking come piece by piece, each where the last one ended, and make the recorded block."""
    client = daemon.follow()
    client.submit("[[think:hm, what is 6 × 7? 🤔 Let me see]][[slow:20,1]][[text:Forty-two, naïvely 🎉 of course]]")
    client.finished(outcome="completed")
    blocks = {event["block"]: event for event in client.events if event["type"] in ("agent.text", "agent.thinking")}
    assert [blocks[number]["type"] for number in range(3)] == ["agent.thinking", "agent.text", "agent.text"]
    for number, block in blocks.items():
        deltas = [event for event in client.events if event["type"] == "agent.delta" and event["block"] == number]
        joined = ""
        for delta in deltas:
            assert delta["offset"] == len(joined)
            assert f"agent.{delta['kind']}" == block["type"]
            assert delta["turn"] == block["turn"]
            assert "seq" not in delta
            joined += delta["text"]
        assert joined == block["text"]
        assert client.events.index(deltas[-1]) < client.events.index(block)


def test_api_errors_are_told(daemon: Daemon) -> None:
    """Retries are events of the turn; an error that stays fails it with a reason; the next prompt is answered."""
    client = daemon.follow()
    client.submit("[[error:529,2]][[text:got through]]")
    assert client.finished()["answer"] == "got through"
    retries = [event for event in client.events if event["type"] == "agent.api_retry"]
    told = [(event["attempt"], event["status"], event["error"]) for event in retries]
    assert told == [(1, 529, "overloaded"), (2, 529, "overloaded")]
    prompt = client.submit("[[error:500]]")
    turn = client.finished(prompt["id"])
    assert turn["outcome"] == "failed"
    assert "api_error 500" in turn["reason"]
    assert client.call("prompt.get", id=prompt["id"])["prompt"]["state"] == "failed"
    client.submit("[[text:well again]]")
    assert client.finished()["answer"] == "well again"


def test_conversation_is_resumed_after_a_restart(site: Site) -> None:
    """After a stop and a start the conversation, the history and the numbers go on, in a new epoch."""
    with site.running() as daemon:
        client = daemon.follow()
        before = client.finished(client.submit("remember this")["id"])
        session = client.call("room.list")["rooms"][0]["agent"]["session_id"]
        last = numbers(client.events)[-1]
    with site.running() as daemon:
        client = daemon.follow()
        started = client.next("agent.started", session="resumed")
        assert started["epoch"] > client.events[0]["epoch"]
        after = client.finished(client.submit("do you?")["id"])
        assert client.call("room.list")["rooms"][0]["agent"]["session_id"] == session
        assert [turn["id"] for turn in client.call("turn.list")["turns"]] == [after["id"], before["id"]]
        seqs = numbers(client.events)
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) > last


def test_status_tells_of_the_daemon_and_its_room(daemon: Daemon, gate: Gate) -> None:
    """Status names the process, the agent, what runs, and how many wait and follow."""
    client = daemon.follow()
    client.submit(str(gate))
    turn = client.next("turn.started")["turn"]
    client.submit("waits")
    status = client.call("daemon.status")
    assert status["daemon"]["pid"] == daemon.process.pid
    assert status["daemon"]["state_dir"] == str(daemon.site.state)
    (room,) = status["rooms"]
    assert (room["name"], room["state"], room["queue"], room["followers"]) == ("main", "busy", 1, 1)
    assert room["turn"]["id"] == turn["id"]
    assert room["agent"]["rehearsal"] is True
    assert room["agent"]["pid"] in daemon.site.leftovers()
    gate.open()
    client.finished()
    client.finished()
