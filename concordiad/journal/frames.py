"""
The frames of a write-ahead log (sqlite.org/walformat): what stands in them, and which of them can be believed.

Each frame's checksum goes on from the one before it, and the first one's from the header's: so a header that is
damaged can be computed from the first frame, and frames can be believed that stand behind damage. Law: nothing is
written but a copy.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

MAGIC: Final = (0x377F0682, 0x377F0683)
"""The first word; odd where the checksums are of big-endian words."""
VERSION: Final = 3007000
PAGE_BYTES: Final = 4096
"""SQLite's default, which every journal has had."""
HEADER_BYTES: Final = 32
FRAME_BYTES: Final = 24
HEADER: Final = Struct(">8I")
FRAME: Final = Struct(">6I")
COUNTED: Final = slice(28, 32)
"""Where a journal says how many pages it has (sqlite.org/fileformat2)."""
_WORD: Final = 0xFFFFFFFF

Sum = tuple[int, int]


class Frame(NamedTuple):
    """
    A frame.

    Attributes:
        start: where it begins.
        page: the number of its page.
        pages: how many the journal has with it, if it ends a commit; else 0.
        covered: what its checksum is of.
        salts: what marks it as one of its log.
        stored: the checksum that it says it has.
    """

    start: int
    page: int
    pages: int
    covered: bytearray
    salts: Sum
    stored: Sum

    @property
    def content(self) -> bytearray:
        """The page."""
        return self.covered[8:]


class Run(NamedTuple):
    """
    Frames, one behind the other, that belong together up to the end of a commit.

    Attributes:
        frames: the frames.
        is_first_proved: whether the first one's checksum could be computed, as that of the others.
        end: where the first one begins that does not belong to it, or is behind its last commit.
    """

    frames: list[Frame]
    is_first_proved: bool
    end: int

    def covers(self, pages: range) -> bool:
        """Tell whether some pages are what they were with the last commit, whatever they are elsewhere."""
        proved = self.frames if self.is_first_proved else self.frames[1:]
        return set(pages) <= {frame.page for frame in proved}

    @property
    def pages(self) -> int:
        """How many pages the journal had with its last commit."""
        return self.frames[-1].pages


def read_frame(log: bytearray, start: int, page_bytes: int) -> Frame | None:
    """Read a frame; None where the log ends before it does."""
    if len(log) < start + FRAME_BYTES + page_bytes:
        return None
    page, pages, *marks = FRAME.unpack_from(log, start)
    covered = log[start : start + 8] + log[start + FRAME_BYTES : start + FRAME_BYTES + page_bytes]
    return Frame(start, page, pages, covered, (marks[0], marks[1]), (marks[2], marks[3]))


def add(data: bytes | bytearray, start: Sum, magic: int) -> Sum:
    """Go on with a checksum."""
    first, second = start
    words = Struct(f"{'>' if magic & 1 else '<'}{len(data) // 4}I").unpack(data)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = first + one + second & _WORD
        second = second + other + first & _WORD
    return first, second


def _subtract(data: bytearray, end: Sum, magic: int) -> Sum:
    """Go back to the checksum before."""
    first, second = end
    words = Struct(f"{'>' if magic & 1 else '<'}{len(data) // 4}I").unpack(data)
    for one, other in zip(words[-2::-2], words[::-2], strict=True):
        second = second - other - first & _WORD
        first = first - one - second & _WORD
    return first, second


def is_header(header: tuple[int, ...], log: bytes | bytearray) -> bool:
    """Tell whether the words with which a log begins are a header."""
    return header[0] in MAGIC and header[1] == VERSION and add(log[:24], (0, 0), header[0]) == header[6:]


def compute_header(log: bytearray) -> bytes | None:
    """
    Compute the header of a log from its first frame; None where that one is damaged, too.

    All is known but how often the log has begun anew, and the sums of three words that are known prove that one.
    """
    frame = read_frame(log, HEADER_BYTES, PAGE_BYTES)
    if frame is None or not frame.page:
        return None
    for magic in MAGIC:
        order = ">" if magic & 1 else "<"
        begin = Struct(">3I").pack(magic, VERSION, PAGE_BYTES)
        salts = Struct(">2I").pack(*frame.salts)
        first, second = end = _subtract(frame.covered, frame.stored, magic)
        third = Struct(f"{order}I").unpack(begin[8:])[0]
        last_salt = Struct(f"{order}I").unpack(salts[4:])[0]
        before = second - last_salt - first & _WORD
        start = add(begin[:8], (0, 0), magic)
        middle = start[0] + third + start[1] & _WORD
        count = Struct(f"{order}I").pack(before - start[1] - middle & _WORD)
        header = begin + count + salts + Struct(">2I").pack(*end)
        if is_header(HEADER.unpack(header), header):
            return header
    return None


def read_run(log: bytearray) -> Run | None:
    """Read the frames of a log whose header is right, up to its last commit; None where it has none."""
    first = read_frame(log, HEADER_BYTES, PAGE_BYTES)
    if first is None:
        return None
    header = HEADER.unpack_from(log)
    magic, salts, before = header[0], (header[4], header[5]), (header[6], header[7])
    if first.salts != salts or add(first.covered, before, magic) != first.stored:
        return None
    return _follow(log, first, magic, is_first_proved=True)


def find_run(log: bytearray, salts: Sum | None = None) -> Run | None:
    """
    Find the first frames of a log that belong together, whatever stands before them; None where there are none.

    Args:
        log: the log; its header is not looked at.
        salts: those of the frames that are wanted, if they are known.
    """
    for frame in _frames(log, HEADER_BYTES):
        following = read_frame(log, frame.start + FRAME_BYTES + PAGE_BYTES, PAGE_BYTES)
        if following is None or following.salts != frame.salts or salts not in (None, frame.salts):
            continue
        for magic in MAGIC:
            # A log of zeros has sums that are right.
            is_one = frame.page and following.page and add(following.covered, frame.stored, magic) == following.stored
            run = _follow(log, frame, magic, is_first_proved=False) if is_one else None
            if run is not None:
                return run
    return None


def _follow(log: bytearray, first: Frame, magic: int, *, is_first_proved: bool) -> Run | None:
    frames = [first]
    for frame in _frames(log, first.start + FRAME_BYTES + PAGE_BYTES):
        last = frames[-1]
        if frame.salts != last.salts or not frame.page or add(frame.covered, last.stored, magic) != frame.stored:
            break
        frames.append(frame)
    while frames and not frames[-1].pages:
        frames.pop()
    if not frames:
        return None
    return Run(frames, is_first_proved, frames[-1].start + FRAME_BYTES + PAGE_BYTES)


def _frames(log: bytearray, start: int) -> Iterator[Frame]:
    while (frame := read_frame(log, start, PAGE_BYTES)) is not None:
        yield frame
        start += FRAME_BYTES + PAGE_BYTES


class Version(NamedTuple):
    """A page as a commit has left it; the first commit in a log is 0."""

    commit: int
    content: bytearray


def find_versions(log: bytearray, frames: int, page: int) -> list[Version]:
    """Find what the commits among so many frames that are right have made of a page, the oldest first."""
    versions: list[Version] = []
    in_commit: bytearray | None = None
    commit = 0
    for number in range(frames):
        start = HEADER_BYTES + number * (FRAME_BYTES + PAGE_BYTES)
        found, pages, *_ = FRAME.unpack_from(log, start)
        if found == page:
            in_commit = log[start + FRAME_BYTES : start + FRAME_BYTES + PAGE_BYTES]
        if pages:
            if in_commit is not None:
                versions.append(Version(commit, in_commit))
            in_commit = None
            commit += 1
    return versions


def has_page(path: Path, page: int) -> bool:
    """Tell whether a log has a page, by what its frames say they are. Raises OSError."""
    with path.open("rb") as file:
        salts = file.read(HEADER_BYTES)[16:24]
        while len(frame := file.read(FRAME_BYTES)) == FRAME_BYTES:
            number, *_ = FRAME.unpack(frame)
            if number == page and frame[8:16] == salts:
                return True
            file.seek(PAGE_BYTES, os.SEEK_CUR)
    return False


def lay(run: Run, path: Path) -> None:
    """Write the pages of a log into a copy of its journal, which has no log then. Raises OSError."""
    with path.open("r+b") as file:
        for frame in run.frames:
            file.seek((frame.page - 1) * PAGE_BYTES)
            file.write(frame.content)
        file.truncate(run.pages * PAGE_BYTES)
        # Says the same, unless the first page is not of the log.
        file.seek(COUNTED.start)
        file.write(run.pages.to_bytes(4, "big"))
