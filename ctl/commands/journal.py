"""`journal`: check it, copy it, put a copy back, forget what is old."""

import os
from pathlib import Path
from typing import Any, Final

import click

from ctl.failures import Failure
from ctl.harmless import harmless
from ctl.printing import print_result
from ctl.quantities import plural
from ctl.settings import Command, Group, Settings, read_duration

MIB: Final = 1024**2
PLACE: Final = click.Path(path_type=Path, readable=False)
state_dir_option = click.option("--state-dir", type=PLACE, help="Where the daemon's journal is.")


@click.group(
    cls=Group,
    examples=(
        ("concordiactl journal check", "Whether it is whole."),
        ("concordiactl journal backup /var/backups/concordia.db", "A copy, while the daemon goes on."),
        ("concordiactl journal prune --older-than 30d", "Forget what is older than a month."),
    ),
)
def journal() -> None:
    """Check the journal, copy it, put a copy back, and forget what is old."""


def _find(settings: Settings, state_dir: Path | None) -> Path:
    """Find the journal: where it is said to be, else the running daemon's, else where a daemon would have it."""
    if state_dir is None:
        try:
            with settings.connect() as connection:
                state_dir = Path(connection.call("daemon.status")["daemon"]["state_dir"])
        except Failure:
            from concordiad.config.places import find_directories

            state_dir = find_directories(None, None, os.environ).state
    return state_dir.absolute() / "journal.db"


@journal.command(
    cls=Command,
    examples=(
        ("concordiactl journal check", "The running daemon's, or that of the usual place."),
        ("concordiactl journal check --state-dir /var/lib/concordia", "A daemon's that does not run."),
    ),
)
@state_dir_option
@click.pass_obj
def check(settings: Settings, state_dir: Path | None) -> None:
    """
    Read all of the journal and say whether it is whole.

    Nothing is written, and a daemon may run meanwhile. Ends with 1 if anything is damaged.
    """
    from concordiad.errors import JournalError
    from concordiad.journal.inspect import find_damage
    from concordiad.journal.moving import find_set_aside
    from concordiad.journal.remains import log_of

    path = _find(settings, state_dir)
    if not path.exists() and not log_of(path).exists():
        raise Failure(f"there is no journal {path}: name the place with --state-dir")
    try:
        problems = find_damage(path)
        size = path.stat().st_size if path.exists() else 0
    except (JournalError, OSError) as error:
        raise Failure(str(error)) from error
    aside = find_set_aside(path)
    lines = [f"{harmless(str(path))}, {size / MIB:.1f} MiB: {'damaged' if problems else 'whole'}"]
    lines += [f"  {harmless(problem)}" for problem in problems]
    lines += [f"set aside: {harmless(each)}" for each in aside]
    result: dict[str, Any] = {"path": str(path), "bytes": size, "problems": problems, "set_aside": aside}
    print_result(settings, result, "\n".join(lines))
    if problems:
        raise Failure(
            f"{path} is damaged: restart the daemon, and what is right goes on in a new file; or stop it and put a"
            " backup back with `concordiactl journal restore`"
        )


@journal.command(
    cls=Command,
    examples=(
        ("concordiactl journal backup /var/backups/concordia.db", "A new file; one that is there is not replaced."),
        ("concordiactl journal backup concordia-$(date +%F).db", "One a day."),
    ),
)
@click.argument("target", type=PLACE)
@state_dir_option
@click.pass_obj
def backup(settings: Settings, target: Path, state_dir: Path | None) -> None:
    """
    Copy the journal into a new file, whether the daemon runs or not.

    The copy is one state of the journal, checked, on the disk, and for its owner alone (mode 0600). It has its name
    only once it is whole.
    """
    from concordiad.errors import JournalError
    from concordiad.journal.upkeep import back_up

    path = _find(settings, state_dir)
    try:
        size = back_up(path, target.absolute())
    except JournalError as error:
        raise Failure(str(error)) from error
    text = f"copied {harmless(str(path))} to {harmless(str(target))}, {size / MIB:.1f} MiB"
    print_result(settings, {"path": str(path), "backup": str(target.absolute()), "bytes": size}, text)


@journal.command(
    cls=Command,
    examples=(
        ("concordiactl journal restore /var/backups/concordia.db", "Stop the daemon first, start it afterwards."),
        ("concordiactl journal restore --state-dir /var/lib/concordia backup.db", "Of a system service."),
    ),
)
@click.argument("source", type=PLACE)
@state_dir_option
@click.pass_obj
def restore(settings: Settings, source: Path, state_dir: Path | None) -> None:
    """
    Put a backup in place of the journal of a daemon that does not run.

    The backup is checked first and stays where it is; the journal that was there is kept, under a name that tells.
    """
    from concordiad.errors import JournalError
    from concordiad.journal.upkeep import restore as put_back

    path = _find(settings, state_dir)
    try:
        aside = put_back(path, source.absolute())
    except JournalError as error:
        raise Failure(str(error)) from error
    kept = None if aside is None or not aside.exists() else str(aside)
    text = f"put {harmless(str(source))} in place of {harmless(str(path))}"
    text += "" if kept is None else f"; what was there is {harmless(kept)}"
    print_result(settings, {"path": str(path), "source": str(source.absolute()), "set_aside": kept}, text)


@journal.command(
    cls=Command,
    examples=(
        ("concordiactl journal prune --older-than 30d", "Turns, prompts and events of more than a month ago."),
        ("concordiactl journal prune --keep 100 --room docs", "Keep the latest 100 MiB of one room's events."),
    ),
)
@click.option("--older-than", metavar="DURATION", help="Forget what ended longer ago.")
@click.option("--keep", metavar="MIB", type=click.IntRange(min=0), help="Keep at most so much of each room's events.")
@click.pass_obj
def prune(settings: Settings, older_than: str | None, keep: int | None) -> None:
    """
    Have the daemon forget what is old, in every room, or in the one of --room.

    What has not ended is never touched. [retention] in the configuration does the same every hour. The file does not
    shrink: what is free in it is used again.
    """
    if older_than is None and keep is None:
        raise click.UsageError("say what is to be forgotten: --older-than, --keep, or both")
    params = {
        "older_than_s": None if older_than is None else read_duration(older_than, least_s=1),
        "keep_bytes": None if keep is None else keep * MIB,
        "rooms": [] if settings.room is None else [settings.room],
    }
    with settings.connect() as connection:
        result = connection.call("journal.prune", **params)
    lines = [f"{each['room']}: {plural(each['events'], 'event')} forgotten" for each in result["rooms"]]
    print_result(settings, result, "\n".join(harmless(line) for line in lines))
