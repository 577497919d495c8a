"""What the C library keeps, seen in a process of its own: the setting is for its whole life."""

import gc
import platform
import subprocess
import sys

import pytest

BLOCKS = """
import resource, sys
from concordiad.ops.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
# They are freed at once, as the copies of a line are.
for _ in range(10):
    held = [bytes([1]) * 1_000_000 for _ in range(3)]
    del held
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    held = [bytes([1]) * 1_000_000 for _ in range(3)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_faults(way: str) -> int:
    """Return how many pages a process had to ask for while it took and freed long blocks."""
    done = subprocess.run([sys.executable, "-c", BLOCKS, way], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_long_blocks_are_not_taken_anew() -> None:
    """Three blocks of 1 MB a hundred times over are 70,000 pages, of which hardly any is asked for again."""
    assert count_faults("kept") < 1000 < count_faults("as ever")


def test_what_stays_is_not_looked_at_again() -> None:
    """In a process of its own: the collector no longer knows the modules, and what comes later it does."""
    told = """
import gc, concordiad.room
from concordiad.ops.memory import spare_what_stays
spare_what_stays()
later = []
print(any(each is vars(concordiad.room) for each in gc.get_objects()), any(each is later for each in gc.get_objects()))
"""
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]


PORTIONS = """
import gc, sys
from concordiad.ops.memory import spare_what_stays
if sys.argv[1] == "spared":
    spare_what_stays()
looked_at = []
def hear(phase, about):
    if phase == "start" and about["generation"] == 1:
        looked_at.append(sum(map(len, map(gc.get_objects, (0, 1)))))
gc.callbacks.append(hear)
kept = [[] for _ in range(30_000)]
print(max(looked_at))
"""


@pytest.mark.skipif(not gc.get_threshold()[2], reason="this Python looks at what is old in portions of its own")
def test_garbage_is_looked_for_in_small_portions() -> None:
    """Each holds the loop: a collection of what is not quite new looks at a third of what it would."""
    most = {}
    for way in ("spared", "as ever"):
        done = subprocess.run([sys.executable, "-c", PORTIONS, way], check=True, capture_output=True, text=True)
        most[way] = int(done.stdout)
    assert most["spared"] < 4000
    assert most["as ever"] > 7000


GIVEN_BACK = """
from concordiad.ops.memory import Spare, keep_freed_memory, resident_bytes
keep_freed_memory()
spare = Spare()
said = [spare.is_due()]
held = [bytes([1]) * 500_000 for _ in range(30)]
full = resident_bytes()
del held
kept = resident_bytes()
said.append(spare.is_due())
spare.give_back()
said.append(spare.is_due())
print(full - kept, full - resident_bytes(), *said)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_memory_is_given_back_when_asked() -> None:
    """15 MB that were freed are kept until then, and given back once: before and after there is nothing to give."""
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], check=True, capture_output=True, text=True)
    kept, given, *said = done.stdout.split()
    assert int(kept) < 4_000_000
    assert int(given) > 12_000_000
    assert said == ["False", "True", "False"]


OLD = """
import gc, sys
from contextlib import nullcontext
from concordiad.ops.memory import OldGarbage, spare_what_stays
spare_what_stays()
looked = []
def hear(phase, about):
    if phase == "start" and about["generation"] == 2:
        looked.append(1)
gc.callbacks.append(hear)
garbage = OldGarbage()
with garbage if sys.argv[1] == "left" else nullcontext():
    said = [garbage.is_due()]
    kept = [[bytes(100)] for _ in range(300_000)]
    print(len(looked))
    for each in kept:
        each.append(each)
    del kept, each
    said.append(garbage.is_due())
    garbage.collect()
    said.append(garbage.is_due())
print(*said, gc.get_count()[2], gc.get_threshold()[2] < 100)
"""


@pytest.mark.skipif(not gc.get_threshold()[2], reason="this Python looks at what is old in portions of its own")
def test_old_garbage_is_looked_for_when_it_is_due_and_not_in_a_rush() -> None:
    """However many objects come, until somebody asks; then it is gone, and Python goes on as before."""
    told = {}
    for way in ("left", "as ever"):
        done = subprocess.run([sys.executable, "-c", OLD, way], check=True, capture_output=True, text=True)
        told[way] = done.stdout.split()
    assert told["left"] == ["0", "False", "True", "False", "0", "True"]
    assert int(told["as ever"][0]) > 0
