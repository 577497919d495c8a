"""Shapes of lines, as plain functions: what they say is the caller's, how they say it is Claude Code's."""

import os
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from concordiad.agent.rehearsal.options import MODES, VERSION, Options

REJECTED: Final = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the "
    "new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to "
    "proceed."
)
STOPPED: Final = (
    " Correction to the text above: this call was stopped while running, not refused before it ran. It may have run in "
    "part or in full, and its changes may have been written."
)
INVALID_PERMISSION: Final = (
    "The canUseTool callback returned an invalid permission result. Expected {behavior: 'allow', updatedInput?: "
    "object} or {behavior: 'deny', message: string}."
)
RETRY_ERRORS: Final = {401: "authentication_failed", 429: "rate_limit", 500: "server_error", 529: "overloaded"}
ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
FINAL_STATUSES: Final = frozenset({400, 403, 404, 413})
"""What the CLI does not try again."""

CAPABILITIES: Final = ["interrupt_receipt_v1", "interrupt_cancel_queued_v1", "msg_lifecycle_v1"]


def now() -> str:
    """Return the time as lines have it: UTC, in milliseconds."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"


def addressed(uuids: Sequence[str]) -> dict[str, Any]:
    """Return the fields that name the prompts a line answers; none for a turn of the agent's own."""
    return {"user_message_uuid": uuids[-1], "user_message_uuids": list(uuids)} if uuids else {}


def init(options: Options, uuids: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a turn's first line."""
    return {
        "subtype": "init",
        "cwd": os.getcwd(),
        "tools": ["AskUserQuestion", "Bash"],
        "mcp_servers": [],
        "model": options.model,
        "permissionMode": options.permission_mode,
        "slash_commands": ["clear"],
        "apiKeySource": "none",
        "claude_code_version": VERSION,
        "output_style": "default",
        "agents": [],
        "skills": [],
        "plugins": [],
        "capabilities": CAPABILITIES,
        "served_by_anthropic": False,
    } | ({"user_message_uuids": list(uuids)} if uuids else {})


def initialized(options: Options, state: str) -> dict[str, Any]:
    """Return the answer to `initialize`."""
    model = {"value": "default", "resolvedModel": options.model, "displayName": "Rehearsal", "description": VERSION}
    return {
        "commands": [{"name": "clear", "description": "Start a new conversation", "argumentHint": "", "builtin": True}],
        "agents": [],
        "output_style": "default",
        "available_output_styles": ["default"],
        "models": [model],
        "account": {"tokenSource": "none", "apiKeySource": "none"},
        "pid": os.getpid(),
        "claude_code_version": VERSION,
        "current_permission_mode": options.permission_mode,
        "available_permission_modes": list(MODES),
        "session_state": state,
        "capabilities": CAPABILITIES,
    }


def usage(words_in: int, words_out: int) -> dict[str, Any]:
    """Return a `usage` object; a word is a token."""
    return {
        "input_tokens": words_in,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": words_out,
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
        "service_tier": "standard",
    }


def empty_result(session_id: str, subtype: str, result_index: int) -> dict[str, Any]:
    """Return a result line without a turn behind it; more is to be said of it than this."""
    return {
        "type": "result",
        "subtype": subtype,
        "is_error": subtype != "success",
        "duration_ms": 0,
        "duration_api_ms": 0,
        "num_turns": 0,
        "stop_reason": None,
        "session_id": session_id,
        "total_cost_usd": 0,
        "usage": usage(0, 0),
        "modelUsage": {},
        "permission_denials": [],
        "uuid": str(uuid4()),
        "queued_turn_count": 0,
        "result_index": result_index,
    }


def message(message_id: str, model: str, content: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return an assistant's message as its lines carry it: not ended yet, its usage not known yet."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        },
    }


def question(argument: str) -> dict[str, Any]:
    """Return the input of AskUserQuestion for QUESTION|CHOICE|CHOICE; without choices Yes and No."""
    text, *choices = argument.split("|")
    options = [{"label": choice, "description": f"choose {choice}"} for choice in choices or ["Yes", "No"]]
    return {"questions": [{"question": text, "header": "Question", "options": options, "multiSelect": False}]}


def filler(size: int) -> str:
    """Return so many bytes of ASCII lines of 64, each with its number, so that a missing one would be seen."""
    return "".join(f"{number:063}\n" for number in range(size // 64 + 1))[:size]
