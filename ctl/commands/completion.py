"""`completion`: what teaches a shell to complete our commands."""

import click
from click.shell_completion import get_completion_class

from ctl.settings import Command


@click.command(
    cls=Command,
    examples=(
        ("source <(concordiactl completion bash)", "For this shell (bash, zsh)."),
        (
            "concordiactl completion bash > ~/.local/share/bash-completion/completions/concordiactl",
            "For every bash from now on.",
        ),
        ('concordiactl completion zsh > "${fpath[1]}/_concordiactl"', "For every zsh from now on."),
        (
            "concordiactl completion fish > ~/.config/fish/completions/concordiactl.fish",
            "For every fish from now on.",
        ),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """
    Print what teaches a shell to complete.

    Commands, options, and what the daemon knows at that moment: rooms, prompts that wait, the running turn, approvals.
    """
    from ctl.program import COMPLETION, PROGRAM

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(context.find_root().command, {}, PROGRAM, COMPLETION).source())
