"""Pipes that share one block of memory: what is read from one is never seen by who reads another."""

import os

import trio

from concordiad.room.pipes import READ_BYTES, receive


async def test_readers_of_one_block_do_not_see_each_others_bytes() -> None:
    """What was read stays as it was while another pipe is read, and the end of one is nothing."""
    pipes = [os.pipe() for _ in range(2)]
    streams = [trio.lowlevel.FdStream(reading) for reading, _ in pipes]
    for (_, writing), text in zip(pipes, (b"one", b"a longer two"), strict=True):
        os.write(writing, text)
        os.close(writing)
    assert [await receive(stream) for stream in streams] == [b"one", b"a longer two"]
    assert [await receive(stream) for stream in streams] == [b"", b""]
    for stream in streams:
        await stream.aclose()


async def test_reader_waits_and_takes_no_more_than_the_block_holds() -> None:
    """A reader that comes first waits; what does not fit comes with the next read."""
    reading, writing = os.pipe()
    text = os.urandom(READ_BYTES + 1000)
    got = b""
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(reading) as stream:
        sink = trio.lowlevel.FdStream(writing)
        nursery.start_soon(sink.send_all, text)
        while len(got) < len(text):
            chunk = await receive(stream)
            assert 0 < len(chunk) <= READ_BYTES
            got += chunk
        await sink.aclose()
    assert got == text
