"""Bits of a journal flip, anywhere: nothing else is served, and nothing is lost without its name."""

import platform
import random
import subprocess
import sys
from pathlib import Path

import pytest

from concordiad.core.model import OnDamage
from concordiad.errors import JournalError
from concordiad.journal.inspect import find_damage
from concordiad.journal.moving import finish
from concordiad.journal.schema import open_writer
from concordiad.journal.starting import make_sound
from tests.journal.damage import CHANGED, Journal, content, flip, kill, look, make_journal, spoil
from tests.soak.tracer import CALLS, Plan
from tests.support.patience import PATIENCE_S

FIXED = "20261121"
"""The seed outside of a soak, where each run is to be like the last."""
FLIPS = 100
IN_A_SOAK = 4000
SPOILED = 60
SPOILED_IN_A_SOAK = 2000
KILLS = 6
MANY = 5000
START = (
    "import sys; from pathlib import Path; from concordiad.core.model import OnDamage;"
    " from concordiad.journal.moving import finish; from concordiad.journal.starting import make_sound;"
    " path = Path(sys.argv[1]); finish(path); make_sound(path, OnDamage.SALVAGE)"
)
"""What a daemon does with its journal before it serves anything."""


def damage(journal: Journal, place: Path, chance: random.Random) -> Path:
    """Copy a journal, and let one bit of it flip: half of the time one of its log, where it has one."""
    path = journal.copy_to(place)
    file = chance.choice(sorted(place.iterdir()))
    flip(file, chance.randrange(file.stat().st_size), 1 << chance.randrange(8))
    return path


def test_flipped_bits(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """After 100 (soak: 4,000) flips every row that is served is what was recorded, and every other one is named."""
    seed = seed if is_soak else FIXED
    chance = random.Random(seed)
    flips = IN_A_SOAK if is_soak else FLIPS
    journals = [
        make_journal(tmp_path / "ended", 120 if is_soak else 40, seed, has_log=False),
        make_journal(tmp_path / "killed", 12, seed, has_log=True),
    ]
    salvaged = lost = 0
    for number in range(flips):
        # Of a log far fewer bits matter, and all are mended.
        journal = journals[number % 10 == 0]
        seen = look(damage(journal, tmp_path / "work", chance), journal.content)
        salvaged += seen.salvaged is not None
        lost += seen.lost
    assert salvaged > flips / 3
    figures.append(f"{flips} flipped bits: {salvaged} journals were set aside, {lost} rows lost, and all named")


def test_spoiled_files(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """The same where much is overwritten, cut off or in the wrong place; no start is refused for it."""
    seed = seed if is_soak else FIXED
    chance = random.Random(seed)
    count = SPOILED_IN_A_SOAK if is_soak else SPOILED
    journals = [
        make_journal(tmp_path / "ended", 40, seed, has_log=False),
        kill(tmp_path / "killed", is_young=False, seed=seed),
    ]
    salvaged = lost = 0
    for _ in range(count):
        journal = chance.choice(journals)
        path = journal.copy_to(tmp_path / "work")
        how = spoil(path, chance)
        try:
            seen = look(path, journal.content)
        except (AssertionError, JournalError) as error:
            error.add_note(how)
            raise
        salvaged += seen.salvaged is not None
        lost += seen.lost
    assert salvaged > count / 2
    figures.append(f"{count} spoiled journals: {salvaged} were set aside, {lost} rows lost, and all named")


@pytest.mark.skipif(platform.machine() not in CALLS, reason="the tracer does not know this machine's calls")
def test_kill_at_each_call_of_a_salvage(tmp_path: Path, seed: str, is_soak: bool, figures: list[str]) -> None:
    """Killed at any write, sync or rename while a journal is salvaged, the next start has it as if at once."""
    seed = seed if is_soak else FIXED
    chance = random.Random(seed)
    journal = make_journal(tmp_path / "ended", 40, seed, has_log=False)
    plan = Plan(tmp_path / "plan")

    def run(limit: int) -> bool:
        path = journal.copy_to(tmp_path / "work")
        flip(path, path.read_bytes().find(b'{"seq":11,"room":"main"'), 2)
        damaged = path.read_bytes()
        plan.write(limit)
        command = [sys.executable, "-P", "-m", "tests.soak.tracer", str(plan.path), "now"]
        done = subprocess.run([*command, sys.executable, "-c", START, str(path)], timeout=PATIENCE_S, check=False)
        finish(path)
        make_sound(path, OnDamage.SALVAGE)
        open_writer(path).close()
        after = content(path)
        assert find_damage(path) == []
        lost = {table: len(journal.content[table] - rows) for table, rows in after.items() if table not in CHANGED}
        assert {table: count for table, count in lost.items() if count} == {"events": 1}, plan.read()
        names = sorted(each.name for each in path.parent.iterdir())
        [kept] = path.parent.glob("journal.damaged-*.db")
        assert (names, kept.read_bytes()) == (sorted([kept.name, "journal.db"]), damaged)
        return done.returncode == 0

    assert run(0)
    _, calls, _ = plan.read()
    limits = range(1, MANY) if is_soak else sorted(chance.sample(range(1, calls + 1), KILLS))
    killed = 0
    for limit in limits:
        if run(limit):
            break
        killed += 1
    assert killed >= (calls / 2 if is_soak else KILLS / 2)
    figures.append(f"killed at each of {killed} calls of a salvage")
