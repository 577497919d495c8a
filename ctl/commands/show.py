"""`show`: one prompt or one turn, in full."""

import time
from typing import Any

import click

from concordiad.core.codes import NOT_FOUND
from ctl.connection import Connection
from ctl.failures import Refused
from ctl.harmless import first_line, harmless
from ctl.merging import share, share_of, shared, with_whom
from ctl.printing import print_result
from ctl.quantities import cost, duration, relative
from ctl.screen import Screen, fields, indent
from ctl.settings import Command, Settings, complete_any
from ctl.transcript import names


def _when(at: str | None, now: float) -> str:
    return "" if at is None else f"{at} ({relative(at, now)})"


def _block(out: Screen, title: str, text: str | None) -> str:
    return f"\n{out.style(title, 'bold')}\n{indent(harmless(text).rstrip(), 2)}\n" if text else ""


def _prompt(out: Screen, prompt: dict[str, Any], others: list[dict[str, Any]], now: float) -> str:
    author = prompt["author"]
    flags = [name for name in ("raw", "alone") if prompt[name]]
    pairs = [
        ("prompt", prompt["id"]),
        ("room", prompt["room"]),
        ("state", prompt["state"]),
        ("place", "" if prompt["place"] is None else str(prompt["place"])),
        ("author", f"{first_line(author['name'])} ({author['kind']})"),
        ("submitted", _when(prompt["submitted_at"], now)),
        ("expires", _when(prompt["expires_at"], now)),
        ("priority", "" if prompt["priority"] == "normal" else prompt["priority"]),
        ("flags", ", ".join(flags)),
        ("key", first_line(prompt["key"] or "")),
        ("retry of", prompt["retry_of"] or ""),
        ("one turn", _share(prompt, others)),
    ]
    merge = prompt["merge"]
    is_other = merge is not None and not merge["verbatim"] and prompt["turn"] is None
    asked = merge["asked"] if is_other else None
    company = "\n".join(_other(each) for each in others)
    blocks = (("one turn with", company), ("text", prompt["text"]), ("asked as one", asked))
    return fields(out, pairs) + "".join(_block(out, title, text) for title, text in blocks)


def _other(merged: dict[str, Any]) -> str:
    """Show in a line a prompt that another one shares its turn with."""
    why = share(merged)
    head = f"{merged['prompt']}  {first_line(merged['author']['name'])}"
    return f"{head}{why and f' ({why})'}: {first_line(merged['text'])}"


def _share(prompt: dict[str, Any], others: list[dict[str, Any]]) -> str:
    merge = prompt["merge"]
    if merge is None:
        return ""
    if others:
        return with_whom(others, merge)
    # A daemon of before does not name those who wait, too.
    if merge["stage"] == "first":
        return "others are merged with this one"
    return f"with {merge['leader']}: {share_of(prompt)}"


def _turn(out: Screen, turn: dict[str, Any], now: float, authors: str = "") -> str:
    ttft = "" if turn["ttft_s"] is None else f", first word after {duration(turn['ttft_s'])}"
    pairs = [
        ("turn", turn["id"]),
        ("room", turn["room"]),
        ("authors", authors),
        ("state", turn["outcome"] or turn["state"]),
        ("reason", first_line(turn["reason"] or "")),
        ("started", _when(turn["started_at"], now)),
        ("took", duration(turn["duration_s"]) + ttft),
        ("tokens in", "" if turn["input_tokens"] is None else str(turn["input_tokens"])),
        ("tokens out", "" if turn["output_tokens"] is None else str(turn["output_tokens"])),
        ("cost", cost(turn["cost_usd"])),
    ]
    return fields(out, pairs)


def _show_prompt(out: Screen, result: dict[str, Any], now: float) -> str:
    prompt, turn = result["prompt"], result["turn"]
    others = [each for each in shared(result) if each["prompt"] != prompt["id"]]
    text = _prompt(out, prompt, others, now)
    if turn is not None:
        text += "\n" + _turn(out, turn, now)
        # A turn's text is the prompt's own, unless several were merged into it.
        text += _block(out, "asked as one", turn["text"] if turn["text"] != prompt["text"] else None)
        text += _block(out, "answer", turn["answer"])
    return text


def _show_turn(out: Screen, result: dict[str, Any], now: float) -> str:
    turn, prompts = result["turn"], result["prompts"]
    authors = names([prompt["author"] for prompt in prompts]) or "the agent, by itself"
    blocks = (("prompts", _originals(prompts)), ("text", turn["text"]), ("answer", turn["answer"]))
    return _turn(out, turn, now, authors) + "".join(_block(out, title, body) for title, body in blocks)


def _originals(prompts: list[dict[str, Any]]) -> str:
    """List a turn's prompts; where several were merged, with what each author wrote and why it is here."""
    if len(prompts) <= 1:
        return "\n".join(f"{prompt['id']}  {first_line(prompt['author']['name'])}" for prompt in prompts)
    parts = []
    for prompt in prompts:
        head = f"{prompt['id']}  {first_line(prompt['author']['name'])} ({share_of(prompt)})"
        parts.append(f"{head}\n{indent(harmless(prompt['text']).rstrip(), 2)}")
    return "\n".join(parts)


def _look_up(connection: Connection, room: str, identity: str) -> dict[str, Any]:
    hints = []
    for method in ("prompt.get", "turn.get"):
        try:
            found = connection.call(method, room=room, id=identity)
            return {**found, "prompts": _whole(connection, room, found["prompts"])} if "prompts" in found else found
        except Refused as refused:
            if refused.code != NOT_FOUND.number or refused.message.startswith("there is no room"):
                raise
            hints.append(refused.message.rpartition(": ")[2])
    # Both sentences end with where to look, unless there is one that was nearly typed.
    hint = next((each for each in hints if each.startswith("did you mean")), hints[0])
    raise Refused(NOT_FOUND.number, f"room {room} has no prompt and no turn {identity!r}: {hint}")


def _whole(connection: Connection, room: str, prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read those prompts of a turn one by one that are too long to be told of together."""
    return [
        prompt if prompt["text_chars"] is None else connection.call("prompt.get", room=room, id=prompt["id"])["prompt"]
        for prompt in prompts
    ]


@click.command(
    cls=Command,
    examples=(
        ("concordiactl show 01932f", "The beginning of an id is enough, where no other begins so."),
        ("concordiactl show 01932f -o json | jq -r .turn.answer", "The whole answer, for a program."),
    ),
)
@click.argument("id", shell_complete=complete_any)
@click.pass_obj
def show(settings: Settings, id: str) -> None:  # noqa: A002  # click shows it as ID
    """Show one prompt or one turn in full, and who shares the turn."""
    with settings.connect() as connection:
        result = _look_up(connection, settings.room_name, id)
    out = Screen.out()
    describe = _show_prompt if "prompt" in result else _show_turn
    print_result(settings, result, "" if settings.is_json else describe(out, result, time.time()))
