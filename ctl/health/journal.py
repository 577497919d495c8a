"""The journal: its files, its format, and whether it is whole."""

import os
import stat
from pathlib import Path
from typing import Final

from concordiad.errors import JournalError
from concordiad.journal.inspect import Report, inspect_journal
from concordiad.journal.moving import FOUND, STRAY, STRAY_LOG, find_set_aside
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import move_away, name_user, type_out

CHECK_BYTES: Final = 2 * 1024**3
"""The largest journal that is checked: a second where it is in memory, ten from a plain disk."""
COMPANIONS: Final = ("", "-wal", "-shm")
"""What stands behind the name of each file that a journal has."""
NAME: Final = "journal"


def check_journal(path: Path, daemon_uid: int | None, daemon_pid: int | None = None) -> tuple[Report | None, Finding]:
    """
    Look into the journal without touching it; it has to be the daemon's, or its directory's owner's.

    Args:
        path: the file.
        daemon_uid: the user of the daemon; None: not known.
        daemon_pid: the process that serves this journal; None: nobody does, as far as is known.
    """
    files = [path.with_name(path.name + end) for end in COMPANIONS]
    try:
        found = {file: file.stat() for file in files if file.exists()}
    except OSError as fault:
        return None, warning(NAME, f"{path} may not be seen by you: {fault.strerror}", "look as the user of the daemon")
    if path not in found:
        return None, _check_missing(path, list(found), daemon_pid)
    if not stat.S_ISREG(found[path].st_mode):
        return None, error(NAME, f"{path} is no file", move_away(path))
    owner = path.parent.stat().st_uid if daemon_uid is None else daemon_uid
    for file, status in found.items():
        unfit = _check_file(file, status, owner, list(found))
        if unfit is not None:
            return None, unfit
    if not os.access(path, os.R_OK):
        return None, warning(NAME, f"{path} may not be read by you", "look as the user of the daemon")
    return _look_into(path)


def check_set_aside(path: Path) -> Finding | None:
    """Name the files that were given up for another one that nobody asked for; None where there are none."""
    found = find_set_aside(path, FOUND)
    if not found:
        return None
    ends = (*COMPANIONS, STRAY_LOG)
    files = [Path(f"{each}{end}") for each in found for end in ends if Path(f"{each}{end}").exists()]
    away = path.with_name("set-aside")
    move = f"{type_out('mkdir', '-p', away)} && {type_out('mv', *files, away)}"
    said = f"{', '.join(found)}: given up for the journal that there is, and kept"
    is_stray = all(Path(each).name.startswith(f"{path.stem}.{STRAY}-") for each in found)
    first = "find out who put it there" if is_stray else "check the disk"
    return warning("set aside", said, f"{first}; `{move}` when nobody needs them here")


def _check_missing(path: Path, left: list[Path], daemon_pid: int | None) -> Finding:
    if daemon_pid is not None:
        found = f"{path} was taken away from the daemon, process {daemon_pid}, and it has no place for another one"
        remedy = f"put {path.parent} back to where it was, writable for the daemon's user; `concordiactl export` works"
        return error(NAME, found, f"{remedy} meanwhile")
    if path.is_symlink():
        found = f"{path} is a link to {os.readlink(path)}, and there is no such file"
        return error(NAME, found, "put it there, or mount its disk; or remove the link to begin with an empty journal")
    if left:
        names = " and ".join(str(file) for file in left)
        found = f"{path} is not there, but {names} {'is' if len(left) == 1 else 'are'}: something took it away"
        return error(NAME, found, _restore(path))
    return ok(NAME, f"{path} is not there yet: the daemon makes it when it starts")


def _check_file(file: Path, status: os.stat_result, owner: int, files: list[Path]) -> Finding | None:
    """Look at whose one of the files is; SQLite gives its companions the file's mode, so all are mended together."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != owner:
        found = f"{file} belongs to {name_user(status.st_uid)}, not to {name_user(owner)}"
        return error(NAME, found, f"`{type_out('chown', name_user(owner), *files)}` as root")
    remedy = type_out("chmod", "0600", *files)
    if mode & 0o077:
        return error(NAME, f"{file} can be read by others (mode {mode:04o})", remedy)
    is_ours = owner == os.geteuid()
    if mode & 0o600 != 0o600 and not (is_ours and os.access(file, os.R_OK | os.W_OK)):
        return error(NAME, f"{file} cannot be written by its owner (mode {mode:04o})", remedy)
    return None


def _look_into(path: Path) -> tuple[Report | None, Finding]:
    try:
        report = inspect_journal(path, CHECK_BYTES)
    except JournalError as fault:
        return None, error(NAME, str(fault), _restore(path))
    except (ValueError, LookupError, TypeError) as fault:
        return None, error(NAME, f"{path}: its newest event makes no sense ({fault})", _restore(path))
    size = f"{(report.bytes + report.log_bytes) / 1024**2:.1f} MiB"
    found = f"{path}, {size}" + (f", format {report.format}" if report.format else "")
    if report.format > report.newest_format:
        newest = f"this Concordia knows up to {report.newest_format}"
        remedy = "install the newer Concordia that wrote it, or choose another place with --state-dir"
        return report, error(NAME, f"{found}: {newest}", remedy)
    if report.problems:
        return report, error(NAME, f"{found}, damaged: {_in_short(report.problems)}", _restore(path))
    return report, ok(NAME, f"{found}, {'sound' if report.is_checked else 'too large to be checked here'}")


def _in_short(problems: list[str]) -> str:
    # SQLite puts several lines into one row, under a headline that names the database.
    lines = [line for problem in problems for line in problem.splitlines() if not line.startswith("***")]
    return lines[0] if len(lines) == 1 else f"{lines[0]}, and more of that kind"


def _restore(path: Path) -> str:
    # The log belongs to the file: left beside a copy that is put in its place, it would be read into that.
    files = [path.with_name(path.name + end) for end in COMPANIONS]
    away = path.with_name("damaged")
    move = f"{type_out('mkdir', '-p', away)} && {type_out('mv', *(file for file in files if file.exists()), away)}"
    return f"stop the daemon and type `{move}`; then put a backup in place of {path}, or begin with an empty one"
