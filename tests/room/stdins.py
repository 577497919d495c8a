"""An agent's standard input as the writer sees it: one that reads, and one for each way not to."""

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from concordiad.errors import AgentGone
from tests.room.samples import GRACES

Line = dict[str, Any]


class ReadingStdin:
    """
    Read every line.

    Args:
        note: told of every line as it is read.
    """

    def __init__(self, note: Callable[[Line], None] | None = None) -> None:
        self.lines: list[Line] = []
        self.is_closed = False
        self._note = note

    async def write(self, line: bytes) -> None:
        assert not self.is_closed, "written after it was closed"
        await trio.lowlevel.checkpoint()
        if self.is_closed:
            raise AgentGone("the agent's stdin was closed meanwhile", begun=False)
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        self.lines.append(msgspec.json.decode(line))
        if self._note is not None:
            self._note(self.lines[-1])

    def close(self) -> None:
        self.is_closed = True

    @property
    def prompts(self) -> list[Line]:
        """The lines that are prompts."""
        return [line for line in self.lines if line["type"] == "user"]

    @property
    def requests(self) -> list[Line]:
        """The control requests."""
        return [line for line in self.lines if line["type"] == "control_request"]

    @property
    def responses(self) -> list[Line]:
        """The answers to the agent's own requests, without their wrapping."""
        return [line["response"] for line in self.lines if line["type"] == "control_response"]


class PromptlessStdin(ReadingStdin):
    """Read control requests, and fail in some way when a prompt comes."""

    async def write(self, line: bytes) -> None:
        if msgspec.json.decode(line)["type"] != "user":
            await super().write(line)
            return
        await trio.lowlevel.checkpoint()
        await self.fail()

    async def fail(self) -> None:
        """Fail in the way that the class is named by."""
        raise NotImplementedError


class BrokenStdin(PromptlessStdin):
    """The agent has closed its end: not one byte arrives."""

    async def fail(self) -> None:
        raise AgentGone("the agent's stdin is broken: Broken pipe", begun=False)


class HalfLineStdin(PromptlessStdin):
    """The agent ends in the middle of the line."""

    async def fail(self) -> None:
        raise AgentGone("the agent's stdin is broken: Broken pipe", begun=True)


class StuckStdin(PromptlessStdin):
    """The agent reads nothing: the pipe is full for as long as a line may take."""

    async def fail(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(GRACES.write_s)
        raise AgentGone(f"the agent read nothing for {GRACES.write_s:g} s", begun=False, is_stuck=True)


class GaggedStdin(PromptlessStdin):
    """The agent stops reading in the middle of the line."""

    async def fail(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(GRACES.write_s)
        raise AgentGone(f"the agent read nothing for {GRACES.write_s:g} s", begun=True, is_stuck=True)


class DeadStdin(ReadingStdin):
    """The agent has ended before it read anything at all."""

    async def write(self, line: bytes) -> None:
        await trio.lowlevel.checkpoint()
        raise AgentGone("the agent's stdin is broken: Broken pipe", begun=False)
