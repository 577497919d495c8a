"""What an agent says, by way of files: real pipes, real splices."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from concordiad.agent import spool
from concordiad.agent.spool import SpooledOutput, files_of, remove_spool, remove_spools
from tests.support.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be of a hundred bytes, moved by forty."""
    monkeypatch.setattr(spool, "FILE_BYTES", 100)
    monkeypatch.setattr(spool, "MOVE_BYTES", 40)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Yield a pipe whose ends stay open, as in a store."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def open_output(read_end: int, directory: Path, place: int = 0) -> SpooledOutput:
    """Begin to read, as one run of the daemon."""
    return SpooledOutput(trio.lowlevel.FdStream(os.dup(read_end)), directory, "i1", place)


def names(directory: Path) -> list[str]:
    """List the files."""
    return [path.name for path in files_of(directory)]


async def read(output: SpooledOutput, count: int) -> bytes:
    """Read so many bytes."""
    found = b""
    with trio.fail_after(PATIENCE_S):
        while len(found) < count:
            found += await output.receive_some(min(30, count - len(found)))
    return found


async def test_next_reader_goes_on_at_any_place(pipe: tuple[int, int], tmp_path: Path) -> None:
    """What was moved and not yet read is there for the next run, and so is what was read, from any place on."""
    said = bytes(range(256)) * 2
    os.write(pipe[1], said)
    async with open_output(pipe[0], tmp_path) as output:
        assert await read(output, 333) == said[:333]
    os.write(pipe[1], b"and more")
    for place in (0, 99, 100, 333, 512):
        async with open_output(pipe[0], tmp_path, place) as output:
            assert await read(output, 520 - place) == (said + b"and more")[place:]


async def test_files_are_removed_once_they_are_passed(pipe: tuple[int, int], tmp_path: Path) -> None:
    """Only what is wholly before the place goes; what is left is read as before, and removed with the agent."""
    said = bytes(range(250))
    os.write(pipe[1], said)
    async with open_output(pipe[0], tmp_path) as output:
        before = output.has_old
        await read(output, 250)
        assert (before, output.has_old) == (False, True)
        assert names(tmp_path) == [f"i1.{start:016d}" for start in (0, 120, 240)]
        output.forget(239)
        assert len(files_of(tmp_path)) == 2
    async with open_output(pipe[0], tmp_path, 200) as output:
        assert await read(output, 50) == said[200:]
    (tmp_path / "i2.0000000000000000").touch()
    remove_spools(tmp_path, {"i1"})
    assert {path.name[:2] for path in files_of(tmp_path)} == {"i1"}
    remove_spool(tmp_path, "i1")
    assert files_of(tmp_path) == []


async def test_end_of_the_output_is_told_after_all_of_it(tmp_path: Path) -> None:
    """A reader that comes when the agent is no more reads what it said, then the end."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"last words")
    os.close(write_end)
    for _ in range(2):
        async with open_output(read_end, tmp_path / "new") as output:
            assert [chunk async for chunk in output] == [b"last words"]
    os.close(read_end)
