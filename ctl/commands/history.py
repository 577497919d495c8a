"""`history`: the turns that were, or the prompts, newest first."""

import time
from typing import Any, Final

import click

from ctl.harmless import first_line
from ctl.merging import share_of
from ctl.paging import Chosen, Pages, check_states, listing_options, who_was_meant
from ctl.printing import print_result
from ctl.quantities import cost, duration, relative, tokens
from ctl.screen import Screen, table
from ctl.settings import Command, Settings
from ctl.transcript import names

LINES: Final = 20
TURNS: Final = ("TURN", "STARTED", "OUTCOME", "TOOK", "TOKENS", "COST", "AUTHORS", "TEXT")
PROMPTS: Final = ("PROMPT", "SUBMITTED", "STATE", "AUTHOR", "PRIORITY", "ONE TURN", "TEXT")
OUTCOMES: Final = ("completed", "failed", "interrupted", "timed_out", "uncertain")
STATES: Final = ("waiting", "running", "answered", "failed", "cancelled", "expired", "uncertain")


def _complete_state(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    known = STATES if context.params.get("is_prompts") else OUTCOMES
    return [state for state in known if state.startswith(incomplete)]


def _turn(turn: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        turn["id"],
        relative(turn["started_at"], now),
        turn["outcome"] or turn["state"],
        duration(turn["duration_s"]),
        tokens(turn["input_tokens"], turn["output_tokens"]),
        cost(turn["cost_usd"]),
        names(turn["authors"]) or "the agent",
        first_line(turn["text"]),
    )


def _prompt(prompt: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        prompt["id"],
        relative(prompt["submitted_at"], now),
        prompt["state"],
        first_line(prompt["author"]["name"]),
        "" if prompt["priority"] == "normal" else prompt["priority"],
        share_of(prompt),
        first_line(prompt["text"]),
    )


@click.command(
    cls=Command,
    examples=(
        ("concordiactl history --author ada --since 2h", "The turns of the last two hours that ada asked for."),
        ("concordiactl history --state failed --state uncertain", "What went wrong."),
        ("concordiactl history --prompts --state cancelled --all", "Every prompt that was withdrawn."),
        ("concordiactl history --all -o json | jq '[.turns[].cost_usd] | add'", "What it all cost."),
    ),
)
@listing_options(LINES)
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE",
    shell_complete=_complete_state,
    help=f"Only with this outcome: {', '.join(OUTCOMES)}; of prompts: {', '.join(STATES)}. Can be repeated.",
)
@click.option("--prompts", "is_prompts", is_flag=True, help="List prompts instead of turns.")
@click.pass_obj
def history(settings: Settings, /, is_prompts: bool, **chosen: Any) -> None:
    """
    List the room's turns, newest first; with --prompts its prompts, also those that never had a turn.

    A TIME is 2026-11-21, 2026-11-21T08:00, 2026-11-21T08:00:00Z, or 90s, 5m, 2h, 1d for so long ago.
    """
    choice = Chosen(**chosen)
    check_states(choice.states, STATES if is_prompts else OUTCOMES)
    filters = {"room": settings.room_name} | choice.params("states" if is_prompts else "outcomes")
    member = "prompts" if is_prompts else "turns"
    method = "prompt.list" if is_prompts else "turn.list"
    pages = Pages(method, member, filters, choice.most(LINES), choice.cursor)
    now = time.time()
    with settings.connect() as connection:
        rows = list(pages.rows(connection)) if settings.is_json else []
        row = _prompt if is_prompts else _turn
        lines = [] if settings.is_json else [row(each, now) for each in pages.rows(connection)]
        nobody = None if rows or lines else who_was_meant(connection, settings.room_name, choice.author)
    if nobody is not None:
        Screen.err().line(nobody)
    if settings.is_json:
        print_result(settings, {member: rows, "next": pages.cursor}, "")
        return
    if not lines:
        if nobody is not None:
            return
        such = " like that" if choice.words() else ""
        Screen.err().line(f"room {settings.room_name} has no {member}{such}{'' if such else ' yet'}")
        return
    Screen.out().write(table(Screen.out(), PROMPTS if is_prompts else TURNS, lines))
    if pages.cursor is not None:
        words = [*(["--prompts"] if is_prompts else []), *choice.words()]
        words += [] if choice.lines is None else ["--lines", str(choice.lines)]
        Screen.err().line(f"older ones: {settings.command('history', *words, '--cursor', pages.cursor)}")
