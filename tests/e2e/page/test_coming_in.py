"""From a link to the room, back into it, and out of it."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.page.guest_page import GuestPage, Invite, Visit
from tests.support.browser import Key
from tests.support.chromedriver import Chromedriver
from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site
from tests.support.patience import LATE_S

pytestmark = pytest.mark.browser


def test_a_link_leads_into_the_room(visit: Visit, host: ControlClient) -> None:
    """Who opens the link and gives a name is in the room under that name, and the address keeps no token."""
    ada = visit("Ada Lovelace", is_phone=True, may_approve=True)
    assert ada.browser.url.endswith("/#main")
    ada.browser.find(".welcome", "You are here as driver: you can write prompts and decide what the agent may do.")
    assert [guest["name"] for guest in host.call("guest.list", room="main")["guests"]] == ["Ada Lovelace"]
    ada.browser.screenshot("page-phone-idle")
    ada.assert_fits()


def test_hosts_who_follow_are_among_the_people(visit: Visit, daemon: Daemon) -> None:
    """The page shows them with their role for as long as they follow, and counts them."""
    ada = visit("ada")
    shown = "document.querySelector('.aside').innerText"
    ada.browser.wait_until(f"{shown}.includes('1 person is here')")
    with daemon.follow(last=0):
        ada.browser.wait_until(f"{shown}.includes('2 people are here') && /\\nhost since /.test({shown})")
    ada.browser.wait_until(f"{shown}.includes('1 person is here') && !{shown}.includes('host')")


def test_a_used_link_leads_back_only_whom_it_let_in(visit: Visit, chromedriver: Chromedriver, invite: Invite) -> None:
    """The link that let somebody in leads the same browser back in; another browser is not admitted by it."""
    url = invite()
    ada = GuestPage(chromedriver, url)
    ada.join("ada")
    ada.browser.goto("about:blank")
    ada.browser.goto(url)
    ada.wait_until_in()
    ada.browser.close()
    with GuestPage(chromedriver, url, is_phone=True).browser as stranger:
        stranger.find("#name").type("eve")
        stranger.press(Key.ENTER)
        stranger.find("h1", "Not admitted")
        stranger.find(".join", "Ask a host of the room for an invite.")
        assert stranger.evaluate("document.querySelector('#room').hidden && document.title === 'Concordia'")
        stranger.screenshot("page-phone-not-admitted")


def test_another_link_into_the_room_asks_who_to_be(visit: Visit, host: ControlClient, invite: Invite) -> None:
    """Who is in the room already continues, or is somebody new beside; either can be come back to."""
    vera = visit("Vera")
    second = invite()

    def come(url: str) -> None:
        vera.browser.goto("about:blank")
        vera.browser.goto(url)

    come(second)
    vera.browser.find("h1", "You have been here before")
    vera.assert_fits()
    vera.browser.screenshot("page-desktop-second-link")
    vera.browser.find("button", "Continue as Vera").click()
    vera.wait_until_in()
    assert [guest["name"] for guest in host.call("guest.list", room="main", all=True)["guests"]] == ["Vera"]
    come(second)
    vera.browser.find("button", "Join as somebody new").click()
    vera.join("Cem")
    assert {guest["name"] for guest in host.call("guest.list", room="main", all=True)["guests"]} == {"Vera", "Cem"}
    come(second)
    vera.wait_until_in()
    come(invite())
    vera.browser.find("button", "Continue as Cem")
    vera.browser.find("button", "Continue as Vera").click()
    vera.wait_until_in()
    vera.send("hello")
    vera.browser.find(".ask", "Vera (you)")


def test_a_name_that_will_not_do_is_asked_for_again(chromedriver: Chromedriver, invite: Invite) -> None:
    """A name that the daemon refuses costs no use of the link."""
    page = GuestPage(chromedriver, invite())
    with page.browser as browser:
        browser.find("#name").type("a")
        browser.evaluate("document.querySelector('#name').value = 'a\\u202eb'")
        browser.find(".join button.primary").click()
        browser.find(".join .problem", "printable")
        page.join("ada")
        page.assert_fits()


def test_a_reload_is_the_same_person(visit: Visit, host: ControlClient) -> None:
    """Loading the page again needs no name and no new invite, and keeps the draft."""
    ada = visit("ada")
    ada.send("hello")
    ada.wait_for_end_of_turn()
    ada.write("half a thou")
    ada.browser.reload()
    ada.wait_until_in()
    ada.browser.find(".ask", "ada (you)")
    assert ada.browser.find("#prompt").value == "half a thou"
    assert len(host.call("guest.list", room="main")["guests"]) == 1
    ada.assert_fits()


def test_revoking_ends_an_open_page(visit: Visit, host: ControlClient) -> None:
    """Who is revoked while the page is open is told so at once, and the page does not try to come back."""
    ada = visit("ada")
    ada.write("not sent yet")
    (guest,) = host.call("guest.list", room="main")["guests"]
    host.call("invite.revoke", room="main", id=guest["invite"])
    ada.browser.find(".banner.bad", "You are no longer in this room: this invite was revoked.", within_s=1.0 + LATE_S)
    ada.browser.screenshot("page-desktop-revoked")
    assert ada.browser.find("#prompt").value == "not sent yet"
    assert ada.evaluate("document.querySelector('.send').disabled")
    ada.assert_fits()


def test_a_lost_connection_costs_nothing(visit: Visit, daemon: Daemon, site: Site) -> None:
    """After the daemon was gone, the page goes on by itself: no event is missing or shown twice, no prompt lost."""
    ada = visit("ada", is_phone=True)
    ada.send("before")
    ada.wait_for_end_of_turn()
    port = ada.evaluate("location.port")
    site.configure({"guests": {"listen": f"127.0.0.1:{port}"}})
    daemon.kill()
    ada.browser.find(".banner.warn", "The connection was lost")
    ada.browser.screenshot("page-phone-lost")
    ada.send("while it was gone")
    ada.browser.find(".underway", "Waits for the connection")
    ada.write("a draft")
    with site.running() as later:
        ada.wait_for_end_of_turn(count=2)
        host = later.connect()
        shown = [seq for seq, _ in ada.entries()]
        assert shown == sorted(set(shown))
        events = host.call("events.list", since=shown[0])["events"]
        expected = [event["seq"] for event in events if event["type"] not in ("prompt.accepted", "guest.joined")]
        assert [seq for seq in shown if seq in expected] == expected
        prompts = [event["prompt"] for event in events if event["type"] == "prompt.accepted"]
        assert [(prompt["author"]["name"], prompt["text"]) for prompt in prompts][-1] == ("ada", "while it was gone")
        assert len(prompts) == 2
        assert ada.browser.find("#prompt").value == "a draft"
        assert not ada.saw(".banner.warn")
        assert not ada.saw(".underway")
        ada.browser.close()


def test_nothing_goes_on_without_a_connection(visit: Visit, daemon: Daemon, site: Site) -> None:
    """While nobody knows how a turn goes, the page claims nothing; later it says in words what became of it."""
    ada = visit("ada", is_phone=True)
    ada.send("[[text:Half of it]][[hang]]")
    ada.browser.find(".live .busy", "Writing…")
    ada.browser.find(".now.running .words", "At work for you")
    site.configure({"guests": {"listen": f"127.0.0.1:{ada.evaluate('location.port')}"}})
    daemon.kill()
    ada.browser.find(".now .words", "What goes on is not known")
    ada.browser.find(".live .busy", "So far")
    ada.browser.screenshot("page-phone-not-known")
    assert not ada.saw(".pulse, .now button")
    assert ada.evaluate("document.querySelector('.now .clock').innerText") == ""
    with site.running():
        ada.wait_for_end_of_turn("Uncertain")
        assert not ada.saw(".live")
        ada.browser.find(".finish .reason", "concordiad ended while the agent worked on it")
        assert not ada.saw(".finish .reason", "daemon_died")
        assert ada.evaluate("document.querySelector('.finish .reason').title").startswith("daemon_died: ")
        ada.browser.screenshot("page-phone-uncertain")
        ada.browser.close()


def test_a_journal_from_a_backup_is_told_anew(visit: Visit, daemon: Daemon, site: Site, tmp_path: Path) -> None:
    """A page that has seen what the daemon has forgotten forgets it too, and shows what there is."""
    ada = visit("ada")
    ada.send("kept")
    ada.wait_for_end_of_turn()
    port = ada.evaluate("location.port")
    site.configure({"guests": {"listen": f"127.0.0.1:{port}"}})
    daemon.kill()
    shutil.copytree(site.state, tmp_path / "backup")
    ada.browser.find(".banner.warn")
    with site.running() as again:
        ada.send("forgotten")
        ada.wait_for_end_of_turn(count=2)
        again.kill()
        ada.browser.find(".banner.warn")
    shutil.rmtree(site.state)
    shutil.copytree(tmp_path / "backup", site.state)
    with site.running():
        ada.browser.wait_until("!document.querySelector('.log').innerText.includes('forgotten')")
        ada.browser.find(".ask", "kept")
        ada.wait_for_state("Ready")
        ada.browser.close()
