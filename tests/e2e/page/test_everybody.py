"""The page is for everybody: with a keyboard, with a screen reader, and beside people who mean no good."""

import pytest

from tests.e2e.page.guest_page import GuestPage, Invite, Visit
from tests.support.browser import Key
from tests.support.chromedriver import Chromedriver

pytestmark = pytest.mark.browser


HOSTILE = (
    "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    "[a](javascript:alert(1)) ![i](https://example.org/i.png) \x1b[31mred\x1b]52;c;cm0gLXJm\x07 \u202egnp.exe\u202c "
)


def test_hostile_text_is_text(visit: Visit) -> None:
    """HTML, scripts, terminal escapes and reordering characters of others are shown, and do nothing."""
    ada, ben = visit("<b>ada</b> \u05d0\u05d1\u05d2"), visit("ben", is_phone=True)
    ada.evaluate(
        "(document.querySelector('#prompt').value = args[0],"
        " document.querySelector('#prompt').dispatchEvent(new Event('input')))",
        f"[[think:{HOSTILE}]][[text:{HOSTILE}]][[tool:printf '{HOSTILE.replace(chr(39), chr(34))}']]",
    )
    ada.browser.find(".send").click()
    ben.browser.find(".log .text", "<img src=x onerror=")
    ben.browser.find(".approvals", "onerror")
    shown = "\n".join(text for _, text in ben.entries())
    assert "<b>ada</b>" in shown
    assert "\u27e8U+001B\u27e9[31mred\u27e8U+001B\u27e9]52;c;" in shown
    assert "\u27e8U+202E\u27e9gnp.exe" in shown
    assert not set(shown) & set("\x1b\x07\u202e")
    found = ben.evaluate("document.querySelectorAll('.log :is(img, script, b, iframe, [onerror], [style])').length")
    assert found == 0
    assert ben.evaluate("[...document.querySelectorAll('.log a')].map((link) => [link.protocol, link.rel])") == [
        ["https:", "noopener noreferrer"]
    ]
    assert "owned" not in ben.evaluate("document.title")
    ben.browser.screenshot("page-phone-hostile")
    ben.assert_fits()
    ada.browser.find(".stop").click()
    ada.wait_for_end_of_turn("Interrupted")


def test_the_keyboard_is_enough(chromedriver: Chromedriver, invite: Invite) -> None:
    """Joining, sending, deciding and going through the transcript need no mouse, and the focus is always seen."""
    page = GuestPage(chromedriver, invite(may_approve=True))
    with page.browser as browser:
        browser.wait_until("document.activeElement?.id === 'name'")
        browser.find("#name").type("ada")
        browser.press(Key.ENTER)
        page.wait_until_in()
        browser.press(Key.TAB)
        browser.wait_until("document.activeElement?.id === 'skip'")
        browser.screenshot("page-desktop-keyboard")
        browser.press(Key.ENTER)
        browser.wait_until("document.activeElement?.id === 'prompt'")
        browser.press(Key.ENTER)
        assert browser.find("#prompt").value == "\n", "Enter alone is a new line"
        page.send("[[tool:true]]")
        browser.wait_until("!document.querySelector('.approvals .primary').disabled")
        for _ in range(20):
            browser.press(Key.SHIFT, Key.TAB)
            assert browser.evaluate("document.activeElement.matches(':focus-visible')")
            if browser.evaluate("document.activeElement.innerText === 'Approve'"):
                break
        browser.press(Key.ENTER)
        page.wait_for_end_of_turn()
        page.assert_fits()


def test_a_screen_reader_finds_its_way(visit: Visit) -> None:
    """The page has its landmarks, everything to press has a name, and only finished text is read out."""
    ada = visit("ada", is_phone=True)
    ada.send("[[text:Finished.]][[hang]]")
    ada.browser.find(".live")
    ada.browser.wait_until("document.querySelector('.log').ariaLive === 'polite'")
    nodes = ada.browser.accessibility_tree()
    assert {"banner", "main", "log", "region", "heading", "status"} <= {node.role for node in nodes}
    unnamed = [node for node in nodes if node.role in ("button", "textbox", "region", "link") and not node.name]
    assert unnamed == []
    (log,) = (node for node in nodes if node.role == "log")
    assert log.properties["live"] == "polite"
    assert not ada.evaluate("document.querySelector('.live').closest('[aria-live]:not([aria-live=off])')")
    small = ada.evaluate(
        "[...document.querySelectorAll('button, input, textarea, summary')]"
        ".filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.inert && !each.closest('[inert]')"
        " && each.id !== 'skip' && (each.offsetHeight < 44 || each.offsetWidth < 44)).map((each) => each.outerHTML)"
    )
    assert small == []
    ada.browser.find(".stop").click()
    ada.assert_fits()
