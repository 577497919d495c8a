"""Who shares a turn with whom, and where everybody stands by that."""

import pytest

from concordiad.core.batching import GROUP_LIMIT, Queue, Window
from concordiad.core.groups import Joined, Parted
from concordiad.core.model import Merge, Priority, Stage
from concordiad.core.order import PATIENCE
from tests.core.waiting_room import WaitingRoom, person

ASKED = "Why does test_import fail?"


@pytest.fixture
def room() -> WaitingRoom:
    """A queue of a room in which prompts are merged by both local stages."""
    return WaitingRoom()


def test_people_who_ask_the_same_share_a_turn(room: WaitingRoom) -> None:
    """The first one leads, what is asked is its text, and the others are told with whom and why."""
    room.ask("a", ASKED)
    room.ask("b", f" {ASKED} ")
    assert room.turns() == ["a1 b1"]
    assert room.prompt("a1").merge == Merge("a1", None, None, ASKED)
    assert room.prompt("b1").merge == Merge("a1", Stage.SAME, 1.0, ASKED)
    assert room.told == [Joined(room.prompt("b1"), (room.prompt("a1"),))]
    assert (room.rows["a1"], room.rows["b1"]) == (room.prompt("a1"), room.prompt("b1"))


def test_what_is_asked_is_the_leaders_text_to_the_letter(room: WaitingRoom) -> None:
    """Whatever the others have typed."""
    for who, text in (("a", f"{ASKED}\n"), ("b", ASKED), ("c", f"  {ASKED}")):
        room.ask(who, text)
    room.take()
    assert {prompt.asked for prompt, _ in room.away} == {f"{ASKED}\n"}


def test_one_author_is_never_merged_with_itself(room: WaitingRoom) -> None:
    """Who queues "continue" twice means it twice."""
    for _ in range(2):
        room.ask("a", "continue")
    room.ask("b", "continue")
    assert (room.turns(), room.told[0].prompt.id) == (["a1 b1", "a2"], "b1")


@pytest.mark.parametrize("more", [{"is_alone": True}, {"is_raw": True}])
def test_alone_and_raw_are_never_merged(room: WaitingRoom, more: dict[str, bool]) -> None:
    """Whether they come first or later."""
    room.ask("a", ASKED, **more)
    room.ask("b", ASKED)
    room.ask("c", ASKED, **more)
    assert (room.turns(), room.told) == (["a1", "b1", "c1"], [])


def test_a_worse_priority_that_is_due_overtakes_none_of_its_author(room: WaitingRoom) -> None:
    """What a merge has brought to a better priority still goes before the author's next prompt; then that is due."""
    for number in range(PATIENCE):
        room.ask(f"x{number}", f"Look at file number {number}")
    room.ask("y", ASKED)
    room.ask("b", ASKED, priority=Priority.LOW)
    room.ask("b", "Then deploy", priority=Priority.LOW)
    room.ask("z", "Look at the logs")
    assert room.take_all()[PATIENCE:] == ["y1 b1", "b2", "z1"]


def test_what_is_an_authors_own_is_never_merged(room: WaitingRoom) -> None:
    """By the letter it is the same, but Ben's branch is another one than Ada's."""
    room.ask("a", "delete my branch")
    room.ask("b", "delete my branch")
    room.ask("c", "show me the logs")
    room.ask("d", "Show me the logs, please")
    assert room.take_all() == ["a1", "b1", "c1 d1"]
    assert room.told == [Joined(room.rows["d1"], (room.rows["c1"],))]


def test_what_is_an_authors_own_comes_back_so(room: WaitingRoom) -> None:
    """After a restart, too, it leads no group."""
    room.ask("a", "delete my branch")
    waiting = room.queue.find("a1")
    assert waiting is not None
    anew = Queue()
    anew.begin([waiting.standing] if waiting.standing else [])
    anew.restore(waiting)
    room.queue = anew
    room.ask("b", "delete my branch")
    assert room.take_all() == ["a1", "b1"]


def test_what_is_an_authors_own_waits_for_nobody() -> None:
    """Nobody can join it, so it has no window."""
    room = WaitingRoom(window=Window(0.5, 2.0))
    room.ask("a", "delete my branch")
    assert room.take() == "a1"


def test_without_stages_nothing_is_merged() -> None:
    """A room may have it so."""
    room = WaitingRoom(stages=[])
    for who in "ab":
        room.ask(who, ASKED)
    assert room.turns() == ["a1", "b1"]


def test_the_same_goes_before_the_similar(room: WaitingRoom) -> None:
    """Although the similar one comes earlier in the queue; of two that are the same, the earlier one."""
    for text in ("Why does test_import fail", "why does test_import fail?", "why does test_import fail?"):
        room.ask("a", text)
    room.ask("b", "why does test_import fail?")
    assert room.turns() == ["a1", "a2 b1", "a3"]
    room.ask("c", "Why does test_import fail.")
    assert room.prompt("c1").merge == Merge("a1", Stage.NEAR, 1.0, "Why does test_import fail")


def test_a_running_turn_takes_in_nobody(room: WaitingRoom) -> None:
    """Who asks what is being answered has a turn of its own."""
    room.ask("a", ASKED)
    assert room.take() == "a1"
    room.ask("b", ASKED)
    assert (room.turns(), room.told) == (["b1"], [])


def test_a_group_has_a_limit(room: WaitingRoom) -> None:
    """Whoever is one too many leads the next one."""
    for number in range(GROUP_LIMIT + 2):
        room.ask(f"p{number}.", ASKED)
    assert [len(turn.split()) for turn in room.turns()] == [GROUP_LIMIT, 2]


def test_a_merge_brings_forward_and_moves_nobody_back(room: WaitingRoom) -> None:
    """A group stands where the best of its members stands."""
    room.ask("a", "one")
    room.ask("b", "two")
    room.ask("c", "one", priority=Priority.HIGH)
    assert room.turns() == ["a1 c1", "b1"]


def test_a_merge_that_would_turn_an_authors_own_order_round_is_refused(room: WaitingRoom) -> None:
    """The second of b's prompts may not overtake its first; once that is gone, the next one may join."""
    room.ask("a", ASKED)
    room.ask("b", "first this")
    room.ask("b", ASKED)
    assert room.turns() == ["a1", "b1", "b2"]
    room.ask("c", ASKED)
    assert room.turns() == ["a1 c1", "b1", "b2"]


def test_a_member_may_not_be_brought_past_its_authors_earlier_prompt(room: WaitingRoom) -> None:
    """Nor by somebody else's high priority: b2 stays behind b1, so c leads a group of its own."""
    room.ask("a", "first")
    room.ask("b", "before")
    room.ask("b", ASKED)
    room.ask("c", ASKED, priority=Priority.HIGH)
    assert room.turns() == ["c1", "a1", "b1", "b2"]


def test_members_share_a_place_and_turns_are_counted(room: WaitingRoom) -> None:
    """A place is the number of a turn."""
    for who, text in (("a", "one"), ("b", "two"), ("c", "one"), ("d", "three")):
        room.ask(who, text)
    assert room.queue.places(["a1", "b1", "c1", "d1", "nobody"]) == {"a1": 1, "c1": 1, "b1": 2, "d1": 3}


def test_a_leader_that_goes_leaves_its_place_to_the_others(room: WaitingRoom) -> None:
    """They are merged anew, in the order in which they came; the first of them leads."""
    for who in "abc":
        room.ask(who, ASKED)
    room.ask("d")
    room.told.clear()
    cancelled = room.cancel("a1")
    assert cancelled is not None and cancelled.merge is None
    assert room.turns() == ["b1 c1", "d1"]
    assert room.told == [Joined(room.prompt("c1"), (room.prompt("b1"),))]


def test_who_is_alone_after_that_is_told(room: WaitingRoom) -> None:
    """With the reason, and with nobody who did it."""
    room.ask("a", ASKED)
    room.ask("b", ASKED)
    room.told.clear()
    room.cancel("a1")
    assert room.told == [Parted(room.prompt("b1"), ("a1",), None, "it is gone")]
    assert (room.prompt("b1").merge, room.rows["b1"].merge) == (None, None)


def test_a_leader_whose_only_member_goes_is_told(room: WaitingRoom) -> None:
    """It is alone then, too."""
    room.ask("a", ASKED)
    room.ask("b", ASKED)
    room.told.clear()
    room.cancel("b1")
    assert room.told == [Parted(room.prompt("a1"), ("b1",), None, "it is gone")]
    assert room.prompt("a1").merge is None


def test_split_gives_a_turn_of_its_own_for_good(room: WaitingRoom) -> None:
    """It stands where it would stand by itself, and whoever asks the same later does not join it."""
    room.ask("a", ASKED)
    room.ask("c", "between")
    room.ask("b", ASKED)
    assert room.turns() == ["a1 b1", "c1"]
    room.told.clear()
    split = room.split("b1")
    assert split is not None and split.is_alone
    assert room.turns() == ["a1", "c1", "b1"]
    assert room.told == [
        Parted(room.prompt("b1"), ("a1",), person("b"), None),
        Parted(room.prompt("a1"), ("b1",), None, "b took a prompt back out"),
    ]
    room.ask("d", ASKED)
    assert room.turns() == ["a1 d1", "c1", "b1"]


def test_split_of_a_leader_leaves_the_others_its_place(room: WaitingRoom) -> None:
    """And it goes first, because it came first."""
    for who in "abc":
        room.ask(who, ASKED)
    room.ask("d")
    room.split("a1")
    assert room.turns() == ["a1", "b1 c1", "d1"]


def test_whoever_asks_what_a_group_is_asked_joins_it() -> None:
    """Where a model has chosen another prompt's words than the leader's: by both, and after a restart, too."""
    room = WaitingRoom(list(Stage))
    for who, text in (("a", "explain how the cache works"), ("b", "how does the cache work?")):
        room.ask(who, text)
    with room.noting() as changes:
        assert room.queue.unite(list(room.queue.groups()), "how does the cache work?", 0.9, changes)
    for each in (room.restarted(), room):
        each.ask("c", "how does the cache work?")
        each.ask("d", "explain how the cache works")
        assert each.turns() == ["a1 b1 c1 d1"]
        assert each.prompt("c1").merge == Merge("a1", Stage.SAME, 1.0, "how does the cache work?")
    room.split("b1")
    assert sorted(room.turns()) == ["a1 d1", "b1", "c1"]


def test_split_never_turns_an_authors_own_order_round(room: WaitingRoom) -> None:
    """The next one was brought forward by a merge: the one that is split goes directly before it."""
    room.ask("a", "one")
    room.ask("a", "two")
    room.ask("c")
    room.ask("b", "one")
    room.ask("b", "two")
    room.ask("d")
    assert room.turns() == ["a1 b1", "c1", "d1", "a2 b2"]
    room.split("b1")
    assert room.turns() == ["a1", "c1", "b1", "d1", "a2 b2"]
    room.split("b2")
    assert room.turns() == ["a1", "c1", "b1", "d1", "a2", "b2"]


def test_split_of_what_is_alone_only_says_that_it_stays_so(room: WaitingRoom) -> None:
    """It keeps its place; a second time nothing happens."""
    room.ask("a", ASKED)
    room.ask("b")
    for _ in range(2):
        room.split("a1")
    assert room.told == [Parted(room.prompt("a1"), (), person("a"), None)]
    room.ask("c", ASKED)
    assert room.turns() == ["a1", "b1", "c1"]


def test_who_does_not_wait_can_be_neither_split_nor_removed(room: WaitingRoom) -> None:
    """That is for the caller to explain."""
    room.ask("a")
    room.take()
    assert (room.split("a1"), room.cancel("a1"), room.split("x9"), room.cancel("x9")) == (None, None, None, None)


def test_what_is_put_back_is_the_same_group_at_its_old_place(room: WaitingRoom) -> None:
    """Whatever came meanwhile; and others may join it again."""
    for who, text in (("a", ASKED), ("b", ASKED), ("c", "")):
        room.ask(who, text)
    assert room.take() == "a1 b1"
    room.ask("d", "later")
    room.put_back()
    assert room.turns() == ["a1 b1", "c1", "d1"]
    room.ask("e", ASKED)
    assert room.turns() == ["a1 b1 e1", "c1", "d1"]


def test_who_was_passed_over_enough_is_not_passed_over_again_by_what_comes_back(room: WaitingRoom) -> None:
    """The old place of a prompt of low priority is the one that its patience had earned it."""
    for number in range(9):
        room.ask(f"h{number}.", priority=Priority.HIGH)
    room.ask("l", priority=Priority.LOW)
    for _ in range(8):
        assert room.take().startswith("h")
    assert room.take() == "l1"
    room.put_back()
    assert room.turns() == ["l1", "h8.1"]


def test_a_restart_restores_the_groups_and_their_order(room: WaitingRoom) -> None:
    """From the recorded rows alone."""
    for who, text in (("a", ""), ("b", "one"), ("b", "two"), ("a", "two"), ("c", "one"), ("d", "two")):
        room.ask(who, text)
    room.take()
    room.split("c1")
    room.ask("e", "x", priority=Priority.LOW)
    room.ask("f", "one", priority=Priority.HIGH)
    later = room.restarted()
    assert later.turns() == room.turns()
    assert [placed for placed, _ in later.queue.prompts()] == [placed for placed, _ in room.queue.prompts()]
    for each in (room, later):
        each.ask("g", "one")
        each.ask("a", "more")
    assert later.turns()[:2] == room.turns()[:2]


def test_the_window_begins_anew_with_each_prompt_and_ends_all_the_same() -> None:
    """Half a second after the last one, two seconds after one's own at the latest."""
    room = WaitingRoom(window=Window(0.5, 2.0))
    room.ask("a")
    assert (room.take(), room.queue.next_ready(0.0)) == ("", 0.5)
    for room.now in (0.4, 0.8, 1.2, 1.6, 1.9):
        room.ask("b")
        assert room.take() == ""
    assert room.queue.next_ready(room.now) == 2.0
    room.now = 2.0
    assert room.take() == "a1"
    assert room.take() == ""
    room.now = 2.4
    assert room.take() == "b1"


def test_a_group_is_ready_with_its_earliest_member() -> None:
    """Who joins later makes nobody wait."""
    room = WaitingRoom(window=Window(1.0, 2.0))
    room.ask("a", ASKED)
    room.now = 1.9
    room.ask("b", ASKED)
    room.now = 2.0
    assert room.take() == "a1 b1"


def test_who_is_hurried_waits_for_nobody() -> None:
    """There is nobody who could ask the same."""
    room = WaitingRoom(window=Window(0.5, 2.0))
    room.ask("a", is_hurried=True)
    assert room.take() == "a1"


def test_who_is_ready_never_overtakes_its_own_author() -> None:
    """The high one waits for its window, and the author's normal one behind it; somebody else's goes."""
    room = WaitingRoom(window=Window(0.5, 2.0))
    room.ask("a")
    room.ask("b")
    room.now = 1.9
    room.ask("a", priority=Priority.HIGH)
    room.now = 2.0
    assert [room.take(), room.take()] == ["b1", ""]
    room.now = 2.4
    assert [room.take(), room.take()] == ["a2", "a1"]


def test_what_is_never_merged_overtakes_nobody_for_that() -> None:
    """It has no window of its own, but stays behind who came before it."""
    room = WaitingRoom(window=Window(0.5, 2.0))
    room.ask("a")
    room.ask("b", is_alone=True)
    assert room.take() == ""
    room.now = 0.5
    assert [room.take(), room.take()] == ["a1", "b1"]
    room.ask("b", is_alone=True)
    assert room.take() == "b2"


def test_overdue_prompts_are_those_whose_deadline_has_come(room: WaitingRoom) -> None:
    """At their deadline, not after it; what is with a turn expires no more."""
    room.ask("a", expires_at=5.0)
    room.ask("b", expires_at=6.0)
    room.ask("c")
    assert (room.queue.overdue(4.9), room.queue.overdue(5.0), room.queue.next_deadline()) == ([], ["a1"], 5.0)
    room.take()
    assert (room.queue.overdue(9.0), room.queue.next_deadline()) == (["b1"], 6.0)
    room.put_back()
    assert room.queue.overdue(9.0) == ["b1", "a1"]


def test_who_else_waits_is_known(room: WaitingRoom) -> None:
    """As long as it waits; a turn that runs is nobody's who could still be merged."""
    room.ask("a")
    assert (room.queue.is_only("uid:a"), room.queue.is_only("uid:b")) == (True, False)
    room.take()
    assert (room.queue.is_only("uid:b"), room.queue.count_of("uid:a")) == (True, 0)
