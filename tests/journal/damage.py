"""A journal with something of every kind in it, what it holds, and bits of it that flip."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from concordiad.core.model import (
    AgentSession,
    Approval,
    ApprovalKind,
    Author,
    AuthorKind,
    Invite,
    Member,
    OnDamage,
    Origin,
    Outcome,
    Prompt,
    PromptState,
    RoomRow,
    Turn,
    TurnState,
)
from concordiad.core.roles import Role
from concordiad.journal.changes import Change, Heard, Held, Recorded, RoomEpoch, Transaction
from concordiad.journal.events import last_seq
from concordiad.journal.inspect import find_damage
from concordiad.journal.losses import KINDS
from concordiad.journal.salvage import Salvaged
from concordiad.journal.schema import open_writer
from concordiad.journal.starting import make_sound
from concordiad.journal.sums import EVENTS, MEMBERS, META, PROMPTS, ROOM_EPOCHS, TABLES
from concordiad.journal.writing import begin_epoch, write

ROOMS: Final = ("docs", "main")
WAITING: Final = 3
"""So many of the last prompts of each room wait; one more runs."""
CHANGED: Final = (META.name, ROOM_EPOCHS.name)
"""Tables in which a salvage writes something of its own."""
OF_ROOM: Final = "of this room "
ENDS: Final = ("", "-wal", "-shm")
TOLD: Final = (b'"code":"journal_damaged"', b'"code":"event_lost"')

Content = dict[str, set[tuple[Any, ...]]]


def fill(connection: sqlite3.Connection, prompts: int, seed: object) -> None:
    """Record so many prompts in each room, with their turns and events, and some people."""
    chance = random.Random(str(seed))
    ada = Author("local:1000", "Ada", AuthorKind.LOCAL)

    def words(most: int) -> str:
        return "".join(chance.choices("abcdefghij klmno, äöü ✓\n", k=chance.randrange(1, most)))

    for room in ROOMS:
        changes: list[Change] = [
            RoomRow(room, "/srv/work", "claude", is_created=True),
            RoomEpoch(room, 1000, 1),
            AgentSession(room, "claude-code", f"conversation-{room}", "incarnation", has_history=True),
            Heard(room, "incarnation", 1000, 7, 8, words(90).encode(), words(90).encode()),
            Held(room, "incarnation", 7, words(90).encode()),
            *(_approval(room, n) for n in range(2)),
            *(Invite(f"i-{room}-{n}", room, Role.DRIVER, b"h" * 32, 1.0, ada, None, None) for n in range(6)),
            *(Member(f"m-{room}-{n}", room, f"i-{room}-{n}", words(9), b"t" * 32, None, 1.0, n) for n in range(6)),
        ]
        write(connection, [Transaction(room, changes=changes)])
    for number in range(prompts):
        for room in ROOMS:
            text = words(8000 if number % 16 == 0 else 60)
            write(connection, [_asked(room, number, prompts - number, ada, text)])
            if number < prompts - WAITING:
                write(connection, [_answered(room, number, prompts - number - WAITING, ada, text)])


def _approval(room: str, number: int) -> Approval:
    kind = ApprovalKind.PERMISSION
    return Approval(f"a-{room}-{number}", room, "request", None, kind, "Bash", b"{}", None, 1.0, 2.0)


def _events(room: str, first: int, text: str) -> list[Recorded]:
    body = {"room": room, "epoch": 1000, "at": "2026-11-21T01:30:58.123Z", "text": text}
    return [Recorded(seq, msgspec.json.encode({"seq": seq, **body})) for seq in (first, first + 1)]


def _prompt(room: str, number: int, author: Author, text: str, state: PromptState) -> Prompt:
    key = f"key-{number}" if number % 3 else None
    turn = None if state is PromptState.WAITING else f"t-{room}-{number:05}"
    return Prompt(f"p-{room}-{number:05}", room, author, text, float(number), state, key=key, turn=turn)


def _asked(room: str, number: int, left: int, author: Author, text: str) -> Transaction:
    prompt = _prompt(room, number, author, text, PromptState.WAITING)
    first = 4 * number + 1 - 2 * max(WAITING - left, 0)
    return Transaction(room, _events(room, first, text), [prompt])


def _answered(room: str, number: int, left: int, author: Author, text: str) -> Transaction:
    state = PromptState.RUNNING if left == 1 else PromptState.ANSWERED
    prompt = _prompt(room, number, author, text, state)
    turn = Turn(f"t-{room}-{number:05}", room, Origin.PROMPTS, (prompt.id,), "asked", 2.0 * number, "incarnation")
    if left > 1:
        ended: dict[str, Any] = {"state": TurnState.FINISHED, "outcome": Outcome.COMPLETED, "answer": text}
        turn = Turn(turn.id, room, turn.origin, turn.prompts, turn.text, turn.started_at, "incarnation", **ended)
    return Transaction(room, _events(room, 4 * number + 3, text), [prompt, turn])


def content(path: Path) -> Content:
    """Read every row of a journal, without the sums."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: set(connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}"))
            for table in TABLES
        }


class Journal(NamedTuple):
    """A journal to be damaged: where it lies, with its log or without, and what is in it."""

    place: Path
    content: Content

    @property
    def files(self) -> list[Path]:
        """Its file, and its log if it has one."""
        return sorted(self.place.iterdir())

    def copy_to(self, place: Path) -> Path:
        """Copy it into an empty directory; return the path of its file."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.place, place)
        return place / "journal.db"


def make_journal(root: Path, prompts: int, seed: object, *, has_log: bool) -> Journal:
    """Make a journal as a daemon leaves it that has ended well, or with a log as one that was killed."""
    made, place = root / "made", root / "whole"
    for directory in (made, place):
        directory.mkdir(parents=True)
    connection = open_writer(made / "journal.db")
    fill(connection, prompts, seed)
    if has_log:
        for name in ("journal.db", "journal.db-wal"):
            shutil.copy(made / name, place)
    connection.close()
    if not has_log:
        shutil.copy(made / "journal.db", place)
    return Journal(place, content(made / "journal.db"))


def kill(root: Path, *, is_young: bool, seed: object) -> Journal:
    """Make a journal of a daemon that was killed."""
    made, place = root / "made", root / "whole"
    for directory in (made, place):
        directory.mkdir(parents=True)
    path = made / "journal.db"
    if is_young:
        # So it began before it got its name only once it was whole.
        path.touch(mode=0o600)
    with closing(open_writer(path)) as connection:
        fill(connection, 12, seed)
        if not is_young:
            connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
            begin_epoch(connection)
            go_on(connection, 20)
        for end in ENDS:
            shutil.copy(f"{path}{end}", place)
    return Journal(place, content(path))


def go_on(connection: sqlite3.Connection, prompts: int) -> None:
    """Record more prompts that wait."""
    ada = Author("local:1000", "Ada", AuthorKind.LOCAL)
    for number in range(prompts):
        for room in ROOMS:
            seq = last_seq(connection, room) + 1
            prompt = Prompt(f"q-{room}-{number}", room, ada, f"later {number}", 1.0, PromptState.WAITING)
            event = Recorded(seq, b'{"seq":%d,"room":"%s"}' % (seq, room.encode()))
            write(connection, [Transaction(room, [event], [prompt])])


def spoil(path: Path, chance: random.Random) -> str:
    """Damage more than a bit of a journal's file or of its log; say how."""
    file = chance.choice([each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()])
    size = file.stat().st_size
    how = chance.choice(("noise", "zeros", "cut", "emptied", "halves swapped"))
    begin = chance.choice((chance.randrange(100), chance.randrange(size)))
    length = min(chance.choice((8, 100, 512, 4096, 20000, size)), size - begin)
    content = file.read_bytes()
    middle = size // 8192 * 4096
    file.write_bytes(
        {
            "noise": content[:begin] + chance.randbytes(length) + content[begin + length :],
            "zeros": content[:begin] + bytes(length) + content[begin + length :],
            "cut": content[:begin],
            "emptied": b"",
            "halves swapped": content[middle:] + content[:middle],
        }[how]
    )
    return f"{file.name}: {how}, {length} bytes from {begin} on"


def flip(path: Path, byte: int, mask: int) -> None:
    """Turn a bit of a file."""
    with path.open("r+b") as file:
        file.seek(byte)
        found = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([found ^ mask]))


class Seen(NamedTuple):
    """What became of a journal: what the start said, if it found anything, and how many rows are lost."""

    salvaged: Salvaged | None
    lost: int


def look(path: Path, before: Content) -> Seen:
    """Start on a journal, and see that nothing in it is other than before, and nothing lost that is not named."""
    salvaged = make_sound(path, OnDamage.SALVAGE)
    open_writer(path).close()
    assert find_damage(path) == []
    after = content(path)
    if salvaged is None:
        assert after == before
        return Seen(None, 0)
    said = f"{' '.join(salvaged.missing.values())} {salvaged.of_no_room}"
    lost = 0
    for table, rows in before.items():
        if table in CHANGED:
            continue
        new = after[table] - rows
        if table == EVENTS.name:
            new = {row for row in new if not any(mark in row[2] for mark in TOLD)}
        missing = rows - after[table]
        if table in (PROMPTS.name, MEMBERS.name):
            new, missing = _without_mended(new, missing)
        assert not new, (table, new)
        lost += len(missing)
        assert not missing or any(name in said for name in KINDS[table]), (table, missing, said)
        named = _count_named(salvaged, table)
        # A row that has lost its own name may be counted by both of its names.
        assert named is None or named >= len(missing), (table, missing, said)
    return Seen(salvaged, lost)


def _without_mended(new: set[tuple[Any, ...]], missing: set[tuple[Any, ...]]) -> tuple[set[Any], set[Any]]:
    """Leave out what a salvage has changed: a prompt without its turn, a guest who joined later than the last event."""
    ids = {row[0] for row in new}
    mended = {row for row in new if row[0] in {each[0] for each in missing} and ("uncertain" in row or len(row) == 10)}
    return new - mended, {row for row in missing if row[0] not in ids}


def _count_named(salvaged: Salvaged, table: str) -> int | None:
    """Find how many rows of a table are said to be lost; None where it is only said that some may be."""
    if f"perhaps {KINDS[table][1]}" in salvaged.of_no_room:
        return None
    of_rooms = [said.partition("; of a room")[0] for said in salvaged.missing.values() if said.startswith(OF_ROOM)]
    parts = [part.removeprefix(OF_ROOM) for said in (*of_rooms, salvaged.of_no_room) for part in said.split(", ")]
    counted = [part.split(" ", 1) for part in parts if part[:1].isdigit() and " " in part]
    return sum(int(count) for count, name in counted if name.split(" (")[0] in KINDS[table])
