"""The program as click runs it, and how it ends when something goes wrong."""

import os
import sys
from typing import Final

import click

from concordiad.core.codes import EXIT_CTRL_C, EXIT_DONE, EXIT_FAILURE, EXIT_USAGE
from ctl.cli import make_cli
from ctl.failures import Failure

PROGRAM: Final = "concordiactl"
COMPLETION: Final = "_CONCORDIACTL_COMPLETE"
"""The variable through which a shell asks for completions."""


def run(arguments: list[str]) -> int:
    """Do what the arguments say and return the exit code; raises what `explain` explains."""
    # What click's own `main` would do, less its messages and its exit codes, which are not ours.
    cli = make_cli()
    if COMPLETION in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, PROGRAM, COMPLETION, os.environ[COMPLETION])
    try:
        with cli.make_context(PROGRAM, arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return EXIT_DONE


def explain(error: Exception | KeyboardInterrupt) -> int:
    """Tell the person what went wrong and return the exit code; an error that nobody expects is raised again."""
    match error:
        case Failure():
            return _complain(error.message, error.exit_code)
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return EXIT_USAGE
        case click.UsageError():
            help_line = "" if error.ctx is None else f"\nTry `{error.ctx.command_path} --help`."
            return _complain(error.format_message().rstrip(".") + help_line, EXIT_USAGE)
        case KeyboardInterrupt():
            return EXIT_CTRL_C
        case BrokenPipeError():
            # The reader of our output has seen enough.
            _discard_output()
            return EXIT_DONE
        case OSError():
            _discard_output()
            return _complain(f"cannot write the output: {error.strerror or error}", EXIT_FAILURE)
    raise error


def _discard_output() -> None:
    # Python flushes once more at its end, and would complain a second time.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, exit_code: int) -> int:
    from ctl.harmless import harmless
    from ctl.screen import Screen

    err = Screen.err()
    if exit_code == EXIT_CTRL_C and err.is_terminal:
        err.line()  # the terminal has shown ^C
    err.line(f"{PROGRAM}: {harmless(message)}")
    return exit_code
