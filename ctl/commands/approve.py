"""`approve` and `deny`: decide what the agent asked for; the first answer wins."""

from typing import Any

import click

from ctl.answers import BadAnswer, match_answers
from ctl.asking import questions_of, tool_line
from ctl.connection import Connection
from ctl.printing import print_result
from ctl.settings import Command, Settings, complete_approval


def _find(connection: Connection, settings: Settings, identity: str) -> dict[str, Any] | None:
    listed = connection.call("approval.list", room=settings.room_name)["approvals"]
    found = [approval for approval in listed if approval["id"].startswith(identity.lower())]
    return found[0] if len(found) == 1 else None


def _answers(approval: dict[str, Any] | None, given: tuple[str, ...]) -> dict[str, str]:
    # One that is not listed is answered all the same: the daemon knows best how to say that it is gone.
    if approval is None:
        return {}
    questions = questions_of(approval["input"]) if approval["kind"] == "question" else []
    if given and not questions:
        raise click.UsageError(f"{tool_line(approval['tool'], None)} asks no question: approve it without --answer")
    try:
        return match_answers(questions, given)
    except BadAnswer as error:
        raise click.UsageError(str(error)) from error


def _answer(settings: Settings, connection: Connection, identity: str, **params: Any) -> None:
    result = connection.call("approval.answer", room=settings.room_name, id=identity, **params)
    approval = result["approval"]
    text = f"{result['resolution']} {approval['id']}: {tool_line(approval['tool'], approval['input'])}"
    print_result(settings, result, text)


@click.command(
    cls=Command,
    examples=(
        ("concordiactl approve 01932f", "Let the agent use the tool that it asked for."),
        ("concordiactl approve 01932f --answer 1=2", "Answer its first question with the second choice."),
        ("concordiactl approve 01932f --answer Colour=red --answer Why='it is warm'", "By a header, in own words."),
    ),
)
@click.argument("id", shell_complete=complete_approval)
@click.option(
    "--answer",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="Answer a question: KEY is its number, header or text; VALUE a choice's number or label, or free text.",
)
@click.pass_obj
def approve(settings: Settings, id: str, given: tuple[str, ...]) -> None:  # noqa: A002  # click shows it as ID
    """Allow what the agent asked for, or answer its questions."""
    with settings.connect() as connection:
        approval = _find(connection, settings, id)
        answers = _answers(approval, given)
        identity = id if approval is None else approval["id"]
        _answer(settings, connection, identity, allow=True, **({"answers": answers} if answers else {}))


@click.command(
    cls=Command,
    examples=(
        ("concordiactl deny 01932f", "Do not let the agent use the tool."),
        ("concordiactl deny 01932f --reason 'use git stash instead'", "And tell it what to do instead."),
    ),
)
@click.argument("id", shell_complete=complete_approval)
@click.option("--reason", help="What the agent is told.")
@click.pass_obj
def deny(settings: Settings, id: str, reason: str | None) -> None:  # noqa: A002  # click shows it as ID
    """Refuse what the agent asked for."""
    with settings.connect() as connection:
        _answer(settings, connection, id, allow=False, **({} if reason is None else {"reason": reason}))
