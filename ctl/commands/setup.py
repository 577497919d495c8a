"""`setup`: first-time set-up, asking again when a key is refused."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concordiad.core.codes import EXIT_NOT_ALLOWED, EXIT_NOT_NOW
from ctl.failures import Failure
from ctl.screen import Screen
from ctl.settings import Command, Group, Settings

if TYPE_CHECKING:
    from ctl.setting_up.gemini import Checked, Place

THINGS: Final = (("gemini", "the language model that tells which waiting prompts mean the same: its key"),)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=(
        ("concordiactl setup gemini", "Store the key of the language model."),
        ("concordiactl setup gemini --config /etc/concordia/concordiad.toml", "For the daemon of the whole machine."),
    ),
)
@click.pass_context
def setup(context: click.Context) -> None:
    """Set something up; without more words, list what can be."""
    if context.invoked_subcommand is None:
        settings = context.find_object(Settings) or Settings()
        out = Screen.out()
        if settings.is_json:
            out.json(json.dumps({"things": [name for name, _ in THINGS]}))
            return
        for name, what in THINGS:
            out.line(f"{settings.command('setup', name)}  {what}")


@setup.command(
    cls=Command,
    examples=(
        ("concordiactl setup gemini", "Ask for the key, check it, store it."),
        ("pass show gemini | concordiactl setup gemini", "For a program: the key on standard input."),
    ),
)
@click.option("--config", type=click.Path(path_type=Path, readable=False), help="The daemon's configuration file.")
@click.option("--base-url", metavar="URL", help="Where the API is, instead of what the configuration says.")
@click.pass_context
def gemini(context: click.Context, config: Path | None, base_url: str | None) -> None:
    """
    Store a key for the Gemini API.

    The key is asked for without being shown, or read from standard input where that is no terminal. It is checked by
    asking the API about the model, which costs nothing, and asked for again when it is refused. Then it is stored with
    mode 0600: in the file that the configuration names, else in `gemini_api_key` beside the person's own configuration,
    whichever one --config names. A key that is stored already is replaced by one that the API has accepted, and by no
    other; what answers in the API's place, such as a login page, accepts none. No daemon need run; one that does reads
    the key at its next start.

    Ends with 4 if the key is refused, with 75 if it could not be checked now.
    """
    from ctl.setting_up import gemini as steps

    settings = context.find_object(Settings) or Settings()
    try:
        place = steps.find(config, base_url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--base-url") from error
    key, is_checked = _get_key(place)
    steps.store(place, key)
    is_configured = place.is_configured or _offer_table(place)
    _report(settings, place, is_checked=is_checked, is_configured=is_configured)


def _get_key(place: "Place") -> tuple[str, bool]:
    """Get a key that may be stored, and whether the API has accepted it."""
    from ctl.setting_up import asking
    from ctl.setting_up import gemini as steps

    err = Screen.err()
    is_conversation = asking.is_conversation()
    if is_conversation:
        err.line(f"The key is checked at {place.settings.base_url} and stored in {place.key}.")
    while True:
        key = asking.ask_hidden("Key of the Gemini API (not shown): ") if is_conversation else asking.read_piped()
        if not steps.is_sendable(key):
            if not is_conversation:
                raise Failure("standard input holds no key: pipe one line with nothing else, or use a terminal")
            err.line("That is no key: it has no spaces, and letters and signs of ASCII alone. Ctrl-C ends this.")
            continue
        checked = steps.check(place, key)
        if checked.verdict is steps.Verdict.GOOD:
            return key, True
        if checked.verdict is steps.Verdict.UNKNOWN:
            return _take_unchecked(place, key, checked, is_conversation=is_conversation), False
        if not is_conversation:
            raise Failure(f"{checked.why}; nothing was changed", EXIT_NOT_ALLOWED)
        err.line(f"{checked.why}. Try another one; Ctrl-C ends this, and nothing is changed.")


def _take_unchecked(place: "Place", key: str, checked: "Checked", *, is_conversation: bool) -> str:
    """
    Take a key that could not be checked, if there is none yet and the person wants it.

    Raises:
        Failure: else.
    """
    from ctl.setting_up import asking
    from ctl.setting_up import gemini as steps

    code = EXIT_NOT_NOW if checked.is_passing else 1
    why = f"the key could not be checked: {checked.why}"
    what_next = "try again later" if checked.is_passing else "correct that, and try again"
    if steps.has_key(place):
        raise Failure(f"{why}; the one that is stored in {place.key} stays: {what_next}", code)
    if not is_conversation:
        raise Failure(f"{why}; it was not stored: {what_next}", code)
    Screen.err().line(f"{why[0].upper()}{why[1:]}.")
    if not asking.ask_yes("Store it unchecked?"):
        raise Failure(f"nothing was changed: {what_next}", code)
    return key


def _offer_table(place: "Place") -> bool:
    """Offer to add the table to the configuration; tells whether it is there now."""
    from ctl.setting_up import asking
    from ctl.setting_up import gemini as steps

    err = Screen.err()
    if not asking.is_conversation():
        return False
    err.line(f"{place.config} has no table [gemini] yet, without which no model is asked.")
    if not asking.ask_yes("Add it, so that texts of waiting prompts are sent to this API?"):
        return False
    steps.configure(place)
    return True


def _report(settings: Settings, place: "Place", *, is_checked: bool, is_configured: bool) -> None:
    from ctl.setting_up.gemini import table

    out, err = Screen.out(), Screen.err()
    if settings.is_json:
        told = {"stored": str(place.key), "checked": is_checked, "configured": is_configured}
        out.json(json.dumps(told))
        return
    out.line(str(place.key))
    err.line("The key is stored." if is_checked else "The key is stored, unchecked.")
    if not is_configured:
        err.line(f"For it to be used, write this into {place.config}:\n\n{table(place)}")
    name = place.settings.credential
    if "/" not in name:
        err.line(f"For a system service, hand it over in its unit: LoadCredential={name}:{place.key}")
    err.line("A daemon that runs takes it at its next start.")
