"""
Lines as Claude Code 2.1.329 writes them, recorded and then shortened: made-up ids and paths, the same keys and order.

Most keys that the codec has no use for are left out; `PLAIN_TURN` has a whole one of each kind.
"""

import json
from typing import Any

Line = dict[str, Any]
TURN = "bccb201e-bc7d-468f-87df-77b92e4d5786"
OTHER = "85a49e5b-aa46-479e-8133-73d8d551d842"
SESSION = "52681bd2-69fc-4ffd-aad5-dc246d3b7653"
MODEL = "claude-opus-5-5"
SECRET = "/home/alice/secret-project"
COST = 0.000124

SPENT = {
    "inputTokens": 11,
    "outputTokens": 4,
    "cacheReadInputTokens": 20,
    "cacheCreationInputTokens": 300,
    "webSearchRequests": 0,
    "costUSD": COST,
    "contextWindow": 1000000,
    "canonicalModel": MODEL,
    "provider": "firstParty",
    "costBasis": "list",
}


def write(line: Line) -> bytes:
    """Write a line as the CLI does: no spaces, and no escapes that need not be."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def state(name: str) -> Line:
    """Return the session's new state."""
    return {"type": "system", "subtype": "session_state_changed", "state": name, "session_id": SESSION}


def lifecycle(name: str, turn: str = TURN) -> Line:
    """Return what becomes of a line of ours."""
    return {"type": "command_lifecycle", "command_uuid": turn, "state": name, "session_id": SESSION}


def init(turn: str | None = TURN) -> Line:
    """Return a turn's first line; one of the agent's own names no line of ours."""
    line = {
        "type": "system",
        "subtype": "init",
        "cwd": SECRET,
        "session_id": SESSION,
        "tools": ["Task", "AskUserQuestion", "Bash"],
        "mcp_servers": [],
        "model": MODEL,
        "permissionMode": "default",
        "apiKeySource": "ANTHROPIC_API_KEY",
        "claude_code_version": "2.1.329",
        "memory_paths": {"auto": f"{SECRET}/memory/"},
        "messaging_socket_path": f"{SECRET}/20329.sock",
    }
    return line if turn is None else {**line, "user_message_uuids": [turn]}


def requesting() -> Line:
    """Return the line before a request to the API."""
    return {"type": "system", "subtype": "status", "status": "requesting", "session_id": SESSION}


def stream(event: Line, **more: Any) -> Line:
    """Return an event of the API's stream."""
    return {"type": "stream_event", "event": event, "session_id": SESSION, "parent_tool_use_id": None, **more}


def message_start() -> Line:
    """Return the beginning of a message."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    return stream({"type": "message_start", "message": message}, ttft_ms=8)


def block_start(kind: str = "text", index: int = 0) -> Line:
    """Return the beginning of a block."""
    block = {"text": {"type": "text", "text": ""}, "thinking": {"type": "thinking", "thinking": "", "signature": ""}}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    return stream({"type": "content_block_start", "content_block": block.get(kind, tool), "index": index})


def delta(text: str, kind: str = "text", index: int = 0) -> Line:
    """Return a piece of a block."""
    member = {"text": "text", "thinking": "thinking", "signature": "signature", "input_json": "partial_json"}[kind]
    event = {"type": "content_block_delta", "delta": {"type": f"{kind}_delta", member: text}, "index": index}
    return stream(event)


def block_stop(index: int = 0) -> Line:
    """Return the end of a block, which comes after its `assistant` line."""
    return stream({"type": "content_block_stop", "index": index})


def message_stop(abandoned_from: int | None = None) -> Line:
    """Return the end of a message, which may abandon blocks of it."""
    abandoned = {"abandoned_blocks": {"api_message_id": "msg_1", "from_block_index": abandoned_from}}
    return stream({"type": "message_stop"}, **({} if abandoned_from is None else abandoned))


def assistant(*blocks: Line, parent: str | None = None, **more: Any) -> Line:
    """Return finished blocks; `parent` is the tool call that a subagent works for."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": list(blocks)}
    return {"type": "assistant", "message": message, "parent_tool_use_id": parent, "session_id": SESSION, **more}


def text(value: str) -> Line:
    """Return a block of text."""
    return {"type": "text", "text": value}


def thinking(value: str) -> Line:
    """Return a block of thinking."""
    return {"type": "thinking", "thinking": value, "signature": "c3R1Yg=="}


def tool_use(identity: str = "toolu_1", name: str = "Bash", **tool_input: Any) -> Line:
    """Return a call of a tool."""
    return {"type": "tool_use", "id": identity, "name": name, "input": tool_input}


def tool_result(content: object, identity: str = "toolu_1", parent: str | None = None, **more: Any) -> Line:
    """Return what a tool gave."""
    block = {"tool_use_id": identity, "type": "tool_result", "content": content, **more}
    return user(block, parent=parent)


def user(*blocks: Line, parent: str | None = None, **more: Any) -> Line:
    """Return what the model was told."""
    message = {"role": "user", "content": list(blocks)}
    return {"type": "user", "message": message, "parent_tool_use_id": parent, "session_id": SESSION, **more}


def result(answer: str | None = "one two three four", turn: str | None = TURN, **more: Any) -> Line:
    """Return a turn's result, which does not begin with its type; one of the agent's own names no line of ours."""
    line = {
        "duration_api_ms": 15,
        "stop_reason": "end_turn",
        "session_id": SESSION,
        "total_cost_usd": 0.5,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 301,
            "cache_read_input_tokens": 21,
            "output_tokens": 5,
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
            "service_tier": "standard",
            "speed": "standard",
        },
        "modelUsage": {MODEL: {**SPENT, "costUSD": 0.5}},
        "permission_denials": [],
        "terminal_reason": "completed",
        "fast_mode_state": "off",
        "fast_mode_disabled_reason": "sdk_opt_in_required",
        "subagent_stats": {"spawned": 0, "killed": {"parent": 0, "user": 0, "system": 0}, "by_type": {}},
        "is_error": False,
        "num_turns": 1,
        "subtype": "success",
        "api_error_status": None,
        "result": answer,
        "ttft_ms": 61,
        "type": "result",
        "duration_ms": 67,
        "uuid": "83b8b911-d36c-4f0c-85ec-e5785df9c5d2",
        "queued_turn_count": 0,
        "result_index": 0,
        "model_usage_since_last_result": {MODEL: SPENT},
    }
    if answer is None:
        del line["result"]
    if turn is not None:
        line |= {"user_message_uuid": turn, "user_message_uuids": [turn]}
    return {**line, **more}


def permission(request_id: str = "r1", **more: Any) -> Line:
    """Return a request for permission."""
    request = {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "display_name": "Bash",
        "input": {"command": "touch x", "description": "stub"},
        "description": "stub",
        "permission_suggestions": [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}],
        "blocked_path": f"{SECRET}/x",
        "tool_use_id": "toolu_1",
        **more,
    }
    return {"type": "control_request", "request_id": request_id, "request": request}


QUESTIONS = {
    "questions": [
        {
            "question": "Which colour?",
            "header": "Question",
            "options": [{"label": "red", "description": "choose red"}, {"label": "blue", "description": "choose blue"}],
            "multiSelect": False,
        }
    ]
}


def question(request_id: str = "r2") -> Line:
    """Return a question, which has neither description nor suggestions."""
    request = {
        "subtype": "can_use_tool",
        "tool_name": "AskUserQuestion",
        "display_name": "AskUserQuestion",
        "input": QUESTIONS,
        "tool_use_id": "toolu_1",
        "requires_user_interaction": True,
    }
    return {"type": "control_request", "request_id": request_id, "request": request}


def success(request_id: str, response: Line) -> Line:
    """Return the answer to a control request of ours."""
    body = {"subtype": "success", "request_id": request_id, "response": response}
    return {"type": "control_response", "response": body}


def api_retry(attempt: int, **more: Any) -> Line:
    """Return the API's trouble."""
    line = {
        "type": "system",
        "subtype": "api_retry",
        "attempt": attempt,
        "max_retries": 2,
        "retry_delay_ms": 528,
        "error_status": 529,
        "error": "overloaded",
        "session_id": SESSION,
    }
    return {**line, **more}


def notification(summary: str) -> Line:
    """Return word of a background command or a subagent that has ended."""
    return {
        "type": "system",
        "subtype": "task_notification",
        "task_id": "b7i70wt3d",
        "tool_use_id": "toolu_1",
        "status": "completed",
        "output_file": f"{SECRET}/tasks/b7i70wt3d.output",
        "summary": summary,
    }


OPENING = [state("running"), lifecycle("queued"), lifecycle("started"), init(), requesting(), message_start()]
CLOSING = [lifecycle("completed"), state("idle")]
PLAIN_TURN = [
    *OPENING,
    block_start(),
    delta("one two "),
    delta("three fo"),
    delta("ur"),
    assistant(text("one two three four")),
    block_stop(),
    stream({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
    message_stop(),
    result(),
    *CLOSING,
]
LOST_CONVERSATION = {
    "type": "result",
    "subtype": "error_during_execution",
    "duration_ms": 0,
    "is_error": True,
    "num_turns": 0,
    "stop_reason": None,
    "session_id": SESSION,
    "total_cost_usd": 0,
    "usage": {"input_tokens": 0, "output_tokens": 0},
    "modelUsage": {},
    "permission_denials": [],
    "errors": [f"No conversation found with session ID: {SESSION}"],
    "result_index": 0,
}
EVERY_KIND = [
    *PLAIN_TURN[:-3],
    block_start("thinking"),
    delta("hmm", "thinking"),
    delta("c3R1Yg==", "signature"),
    assistant(thinking("hmm")),
    delta('{"command"', "input_json"),
    assistant(tool_use(command="touch x", description="stub")),
    permission(),
    question(),
    {"type": "control_cancel_request", "request_id": "r2"},
    {"type": "control_request", "request_id": "r3", "request": {"subtype": "hook_callback", "callback_id": "c"}},
    success("c1", {"session": {"total_cost_usd": 0.25, "model_usage": {}}, "rate_limits": None}),
    success("c2", {"still_queued": []}),
    {"type": "control_response", "response": {"subtype": "error", "request_id": "c3", "error": "Unsupported"}},
    tool_result("hi", is_error=False),
    tool_result([text("a list")], parent="toolu_0"),
    user(text("[Request interrupted by user]")),
    assistant(thinking("sub"), text("from the subagent"), tool_use("toolu_2"), parent="toolu_1"),
    api_retry(1),
    assistant(text("API Error: 529"), is_api_error_message=True),
    notification('Background command "stub" completed (exit code 0)'),
    message_stop(abandoned_from=0),
    result(),
    *CLOSING,
    init(None),
    result("on my own", None, origin={"kind": "task-notification"}),
    state("idle"),
    LOST_CONVERSATION,
]
