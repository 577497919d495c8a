"""A guest at the page in a browser: what a person does there, and what that person sees."""

from collections.abc import Callable
from typing import Any, Final

from tests.support.browser import Browser, Key
from tests.support.chromedriver import Chromedriver

PHONE: Final = (380, 800)
DESKTOP: Final = (1280, 800)

ENTRIES: Final = """[...document.querySelectorAll(".log > [data-seq]")].map(
  (entry) => [Number(entry.dataset.seq), entry.innerText])"""
OVERFLOW: Final = "document.documentElement.scrollWidth - innerWidth"


def run(page: Browser, module: str, body: str, *args: Any) -> Any:
    """Return what a function body gives that has the module's exports as `it` and the arguments as `args`."""
    return page.evaluate(f"import('/js/{module}').then(async (it) => {{ {body} }})", *args)


class GuestPage:
    """
    One person's browser with the page.

    Attributes:
        browser: the browser, for what is not named here.
    """

    def __init__(self, chromedriver: Chromedriver, url: str, *, is_phone: bool = False) -> None:
        width, height = PHONE if is_phone else DESKTOP
        self.browser = chromedriver.open(url, width, height, mobile=is_phone)
        # So that a picture shows the end of a movement, and not some moment of it.
        self.browser.prefer(reduced_motion="reduce")

    def join(self, name: str) -> None:
        """Say one's name and come in."""
        field = self.browser.find("#name")
        field.clear()
        field.type(name)
        self.browser.find(".join button.primary").click()
        self.wait_until_in()

    def wait_until_in(self) -> None:
        """Wait until the room is shown, with a connection to it."""
        self.browser.find("#room")
        self.wait_for_state("Ready", "Working", "Needs a decision", "Starting", "Paused", "API failing")

    def wait_for_state(self, *words: str) -> None:
        """Wait until the line below the room's name says one of these."""
        self.browser.wait_until("args[0].includes(document.querySelector('.header .state').innerText)", words)

    def write(self, text: str) -> None:
        """Write into the box, without sending it."""
        self.browser.find("#prompt").type(text)

    def send(self, text: str) -> None:
        """Write a prompt and send it as people with a keyboard do."""
        self.write(text)
        self.browser.press(Key.CONTROL, Key.ENTER)

    def entries(self) -> list[tuple[int, str]]:
        """Return what is shown of the transcript: the number of each event and its words."""
        return [(seq, text) for seq, text in self.browser.evaluate(ENTRIES)]

    def wait_for_end_of_turn(self, words: str = "Done", count: int = 1) -> None:
        """Wait until so many turns have ended like that."""
        self.browser.wait_until(
            "[...document.querySelectorAll('.finish')].filter((end) => end.innerText.includes(args[0])).length"
            " >= args[1]",
            words,
            count,
        )

    def saw(self, css: str, words: str = "") -> bool:
        """Tell whether something like that is shown now."""
        return bool(self.browser.find_all(css, words))

    def evaluate(self, expression: str, *args: Any) -> Any:
        """Return what an expression gives in the page."""
        return self.browser.evaluate(expression, *args)

    def assert_fits(self) -> None:
        """Assert that nothing is wider than the screen, and that the page has nothing to complain about."""
        assert self.evaluate(OVERFLOW) <= 0
        assert self.browser.complaints() == []


Invite = Callable[..., str]
"""Makes a link; takes the params of `invite.create`."""
Visit = Callable[..., GuestPage]
"""Lets somebody in with a new link: takes a name, `is_phone`, and the params of `invite.create`."""
