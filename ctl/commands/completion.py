"""`completion`: what teaches a shell to complete our commands."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from ctl.settings import Command

# Click's own scripts, less what disturbs whoever presses Tab: they let errors through to the terminal, run whichever
# program is on the PATH instead of the one that was typed, and lose --option=VALUE, each in its own way.

BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' words=() type value i
    COMPREPLY=()
    # Readline ends words at = and : too, where an argument goes on.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i > 1)) && [[ ${COMP_WORDS[i]} == [=:] || ${COMP_WORDS[i - 1]} == [=:] ]]; then
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""
ZSH: Final = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local type key descr option
    local -a response plain described
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) %(complete_var)s=zsh_complete \\
        $words[1] 2>/dev/null)}")
    # What comes is the value alone, without the option in front of it.
    [[ $words[CURRENT] == --*=* ]] && option=${words[CURRENT]%%%%=*}=
    for type key descr in $response; do
        case $type in
            dir) compset -P '--*='; _path_files -/ ;;
            file) compset -P '--*='; _path_files -f ;;
            plain) if [[ $descr == _ ]]; then plain+=("$key"); else described+=("$key:$descr"); fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U -P "$option"
    (( $#plain )) && compadd -U -P "$option" -V unsorted -a plain
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
    compdef %(complete_func)s %(prog_name)s
fi
"""
FISH: Final = """\
function %(complete_func)s
    set -l token (commandline -ct)
    set -l option (string match -r -- '^--[^=]+=' "$token")
    set -l program (commandline -opc)[1]
    set -l line (commandline -cp | string collect)
    for completion in (env COMP_WORDS="$line" COMP_CWORD="$token" %(complete_var)s=fish_complete $program 2>/dev/null)
        set -l parts (string split -m 1 , -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories "$token"
            case file
                __fish_complete_path "$token"
            case plain
                printf '%%s\\n' "$option$parts[2]"
        end
    end
end

complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@click.command(
    cls=Command,
    examples=(
        ("source <(concordiactl completion bash)", "For this bash; with zsh for this zsh."),
        ("concordiactl completion fish | source", "For this fish."),
        ("echo 'source <(concordiactl completion bash)' >> ~/.bashrc", "For every bash from now on."),
        ("echo 'source <(concordiactl completion zsh)' >> ~/.zshrc", "For every zsh from now on."),
        ("echo 'concordiactl completion fish | source' >> ~/.config/fish/config.fish", "For every fish from now on."),
    ),
)
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """
    Print what teaches a shell to complete.

    Commands, options, and what the daemon knows at that moment: rooms, prompts that wait, the running turn, approvals.
    """
    from ctl.program import COMPLETION, PROGRAM

    known = get_completion_class(shell)
    if known is not None:
        names = known(context.find_root().command, {}, PROGRAM, COMPLETION).source_vars()
        click.echo(SCRIPTS[shell] % names, nl=False)
