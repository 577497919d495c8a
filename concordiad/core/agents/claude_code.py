"""
Claude Code's stream-json, as version 2.1.329 speaks it.

Laws: what a client sent is never passed through, it is always written anew; a turn is told by `user_message_uuids` and
lifecycle lines, never by order; success is told by `is_error` and `terminal_reason`, never by `subtype`; of the agent's
lines only content blocks reach the transcript, because the rest of a line names paths and settings of the machine.
"""

from typing import Any, Final

import msgspec

from concordiad.core.agents import (
    Acknowledged,
    Answered,
    ApprovalAsked,
    ApprovalWithdrawn,
    BackgroundRunning,
    Began,
    BrokeOff,
    ConversationLost,
    Ended,
    Fact,
    IdSource,
    Launch,
    LineDone,
    OwnTurnBegan,
    Retrying,
    Said,
    Session,
    Settings,
    ToolsRunning,
    Unreadable,
    Unsupported,
    WentIdle,
)
from concordiad.core.agents.claude_lines import (
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
    read_text,
    repair,
    trouble_in,
)
from concordiad.core.lines import Oversize
from concordiad.core.model import ApprovalKind, Outcome

_encode: Final = msgspec.json.encode

LONG_BYTES: Final = 64 * 1024
"""Above this the type of a content line is taken from its beginning: one parse of it less."""


class _Memory(msgspec.Struct, frozen=True):
    """What a codec has learnt; the fields are those of ClaudeCode."""

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


class ClaudeCode:
    """Speak with one process of the Claude Code CLI."""

    is_rehearsal = False

    def __init__(self, new_id: IdSource) -> None:
        self._new_id = new_id
        self._turn: str | None = None
        self._head = b""
        self._is_ours = False
        self._next_block = 0
        self._open_block: int | None = None
        self._offset = 0
        self._cause = ""
        self._is_message_open = False
        self._calls = set[str]()
        self._tools_running = 0
        self._streamed = bytearray()
        self._last_text: RawLine | None = None

    def arguments(self, settings: Settings, launch: Launch) -> list[str]:
        """Write the command line: every value as `--flag=value`, so that no value can be read as a flag."""
        chosen = [
            f"--{flag}={value}"
            for flag, value in (("model", settings.model), ("permission-mode", settings.permission_mode))
            if value is not None
        ]
        return [
            "-p",
            "--input-format=stream-json",
            "--output-format=stream-json",
            "--verbose",
            "--include-partial-messages",
            "--permission-prompt-tool=stdio",
            f"--resume={launch.session_id}" if launch.is_resumed else f"--session-id={launch.session_id}",
            *chosen,
            *settings.args,
        ]

    def environment(self) -> dict[str, str]:
        """Name the variables: state lines on, so that the end of a turn is told."""
        return {"CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1"}

    def handshake(self, new_id: IdSource) -> list[tuple[str, bytes]]:
        """Ask for readiness, and for the cost so far: a resumed session goes on counting from a saved total."""
        requests: list[dict[str, Any]] = [{"subtype": "initialize", "hooks": None}, {"subtype": "get_usage"}]
        return [(identity, self._control(identity, request)) for request in requests for identity in (new_id(),)]

    def prompt(self, turn: str, text: str, *, is_raw: bool) -> bytes:
        """Write a turn's line; `client_composed` keeps the CLI from reading @files and obeying slash commands."""
        line: dict[str, Any] = {
            "type": "user",
            "message": {"role": "user", "content": text},
            "uuid": turn,
            "priority": "later",
        }
        if not is_raw:
            line["client_composed"] = True
        return _encode(line) + b"\n"

    def interrupt(self, request_id: str) -> bytes:
        """Write the interrupt request."""
        return self._control(request_id, {"subtype": "interrupt"})

    def allow(self, request_id: str, tool_input: bytes, answers: dict[str, str]) -> bytes:
        """Write the consent: the request's own input unchanged, with `answers` added for a question."""
        updated: Any = msgspec.Raw(tool_input)
        if answers:
            updated = {**msgspec.json.decode(tool_input, type=dict[str, msgspec.Raw]), "answers": answers}
        return self._answer(request_id, {"behavior": "allow", "updatedInput": updated})

    def deny(self, request_id: str, reason: str) -> bytes:
        """Write the refusal; the agent is told the reason."""
        return self._answer(request_id, {"behavior": "deny", "message": reason})

    def refuse(self, request_id: str, why: str) -> bytes:
        """Write the error answer to a request that nobody here can meet."""
        body = {"subtype": "error", "request_id": request_id, "error": why}
        return _encode({"type": "control_response", "response": body}) + b"\n"

    def decode(self, lines: bytes | Oversize) -> list[Fact]:
        """Read lines of the CLI; deltas of one block that stand together become one."""
        if isinstance(lines, Oversize):
            return self._decode_oversize(lines)
        if b"\n" not in lines:
            return self._decode_line(lines)
        try:
            looks = look_at_line.decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            looks = []
        # A number that differs: a line is empty, or no value of its own.
        if len(looks) == lines.count(b"\n") + 1:
            return self._decode_looks(looks, lines)
        return [fact for line in lines.split(b"\n") if line for fact in self._decode_line(line)]

    def is_refusal(self, last_words: str) -> bool:
        """Tell whether the CLI refused its flags: `error: unknown option …`, `error: option … is invalid`."""
        return last_words.startswith("error: ")

    def end(self) -> list[Fact]:
        """Tell how far the turn came in which the output ended."""
        partial = None if self._turn is None else self._partial()
        return [] if self._turn is None or partial is None else [BrokeOff(self._turn, partial)]

    def remember(self) -> bytes:
        """Write down the state; a last text of many bytes is left out, which only an interrupted turn would show."""
        last = None if self._last_text is None or len(self._last_text) > LONG_BYTES else read_text(self._last_text)
        return _encode(
            _Memory(
                self._turn,
                self._is_ours,
                self._next_block,
                self._open_block,
                self._offset,
                self._cause,
                self._is_message_open,
                sorted(self._calls),
                self._tools_running,
                self._streamed.decode(),
                last,
            )
        )

    def recall(self, memory: bytes) -> None:
        """Take that state."""
        state = msgspec.json.decode(memory, type=_Memory)
        self._turn, self._is_ours = state.turn, state.is_ours
        self._head = b"" if state.turn is None else b'"turn":%b' % _encode(state.turn)
        self._next_block, self._open_block, self._offset = state.next_block, state.open_block, state.offset
        self._cause, self._is_message_open = state.cause, state.is_message_open
        self._calls, self._tools_running = set(state.calls), state.tools_running
        self._streamed = bytearray(state.streamed.encode())
        self._last_text = None if state.last_text is None else msgspec.Raw(_encode(state.last_text))

    def _decode_looks(self, looks: list[Look], lines: bytes) -> list[Fact]:
        facts: list[Fact] = []
        kind, said = "", list[str]()
        place, begin = 0, 0
        for number, look in enumerate(looks):
            event = look.event
            if event is not None and look.type == "stream_event":
                if look.parent_tool_use_id is not None:
                    continue
                delta = event.delta
                if delta is not None and event.type == "content_block_delta":
                    if delta.type != kind:
                        facts += self._say(kind, said)
                        kind, said = delta.type, []
                    said.append(delta.text if kind == "text_delta" else delta.thinking)
                    continue
                facts += self._say(kind, said)
                said = []
                facts += self._decode_stream(event)
                continue
            facts += self._say(kind, said)
            said = []
            # Going from newline to newline up to the few lines that matter costs a fifth of cutting them all.
            while place < number:
                place, begin = place + 1, lines.index(b"\n", begin) + 1
            end = lines.find(b"\n", begin)
            facts += self._decode_line(lines[begin:end] if end >= 0 else lines[begin:])
        return facts + self._say(kind, said)

    def _decode_line(self, line: bytes) -> list[Fact]:
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
        if event.type == "content_block_start":
            began = self._begin_unasked()
            self._open_block, self._offset = self._take_block(), 0
            self._streamed = bytearray()
            return began
        if event.type == "message_start":
            # The model is asked again only when all of its tools have answered, whether that was readable or not.
            self._is_message_open = True
            self._calls.clear()
            return self._count_tools()
        if event.type == "message_stop":
            self._is_message_open = False
            return [*self._withdraw(), *self._count_tools()]
        if event.type != "content_block_delta" or event.delta is None:
            return []
        delta = event.delta
        return self._say(delta.type, [delta.text if delta.type == "text_delta" else delta.thinking])

    def _withdraw(self) -> list[Fact]:
        if self._open_block is None:
            return []
        # The stream broke off: what was shown of this block is withdrawn, the agent begins anew.
        body = b'"turn":%b,"block":%d' % (_encode(self._turn), self._open_block)
        self._open_block, self._streamed = None, bytearray()
        return [Said("agent.withdrawn", body, self._turn)]

    def _count_tools(self) -> list[Fact]:
        """Tell how many tools run if that has changed; they begin when the message that calls them is over."""
        count = 0 if self._is_message_open else len(self._calls)
        if count == self._tools_running:
            return []
        self._tools_running = count
        return [ToolsRunning(count)]

    def _partial(self) -> str | None:
        """Give the last text of the turn, as far as it came."""
        return self._streamed.decode() or (None if self._last_text is None else read_text(self._last_text))

    def _say(self, delta_type: str, parts: list[str]) -> list[Fact]:
        """Pass on what was said of the open block since the last time."""
        text = "".join(parts)
        if self._turn is None or self._open_block is None or not text:
            return []
        offset, self._offset = self._offset, self._offset + len(text)
        kind = b"text" if delta_type == "text_delta" else b"thinking"
        if kind == b"text":
            self._streamed += text.encode()
        members = (self._head, self._open_block, kind, offset, _encode(text))
        return [
            Said("agent.delta", b'%b,"block":%d,"kind":"%b","offset":%d,"text":%b' % members, self._turn, is_live=True)
        ]

    def _decode_assistant(self, line: ContentLine) -> list[Fact]:
        # A subagent in the background goes on after its turn, and outside of any.
        facts: list[Fact] = self._begin_unasked() if line.parent_tool_use_id is None else []
        if line.is_api_error_message or isinstance(line.message.content, str):
            return facts
        for block in line.message.content:
            parent = b"" if line.parent_tool_use_id is None else b',"parent":%b' % _encode(line.parent_tool_use_id)
            if line.parent_tool_use_id is None and self._open_block is not None:
                number, self._open_block = self._open_block, None
            else:
                number = self._take_block()
            head = b'"turn":%b,"block":%d%b' % (_encode(self._turn), number, parent)
            if block.type == "text":
                if not parent:
                    self._last_text, self._streamed = block.text, bytearray()
                facts.append(Said("agent.text", b'%b,"text":' % head + block.text, self._turn))
            elif block.type == "thinking":
                facts.append(Said("agent.thinking", b'%b,"text":' % head + block.thinking, self._turn))
            elif block.type.endswith("tool_use"):
                named = b'%b,"id":%b,"tool":%b,"input":' % (head, _encode(block.id), _encode(block.name))
                facts.append(Said("agent.tool_use", named + block.input, self._turn))
                # What a subagent calls is a part of its own call, what runs at the API is a part of its answer.
                if not parent and block.type == "tool_use":
                    self._calls.add(block.id)
        return facts + self._count_tools()

    def _decode_user(self, line: ContentLine) -> list[Fact]:
        if line.is_replay or isinstance(line.message.content, str):
            return []
        facts: list[Fact] = []
        for block in line.message.content:
            if block.type.endswith("tool_result"):
                named = b'"turn":%b,"id":%b,"is_error":%b,"content":' % (
                    _encode(self._turn),
                    _encode(block.tool_use_id),
                    b"true" if block.is_error else b"false",
                )
                facts.append(Said("agent.tool_result", named + block.content, self._turn))
                self._calls.discard(block.tool_use_id)
        return facts + self._count_tools()

    def _decode_system(self, line: SystemLine) -> list[Fact]:
        match line.subtype:
            case "init":
                began = self._begin(line.user_message_uuids[0]) if line.user_message_uuids else self._begin_unasked()
                return [Session(line.session_id, line.model), *began]
            case "session_state_changed":
                # "running" is told by what begins, "requires_action" by the approval itself.
                if line.state != "idle":
                    return []
                self._turn = None
                return [WentIdle()]
            case "background_tasks_changed":
                return [BackgroundRunning(len(msgspec.json.decode(line.tasks, type=list[RawLine])))]
            case "task_notification":
                self._cause = line.summary
            case "api_retry":
                values = {
                    "turn": self._turn,
                    "attempt": line.attempt,
                    "max_retries": line.max_retries,
                    "delay_s": None if line.retry_delay_ms is None else line.retry_delay_ms / 1000,
                    "status": line.error_status,
                    "error": line.error,
                }
                said = Said("agent.api_retry", _encode(values)[1:-1], self._turn)
                return [said, Retrying(max(line.retry_delay_ms or 0.0, 0.0) / 1000)]
        return []

    def _decode_lifecycle(self, line: LifecycleLine) -> list[Fact]:
        if line.state == "queued":
            return [Acknowledged(line.command_uuid)]
        if line.state == "started":
            return self._begin(line.command_uuid)
        return [LineDone(line.command_uuid)]

    def _decode_request(self, line: ControlRequestLine) -> list[Fact]:
        request = line.request
        if request.subtype != "can_use_tool":
            return [Unsupported(line.request_id, f"{request.subtype} is not supported by this client")]
        kind = ApprovalKind.QUESTION if request.requires_user_interaction else ApprovalKind.PERMISSION
        asked = bytes(request.input)
        return [ApprovalAsked(line.request_id, self._turn, kind, request.tool_name, asked, request.description)]

    def _decode_response(self, response: ControlResponse) -> Fact:
        if response.subtype == "error":
            return Answered(response.request_id, response.error or "unknown error", None)
        try:
            session = msgspec.json.decode(response.response, type=ControlPayload).session
        except msgspec.MsgspecError:
            session = None
        return Answered(response.request_id, None, None if session is None else session.total_cost_usd)

    def _begin(self, turn: str) -> list[Fact]:
        if turn == self._turn:
            return []
        self._turn, self._is_ours = turn, True
        self._head = b'"turn":%b' % _encode(turn)
        self._next_block, self._open_block = 0, None
        self._forget_words()
        # What was folded into a turn of ours is not the cause of a later one of the agent's own.
        self._cause = ""
        return [Began(turn), *self._count_tools()]

    def _begin_unasked(self) -> list[Fact]:
        if self._turn is not None:
            return []
        self._turn, self._is_ours = self._new_id(), False
        self._head = b'"turn":%b' % _encode(self._turn)
        self._next_block, self._open_block = 0, None
        self._forget_words()
        cause, self._cause = self._cause, ""
        return [OwnTurnBegan(self._turn, cause), *self._count_tools()]

    def _forget_words(self) -> None:
        self._calls.clear()
        self._streamed, self._last_text = bytearray(), None

    def _take_block(self) -> int:
        number, self._next_block = self._next_block, self._next_block + 1
        return number

    def _end(self, line: ResultLine) -> list[Fact]:
        if any(error.startswith("No conversation found") for error in line.errors):
            return [ConversationLost(line.session_id)]
        named = line.user_message_uuids
        began: list[Fact] = []
        if named:
            turn, is_ours = named[0], True
        else:
            # A result that names no line of ours ends a turn of the agent's own, announced or not.
            if self._is_ours:
                self._turn = None
            began = self._begin_unasked()
            turn, is_ours = self._turn or "", False
        outcome, reason = judge(line)
        partial = None
        if turn == self._turn:
            partial = self._partial() if outcome is Outcome.INTERRUPTED else None
            self._turn, self._is_message_open = None, False
            self._forget_words()
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
        return [*began, *self._count_tools(), ended]

    def _decode_oversize(self, line: Oversize) -> list[Fact]:
        kind, figures = read_oversize(line)
        began: list[Fact] = []
        block: int | None = None
        # A subagent's line neither begins a turn nor is the block that is streamed.
        if kind == "assistant" and b'"parent_tool_use_id":"' not in line.tail:
            began = self._begin_unasked()
            block, self._open_block = self._open_block, None
        body = b'"turn":%b,"block":%b,"bytes":%d,"kind":%b' % (
            _encode(self._turn),
            _encode(block),
            line.length,
            _encode(kind),
        )
        said = Said("agent.oversize", body, self._turn)
        if kind != "result":
            return [*began, said]
        try:
            result = msgspec.convert(figures, ResultLine)
        except msgspec.ValidationError:
            result = ResultLine(is_error=False, user_message_uuids=[self._turn] if self._is_ours and self._turn else [])
        return [said, *self._end(result)]

    @staticmethod
    def _control(request_id: str, request: dict[str, Any]) -> bytes:
        return _encode({"type": "control_request", "request_id": request_id, "request": request}) + b"\n"

    @staticmethod
    def _answer(request_id: str, response: dict[str, Any]) -> bytes:
        body = {"subtype": "success", "request_id": request_id, "response": response}
        return _encode({"type": "control_response", "response": body}) + b"\n"
