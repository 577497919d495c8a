"""
The turn that Claude Code works on, as far as it was heard: its blocks, its words, its tools.

Laws: a turn is told by its id, never by order; a block's number is given once; tools run from the end of the message
that calls them until each has answered.
"""

from typing import Final

import msgspec

from concordiad.core.agents import Began, Fact, IdSource, OwnTurnBegan, Said, ToolsRunning
from concordiad.core.agents.claude_lines import LONG_BYTES, RawLine, read_text

_encode: Final = msgspec.json.encode


class _Memory(msgspec.Struct, frozen=True):
    """What was learnt; the fields are those of ClaudeTurn."""

    turn: str | None
    is_ours: bool
    next_block: int
    open_block: int | None
    offset: int
    cause: str
    is_message_open: bool
    calls: list[str]
    tools_running: int
    streamed: str
    last_text: str | None


class ClaudeTurn:
    """
    What is known of the turn under way.

    Attributes:
        id: whose it is; None: none is under way.
        is_ours: whether the last one was a line of ours.
        open_block: the number of the block that is streamed.
        cause: why the agent may begin a turn of its own next.
        is_message_open: whether the model still says what it wants.
        calls: the tools that it has called and that have not answered.
    """

    def __init__(self, new_id: IdSource) -> None:
        self._new_id = new_id
        self.id: str | None = None
        self.is_ours = False
        self.open_block: int | None = None
        self.cause = ""
        self.is_message_open = False
        self.calls = set[str]()
        self._head = b""
        self._next_block = 0
        self._offset = 0
        self._tools_running = 0
        self._streamed = bytearray()
        self._last_text: RawLine | None = None

    def begin(self, turn: str) -> list[Fact]:
        """Take up a turn of ours, unless it is the one under way."""
        if turn == self.id:
            return []
        self._take_up(turn, is_ours=True)
        # What was folded into a turn of ours is not the cause of a later one of the agent's own.
        self.cause = ""
        return [Began(turn), *self.count_tools()]

    def begin_unasked(self) -> list[Fact]:
        """Take up a turn of the agent's own, unless one is under way."""
        if self.id is not None:
            return []
        turn = self._new_id()
        self._take_up(turn, is_ours=False)
        cause, self.cause = self.cause, ""
        return [OwnTurnBegan(turn, cause), *self.count_tools()]

    def _take_up(self, turn: str, *, is_ours: bool) -> None:
        self.id, self.is_ours = turn, is_ours
        self._head = b'"turn":%b' % _encode(turn)
        self._next_block, self.open_block = 0, None
        self._forget_words()

    def end(self) -> None:
        """Have no turn under way any more."""
        self.id, self.is_message_open = None, False
        self._forget_words()

    def _forget_words(self) -> None:
        self.calls.clear()
        self._streamed, self._last_text = bytearray(), None

    def take_block(self) -> int:
        """Number a new block."""
        number, self._next_block = self._next_block, self._next_block + 1
        return number

    def finish_block(self) -> int:
        """Give the number of the block that was streamed, of a new one where none was."""
        if self.open_block is None:
            return self.take_block()
        number, self.open_block = self.open_block, None
        return number

    def start_block(self) -> None:
        """Begin to stream a block."""
        self.open_block, self._offset = self.take_block(), 0
        self._streamed = bytearray()

    def withdraw(self) -> list[Fact]:
        """Take back what was streamed of a block that never came whole."""
        if self.open_block is None:
            return []
        # The stream broke off: what was shown of this block is withdrawn, the agent begins anew.
        body = b'"turn":%b,"block":%d' % (_encode(self.id), self.open_block)
        self.open_block, self._streamed = None, bytearray()
        return [Said("agent.withdrawn", body, self.id)]

    def leave(self) -> list[Fact]:
        """Tell the text of a block that never comes whole, where the turn is over: what people saw of it stays."""
        if self.id is None or self.open_block is None or not self._streamed:
            return []
        text, block = _encode(self._streamed.decode()), self.open_block
        self.open_block = None
        self.keep_text(RawLine(text))
        return [Said("agent.text", b'%b,"block":%d,"text":%b,"partial":true' % (self._head, block, text), self.id)]

    def say(self, delta_type: str, parts: list[str]) -> list[Fact]:
        """Pass on what was said of the open block since the last time."""
        text = "".join(parts)
        if self.id is None or self.open_block is None or not text:
            return []
        offset, self._offset = self._offset, self._offset + len(text)
        kind = b"text" if delta_type == "text_delta" else b"thinking"
        if kind == b"text":
            self._streamed += text.encode()
        members = (self._head, self.open_block, kind, offset, _encode(text))
        return [
            Said("agent.delta", b'%b,"block":%d,"kind":"%b","offset":%d,"text":%b' % members, self.id, is_live=True)
        ]

    def keep_text(self, text: RawLine) -> None:
        """Take a text that came whole instead of what was streamed of it."""
        self._last_text, self._streamed = text, bytearray()

    def partial(self) -> str | None:
        """Give the last text of the turn, as far as it came."""
        return self._streamed.decode() or (None if self._last_text is None else read_text(self._last_text))

    def count_tools(self) -> list[Fact]:
        """Tell how many tools run if that has changed; they begin when the message that calls them is over."""
        count = 0 if self.is_message_open else len(self.calls)
        if count == self._tools_running:
            return []
        self._tools_running = count
        return [ToolsRunning(count)]

    def remember(self) -> bytes:
        """Write it down; a last text of many bytes is left out, which only an interrupted turn would show."""
        last = None if self._last_text is None or len(self._last_text) > LONG_BYTES else read_text(self._last_text)
        return _encode(
            _Memory(
                self.id,
                self.is_ours,
                self._next_block,
                self.open_block,
                self._offset,
                self.cause,
                self.is_message_open,
                sorted(self.calls),
                self._tools_running,
                self._streamed.decode(),
                last,
            )
        )

    def recall(self, memory: bytes) -> None:
        """Take what was written down."""
        state = msgspec.json.decode(memory, type=_Memory)
        self.id, self.is_ours = state.turn, state.is_ours
        self._head = b"" if state.turn is None else b'"turn":%b' % _encode(state.turn)
        self._next_block, self.open_block = state.next_block, state.open_block
        self._offset, self.cause, self.is_message_open = state.offset, state.cause, state.is_message_open
        self.calls, self._tools_running = set(state.calls), state.tools_running
        self._streamed = bytearray(state.streamed.encode())
        self._last_text = None if state.last_text is None else msgspec.Raw(_encode(state.last_text))
