"""
The rehearsal agent as a process: prompts in, one turn after the other, control requests at any time.

Exit status: 0 at the end of input or by SIGINT, 1 if the last turn failed or the input was no stream-json, 143 by
SIGTERM.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from concordiad.agent.orders import Order
from concordiad.agent.rehearsal import shapes
from concordiad.agent.rehearsal.background import Background
from concordiad.agent.rehearsal.desk import Desk, Interrupted, Stop
from concordiad.agent.rehearsal.doing import do
from concordiad.agent.rehearsal.options import MODEL, MODES, Options, parse
from concordiad.agent.rehearsal.prompts import BadInput, Prompt, read_prompt, record
from concordiad.agent.rehearsal.session import Session, find_session
from concordiad.agent.rehearsal.turn import CANCELLING, Ending, Turn

Origin = dict[str, Any] | None


class Agent:
    """The queue of prompts, and the answers to control requests."""

    def __init__(self, options: Options, session: Session) -> None:
        self._options = options
        self._session = session
        self._desk = Desk(self._take_line, tells_states=options.states)
        self._desk.session_id = session.id
        self._queue: deque[Prompt] = deque()
        self._background = Background(self._desk)
        self._seen: set[str] = set()
        self._results = 0
        self._began = time.monotonic()

    def run(self) -> int:
        """Work until there is nothing left to do; returns the exit status."""
        failed = False
        try:
            while True:
                if self._background.notices:
                    failed = self._notice(*self._background.notices.popleft())
                elif self._queue:
                    failed = self._prompt(self._queue.popleft())
                elif self._desk.state != "idle":
                    self._desk.enter("idle")
                elif self._is_over():
                    return int(failed)
                else:
                    self._desk.wait(lambda: bool(self._background.notices or self._queue or self._is_over()))
        except Interrupted:
            return 0
        finally:
            self._desk.kill_tools()

    def _is_over(self) -> bool:
        return self._desk.is_at_end and not self._desk.tools and not self._desk.stubborn

    # Turns

    def _prompt(self, prompt: Prompt) -> bool:
        """Give a prompt its turn; True if that failed."""
        self._tell_life(prompt, "started")
        uuids = [prompt.uuid] if prompt.uuid else []
        if prompt.clears:
            self._clear(uuids)
            self._tell_life(prompt, "completed")
            return False
        self._session.remember("user", uuid=prompt.uuid, text=prompt.text)
        ending = self._work(prompt.text, prompt.orders, uuids, None)
        if prompt.has("no-idle"):
            self._never_finish()
        self._tell_life(prompt, "cancelled" if ending.terminal_reason in CANCELLING else "completed")
        return ending.is_error

    def _notice(self, text: str, origin: Origin) -> bool:
        """Have a turn of the agent's own, because a command in the background has ended."""
        if self._desk.state == "idle":
            self._desk.enter("running")
        return self._work(text, [Order("text", text)], [], origin).is_error

    def _work(self, text: str, orders: Sequence[Order], uuids: Sequence[str], origin: Origin) -> Ending:
        """Run a turn; Interrupted if the program shall end with it."""
        turn = Turn(self._desk, self._session, self._options, uuids, origin, self._background)
        ending = turn.run(text, orders, do, self._results)
        self._results += 1
        if self._desk.stop is Stop.PROGRAM:
            raise Interrupted
        self._desk.stop = Stop.NOTHING
        return ending

    def _never_finish(self) -> None:
        """Stay busy for good, as a CLI that hangs after its result: only signals help."""
        while True:
            try:
                self._desk.wait(lambda: False)
            except Interrupted:
                if self._desk.stop is Stop.PROGRAM:
                    raise
                self._desk.stop = Stop.NOTHING

    def _clear(self, uuids: Sequence[str]) -> None:
        """Obey `/clear`: a new session, with nothing in it and nothing spent."""
        reset = str(uuid4())
        about = {"trigger": "clear", "user_message_uuid": uuids[-1] if uuids else None, "timestamp": shapes.now()}
        self._desk.tell("conversation_reset", new_conversation_id=reset, **about)
        self._background.tell()
        self._session = Session(str(uuid4()))
        self._desk.session_id = self._session.id
        self._desk.tell("system", **shapes.init(self._options, uuids))
        result = shapes.empty_result(self._session.id, "success", self._results)
        self._desk.send(result | {"result": "", "local_command": "clear"} | shapes.addressed(uuids))
        self._results += 1

    def _tell_life(self, prompt: Prompt, state: str) -> None:
        if prompt.uuid is not None and not prompt.has("no-ack"):
            self._desk.tell("command_lifecycle", command_uuid=prompt.uuid, state=state)

    # Lines

    def _take_line(self, raw: bytes) -> None:
        if not raw.strip():
            return
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise BadInput(f"Error parsing streaming input line ({len(raw)} bytes): SyntaxError")
        match line:
            case {"type": "user"}:
                self._take_prompt(line)
            case {"type": "control_request", "request_id": str(request_id), "request": dict(request)}:
                self._answer(request_id, request)
            case {"type": "control_response", "response": dict(response)}:
                self._desk.hear_answer(response)

    def _take_prompt(self, line: dict[str, Any]) -> None:
        prompt = read_prompt(line)
        if self._options.log is not None:
            record(self._options.log, prompt)
        if prompt.uuid is not None and (prompt.uuid in self._seen or prompt.uuid in self._session.past):
            self._pass_over(prompt.uuid)
            return
        if prompt.uuid is not None:
            self._seen.add(prompt.uuid)
        if self._desk.state == "idle":
            self._desk.enter("running")
        self._tell_life(prompt, "queued")
        self._queue.append(prompt)

    def _pass_over(self, uuid: str) -> None:
        """Skip a prompt that was there before; what the CLI tells then was measured, not guessed."""
        if uuid not in self._seen:
            self._seen.add(uuid)
            self._desk.tell("command_lifecycle", command_uuid=uuid, state="completed")
        if self._desk.state == "idle":
            self._desk.enter("idle")

    # Control requests

    def _answer(self, request_id: str, request: dict[str, Any]) -> None:
        match request:
            case {"subtype": "initialize"}:
                self._reply(request_id, shapes.initialized(self._options, self._desk.state))
            case {"subtype": "interrupt"}:
                self._reply(request_id, self._interrupt(cancels=bool(request.get("cancel_queued"))))
            case {"subtype": "set_model"}:
                self._options.model = request.get("model") or MODEL
                self._reply(request_id, {"model": self._options.model})
            case {"subtype": "set_permission_mode"}:
                self._set_mode(request_id, request.get("mode"))
            case {"subtype": "get_usage"}:
                self._reply(request_id, self._usage())
            case _:
                error = f"Unsupported control request subtype: {request.get('subtype')}"
                self._refuse(request_id, error, "unsupported_request")

    def _set_mode(self, request_id: str, mode: object) -> None:
        if mode == "bypassPermissions":
            error = "Cannot set permission mode to bypassPermissions because the session was not launched with it"
            self._refuse(request_id, error, "bypass_not_launched")
        elif isinstance(mode, str) and mode in MODES:
            self._options.permission_mode = mode
            self._reply(request_id, {"mode": mode})
            self._desk.tell("system", subtype="status", status=None, permissionMode=mode)
        else:
            error = f"Cannot set permission mode: must be one of {', '.join(MODES)}"
            self._refuse(request_id, error, "invalid_mode")

    def _interrupt(self, *, cancels: bool) -> dict[str, Any]:
        """Have the running turn end, and say which prompts wait behind it."""
        if cancels:
            dropped = list(self._queue)
            self._queue.clear()
            for prompt in dropped:
                self._tell_life(prompt, "cancelled")
            self._desk.interrupt(Stop.TURN)
            return {"still_queued": [], "cancelled": [prompt.uuid for prompt in dropped if prompt.uuid]}
        self._desk.interrupt(Stop.TURN)
        return {"still_queued": [prompt.uuid for prompt in self._queue if prompt.uuid]}

    def _usage(self) -> dict[str, Any]:
        duration_ms = round((time.monotonic() - self._began) * 1000)
        session = {
            "total_cost_usd": self._session.cost_usd,
            "total_api_duration_ms": 0,
            "total_duration_ms": duration_ms,
            "total_lines_added": 0,
            "total_lines_removed": 0,
            "model_usage": self._session.model_usage(),
        }
        limits = {"subscription_type": None, "rate_limits_available": False, "rate_limits": None}
        return {"session": session, **limits, "behaviors": None}

    def _reply(self, request_id: str, response: dict[str, Any]) -> None:
        answer = {"subtype": "success", "request_id": request_id, "response": response}
        self._desk.send({"type": "control_response", "response": answer})

    def _refuse(self, request_id: str, error: str, code: str) -> None:
        answer = {"subtype": "error", "request_id": request_id, "error": error, "error_code": code}
        self._desk.send({"type": "control_response", "response": answer})


def main() -> int:
    """Run the program and return its exit status."""
    options = parse(sys.argv[1:])
    agent = Agent(options, find_session(options))
    try:
        return agent.run()
    except BadInput as bad:
        sys.stderr.write(f"{bad}\n")
        return 1
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
