"""A damaged journal: what is noticed, what is set aside, what goes on, and what is said of the rest."""

import os
import random
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from concordiad.core.model import OnDamage
from concordiad.errors import JournalError
from concordiad.journal import open_journal
from concordiad.journal.events import last_seq, read_events
from concordiad.journal.inspect import find_damage
from concordiad.journal.listing import Filter
from concordiad.journal.losses import KINDS
from concordiad.journal.moving import find_set_aside
from concordiad.journal.prompts import read_prompt, read_prompt_page
from concordiad.journal.rooms import read_room_epochs
from concordiad.journal.schema import MIGRATIONS, make_format, open_writer
from concordiad.journal.starting import make_sound, mark_suspect
from concordiad.journal.sums import RowDamaged
from concordiad.journal.turns import read_turn_page
from tests.journal.damage import ROOMS, Journal, flip, look, make_journal

SEED = 20261121
FLIPS = 60
MUCH = 1 << 30


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Make a journal of a daemon that has ended."""
    return make_journal(tmp_path_factory.mktemp("whole"), 40, SEED, has_log=False)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """Make a journal of a daemon that was killed: all of it is in the log."""
    return make_journal(tmp_path_factory.mktemp("killed"), 12, SEED, has_log=True)


def find_text(path: Path, text: str) -> int:
    """Find where a text stands in a file."""
    place = path.read_bytes().find(text.encode())
    assert place > 0
    return place


def find_author(path: Path, begin: str) -> int:
    """Find the letters of an author in the row of a prompt; no index has them."""
    return find_text(path, f"{begin}local:1000Ada") + len(begin) + len("local:1000")


def test_a_flipped_bit_serves_nothing_else_and_loses_only_what_is_named(whole: Journal, tmp_path: Path) -> None:
    """Anywhere in the file: it is harmless, or the file is set aside and its content goes on, less what is named."""
    chance = random.Random(SEED)
    salvaged = 0
    for _ in range(FLIPS):
        path = whole.copy_to(tmp_path / "work")
        damaged = bytearray(path.read_bytes())
        byte, mask = chance.randrange(len(damaged)), 1 << chance.randrange(8)
        flip(path, byte, mask)
        damaged[byte] ^= mask
        seen = look(path, whole.content)
        if seen.salvaged is not None:
            salvaged += 1
            assert seen.salvaged.set_aside.read_bytes() == damaged
    assert salvaged > FLIPS / 3


def test_a_flipped_bit_of_the_log_loses_nothing(killed: Journal, tmp_path: Path) -> None:
    """What was acknowledged before a crash is there, though SQLite would drop all behind that bit without a word."""
    chance = random.Random(SEED)
    for _ in range(FLIPS // 8):
        path = killed.copy_to(tmp_path / "work")
        log = path.with_name("journal.db-wal")
        flip(log, chance.randrange(log.stat().st_size), 1 << chance.randrange(8))
        assert look(path, killed.content).lost == 0


@pytest.mark.parametrize("block", [b"\xff" * 512, bytes(range(256)), b"\xaa" * 4096])
def test_a_block_of_the_log_cuts_it_and_that_is_told(killed: Journal, tmp_path: Path, block: bytes) -> None:
    """
    SQLite passes over all that stands behind it, so what there is may be an earlier state.

    Every room is told what may be missing, and no prompt is asked again that was perhaps answered since.
    """
    chance = random.Random(SEED)
    known = {row[0] for row in killed.content["prompts"]}
    left = set[str]()
    for _ in range(FLIPS // 8):
        path = killed.copy_to(tmp_path / "work")
        log = path.with_name("journal.db-wal")
        with log.open("r+b") as file:
            file.seek(chance.randrange(log.stat().st_size // 3, log.stat().st_size // 2))
            file.write(block)
        [problem] = find_damage(path)
        assert "commits from there on cannot be read" in problem
        damaged = log.read_bytes()
        salvaged = make_sound(path, OnDamage.SALVAGE)
        assert salvaged is not None
        assert "perhaps prompts" in salvaged.of_no_room
        assert salvaged.set_aside.with_name(f"{salvaged.set_aside.name}-wal").read_bytes() == damaged
        assert find_damage(path) == []
        with closing(open_writer(path)) as connection:
            prompts = dict(connection.execute("SELECT id, state FROM prompts").fetchall())
            assert set(prompts) < known
            assert "waiting" not in prompts.values()
            left |= set(prompts)
            for (room,) in connection.execute("SELECT DISTINCT room FROM events").fetchall():
                last = last_seq(connection, room)
                assert b"perhaps events" in read_events(connection, room, last, 1, MUCH)[0].json
                assert [start.first_seq for start in read_room_epochs(connection, room)] == [last]
    assert left


def test_a_write_that_was_broken_off_is_no_damage(killed: Journal, tmp_path: Path) -> None:
    """The last commit alone was perhaps never synced: nobody was told that it was recorded."""
    path = killed.copy_to(tmp_path / "work")
    log = path.with_name("journal.db-wal")
    size = log.stat().st_size
    flip(log, size - 100, 0xFF)
    assert find_damage(path) == []
    os.truncate(log, size - 5000)
    assert find_damage(path) == []


def test_a_bit_of_the_header_or_the_list_of_tables_loses_nothing(whole: Journal, tmp_path: Path) -> None:
    """Nothing could be read without that bit; it is known what it was."""
    for byte in (*range(0, 100, 7), 56, 63):
        path = whole.copy_to(tmp_path / "work")
        flip(path, byte, 4)
        assert look(path, whole.content).lost == 0, byte
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_text(path, "CREATE TABLE prompts") + 40, 1)
    assert look(path, whole.content).lost == 0


def test_a_letter_that_has_become_another_one_is_lost_and_named(whole: Journal, tmp_path: Path) -> None:
    """Of a waiting prompt: that it waited is said, to its room alone, in an epoch in which nobody was."""
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_author(path, "p-docs-00039docs"), 1)
    salvaged = look(path, whole.content).salvaged
    assert salvaged is not None
    assert salvaged.missing == {"docs": "of this room 1 prompt (1 waiting)"}
    assert find_set_aside(path) == [str(salvaged.set_aside)]
    with closing(open_writer(path)) as connection:
        last = last_seq(connection, "docs")
        [notice] = read_events(connection, "docs", last, 10, MUCH)
        assert b'"journal_damaged"' in notice.json
        assert b"1 prompt (1 waiting)" in notice.json
        assert [start.first_seq for start in read_room_epochs(connection, "docs")] == [1, last]
        assert len(read_room_epochs(connection, "main")) == 1


@pytest.mark.parametrize(
    ("place", "missing"), [("m-docs-3docsi-docs-3", {"docs": "of this room 1 guest"}), ("docsm-docs-3", {})]
)
def test_a_name_that_has_become_another_one_is_one_row(
    whole: Journal, tmp_path: Path, place: str, missing: dict[str, str]
) -> None:
    """Flipped in the guest's row, one guest is lost; flipped in the index, none is."""
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_text(path, place) + place.index("m-docs-3") + 7, 0x40)
    salvaged = look(path, whole.content).salvaged
    assert salvaged is not None
    assert salvaged.missing == missing


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("table", "column"), [("heard", "memory"), ("held", "holding")])
def test_what_has_the_same_name_in_two_rooms_is_two_rows(
    whole: Journal, tmp_path: Path, room: str, table: str, column: str
) -> None:
    """Whichever of them is damaged is named."""
    path = whole.copy_to(tmp_path / "work")
    with closing(sqlite3.connect(path)) as connection:
        [(words,)] = connection.execute(f"SELECT {column} FROM {table} WHERE room = ?", (room,))
    flip(path, path.read_bytes().index(words), 1)
    salvaged = look(path, whole.content).salvaged
    assert salvaged is not None
    assert salvaged.missing == {room: f"of this room 1 {KINDS[table][0]}"}


def test_a_lost_event_has_a_notice_in_its_place_and_ends_the_epochs(whole: Journal, tmp_path: Path) -> None:
    """Numbers go on without gaps; whoever has a cursor of before begins anew instead of skipping it."""
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_text(path, '{"seq":11,"room":"main"'), 2)
    salvaged = look(path, whole.content).salvaged
    assert salvaged is not None
    assert salvaged.missing == {"main": "of this room 1 event (11)"}
    with closing(open_writer(path)) as connection:
        events = read_events(connection, "main", 1, 1000, MUCH)
        assert [event.seq for event in events] == list(range(1, last_seq(connection, "main") + 1))
        assert b'"event_lost"' in events[10].json
        assert [start.first_seq for start in read_room_epochs(connection, "main")] == [len(events)]
        assert [start.first_seq for start in read_room_epochs(connection, "docs")] == [1]


def test_a_prompt_without_its_turn_is_uncertain(whole: Journal, tmp_path: Path) -> None:
    """It was with the agent, and nobody can know how that ended."""
    path = whole.copy_to(tmp_path / "work")
    [(identity, turn)] = [(row[0], row[11]) for row in whole.content["prompts"] if row[1:8:6] == ("main", "running")]
    flip(path, find_text(path, f"{turn}mainprompts"), 1)
    look(path, whole.content)
    with closing(open_writer(path)) as connection:
        prompt = read_prompt(connection, identity)
        assert prompt is not None
        assert prompt.state == "uncertain"


def test_damage_can_be_refused_instead(whole: Journal, tmp_path: Path) -> None:
    """Nothing is changed, and what to do is said."""
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_author(path, "p-docs-00039docs"), 1)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"p-docs-00039.*not what was recorded.*journal restore"):
        make_sound(path, OnDamage.REFUSE)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_of_nothing_an_empty_one_is_made_and_that_is_told(
    whole: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of which not a row can be read is kept; it can be refused instead."""
    monkeypatch.setattr("concordiad.journal.head.TRYING_S", 0.0)
    path = whole.copy_to(tmp_path / "work")
    path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096))
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"nothing of it is served.*journal restore"):
        make_sound(path, OnDamage.REFUSE)
    assert path.read_bytes() == before
    salvaged = make_sound(path, OnDamage.SALVAGE, ROOMS)
    assert salvaged is not None
    assert salvaged.set_aside.read_bytes() == before
    assert "no row of it is what was recorded" in salvaged.found
    assert set(salvaged.missing) == set(ROOMS)


def test_a_suspect_journal_that_is_empty_is_no_new_one(tmp_path: Path) -> None:
    """Whoever emptied a young one's log under a daemon is found out; a first start that was ended leaves the like."""
    path = tmp_path / "journal.db"
    with closing(open_writer(tmp_path / "served.db")):
        path.write_bytes((tmp_path / "served.db").read_bytes())
    log = path.with_name("journal.db-wal")
    log.write_bytes(bytes(8192))
    assert make_sound(path, OnDamage.SALVAGE) is None
    mark_suspect(path)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"was wrong with it while a daemon served it.*journal restore"):
            make_sound(path, OnDamage.REFUSE)
    before = path.read_bytes()
    salvaged = make_sound(path, OnDamage.SALVAGE, ["main"])
    assert salvaged is not None
    assert "something was wrong with it while a daemon served it" in salvaged.missing["main"] + salvaged.found
    assert salvaged.set_aside.read_bytes() == before
    assert not path.with_name("journal.db.suspect").exists()
    assert make_sound(path, OnDamage.REFUSE) is None


def test_what_is_damaged_while_it_is_served_is_not_served(whole: Journal, tmp_path: Path) -> None:
    """The one row is refused or replaced by a notice, everything else goes on, and the next start reads it all."""
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_author(path, "p-docs-00020docs"), 1)
    flip(path, find_text(path, '{"seq":11,"room":"main"'), 2)
    with closing(open_writer(path)) as connection:
        with pytest.raises(RowDamaged, match="p-docs-00020"):
            read_prompt(connection, "p-docs-00020")
        page, following = read_prompt_page(connection, "docs", Filter(), 25, MUCH)
        assert (len(page), following is not None) == (25, True)
        rest, _ = read_prompt_page(connection, "docs", Filter(after=following), 100, MUCH)
        assert len({prompt.id for prompt in (*page, *rest)}) == 39
        assert len(read_turn_page(connection, "docs", Filter(), 100)[0]) == 37
        events = read_events(connection, "main", 9, 5, MUCH)
        assert [(event.seq, b'"event_lost"' in event.json) for event in events] == [
            (9, False),
            (10, False),
            (11, True),
            (12, False),
            (13, False),
        ]


async def test_what_is_read_damaged_is_told_and_marks_the_file(whole: Journal, tmp_path: Path) -> None:
    """The journal says what it found; the next start looks at the whole file, however large it is."""
    path = whole.copy_to(tmp_path / "work")
    async with open_journal(path) as journal:
        await journal.read(read_prompt, "p-docs-00020")
        assert journal.damaged == []
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE prompts SET text = 'other' WHERE id = 'p-docs-00020'")
            connection.commit()
        with pytest.raises(RowDamaged):
            await journal.read(read_prompt, "p-docs-00020")
        assert journal.damaged == ["prompts: p-docs-00020 of room docs"]
    assert path.with_name("journal.db.suspect").exists()
    async with open_journal(path) as journal:
        assert journal.damaged == []
        assert len(journal.find_set_aside()) == 1
    assert not path.with_name("journal.db.suspect").exists()


def test_a_suspect_journal_is_read_whole_however_large_it_is(
    whole: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else older events of a large one are left to the patrol; all other rows never are."""
    monkeypatch.setattr("concordiad.journal.starting.CHECK_BYTES", 0)
    monkeypatch.setattr("concordiad.journal.check.LAST_EVENTS", 10)
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_text(path, '{"seq":11,"room":"main"'), 2)
    assert make_sound(path, OnDamage.SALVAGE) is None
    mark_suspect(path)
    assert make_sound(path, OnDamage.SALVAGE) is not None
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_author(path, "p-docs-00020docs"), 1)
    assert make_sound(path, OnDamage.SALVAGE) is not None


async def test_the_patrol_reads_what_the_start_did_not(
    whole: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the event that is damaged, and ends with the journal or before."""
    for module in ("starting", "patrol"):
        monkeypatch.setattr(f"concordiad.journal.{module}.CHECK_BYTES", 0)
    monkeypatch.setattr("concordiad.journal.check.LAST_EVENTS", 10)
    monkeypatch.setattr("concordiad.journal.patrol.SLICE", 5)
    found = trio.Event()
    monkeypatch.setattr("concordiad.journal.store.Store._mark", lambda _: trio.from_thread.run_sync(found.set))
    path = whole.copy_to(tmp_path / "work")
    flip(path, find_text(path, '{"seq":11,"room":"main"'), 2)
    async with open_journal(path) as journal:
        await found.wait()
        assert journal.damaged == ["events: 11 of room main"]


@pytest.mark.parametrize(("version", "words"), [(3, "rows have no sums"), (len(MIGRATIONS) - 1, "that wrote it can")])
def test_a_damaged_journal_of_an_older_format_is_refused(tmp_path: Path, version: int, words: str) -> None:
    """Its rows have no sums by which to tell what is right, or another Concordia can tell; that is said."""
    path = tmp_path / "journal.db"
    with closing(make_format(version)) as old:
        old.execute("INSERT INTO events (room, seq, json) VALUES ('main', 7, x'00')")
        old.execute(f"VACUUM INTO '{path}'")
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
    assert find_damage(path) != []
    with pytest.raises(JournalError, match=words):
        make_sound(path, OnDamage.SALVAGE)


async def test_what_was_set_aside_is_told_without_descriptors_too(tmp_path: Path) -> None:
    """As far as it was known before: who asks how the daemon is must be told, with nothing left to look with, too."""
    async with open_journal(tmp_path / "journal.db") as journal:
        aside = tmp_path / "journal.damaged-20261121T080000.db"
        aside.touch()
        assert journal.find_set_aside() == [str(aside)]
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            assert journal.find_set_aside() == [str(aside)]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
