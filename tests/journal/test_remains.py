"""A journal of which a file is gone, cut, or without its beginning: told, set aside, made good as far as can be."""

import errno
import json
import os
import random
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from struct import Struct

import pytest
import trio

from concordiad.core.model import AgentSession, OnDamage
from concordiad.errors import JournalError
from concordiad.journal import open_journal
from concordiad.journal.changes import Recorded, Transaction
from concordiad.journal.events import last_seq, read_events
from concordiad.journal.frames import FRAME_BYTES, HEADER, HEADER_BYTES, PAGE_BYTES, add
from concordiad.journal.inspect import find_damage, inspect_journal
from concordiad.journal.moving import find_set_aside
from concordiad.journal.recorder import CHECKPOINT_BYTES, COMMIT_BYTES
from concordiad.journal.remains import log_of, look_at_files
from concordiad.journal.schema import MIGRATIONS, open_writer
from concordiad.journal.starting import make_sound
from concordiad.journal.upkeep import back_up
from concordiad.journal.walindex import read_trace
from concordiad.journal.writing import begin_epoch, write
from tests.journal.damage import ENDS, ROOMS, Journal, content, fill, flip, go_on, kill, look, make_journal
from tests.support.patience import PATIENCE_S

SEED = 20261122
MUCH = 1 << 30
LONG = b"x" * 100_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Make a journal of a daemon that has ended."""
    return make_journal(tmp_path_factory.mktemp("whole"), 40, SEED, has_log=False)


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Make a journal of which all is in the log, but for the first page."""
    return kill(tmp_path_factory.mktemp("young"), is_young=True, seed=SEED)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Make a journal that was copied back once, and of which the log has begun anew then."""
    return kill(tmp_path_factory.mktemp("old"), is_young=False, seed=SEED)


def states(path: Path) -> set[str]:
    """Read in which states prompts are."""
    with closing(open_writer(path)) as connection:
        return {state for (state,) in connection.execute("SELECT state FROM prompts")}


def overwrite(path: Path, size: int) -> bytes:
    """Write noise over the beginning of a file; return what is in it then."""
    with path.open("r+b") as file:
        file.write(random.Random(SEED).randbytes(size))
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["young", "old"])
@pytest.mark.parametrize("size", [8, 20, 32])
@pytest.mark.parametrize("has_trace", [True, False])
def test_a_damaged_header_of_the_log_loses_nothing(
    kind: str, size: int, has_trace: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It is computed from the first frame, told, and the log set aside as it is."""
    journal: Journal = request.getfixturevalue(kind)
    path = journal.copy_to(tmp_path / "work")
    if not has_trace:
        path.with_name("journal.db-shm").unlink()
    damaged = overwrite(log_of(path), size)
    assert find_damage(path) == ["the header of its log is not what was written; it can be computed"]
    seen = look(path, journal.content)
    assert seen.lost == 0
    assert seen.salvaged is not None
    assert "header of its log" in seen.salvaged.found
    assert (seen.salvaged.missing, seen.salvaged.of_no_room) == ({}, "")
    assert log_of(seen.salvaged.set_aside).read_bytes() == damaged
    assert "waiting" in states(path)


@pytest.mark.parametrize("size", [33, 256, 4096, 9000])
@pytest.mark.parametrize("has_trace", [True, False])
def test_a_young_log_without_a_beginning_is_read_from_where_it_can_be(
    young: Journal, size: int, has_trace: bool, tmp_path: Path
) -> None:
    """Every page was written again behind the damage, and none is in the file: so nothing is missing."""
    path = young.copy_to(tmp_path / "work")
    if not has_trace:
        path.with_name("journal.db-shm").unlink()
    overwrite(log_of(path), size)
    assert find_damage(path) == ["the beginning of its log is not what was written"]
    seen = look(path, young.content)
    assert seen.lost == 0
    assert seen.salvaged is not None
    assert (seen.salvaged.missing, seen.salvaged.of_no_room) == ({}, "")
    assert "waiting" in states(path)


@pytest.mark.parametrize("size", [33, 256, 4096, 9000, MUCH])
@pytest.mark.parametrize("has_trace", [True, False])
def test_of_an_old_log_without_a_beginning_it_is_told_what_may_be_missing(
    old: Journal, size: int, has_trace: bool, tmp_path: Path
) -> None:
    """What is right in it is taken; as it may be an earlier state, nothing that waits is asked again."""
    path = old.copy_to(tmp_path / "work")
    if not has_trace:
        path.with_name("journal.db-shm").unlink()
    overwrite(log_of(path), min(size, log_of(path).stat().st_size))
    seen = look(path, old.content)
    assert seen.salvaged is not None
    assert "beginning of its log" in seen.salvaged.found
    assert "perhaps prompts" in seen.salvaged.of_no_room
    assert states(path) == {"answered", "running", "uncertain"}
    for room in ROOMS:
        with closing(open_writer(path)) as connection:
            last = last_seq(connection, room)
            [notice] = read_events(connection, room, last, 1, MUCH)
        assert f"perhaps all after event {last - 1}".encode() in notice.json
    assert size == MUCH or seen.lost < len(ROOMS) * 4


def test_a_log_that_has_begun_anew_is_no_damage(tmp_path: Path) -> None:
    """What stands behind its new frames, or alone behind its new header, is of before, and in the file since."""
    path = tmp_path / "journal.db"
    seen = tmp_path / "seen"
    with closing(open_writer(path)) as connection:
        fill(connection, 8, SEED)
        for step in range(4):
            connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
            # The file has all of what the log is begun anew for.
            for added in (0, 1, 3):
                go_on_as(connection, f"{step}-{added}", added)
                shutil.rmtree(seen, ignore_errors=True)
                seen.mkdir()
                for end in ENDS:
                    shutil.copy(f"{path}{end}", seen)
                assert look_at_files(seen / "journal.db").problems == []
                assert make_sound(seen / "journal.db", OnDamage.REFUSE) is None
    # A header of which the frames were not written any more.
    log = bytearray(log_of(seen / "journal.db").read_bytes())
    magic, *others, number, salt, _ = HEADER.unpack(log[:HEADER_BYTES])[:6]
    begin = HEADER.pack(magic, *others, number + 1, salt + 1, 7, 0, 0)[:24]
    log[:HEADER_BYTES] = begin + Struct(">2I").pack(*add(begin, (0, 0), magic))
    log_of(seen / "journal.db").write_bytes(log)
    assert look_at_files(seen / "journal.db").problems == []


def go_on_as(connection: sqlite3.Connection, name: str, commits: int) -> None:
    """Record some conversations."""
    for number in range(commits):
        row = AgentSession(f"{name}-{number}", "claude-code", "conversation", "incarnation", has_history=True)
        write(connection, [Transaction(row.room, changes=[row])])


@pytest.mark.parametrize("log", [None, b"", bytes(20), bytes(8192)])
def test_a_log_that_was_never_written_is_no_damage(whole: Journal, tmp_path: Path, log: bytes | None) -> None:
    """Neither one of zeros, as a power cut may leave it."""
    path = whole.copy_to(tmp_path / "work")
    if log is not None:
        log_of(path).write_bytes(log)
    assert find_damage(path) == []
    assert make_sound(path, OnDamage.REFUSE) is None


@pytest.mark.parametrize("is_there", [True, False])
def test_a_young_file_that_is_emptied_or_removed_beside_its_log_loses_nothing(
    young: Journal, tmp_path: Path, is_there: bool
) -> None:
    """All pages of it are in the log, which is set aside with it, and found by the file's name."""
    path = young.copy_to(tmp_path / "work")
    log = log_of(path).read_bytes()
    path.write_bytes(b"")
    if not is_there:
        path.unlink()
    [problem] = find_damage(path)
    assert f"{len(log)} bytes" in problem
    assert inspect_journal(path, MUCH).problems == [problem]
    with pytest.raises(JournalError, match=r"is damaged, and nothing of it is served|there is no journal"):
        back_up_or_refuse(path, tmp_path / "backup.db")
    assert log_of(path).read_bytes() == log
    seen = look(path, young.content)
    assert seen.lost == 0
    assert seen.salvaged is not None
    assert seen.salvaged.of_no_room == ""
    assert log_of(seen.salvaged.set_aside).read_bytes() == log
    assert find_set_aside(path) == [str(seen.salvaged.set_aside)]
    assert "waiting" in states(path)


def back_up_or_refuse(path: Path, target: Path) -> None:
    """Neither a backup nor a start that is to refuse damage touches anything."""
    with pytest.raises(JournalError):
        back_up(path, target)
    make_sound(path, OnDamage.REFUSE)


@pytest.mark.parametrize("is_there", [True, False])
def test_of_an_old_file_that_is_emptied_or_removed_goes_on_what_its_log_has(
    old: Journal, tmp_path: Path, is_there: bool
) -> None:
    """Its pages are laid where they stand in every journal; what may be missing is told, and the log is kept."""
    path = old.copy_to(tmp_path / "work")
    log = log_of(path).read_bytes()
    path.write_bytes(b"")
    if not is_there:
        path.unlink()
    seen = look(path, old.content)
    assert seen.salvaged is not None
    assert log_of(seen.salvaged.set_aside).read_bytes() == log
    assert "perhaps prompts" in seen.salvaged.of_no_room
    # Those were recorded last.
    assert sum(row[7] == "waiting" for row in content(path)["prompts"]) >= 20


def told(path: Path) -> dict[str, list[str]]:
    """Read the messages of the notices of damage, by room."""
    found: dict[str, list[str]] = {}
    with closing(open_writer(path)) as connection:
        for room, text in connection.execute("SELECT room, CAST(json AS TEXT) FROM events ORDER BY seq"):
            event = json.loads(text)
            if event.get("code") == "journal_damaged":
                found.setdefault(room, []).append(event["message"])
    return found


@pytest.mark.parametrize("kind", ["young", "old", "whole"])
def test_where_nothing_can_be_read_an_empty_one_begins_and_every_room_is_told(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What cannot be read is kept byte for byte, is never served, and nobody can take the new one for a first one."""
    path = request.getfixturevalue(kind).copy_to(tmp_path / "work")
    for number, file in enumerate(sorted(path.parent.iterdir())):
        file.write_bytes(random.Random(number).randbytes(file.stat().st_size))
    damaged = [each.read_bytes() for each in (path, log_of(path)) if each.exists()]
    before = time.time_ns() // 1_000_000
    salvaged = make_sound(path, OnDamage.SALVAGE, ["main", "new"])
    assert salvaged is not None
    aside = salvaged.set_aside
    assert [each.read_bytes() for each in (aside, log_of(aside)) if each.exists()] == damaged
    assert find_damage(path) == []
    assert set(salvaged.missing) == {"main", "new"}
    assert "perhaps prompts" in salvaged.of_no_room
    messages = told(path)
    assert set(messages) == {"main", "new"}
    for [message] in messages.values():
        assert "nothing of it could be read: an empty one is in its place" in message
    with closing(open_writer(path)) as connection:
        # No cursor of before goes on.
        assert [epoch >= before for (epoch,) in connection.execute("SELECT DISTINCT epoch FROM room_epochs")] == [True]
    assert make_sound(path, OnDamage.REFUSE) is None


def test_a_file_that_is_emptied_after_a_clean_stop_is_told(whole: Journal, tmp_path: Path) -> None:
    """It is set aside, or refused; nothing but a first start of an earlier version leaves one without human help."""
    path = whole.copy_to(tmp_path / "work")
    path.write_bytes(b"")
    assert find_damage(path) == ["there is nothing in it"]
    with pytest.raises(JournalError, match="there is nothing in it"):
        make_sound(path, OnDamage.REFUSE)
    salvaged = make_sound(path, OnDamage.SALVAGE)
    assert salvaged is not None
    assert salvaged.found == "there is nothing in it"
    assert "perhaps prompts" in salvaged.of_no_room
    assert find_set_aside(path) == [str(salvaged.set_aside)]
    assert find_damage(path) == []


@pytest.mark.parametrize("log", [None, 0, 20, 3000, 5000])
def test_a_first_start_that_was_killed_needs_nobody(tmp_path: Path, log: int | None) -> None:
    """Of an earlier version it left one page, and the beginning of a log, of which nobody was told anything."""
    made, path = tmp_path / "made.db", tmp_path / "journal.db"
    made.touch()
    with closing(open_writer(made)):
        shutil.copy(made, path)
        if log is not None:
            log_of(path).write_bytes(log_of(made).read_bytes()[:log])
    salvaged = make_sound(path, OnDamage.SALVAGE)
    assert (salvaged is None) == (log in (3000, 5000))
    open_writer(path).close()
    assert find_damage(path) == []


@pytest.mark.parametrize("kept", [1, 5, 10, 15, 20, 25])
def test_a_file_of_which_next_to_nothing_is_left_is_told_and_kept(whole: Journal, tmp_path: Path, kept: int) -> None:
    """What is left is found without its list of tables, and every room is told that there was more."""
    path = whole.copy_to(tmp_path / "work")
    os.truncate(path, path.stat().st_size * kept // 100)
    left = path.read_bytes()
    seen = look(path, whole.content)
    assert seen.salvaged is not None
    assert "its end is missing" in seen.salvaged.found
    assert "perhaps prompts" in seen.salvaged.of_no_room
    assert seen.salvaged.set_aside.read_bytes() == left


@pytest.mark.parametrize("kept", [30, 40, 50, 55, 60, 65, 70, 75, 80, 90, 99])
def test_of_a_cut_file_it_is_told_that_its_end_is_missing(whole: Journal, tmp_path: Path, kept: int) -> None:
    """To every room, with the number of the last event that is there; what waits is no earlier state, and waits on."""
    path = whole.copy_to(tmp_path / "work")
    size = path.stat().st_size
    os.truncate(path, size * kept // 100)
    [problem] = find_damage(path)
    assert problem == f"its end is missing: it has had {size // PAGE_BYTES} pages, and {size * kept // 409600} are left"
    seen = look(path, whole.content)
    assert seen.salvaged is not None
    assert seen.salvaged.found == problem
    assert "perhaps events" in seen.salvaged.of_no_room
    with closing(open_writer(path)) as connection:
        there = {row[0] for row in connection.execute("SELECT DISTINCT room FROM events")}
        for room in there:
            last = last_seq(connection, room)
            [notice] = read_events(connection, room, last, 1, MUCH)
            assert f"perhaps all after event {last - 1}".encode() in notice.json
            assert problem.encode() in notice.json
        waiting = connection.execute("SELECT id FROM prompts WHERE state = 'waiting'").fetchall()
    assert {row[0] for row in waiting} <= {row[0] for row in whole.content["prompts"] if row[7] == "waiting"}


def test_a_count_of_pages_in_which_a_bit_has_flipped_is_no_cut(whole: Journal, tmp_path: Path) -> None:
    """Nothing is missing then."""
    for bit in range(8):
        path = whole.copy_to(tmp_path / "work")
        flip(path, 30, 1 << bit)
        flip(path, 31, 0)
        assert look(path, whole.content).lost == 0


def test_a_checkpoint_that_was_broken_off_is_no_cut(tmp_path: Path) -> None:
    """The file says how many pages it is to have, and the log has those that are not there yet."""
    path, seen = tmp_path / "journal.db", tmp_path / "seen"
    seen.mkdir()
    with closing(open_writer(path)) as connection:
        fill(connection, 12, SEED)
        size = path.stat().st_size
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        shutil.copy(path, seen)
        shutil.copy(log_of(path), seen)
    assert path.stat().st_size > size
    os.truncate(seen / "journal.db", size)
    assert find_damage(seen / "journal.db") == []
    assert make_sound(seen / "journal.db", OnDamage.REFUSE) is None


@pytest.mark.parametrize("log", [None, b"", bytes(8192)])
def test_a_log_that_was_removed_after_a_crash_is_missed(old: Journal, tmp_path: Path, log: bytes | None) -> None:
    """What SQLite kept in mind of it says so; without that nothing does, and what there is is an earlier state."""
    path = old.copy_to(tmp_path / "work")
    log_of(path).unlink()
    if log is not None:
        log_of(path).write_bytes(log)
    for _ in range(2):
        [problem] = find_damage(path)
        assert "its log is gone" in problem
    seen = look(path, old.content)
    assert seen.salvaged is not None
    assert "perhaps prompts" in seen.salvaged.of_no_room
    assert states(path) == {"answered", "running", "uncertain"}


@pytest.mark.parametrize("how", ["cut", "zeros", "noise", "header"])
@pytest.mark.parametrize("kept", [0, 10, 50, 90, 99])
def test_a_log_of_which_the_end_is_missing_after_a_kill_is_told(
    old: Journal, tmp_path: Path, how: str, kept: int
) -> None:
    """What SQLite kept in mind says that there was more; it looks like a write that was broken off otherwise."""
    path = old.copy_to(tmp_path / "work")
    log = log_of(path).read_bytes()
    trace = read_trace(path)
    assert trace is not None
    # Behind those are frames of before the log has begun anew.
    size = HEADER_BYTES + 1 + trace.frames * kept // 100 * (FRAME_BYTES + PAGE_BYTES)
    rest = {"cut": b"", "zeros": bytes(len(log) - size), "noise": random.Random(SEED).randbytes(len(log) - size)}
    log_of(path).write_bytes(log[:size] + rest.get(how, b""))
    if how == "header":
        log_of(path).write_bytes(log[: HEADER_BYTES + kept])
    assert len(find_damage(path)) >= 1
    seen = look(path, old.content)
    assert seen.salvaged is not None
    assert "perhaps prompts" in seen.salvaged.of_no_room
    assert "waiting" not in states(path)


def test_what_is_known_of_a_log_is_not_believed_of_before_the_machine_started(old: Journal, tmp_path: Path) -> None:
    """After a power cut it may know of more than was synced, and nothing that was acknowledged is missing then."""
    path = old.copy_to(tmp_path / "work")
    os.truncate(log_of(path), HEADER_BYTES + 10 * (FRAME_BYTES + PAGE_BYTES))
    os.utime(f"{path}-shm", (1.0, 1.0))
    assert find_damage(path) == []


def test_a_log_that_was_copied_back_is_not_missed(tmp_path: Path) -> None:
    """A stop that was killed halfway leaves what SQLite kept in mind of it."""
    path, seen = tmp_path / "journal.db", tmp_path / "seen"
    seen.mkdir()
    with closing(open_writer(path)) as connection:
        fill(connection, 8, SEED)
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        shutil.copy(path, seen)
        shutil.copy(f"{path}-shm", seen)
    trace = read_trace(seen / "journal.db")
    assert trace is not None
    assert trace.frames == trace.copied > 0
    assert find_damage(seen / "journal.db") == []


@pytest.mark.parametrize("content", [b"", b"short", bytes(200), b"\xff" * 200])
def test_what_is_no_trace_is_none(tmp_path: Path, content: bytes) -> None:
    """It is never synced, so anything may be in it."""
    path = tmp_path / "journal.db"
    path.with_name("journal.db-shm").write_bytes(content)
    assert read_trace(path) is None


def test_a_pipe_in_the_place_is_named(tmp_path: Path) -> None:
    """Who opens one waits for whoever is to write into it."""
    path = tmp_path / "journal.db"
    os.mkfifo(path)
    for look_at in (lambda: make_sound(path, OnDamage.SALVAGE), lambda: find_damage(path)):
        with pytest.raises(JournalError, match=r"journal\.db is in the way of the journal, and is no file: move it"):
            look_at()


@pytest.mark.parametrize("number", [1, len(MIGRATIONS) + 1])
def test_a_damaged_journal_of_another_format_stays_as_it_is(young: Journal, tmp_path: Path, number: int) -> None:
    """Another Concordia can read it; an empty one in its place would only be in the way."""
    path = young.copy_to(tmp_path / "work")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")
        for end in ENDS:
            shutil.copy(f"{path}{end}", tmp_path)
    for end in ENDS:
        shutil.copy(tmp_path / f"journal.db{end}", path.parent)
    damaged = overwrite(log_of(path), 20)
    with pytest.raises(JournalError, match=f"cannot be salvaged: it is of format {number}, and this Concordia"):
        make_sound(path, OnDamage.SALVAGE)
    assert log_of(path).read_bytes() == damaged


@pytest.mark.parametrize("kind", ["young", "whole"])
def test_a_journal_that_cannot_be_salvaged_leaves_nothing_beside_it(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No copy of it is left, and while there is one it is for its owner alone."""
    seen: set[tuple[str, int]] = set()

    def note(copy: Path) -> bool:
        seen.update((each.name, stat.S_IMODE(each.stat().st_mode)) for each in copy.parent.glob("*.mend*"))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("concordiad.journal.salvage.mend_head", note)
    path = request.getfixturevalue(kind).copy_to(tmp_path / "work")
    log_of(path).unlink(missing_ok=True)
    path.with_name("journal.db-shm").unlink(missing_ok=True)
    overwrite(path, 4096)
    log_of(path).write_bytes(bytes(8192))
    before = sorted(each.name for each in path.parent.iterdir() if not each.name.endswith("-shm"))
    with pytest.raises(JournalError, match="cannot be salvaged: No space left"):
        make_sound(path, OnDamage.SALVAGE)
    assert sorted(each.name for each in path.parent.iterdir() if not each.name.endswith("-shm")) == before
    assert {name for name, _ in seen} >= {"journal.db.mend", "journal.db.mend-wal"}
    assert {mode for _, mode in seen} == {0o600}


def other(place: Path) -> Path:
    """Make the files of another journal whose daemon was killed."""
    return kill(place, is_young=False, seed="another").place / "journal.db"


@pytest.mark.parametrize("has_trace", [True, False])
def test_the_log_of_another_journal_is_not_believed(old: Journal, tmp_path: Path, has_trace: bool) -> None:
    """What is in the file goes on, as an earlier state; nothing of the other journal is ever served."""
    path = old.copy_to(tmp_path / "work")
    before = path.read_bytes()
    shutil.copy(log_of(other(tmp_path / "other")), log_of(path))
    if not has_trace:
        path.with_name("journal.db-shm").unlink()
    assert find_damage(path) == ["its log is not the one that was beside it"]
    seen = look(path, old.content)
    assert seen.salvaged is not None
    assert "perhaps prompts" in seen.salvaged.of_no_room
    assert seen.salvaged.set_aside.read_bytes() == before
    assert states(path) == {"answered", "running", "uncertain"}


def test_the_log_of_another_journal_beside_one_that_was_closed_is_not_believed(whole: Journal, tmp_path: Path) -> None:
    """There was none, and nothing of the own one is lost."""
    path = whole.copy_to(tmp_path / "work")
    with closing(open_writer(path)) as connection:
        begin_epoch(connection)
    before = content(path)
    del before["prompts"]
    shutil.copy(log_of(other(tmp_path / "other")), log_of(path))
    assert look(path, before).lost == 0
    assert states(path) == {"answered", "running", "uncertain"}


def test_an_older_log_of_the_same_journal_is_not_believed(tmp_path: Path) -> None:
    """What waited then was answered since, and what was recorded since is not taken back."""
    path, kept = tmp_path / "journal.db", tmp_path / "kept"
    with closing(open_writer(path)) as connection:
        begin_epoch(connection)
        fill(connection, 8, SEED)
        shutil.copy(log_of(path), kept)
    with closing(open_writer(path)) as connection:
        begin_epoch(connection)
        go_on(connection, 5)
    before = content(path)
    asked = {row[0] for row in before.pop("prompts")}
    shutil.copy(kept, log_of(path))
    assert find_damage(path) == ["its log is not the one that was beside it"]
    assert look(path, before).lost == 0
    assert {row[0] for row in content(path)["prompts"]} == asked
    assert "waiting" not in states(path)


def test_the_file_of_another_journal_is_not_believed_beside_the_own_log(old: Journal, tmp_path: Path) -> None:
    """What the log has goes on; nobody gets in whom the other journal knew."""
    path = old.copy_to(tmp_path / "work")
    shutil.copy(other(tmp_path / "other"), path)
    [problem] = find_damage(path)
    assert problem == "it is not the journal that its log is of"
    seen = look(path, old.content)
    assert seen.salvaged is not None
    assert "perhaps guests" in seen.salvaged.of_no_room


async def copies(place: Path, logs: int) -> list[Path]:
    """Record as a daemon does; copy the journal's files at the first commit in each of so many logs."""
    os.makedirs(place)
    path, salts = place / "journal.db", set()
    made: list[Path] = []
    async with open_journal(path) as journal:
        for seq in range(1, 5000):
            await journal.record(Transaction("main", [Recorded(seq, b'{"seq":%d,"text":"%s"}' % (seq, LONG))]))
            salt = HEADER.unpack_from(log_of(path).read_bytes())[4]
            if salt in salts:
                continue
            salts.add(salt)
            made.append(place / str(len(made)) / path.name)
            made[-1].parent.mkdir()
            for end in ENDS:
                shutil.copy(f"{path}{end}", made[-1].parent)
            if len(made) == logs:
                return made
    raise AssertionError(f"{len(made)} logs were begun")


async def test_a_log_that_has_begun_anew_still_tells_whose_it_is(tmp_path: Path) -> None:
    """Another journal beside it, with its log or alone, is not believed; its own is."""
    (_, path), (_, another) = [await copies(tmp_path / name, 2) for name in ("one", "another")]
    assert look_at_files(path).problems == []
    whole = path.read_bytes()
    shutil.copy(another, path)
    assert look_at_files(path).problems == ["it is not the journal that its log is of"]
    path.write_bytes(whole)
    shutil.copy(log_of(another), log_of(path))
    path.with_name("journal.db-shm").unlink()
    assert look_at_files(path).problems == ["its log is not the one that was beside it"]


@pytest.mark.parametrize("has_trace", [True, False])
async def test_a_file_of_the_same_run_from_before_its_log_was_begun_is_told(tmp_path: Path, has_trace: bool) -> None:
    """A copy of the file alone, made while the daemon ran, is put in its place after a kill."""
    _, earlier, _, path = await copies(tmp_path / "copies", 4)
    assert look_at_files(path).problems == []
    shutil.copy(earlier, path)
    if not has_trace:
        path.with_name("journal.db-shm").unlink()
    salvaged = make_sound(path, OnDamage.SALVAGE)
    assert salvaged is not None
    assert salvaged.found == "it is of an earlier time than its log"
    assert "perhaps events" in salvaged.of_no_room
    assert set(told(path)) == {"main"}


OTHER_LOG = ["its log is not the one that was beside it"]


@pytest.mark.parametrize("has_trace", [True, False])
async def test_an_earlier_log_of_the_same_run_is_not_believed_after_a_stop(tmp_path: Path, has_trace: bool) -> None:
    """What waited when it was copied was answered since."""
    path = tmp_path / "journal.db"
    kept = tmp_path / "kept"
    os.makedirs(kept)
    async with open_journal(path) as journal:
        for seq in range(1, 4):
            await journal.record(Transaction("main", [Recorded(seq, b'{"seq":%d}' % seq)]))
        for end in ENDS[1:]:
            shutil.copy(f"{path}{end}", kept)
        await journal.record(Transaction("main", [Recorded(4, b'{"seq":4}')]))
    assert not log_of(path).exists()
    for end in ENDS[1:] if has_trace else ENDS[1:2]:
        shutil.copy(f"{kept / path.name}{end}", tmp_path)
    assert find_damage(path) == OTHER_LOG
    salvaged = make_sound(path, OnDamage.SALVAGE)
    assert salvaged is not None
    assert "perhaps prompts" in salvaged.of_no_room
    assert {row[1] for row in content(path)["events"] if row[0] == "main"} >= {1, 2, 3, 4}


async def moments(path: Path) -> list[dict[str, bytes]]:
    """Record as a daemon does, and read the journal's files after each commit and what it has copied back."""
    read, grown = [], 0
    async with open_journal(path) as journal:
        for seq in range(1, 30):
            event = Recorded(seq, b'{"seq":%d,"text":"%s"}' % (seq, LONG))
            await journal.record(Transaction("main", [event]))
            grown += COMMIT_BYTES + len(event.json)
            if grown > CHECKPOINT_BYTES:
                grown = 0
                with trio.fail_after(PATIENCE_S):
                    while (trace := read_trace(path)) is None or trace.copied < trace.frames:  # noqa: ASYNC110
                        await trio.lowlevel.checkpoint()
            read.append({end: path.with_name(path.name + end).read_bytes() for end in ENDS})
    return read


@pytest.mark.parametrize("has_trace", [True, False])
async def test_an_earlier_log_of_the_same_run_is_not_believed_after_a_kill(tmp_path: Path, has_trace: bool) -> None:
    """Of whatever moment it is, if the log was copied back since; it has begun anew then, or not yet."""
    path, seen = tmp_path / "journal.db", 0
    files = await moments(path)
    for number, earlier in enumerate(files):
        for later in files[number:]:
            if later[""] != earlier[""]:
                for end in ENDS:
                    path.with_name(path.name + end).write_bytes((later if end == "" else earlier)[end])
                if not has_trace:
                    path.with_name("journal.db-shm").unlink()
                assert look_at_files(path).problems == OTHER_LOG
                seen += 1
    assert seen > len(files)


def test_a_journal_of_which_only_the_trace_is_left_is_missed(old: Journal, tmp_path: Path) -> None:
    """Somebody has removed it and its log after a crash."""
    path = old.copy_to(tmp_path / "work")
    path.unlink()
    log_of(path).unlink()
    with pytest.raises(JournalError, match="it is gone, and so is its log"):
        make_sound(path, OnDamage.REFUSE)
    salvaged = make_sound(path, OnDamage.SALVAGE, ["main"])
    assert salvaged is not None
    assert set(told(path)) == {"main"}
    open_writer(path).close()
    assert make_sound(path, OnDamage.REFUSE) is None


def test_an_earlier_file_beside_a_newer_log_is_told(tmp_path: Path) -> None:
    """A backup that is laid over the file after a crash: rows of any kind may be missing, and nothing names them."""
    path = tmp_path / "journal.db"
    with closing(open_writer(path)) as connection:
        begin_epoch(connection)
        fill(connection, 8, SEED)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        shutil.copy(path, tmp_path / "backup")
        go_on(connection, 60)
        connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
        go_on(connection, 5)
        (tmp_path / "work").mkdir()
        for end in ENDS:
            shutil.copy(f"{path}{end}", tmp_path / "work")
        before = content(path)
    path = tmp_path / "work" / "journal.db"
    shutil.copy(tmp_path / "backup", path)
    seen = look(path, before)
    assert seen.salvaged is not None
    assert "perhaps invites" in seen.salvaged.of_no_room
