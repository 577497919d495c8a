"""Commands that outlive their turn; when one ends, the agent has something to say that nobody asked for."""

import time
from collections import deque
from typing import Any
from uuid import uuid4

from concordiad.agent.rehearsal.desk import Desk, Tool


class Background:
    """
    The commands in the background.

    Attributes:
        notices: what the agent has to say, each with the `origin` of its turn, in the order in which they came.
    """

    def __init__(self, desk: Desk) -> None:
        self.notices: deque[tuple[str, dict[str, Any]]] = deque()
        self._desk = desk
        self._running: dict[str, dict[str, Any]] = {}

    def start(self, command: str, call_id: str) -> str:
        """Run a command for the call of that id and return the task's id; OSError if there is no bash."""
        name = {"task_id": f"b{uuid4().hex[:8]}", "run_id": uuid4().hex[:16]}
        kind = {"task_type": "local_bash", "description": "rehearsal"}
        task_id = name["task_id"]

        def ended(tool: Tool) -> None:
            del self._running[task_id]
            status = "failed" if tool.status else "completed"
            summary = f'Background command "rehearsal" {status} (exit code {tool.status})'
            patch = {"status": status, "end_time": round(time.time() * 1000)}
            self._desk.tell("system", subtype="task_updated", **name, patch=patch)
            about = {"tool_use_id": call_id, "status": status, "output_file": "", "summary": summary}
            self._desk.tell("system", subtype="task_notification", **name, **about)
            self.tell()
            origin = {"kind": "task-notification", "producer": "session-task", "runId": name["run_id"]}
            self.notices.append((f"{summary}\n{tool.output}".rstrip(), origin))

        self._desk.start_tool(command, ended)
        self._running[task_id] = name | kind
        self.tell()
        about = {"tool_use_id": call_id, "is_backgrounded": True}
        self._desk.tell("system", subtype="task_started", **name, **kind, **about)
        return task_id

    def tell(self) -> None:
        """Tell which commands there are."""
        tasks = list(self._running.values())
        self._desk.tell("system", subtype="background_tasks_changed", tasks=tasks)
