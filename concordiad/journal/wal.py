"""
One flipped bit in the write-ahead log: found, and told where, so that what was acknowledged is not lost with it.

SQLite takes a frame whose checksum is wrong for the end of the log, and passes over all that stands behind it. A write
that a crash broke off looks the same, but a single bit cannot explain it: the checksums are linear, so the bits that
would make one right are found by arithmetic (sqlite.org/walformat). Mostly it is one bit; of those of the highest byte
of a word there are several, among which the sums of the rows choose.

A header that is wrong is computed from the first frame; where that one is damaged, too, the log has no beginning, and
what of it can be believed is laid into a copy (journal/remains.py).

More than a bit of a frame cannot be turned back. But each commit is synced before the next one is written: where two
commits or more stand behind a frame that is wrong, no crash has broken that write off, and what they hold is lost.
Law: nothing is written.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from concordiad.journal.frames import (
    FRAME,
    FRAME_BYTES,
    HEADER,
    HEADER_BYTES,
    PAGE_BYTES,
    Frame,
    Sum,
    add,
    compute_header,
    find_run,
    is_header,
    read_frame,
)

SYNCED: Final = 2
"""Commits of which the first was synced for sure: the second one was begun after it."""
_WORD: Final = 0xFFFFFFFF


class Flip(NamedTuple):
    """A bit of a file that is not as it was written: the offset of its byte, and its value in that byte."""

    offset: int
    mask: int


class Cut(NamedTuple):
    """Where a log is not what was written: the offset of the frame, and how many commits stand there and behind it."""

    offset: int
    commits: int


class Found(NamedTuple):
    """
    What is wrong with a log, up to where it ends or is cut.

    Attributes:
        flips: the bits that have flipped, for each the places where it may be: turned back at any, the sums are right.
        cut: the frame behind which it cannot be read although it was synced.
        header: the header, computed, where it is not what was written.
        is_headless: whether the header is damaged and cannot be computed, though there was something in the log.
        salts: what its frames are marked with; None where nothing is known of them.
        frames: how many of them are right, from the first one on, with the bits turned back.
    """

    flips: list[list[Flip]]
    cut: Cut | None
    header: bytes | None = None
    is_headless: bool = False
    salts: Sum | None = None
    frames: int = 0


def look_at_log(path: Path) -> Found:
    """
    Find what is wrong with a log; nothing with one that is not there.

    Raises:
        OSError: it cannot be read.
    """
    found = _look(path)
    if found.cut is None and found.header is None and not found.is_headless:
        return found
    # Whoever writes meanwhile looks like damage once, and not in the same place again.
    again = _look(path)
    return found if again[1:] == found[1:] else Found(again.flips, None, salts=again.salts, frames=again.frames)


def _look(path: Path) -> Found:
    try:
        log = bytearray(path.read_bytes())
    except FileNotFoundError:
        return Found([], None)
    if len(log) <= HEADER_BYTES:
        return Found([], None)
    flips = [[flip] for flip in _flips_in_header(log)]
    turn_back(log, [places[0] for places in flips])
    header = HEADER.unpack_from(log)
    computed = None
    if not is_header(header, log):
        computed = compute_header(log)
        if computed is None:
            # One that was never written is of zeros.
            is_used = len(log) >= HEADER_BYTES + FRAME_BYTES + PAGE_BYTES and any(log[:HEADER_BYTES])
            return Found([], None, is_headless=is_used or find_run(log) is not None)
        log[:HEADER_BYTES] = computed
        header = HEADER.unpack(computed)
    frames = _flips_in_frames(log, header)
    while True:
        try:
            flips.append(next(frames))
        except StopIteration as done:
            salts = (header[4], header[5])
            end = len(log) if done.value is None else done.value
            cut = None if done.value is None else cut_at(log, salts, end)
            right = (end - HEADER_BYTES) // (FRAME_BYTES + PAGE_BYTES)
            return Found(flips, cut, computed, salts=salts, frames=right)


def cut_at(log: bytearray, salts: tuple[int, ...], start: int) -> Cut | None:
    """Tell whether a log goes on behind a frame that is wrong; the second word of one that ends a commit is not 0."""
    commits = 0
    for place in range(start, len(log) - FRAME_BYTES - PAGE_BYTES + 1, FRAME_BYTES + PAGE_BYTES):
        words = FRAME.unpack_from(log, place)
        commits += words[2:4] == salts and words[1] != 0
    return Cut(start, commits) if commits >= SYNCED else None


def turn_back(log: bytearray, flips: list[Flip]) -> None:
    """Turn bits back."""
    for offset, mask in flips:
        log[offset] ^= mask


def _flips_in_header(log: bytearray) -> Iterator[Flip]:
    if is_header(HEADER.unpack_from(log), log):
        return
    for bit in range(HEADER_BYTES * 8):
        flip = Flip(bit // 8, 1 << bit % 8)
        turn_back(log, [flip])
        is_right = is_header(HEADER.unpack_from(log), log)
        turn_back(log, [flip])
        if is_right:
            yield flip
            return


def _flips_in_frames(log: bytearray, header: tuple[int, ...]) -> Generator[list[Flip], None, int | None]:
    """Find the flips of frames; returns where the frame begins of which more is wrong, None if there is none."""
    magic, page_bytes, before = header[0], header[2], (header[6], header[7])
    salts = (header[4], header[5])
    frame = read_frame(log, HEADER_BYTES, page_bytes)
    while frame is not None:
        following = read_frame(log, frame.start + FRAME_BYTES + page_bytes, page_bytes)
        is_sum = add(frame.covered, before, magic)
        if frame.salts != salts:
            flip = _only_bit(frame.salts, salts, frame.start + 8)
            if flip is None or is_sum != frame.stored:
                return frame.start
            yield [flip]
        if is_sum != frame.stored:
            places, before = _places(frame, is_sum, following, salts, magic)
            if not places:
                return frame.start
            yield places
        else:
            before = is_sum
        frame = following
    return None


def _places(frame: Frame, is_sum: Sum, following: Frame | None, salts: Sum, magic: int) -> tuple[list[Flip], Sum]:
    """Find where the bit may be that makes a frame's checksum right, and what the next frame goes on from."""
    in_sum = _only_bit(frame.stored, is_sum, frame.start + 16)
    if following is not None and following.salts == salts:
        if in_sum is not None and add(following.covered, is_sum, magic) == following.stored:
            return [in_sum], is_sum
        if add(following.covered, frame.stored, magic) == following.stored:
            in_sum = None
    places = list(_places_in_page(frame, is_sum, magic))
    if in_sum is not None and not places:
        return [in_sum], is_sum
    return places + ([] if in_sum is None else [in_sum]), frame.stored


def _only_bit(found: Sum, right: Sum, offset: int) -> Flip | None:
    """Find the one bit in which two pairs of big-endian words differ; None if it is not one."""
    difference = (found[0] ^ right[0]) << 32 | found[1] ^ right[1]
    if difference.bit_count() != 1:
        return None
    place = difference.bit_length() - 1
    return Flip(offset + 7 - place // 8, 1 << place % 8)


def _places_in_page(frame: Frame, is_sum: Sum, magic: int) -> Iterator[Flip]:
    """
    Find the bits of a frame's first words, and of its page, that would make its checksum right.

    What a word adds to the checksum behind it is a multiple of the word, the same one for all words at its place: so
    the difference of the checksums is a power of two times that, for the place where the bit is.
    """
    wanted = frame.stored[0] - is_sum[0] & _WORD, frame.stored[1] - is_sum[1] & _WORD
    odd, even = (0, 1), (1, 1)
    for pair in range(len(frame.covered) // 8 - 1, -1, -1):
        for word, (first, second) in ((2 * pair + 1, odd), (2 * pair, even)):
            for bit in range(32):
                for value in (1 << bit, -1 << bit):
                    if (value * first & _WORD, value * second & _WORD) == wanted:
                        place = word * 4 + (3 - bit // 8 if magic & 1 else bit // 8)
                        mask = 1 << bit % 8
                        # A bit that is set can only have been clear.
                        if bool(frame.covered[place] & mask) == (value < 0):
                            yield Flip(frame.start + (place if place < 8 else place - 8 + FRAME_BYTES), mask)
        odd = odd[0] + odd[1] & _WORD, odd[0] + 2 * odd[1] & _WORD
        even = even[0] + even[1] & _WORD, even[0] + 2 * even[1] & _WORD
