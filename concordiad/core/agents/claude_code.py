"""
Claude Code's stream-json, as version 2.1.329 speaks it: what each of its lines means.

Laws: a turn is told by `user_message_uuids` and
lifecycle lines, never by order; success is told by `is_error` and `terminal_reason`, never by `subtype`; of the agent's
lines only content blocks reach the transcript, because the rest of a line names paths and settings of the machine.
"""

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import Final

import msgspec

from concordiad.core.agents import (
    Acknowledged,
    Answered,
    ApprovalAsked,
    ApprovalWithdrawn,
    BackgroundRunning,
    BrokeOff,
    ConversationLost,
    Ended,
    Fact,
    IdSource,
    LineDone,
    Retrying,
    Said,
    Session,
    Unreadable,
    Unsupported,
    WentIdle,
)
from concordiad.core.agents.claude_lines import (
    LONG_BYTES,
    TYPE_FIRST,
    ContentLine,
    ControlCancelLine,
    ControlPayload,
    ControlRequestLine,
    ControlResponse,
    ControlResponseLine,
    LifecycleLine,
    Look,
    Peek,
    RawLine,
    ResultLine,
    StreamEvent,
    SystemLine,
    bounded_count,
    check_utf8,
    figures_of,
    judge,
    leave_out_result,
    look_at_line,
    peek_line,
    read_content,
    read_event,
    read_oversize,
    read_result,
    read_system,
    repair,
    trouble_in,
)
from concordiad.core.agents.claude_orders import ClaudeOrders
from concordiad.core.agents.claude_turn import ClaudeTurn
from concordiad.core.lines import Oversize
from concordiad.core.model import ApprovalKind, Outcome

_encode: Final = msgspec.json.encode

LOOKS: Final = 4096
"""
At most so many lines are looked at at once: in a block of the pump's these are lines of 64 bytes.

The CLI writes none so short; of the shortest that there can be, a look at a block would take 10 ms.
"""
PIECE_LINES: Final = 32
"""Lines that are read at a stretch: half a millisecond's work where none of them can be."""


class ClaudeCode(ClaudeOrders):
    """Speak with one process of the Claude Code CLI."""

    is_rehearsal = False

    def __init__(self, new_id: IdSource) -> None:
        self._turn = ClaudeTurn(new_id)

    def decode(self, lines: bytes | Oversize) -> list[Fact]:
        """Read lines of the CLI; deltas of one block that stand together become one."""
        return list(chain.from_iterable(self.decode_in_pieces(lines)))

    def decode_in_pieces(self, lines: bytes | Oversize) -> Iterator[list[Fact]]:
        """Read the same, a short piece of work at a time, whatever it is that the lines hold."""
        if isinstance(lines, Oversize):
            yield self._decode_oversize(lines)
            return
        count = lines.count(b"\n") + 1
        if count == 1:
            yield self._decode_line(lines)
            return
        looks: list[Look] = []
        if count <= LOOKS:
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                looks = look_at_line.decode_lines(lines)
        # A number that differs: a line is empty, or no value of its own.
        if len(looks) == count:
            yield from self._decode_looks(looks, lines)
            return
        begin = 0
        while begin < len(lines):
            facts: list[Fact] = []
            for _ in range(PIECE_LINES):
                end = lines.find(b"\n", begin)
                end = len(lines) if end < 0 else end
                if end > begin:
                    facts += self._decode_line(lines[begin:end])
                begin = end + 1
                if begin >= len(lines):
                    break
            yield facts

    def is_refusal(self, last_words: str) -> bool:
        """Tell whether the CLI refused its flags: `error: unknown option …`, `error: option … is invalid`."""
        return last_words.startswith("error: ")

    def end(self) -> list[Fact]:
        """Tell how far the turn came in which the output ended."""
        left = self._turn.leave()
        partial = None if self._turn.id is None else self._turn.partial()
        return [] if self._turn.id is None or partial is None else [*left, BrokeOff(self._turn.id, partial)]

    def remember(self) -> bytes:
        """Write down what was learnt of the turn under way."""
        return self._turn.remember()

    def recall(self, memory: bytes) -> None:
        """Take that, after another codec."""
        self._turn.recall(memory)

    def _decode_looks(self, looks: list[Look], lines: bytes) -> Iterator[list[Fact]]:
        facts: list[Fact] = []
        say = self._turn.say
        kind, said = "", list[str]()
        place, begin = 0, 0
        for number, look in enumerate(looks):
            # Pieces of a text come a thousand in a millisecond.
            if number and not number % PIECE_LINES and not said:
                yield facts
                facts = []
            event = look.event
            if event is not None and look.type == "stream_event":
                if look.parent_tool_use_id is not None:
                    continue
                delta = event.delta
                if delta is not None and event.type == "content_block_delta":
                    if delta.type != kind:
                        facts += say(kind, said)
                        kind, said = delta.type, []
                    said.append(delta.text if kind == "text_delta" else delta.thinking)
                    continue
                facts += say(kind, said)
                said = []
                facts += self._decode_stream(event)
                continue
            facts += say(kind, said)
            said = []
            # Going from newline to newline up to the few lines that matter costs a fifth of cutting them all.
            while place < number:
                place, begin = place + 1, lines.index(b"\n", begin) + 1
            end = lines.find(b"\n", begin)
            facts += self._decode_line(lines[begin:end] if end >= 0 else lines[begin:])
        yield facts + say(kind, said)

    def _decode_line(self, line: bytes) -> list[Fact]:
        if line[:1] != b"{" and not line.lstrip().startswith(b"{"):
            # Most of what comes by the thousand, such as a library's own output: not worth a try to repair it.
            return [Unreadable("not a line of stream-json: no object begins it", len(line))]
        shorter = leave_out_result(line) if len(line) > LONG_BYTES else None
        for candidate in (line,) if shorter is None else (shorter, line):
            try:
                # Half of a surrogate pair is an error to msgspec even in what it skips, a byte that is no UTF-8 is not.
                check_utf8(candidate)
                return self._decode(candidate)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
        try:
            return self._decode(repair(line))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return [Unreadable(f"not a line of stream-json: {error}", len(line))]

    def _decode(self, line: bytes) -> list[Fact]:
        first = TYPE_FIRST.match(line) if len(line) > LONG_BYTES else None
        kind = peek_line.decode(line) if first is None else Peek(first[1].decode())
        match kind.type:
            case "stream_event":
                is_subagents = kind.parent_tool_use_id is not None
                return [] if is_subagents else self._decode_stream(read_event.decode(kind.event))
            case "assistant":
                return self._decode_assistant(read_content.decode(line))
            case "user":
                return self._decode_user(read_content.decode(line))
            case "system":
                return self._decode_system(read_system.decode(line))
            case "result":
                return self._end(read_result.decode(line))
            case "command_lifecycle":
                return self._decode_lifecycle(msgspec.json.decode(line, type=LifecycleLine))
            case "control_request":
                return self._decode_request(msgspec.json.decode(line, type=ControlRequestLine))
            case "control_response":
                return [self._decode_response(msgspec.json.decode(line, type=ControlResponseLine).response)]
            case "control_cancel_request":
                return [ApprovalWithdrawn(msgspec.json.decode(line, type=ControlCancelLine).request_id)]
        return []

    def _decode_stream(self, event: StreamEvent) -> list[Fact]:
        turn = self._turn
        if event.type == "content_block_start":
            began = turn.begin_unasked()
            turn.start_block()
            return began
        if event.type == "message_start":
            # The model is asked again only when all of its tools have answered, whether that was readable or not.
            turn.is_message_open = True
            turn.calls.clear()
            return turn.count_tools()
        if event.type == "message_stop":
            turn.is_message_open = False
            return [*turn.withdraw(), *turn.count_tools()]
        if event.type != "content_block_delta" or event.delta is None:
            return []
        delta = event.delta
        return turn.say(delta.type, [delta.text if delta.type == "text_delta" else delta.thinking])

    def _decode_assistant(self, line: ContentLine) -> list[Fact]:
        # A subagent in the background goes on after its turn, and outside of any.
        facts: list[Fact] = self._turn.begin_unasked() if line.parent_tool_use_id is None else []
        if line.is_api_error_message or isinstance(line.message.content, str):
            return facts
        for block in line.message.content:
            parent = b"" if line.parent_tool_use_id is None else b',"parent":%b' % _encode(line.parent_tool_use_id)
            number = self._turn.take_block() if parent else self._turn.finish_block()
            head = b'"turn":%b,"block":%d%b' % (_encode(self._turn.id), number, parent)
            if block.type == "text":
                if not parent:
                    self._turn.keep_text(block.text)
                facts.append(Said("agent.text", b'%b,"text":' % head + block.text, self._turn.id))
            elif block.type == "thinking":
                facts.append(Said("agent.thinking", b'%b,"text":' % head + block.thinking, self._turn.id))
            elif block.type.endswith("tool_use"):
                named = b'%b,"id":%b,"tool":%b,"input":' % (head, _encode(block.id), _encode(block.name))
                facts.append(Said("agent.tool_use", named + block.input, self._turn.id))
                # What a subagent calls is a part of its own call, what runs at the API is a part of its answer.
                if not parent and block.type == "tool_use":
                    self._turn.calls.add(block.id)
        return facts + self._turn.count_tools()

    def _decode_user(self, line: ContentLine) -> list[Fact]:
        if line.is_replay or isinstance(line.message.content, str):
            return []
        facts: list[Fact] = []
        for block in line.message.content:
            if block.type.endswith("tool_result"):
                named = b'"turn":%b,"id":%b,"is_error":%b,"content":' % (
                    _encode(self._turn.id),
                    _encode(block.tool_use_id),
                    b"true" if block.is_error else b"false",
                )
                facts.append(Said("agent.tool_result", named + block.content, self._turn.id))
                self._turn.calls.discard(block.tool_use_id)
        return facts + self._turn.count_tools()

    def _decode_system(self, line: SystemLine) -> list[Fact]:
        match line.subtype:
            case "init":
                named = line.user_message_uuids
                began = self._turn.begin(named[0]) if named else self._turn.begin_unasked()
                return [Session(line.session_id, line.model), *began]
            case "session_state_changed":
                # "running" is told by what begins, "requires_action" by the approval itself.
                if line.state != "idle":
                    return []
                facts = self._turn.leave()
                left, partial = self._turn.id, self._turn.partial()
                self._turn.id = None
                return [*facts, WentIdle() if left is None else WentIdle(left, partial)]
            case "background_tasks_changed":
                return [BackgroundRunning(len(msgspec.json.decode(line.tasks, type=list[RawLine])))]
            case "task_notification":
                self._turn.cause = line.summary
            case "api_retry":
                values = {
                    "turn": self._turn.id,
                    "attempt": line.attempt,
                    "max_retries": line.max_retries,
                    "delay_s": None if line.retry_delay_ms is None else line.retry_delay_ms / 1000,
                    "status": line.error_status,
                    "error": line.error,
                }
                said = Said("agent.api_retry", _encode(values)[1:-1], self._turn.id)
                return [said, Retrying(max(line.retry_delay_ms or 0.0, 0.0) / 1000)]
        return []

    def _decode_lifecycle(self, line: LifecycleLine) -> list[Fact]:
        if line.state == "queued":
            return [Acknowledged(line.command_uuid)]
        if line.state == "started":
            return self._turn.begin(line.command_uuid)
        if line.command_uuid != self._turn.id:
            return [LineDone(line.command_uuid)]
        return [*self._turn.leave(), LineDone(line.command_uuid, self._turn.partial())]

    def _decode_request(self, line: ControlRequestLine) -> list[Fact]:
        request = line.request
        if request.subtype != "can_use_tool":
            return [Unsupported(line.request_id, f"{request.subtype} is not supported by this client")]
        kind = ApprovalKind.QUESTION if request.requires_user_interaction else ApprovalKind.PERMISSION
        asked = bytes(request.input)
        return [ApprovalAsked(line.request_id, self._turn.id, kind, request.tool_name, asked, request.description)]

    def _decode_response(self, response: ControlResponse) -> Fact:
        if response.subtype == "error":
            return Answered(response.request_id, response.error or "unknown error", None)
        try:
            session = msgspec.json.decode(response.response, type=ControlPayload).session
        except msgspec.MsgspecError:
            session = None
        return Answered(response.request_id, None, None if session is None else session.total_cost_usd)

    def _end(self, line: ResultLine) -> list[Fact]:
        if any(error.startswith("No conversation found") for error in line.errors):
            return [ConversationLost(line.session_id)]
        named = line.user_message_uuids
        began: list[Fact] = []
        if named:
            turn, is_ours = named[0], True
        else:
            # A result that names no line of ours ends a turn of the agent's own, announced or not.
            if self._turn.is_ours:
                self._turn.id = None
            began = self._turn.begin_unasked()
            turn, is_ours = self._turn.id or "", False
        outcome, reason = judge(line)
        partial = None
        left: list[Fact] = []
        if turn == self._turn.id:
            if outcome is not Outcome.COMPLETED:
                left = self._turn.leave()
            partial = self._turn.partial() if outcome is Outcome.INTERRUPTED else None
            self._turn.end()
        input_tokens, output_tokens, cost_usd = figures_of(line)
        ended = Ended(
            turn=turn,
            is_ours=is_ours,
            outcome=outcome,
            reason=reason,
            answer=line.result if outcome is Outcome.COMPLETED else None,
            session_id=line.session_id,
            ttft_s=None if line.ttft_ms is None else line.ttft_ms / 1000,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_cost_usd=line.total_cost_usd,
            cost_usd=cost_usd,
            agent_turns=bounded_count(line.num_turns),
            partial=partial,
            trouble=trouble_in(line),
        )
        return [*began, *left, *self._turn.count_tools(), ended]

    def _decode_oversize(self, line: Oversize) -> list[Fact]:
        kind, figures = read_oversize(line)
        began: list[Fact] = []
        block: int | None = None
        # A subagent's line neither begins a turn nor is the block that is streamed.
        if kind == "assistant" and b'"parent_tool_use_id":"' not in line.tail:
            began = self._turn.begin_unasked()
            block, self._turn.open_block = self._turn.open_block, None
        body = b'"turn":%b,"block":%b,"bytes":%d,"kind":%b' % (
            _encode(self._turn.id),
            _encode(block),
            line.length,
            _encode(kind),
        )
        said = Said("agent.oversize", body, self._turn.id)
        if kind != "result":
            return [*began, said]
        try:
            result = msgspec.convert(figures, ResultLine)
        except msgspec.ValidationError:
            turn = self._turn
            result = ResultLine(is_error=False, user_message_uuids=[turn.id] if turn.is_ours and turn.id else [])
        return [said, *self._end(result)]
