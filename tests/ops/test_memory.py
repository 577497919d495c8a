"""What the C library keeps, seen in a process of its own: the setting is for its whole life."""

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
