"""`submit`: hand in a prompt; with --wait or --follow, see it through to the end of its turn."""

import os
from typing import Any

import click

from ctl.prompts import find_traceparent, read_text
from ctl.settings import Command, Settings, read_duration, waiting_options, will_wait


class _Submit(Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; a word of the prompt that looks like an option is worth a hint."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = "If it belongs to the prompt, write -- before the prompt."
            raise click.UsageError(f"{error.format_message()} {hint}", ctx) from error


@click.command(
    cls=_Submit,
    examples=(
        ("concordiactl submit What does this directory hold?", "Hand it in, and print its id."),
        ("git diff | concordiactl submit --wait -", "Read the prompt from a pipe, and print the answer."),
        ("concordiactl submit --follow --timeout 5m Run the tests", "See the answer as it comes, for five minutes."),
        ("concordiactl submit --key nightly-$(date +%F) --expires 1h Tidy up", "Once a day, or not at all."),
    ),
)
@click.argument("text", nargs=-1)
@waiting_options
@click.option("--key", help="Make a retry harmless: the same key is the same prompt.")
@click.option("--priority", type=click.Choice(["low", "normal", "high"]), help="Who goes first (high: hosts only).")
@click.option(
    "--expires",
    type=read_duration,
    metavar="DURATION",
    help="Withdraw it by itself if its turn has not started by then.",
)
@click.option("--alone", is_flag=True, help="Never merge it with another prompt.")
@click.option("--raw", is_flag=True, help="Let the agent obey slash commands and @files in it (hosts only).")
@click.pass_obj
def submit(
    settings: Settings,
    text: tuple[str, ...],
    wait: bool,
    follow: bool,
    timeout: float | None,
    reconnect: float,
    key: str | None,
    priority: str | None,
    expires: float | None,
    alone: bool,
    raw: bool,
) -> None:
    """
    Hand in a prompt; prints its id once it is durable.

    Several words are one prompt. Without TEXT, or with -, the prompt is read from standard input. A DURATION is
    90, 90s, 5m, 2h or 1d. Whoever waits is told on standard error with whose prompts it becomes one turn, and what is
    asked then; and what holds the room up, such as an agent that has failed too often, with what to do.
    """
    is_waiting = will_wait(wait=wait, follow=follow, timeout=timeout)
    prompt = read_text(text)
    params: dict[str, Any] = {"text": prompt, "room": settings.room_name}
    given = {"key": key, "priority": priority, "expires_s": expires, "alone": alone or None, "raw": raw or None}
    given["traceparent"] = find_traceparent(os.environ)
    params |= {name: value for name, value in given.items() if value is not None}
    if is_waiting:
        from ctl.following import submit_and_wait

        submit_and_wait(settings, "prompt.submit", params, timeout, reconnect, is_streaming=follow)
        return
    with settings.connect() as connection:
        result = connection.call("prompt.submit", **params)
    _print_submitted(settings, result)


def _print_submitted(settings: Settings, result: dict[str, Any]) -> None:
    # The plainest way of all is not a matter of taste here: it saves a script's loop a tenth of every call.
    if not settings.is_json:
        print(result["prompt"]["id"])
        return
    from ctl.printing import print_result

    print_result(settings, result, "")
