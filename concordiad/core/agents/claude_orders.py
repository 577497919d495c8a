"""
What is said to Claude Code: its command line, its variables, and the lines on its input.

Law: what a client sent is never passed through, it is always written anew.
"""

from typing import Any, Final

import msgspec

from concordiad.core.agents import IdSource, Launch, Settings

_encode: Final = msgspec.json.encode


class ClaudeOrders:
    """Write what one process of the Claude Code CLI is told; it knows nothing of what was said before."""

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

    @staticmethod
    def _control(request_id: str, request: dict[str, Any]) -> bytes:
        return _encode({"type": "control_request", "request_id": request_id, "request": request}) + b"\n"

    @staticmethod
    def _answer(request_id: str, response: dict[str, Any]) -> bytes:
        body = {"subtype": "success", "request_id": request_id, "response": response}
        return _encode({"type": "control_response", "response": body}) + b"\n"
