"""What people do together in a room, each at a page of their own, before the real daemon."""

import pytest

from tests.e2e.gate import Gate
from tests.e2e.page.guest_page import Visit
from tests.support.browser import Key
from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site

pytestmark = pytest.mark.browser

WHOLE_WORDS = """[document.querySelector(".now .words")].map((words) => [
  words.innerText, words.scrollWidth <= words.clientWidth && words.scrollHeight <= words.clientHeight])[0]"""


def test_a_prompt_is_answered_live_before_everybody(visit: Visit) -> None:
    """What one person asks is seen by the other as it is being written, and word for word the same at the end."""
    ada, ben = visit("ada", is_phone=True), visit("ben")
    ada.send("[[think:Hm.]][[text:# Plan\n\nThe **slow** ones:\n\n- `a`\n- `b`]][[hang]]")
    ben.browser.find(".entry.live.text")
    ben.browser.find(".ask", "ada")
    ben.browser.find(".log .text h3", "Plan")
    assert not ben.saw(".stop"), "a turn is for those to stop who asked for it"
    for page, name in ((ada, "page-phone-stream"), (ben, "page-desktop-stream")):
        page.browser.screenshot(name)
    ada.browser.find(".stop").click()
    for page in (ada, ben):
        page.wait_for_end_of_turn("Interrupted by ada")
        assert not page.saw(".entry.live")
        page.assert_fits()
    assert [text for _, text in ada.entries()][-3:-1] == [text for _, text in ben.entries()][-3:-1]


def test_who_may_approve_lets_a_tool_run(visit: Visit, site: Site) -> None:
    """A tool waits for a decision; one who may makes it, one who may not sees it; both see who decided."""
    ada, ben = visit("ada", is_phone=True, may_approve=True), visit("ben")
    ben.send("[[tool:touch made]]")
    ben.browser.find(".approvals", "A host decides, or a driver who may.")
    assert not ben.saw(".approvals button.primary")
    for scheme in ("light", "dark"):
        for page, place in ((ada, "phone"), (ben, "desktop")):
            page.browser.find(".approvals", "touch made")
            page.browser.prefer(color_scheme=scheme)
            page.browser.screenshot(f"page-{place}-approval-{scheme}")
    assert not (site.work / "made").exists()
    ada.browser.wait_until("!document.querySelector('.approvals .primary').disabled")
    ada.browser.find(".approvals .primary").click()
    for page in (ada, ben):
        page.wait_for_end_of_turn()
        page.browser.find(".note", "Bash: approved by ada")
        page.browser.find(".call summary .state", "done")
        assert not page.saw(".approvals")
        page.assert_fits()
    assert (site.work / "made").exists()


def test_a_denial_has_its_reason(visit: Visit, site: Site) -> None:
    """A tool that is denied does not run, and everybody reads why."""
    ada = visit("ada", may_approve=True)
    ada.send("[[tool:touch made]]")
    ada.browser.wait_until("!document.querySelector('.approvals .primary').disabled")
    ada.browser.find(".approvals button", "Reason").click()
    ada.browser.find(".approvals input").type("not today")
    ada.browser.find(".approvals button", "Deny").click()
    ada.browser.find(".note", "Bash: denied by ada (you): not today")
    ada.wait_for_end_of_turn()
    assert not (site.work / "made").exists()
    ada.assert_fits()


def test_what_is_approved_can_be_read_to_its_end(visit: Visit) -> None:
    """On a phone, under a name that leaves little room: nothing of a command is beside the screen or kept silent."""
    ada = visit("Ada Augusta Byron, Countess of Lovelace", is_phone=True, may_approve=True)
    ada.send(f"[[tool:true {'x' * 2500}; rm it]] [[text:done]]")
    ada.browser.find(".approvals .below", "It goes on below")
    ada.browser.screenshot("page-phone-long-approval")
    assert ada.evaluate(
        "[...document.querySelectorAll('.approvals pre')].every((pre) => pre.scrollWidth <= pre.clientWidth)"
    )
    assert ada.evaluate(
        "[...document.querySelectorAll('.header .state span')].every((it) => it.scrollWidth <= it.clientWidth)"
    )
    ada.browser.find(".header .tag", "rehearsal")
    ada.evaluate("document.querySelector('.approvals .inside').scrollTo(0, 100_000)")
    ada.browser.wait_until("document.querySelector('.approvals .below').hidden")
    ada.browser.wait_until("!document.querySelector('.approvals .primary').disabled")
    ada.browser.find(".approvals button", "Deny").click()
    ada.wait_for_end_of_turn()
    ada.assert_fits()


def test_a_question_is_answered_by_its_choices(visit: Visit) -> None:
    """The agent's question is shown with its choices, and takes the one that was chosen."""
    ada = visit("ada", is_phone=True, may_approve=True)
    ada.send("[[ask:Which colour?|Green|Blue]]")
    ada.browser.wait_until("!document.querySelector('.approvals .primary').disabled")
    ada.browser.find(".approvals .primary").click()
    ada.browser.find(".approvals .problem", "Choose an answer to every question.")
    ada.browser.find(".choice", "Blue").click()
    ada.browser.screenshot("page-phone-question")
    ada.browser.find(".approvals .primary").click()
    ada.browser.find(".note", "The question was answered by ada")
    ada.wait_for_end_of_turn()
    ada.assert_fits()


def test_what_came_to_nothing_is_asked_again(visit: Visit, gate: Gate) -> None:
    """Its author has a button for it, which says when the room has it again, and is back when it was taken back."""
    ada, ben = visit("ada", is_phone=True), visit("ben")
    ada.send("[[text:Half]][[hang]]")
    ada.browser.find(".entry.live.text")
    ada.browser.find(".stop").click()
    ada.browser.find(".again button", "Ask again")
    ada.browser.screenshot("page-phone-again")
    ada.send(str(gate))
    ada.browser.find(".now .stop")
    ada.browser.find(".again button", "Ask again").click()
    ada.browser.find(".again button:disabled", "Asked again")
    ada.browser.find(".now .waiting", "1 waiting").click()
    ada.browser.find(".queue li.mine button", "Take back").click()
    ada.browser.press(Key.ESCAPE)
    ada.browser.find(".again button:enabled", "Ask again")
    gate.open()
    ada.wait_for_end_of_turn()
    ada.browser.find(".again button:enabled", "Ask again").click()
    ada.browser.find(".now .stop").click()
    for page in (ada, ben):
        page.wait_for_end_of_turn("Interrupted by ada", count=2)
        page.assert_fits()
    assert not ben.saw(".again"), "others' prompts are for others to ask again"


def test_the_queue_shows_ones_own_place(visit: Visit, gate: Gate) -> None:
    """Who waits sees the own place, and can take the own prompt back, but nobody else's. Authors take turns."""
    ada, ben = visit("ada"), visit("ben", is_phone=True)
    ada.send(str(gate))
    ada.browser.find(".now.running")
    ada.send("second")
    ada.browser.find(".queue li", "second")
    ben.send("third")
    ada.browser.find(".now .waiting", "2 waiting · you are 2nd")
    ben.browser.find(".now .waiting", "2 waiting · you are 1st").click()
    ben.browser.find(".queue li.mine", "third")
    ben.browser.wait_until("document.activeElement?.ariaLabel === 'Close'")
    ben.browser.screenshot("page-phone-queue")
    assert len(ben.browser.find_all(".queue button")) == 1
    ben.browser.find(".queue li.mine button").click()
    ben.browser.find(".aside h2", "1 prompt in the queue")
    ben.browser.press(Key.ESCAPE)
    ben.browser.wait_until("document.querySelector('#aside').inert")
    ada.browser.find(".note", "A prompt of ben was taken back")
    gate.open()
    ada.wait_for_end_of_turn(count=2)
    ada.assert_fits()
    ben.assert_fits()


def test_the_line_of_what_goes_on_is_whole_on_a_phone(visit: Visit, gate: Gate) -> None:
    """With the clock, a queue, the own place in it and the button beside it, no word of it is cut."""
    ada = visit("ada", is_phone=True)
    ada.send(str(gate))
    ada.browser.find(".now .stop")
    ada.send("second")
    ada.browser.find(".now .waiting", "1 waiting · you are 1st")
    ada.browser.screenshot("page-phone-waiting")
    assert ada.evaluate(WHOLE_WORDS) == ["At work for you", True]
    gate.open()
    ada.wait_for_end_of_turn(count=2)
    ada.assert_fits()


def test_a_viewer_watches(visit: Visit) -> None:
    """A viewer reads everything, and has no box to write in but a sentence that says so."""
    ada, vera = visit("ada"), visit("vera", role="viewer", is_phone=True)
    ada.send("hello")
    vera.browser.find(".ask", "hello")
    vera.wait_for_end_of_turn()
    vera.browser.find(".viewer", "You are here to watch: only drivers and hosts can write prompts.")
    assert not vera.saw("textarea")
    vera.browser.screenshot("page-phone-viewer")
    vera.assert_fits()


def test_what_was_before_is_loaded_on_demand(visit: Visit, host: ControlClient) -> None:
    """A fresh page shows the end of a long transcript; scrolling up brings the rest, in order, each event once."""
    for number in range(100):
        host.call("prompt.submit", text=f"number {number}")
    vera = visit("vera", role="viewer", history="start")
    vera.wait_for_end_of_turn(count=1)
    host.call("prompt.submit", text="the last one")
    vera.browser.find(".ask", "the last one")
    # Each page that comes moves what is seen down, as somebody goes on up.
    vera.browser.wait_until(
        "(document.querySelector('#scroller').scrollTop = 0, !document.querySelector('.start').hidden)"
    )
    shown = [seq for seq, _ in vera.entries()]
    assert shown == sorted(set(shown))
    asked = vera.evaluate("[...document.querySelectorAll('.ask .said')].map((said) => said.innerText)")
    assert asked == [*(f"number {number}" for number in range(100)), "the last one"]
    vera.browser.find(".latest").click()
    vera.browser.wait_until("document.querySelector('.latest').hidden")
    vera.assert_fits()


def test_the_page_says_how_the_room_is(visit: Visit, host: ControlClient) -> None:
    """A pause is shown while it lasts, what is refused meanwhile can be sent again, and a closed room is the end."""
    ada = visit("ada", is_phone=True)
    host.call("room.pause", room="main")
    ada.browser.find(".banner", "A host has paused the room")
    ada.send("too early")
    ada.browser.find(".underway .refused", "Not taken")
    ada.browser.screenshot("page-phone-paused")
    host.call("room.resume", room="main")
    ada.wait_for_state("Ready")
    assert not ada.saw(".banner")
    ada.browser.find(".underway button", "Send again").click()
    ada.wait_for_end_of_turn()
    assert not ada.saw(".underway")
    host.call("room.close", room="main")
    ada.browser.find(".banner.bad", "The room has closed.")
    ada.assert_fits()


def test_an_agent_that_sleeps_is_told_of(visit: Visit, site: Site, daemon: Daemon) -> None:
    """An agent without work is let go: that is no failure, and the next prompt wakes it."""
    ada = visit("ada", is_phone=True)
    daemon.kill()
    port = ada.evaluate("location.port")
    site.configure({"guests": {"listen": f"127.0.0.1:{port}"}, "rooms.main": {"idle_s": 0.3}})
    with site.running():
        ada.browser.find(".note", "The agent sleeps until the next prompt.")
        ada.wait_for_state("Asleep")
        ada.browser.screenshot("page-phone-asleep")
        ada.send("wake up")
        ada.wait_for_end_of_turn()
        ada.browser.close()


def test_an_agent_that_dies_is_told_of(visit: Visit) -> None:
    """What became of a turn whose agent died is said in words, and that the agent is back."""
    ada = visit("ada", is_phone=True)
    ada.send("[[text:Half]][[kill]]")
    ada.browser.find(".finish.bad, .finish.warn")
    ada.browser.find(".note", "The agent went down: signal SIGKILL")
    ada.browser.find(".note", "The agent (rehearsal")
    ada.wait_for_state("Ready")
    assert not ada.saw(".banner, .live")
    ada.assert_fits()


def test_an_api_that_fails_is_told_of_with_the_time_to_wait(visit: Visit, host: ControlClient) -> None:
    """At the top and in the transcript, also to somebody who comes meanwhile; it goes away when it is over."""
    ada = visit("ada", is_phone=True)
    for _ in range(3):
        host.call("prompt.submit", room="main", text="[[error:529]]")
    ada.browser.find(".banner.warn", "(overloaded: api_error 529: ")
    ada.browser.find(".banner.warn", "; the next prompt tries in 30 s)")
    ada.browser.find(".note", "The agent's API fails: prompts wait, and one of them tries in 30 s.")
    ada.browser.screenshot("page-phone-api-failing")
    visit("ben").browser.find(".banner.warn", "; the next prompt tries in ")
    ada.send("[[text:Here.]]")
    host.call("room.resume", room="main")
    ada.wait_for_end_of_turn()
    ada.browser.find(".note", "The room goes on.")
    assert not ada.saw(".banner")
    ada.assert_fits()
