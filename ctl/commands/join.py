"""`join`: a room from a terminal elsewhere, by a link."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concordiad.core.codes import EXIT_DONE, EXIT_USAGE
from ctl.failures import Failure
from ctl.screen import Screen
from ctl.settings import Command, Settings, WholeNumber, read_duration

if TYPE_CHECKING:
    import ssl

    from ctl.joining.link import Link

LINES: Final = 20
PIPE_PATIENCE_S: Final = 60.0
LINK_BYTES: Final = 4096
NAME_CHARACTERS: Final = 40
"""As many as the daemon takes."""


def _read_patience(text: str) -> float:
    return read_duration(text, least_s=0)


def _link_text(argument: str | None) -> str:
    """Take the link from where it was given: the argument, the environment, or standard input."""
    named = argument if argument is not None else os.environ.get("CONCORDIA_LINK") or "-"
    if named != "-":
        return named
    if sys.stdin is not None and sys.stdin.isatty():
        import getpass

        return getpass.getpass("Link: ")
    return _first_line_of_input()


def _first_line_of_input() -> str:
    # Byte by byte, and not through Python's buffers: what follows are prompts, and others read them.
    line = b""
    while len(line) < LINK_BYTES:
        byte = os.read(0, 1) if sys.stdin is not None else b""
        if byte in (b"", b"\n"):
            break
        line += byte
    if not line.strip():
        raise Failure(
            "no link: give it as LINK, in $CONCORDIA_LINK, or as the first line of standard input", EXIT_USAGE
        )
    return line.decode("utf-8", "replace")


def _usual_name() -> str:
    import getpass

    try:
        return getpass.getuser()[:NAME_CHARACTERS]
    except (KeyError, OSError):  # nobody knows the user: a container without a line for it
        return "guest"


def _trust(ca: Path | None) -> "ssl.SSLContext | None":
    if ca is None:
        return None
    import ssl

    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        raise Failure(
            f"--ca {ca}: no certificates can be read there ({error.strerror or error})", EXIT_USAGE
        ) from error


def _warn_of_plaintext(link: "Link") -> None:
    if not link.is_tls and not link.is_loopback:
        err = Screen.err()
        sentence = f"not encrypted: everybody on the way to {link.authority} can read along, and take the link"
        err.line(f"concordiactl: {err.style('warning', 'yellow')}: {sentence}")


@click.command(
    cls=Command,
    examples=(
        ("concordiactl join", "Asks for the link, so that nobody sees it."),
        (
            "concordiactl join 'https://room.example.org/#main.…' --name ada",
            "As ada; quoted, for a shell takes # and &.",
        ),
        (
            "echo 'Run the tests' | CONCORDIA_LINK=… concordiactl join",
            "Ask, print what happens, and end with the turn.",
        ),
        ("concordiactl join concordia://127.0.0.1:8765/… -o json | jq -r .type", "Every event, for a program."),
    ),
)
@click.argument("link", required=False)
@click.option("--name", help="What the others see (default: the name of the time before, else your login's).")
@click.option(
    "-n",
    "--lines",
    type=WholeNumber(0, 10000),
    metavar="N",
    help=f"Begin with so many events (default: {LINES} at a terminal, else none).",
)
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Trust the certificates in this file, instead of the system's.",
)
@click.option(
    "--reconnect",
    type=_read_patience,
    metavar="DURATION",
    help="How long the daemon may be away before this ends (default: for ever at a terminal, else 60s).",
)
@click.pass_obj
def join(
    settings: Settings,
    link: str | None,
    name: str | None,
    lines: int | None,
    ca: Path | None,
    reconnect: float | None,
) -> None:
    """
    Be in a room by an invite's link, from anywhere: the transcript above, a line to type in below.

    LINK is https://HOST/#ROOM.TOKEN, or concordia://HOST:PORT/TOKEN for this machine or a tunnel that begins on it.
    Other users of this machine see the arguments of every program: where there are any, give the link in
    $CONCORDIA_LINK, or as the first line of standard input, or type it when it is asked for. Whoever joined once is
    the same person the next time.

    Where standard input or output is no terminal, or with -o json, each line of the input is a prompt, and this ends
    once all of them are over.
    """
    from ctl.joining.link import read_link

    target = read_link(_link_text(link))
    if settings.room is not None and target.room not in (None, settings.room):
        raise click.UsageError(f"the link is for room {target.room}, not for {settings.room}")
    target = target._replace(room=target.room or settings.room)
    _warn_of_plaintext(target)
    is_typed = not settings.is_json and sys.stdin is not None and sys.stdin.isatty() and Screen.out().obeys_escapes
    from ctl.joining.program import Wishes, join_room

    patience_s = reconnect if reconnect is not None else float("inf") if is_typed else PIPE_PATIENCE_S
    last = lines if lines is not None else LINES if is_typed else 0
    wishes = Wishes(target, _trust(ca), name, _usual_name(), patience_s, last)
    code = join_room(wishes, is_typed=is_typed, is_json=settings.is_json)
    if code != EXIT_DONE:
        raise click.exceptions.Exit(code)
