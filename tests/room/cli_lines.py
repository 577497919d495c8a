"""Lines as Claude Code writes them, cut down to what a daemon looks at."""

import json
from typing import Any


def line(line_type: str, **fields: Any) -> bytes:
    """Write a line."""
    return json.dumps({"type": line_type, **fields}).encode()


def life(uuid: str, state: str) -> bytes:
    """Tell of a prompt line: queued, started, completed, cancelled."""
    return line("command_lifecycle", command_uuid=uuid, state=state)


def init(*uuids: str, session_id: str = "session", model: str = "opus") -> bytes:
    """Open a turn: of these prompts, or of the agent's own."""
    return line("system", subtype="init", session_id=session_id, model=model, user_message_uuids=list(uuids))


def text(words: str, **more: Any) -> bytes:
    """Say a finished block of text."""
    return line("assistant", message={"content": [{"type": "text", "text": words}]}, **more)


def block_start() -> bytes:
    """Begin a block that is streamed."""
    return line("stream_event", event={"type": "content_block_start"})


def delta(words: str) -> bytes:
    """Stream a piece of a block."""
    event = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": words}}
    return line("stream_event", event=event)


def message_start() -> bytes:
    """Begin a message of the model."""
    return line("stream_event", event={"type": "message_start"})


def message_stop() -> bytes:
    """End it; the tools that it calls run from here on."""
    return line("stream_event", event={"type": "message_stop"})


def tool_use(identity: str = "c1", tool: str = "Bash", **more: Any) -> bytes:
    """Call a tool."""
    call = {"type": "tool_use", "id": identity, "name": tool, "input": {"command": "make"}}
    return line("assistant", message={"content": [call]}, **more)


def tool_result(identity: str = "c1") -> bytes:
    """Tell what a tool gave."""
    return line("user", message={"content": [{"type": "tool_result", "tool_use_id": identity, "content": "so"}]})


def api_retry(delay_s: float) -> bytes:
    """Tell that the API failed, and when it is tried again."""
    return line("system", subtype="api_retry", attempt=1, max_retries=4, retry_delay_ms=delay_s * 1000, error="unknown")


def background(*tasks: str) -> bytes:
    """Tell which tasks run in the background."""
    return line("system", subtype="background_tasks_changed", tasks=[{"task_id": task} for task in tasks])


def result(*uuids: str, answer: str = "because", **more: Any) -> bytes:
    """End a turn well."""
    about = {"is_error": False, "terminal_reason": "completed", "result": answer, "session_id": "session"}
    return line("result", **{**about, "user_message_uuids": list(uuids), **more})


def aborted(*uuids: str) -> bytes:
    """End a turn that was interrupted."""
    return result(*uuids, is_error=True, terminal_reason="aborted_streaming", result=None)


def idle() -> bytes:
    """Say that there is nothing to do."""
    return line("system", subtype="session_state_changed", state="idle")


def finished(about: str = "a command has ended") -> bytes:
    """Tell of something in the background, which a turn of the agent's own may follow."""
    return line("system", subtype="task_notification", summary=about)


def reply(request_id: str, error: str | None = None, **response: Any) -> bytes:
    """Answer a control request."""
    subtype = "success" if error is None else "error"
    body = {"subtype": subtype, "request_id": request_id, "response": response, "error": error}
    return line("control_response", response=body)


def permission(request_id: str, tool: str = "Bash", **tool_input: Any) -> bytes:
    """Ask for permission."""
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": tool_input or {"command": "ls"}}
    return line("control_request", request_id=request_id, request=request)


def question(request_id: str, *questions: str) -> bytes:
    """Ask the people."""
    asked = {"questions": [{"question": words, "options": []} for words in questions]}
    request = {"subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": asked}
    return line("control_request", request_id=request_id, request={**request, "requires_user_interaction": True})


def withdrawn(request_id: str) -> bytes:
    """Take a permission request back."""
    return line("control_cancel_request", request_id=request_id)


def request(request_id: str, subtype: str) -> bytes:
    """Ask for something that a daemon may not know."""
    return line("control_request", request_id=request_id, request={"subtype": subtype})
