"""Calls of tools in a turn: asking for permission, running, and telling the result."""

from typing import Any, Final

from concordiad.agent.rehearsal import shapes
from concordiad.agent.rehearsal.background import Background
from concordiad.agent.rehearsal.desk import Desk, Interrupted, Tool
from concordiad.agent.rehearsal.options import Options
from concordiad.agent.rehearsal.speech import Speech

FAILED: Final = "Tool permission request failed"
NO_BACKGROUND: Final = (
    "<tool_use_error>InputValidationError: Bash failed due to the following issue:\n"
    "An unexpected parameter `run_in_background` was provided</tool_use_error>"
)


class Calls:
    """
    All calls of one turn.

    Attributes:
        denials: what was not allowed, as the result line has it.
        told: how many user lines were written.
        remark: what the agent would say after the last call.
        is_open: whether a call has no result yet.
    """

    def __init__(self, desk: Desk, options: Options, speech: Speech, background: Background) -> None:
        self.denials: list[dict[str, Any]] = []
        self.told = 0
        self.remark = "done"
        self._desk = desk
        self._options = options
        self._speech = speech
        self._background = background
        self._call_id: str | None = None
        self._tool: Tool | None = None

    @property
    def is_open(self) -> bool:
        """Whether a call has no result yet."""
        return self._call_id is not None

    def bash(self, command: str) -> None:
        """Call Bash and wait for the command."""
        given = self._call("Bash", {"command": command, "description": "rehearsal"})
        if given is None:
            return
        try:
            tool = self._desk.start_tool(str(given.get("command")))
        except OSError as error:
            self._give(f"bash could not be started: {error}")
            return
        self._tool = tool
        self._desk.wait(lambda: tool.status is not None)
        self._tool = None
        if tool.status:
            self._give(f"Exit code {tool.status}\n{tool.output}".rstrip())
        else:
            self._give(tool.output or "(Bash completed with no output)", ran(tool.output))

    def background(self, command: str) -> None:
        """Call Bash for a command that runs on."""
        wanted = {"command": command, "description": "rehearsal", "run_in_background": True}
        given = self._call("Bash", wanted)
        if given is None or self._call_id is None:
            return
        try:
            task_id = self._background.start(str(given.get("command")), self._call_id)
        except OSError as error:
            self._give(f"bash could not be started: {error}")
            return
        content = f"Command running in background with ID: {task_id}. You will be notified when it completes."
        self._give(content, ran("") | {"backgroundTaskId": task_id})

    def ask(self, argument: str) -> None:
        """Call AskUserQuestion with QUESTION|CHOICE|CHOICE."""
        given = self._call("AskUserQuestion", shapes.question(argument))
        if given is None:
            return
        answers = given.get("answers")
        pairs = answers.items() if isinstance(answers, dict) else ()
        text = ", ".join(f'"{question}"="{answer}"' for question, answer in pairs)
        told = f"Your questions have been answered: {text}."
        self._give(f"{told} You can now continue with these answers in mind.", given)

    def abort(self) -> None:
        """End the open call and tell that it was interrupted."""
        refusal = shapes.REJECTED
        if self._tool is not None:
            self._desk.stop_tool(self._tool)
            refusal += shapes.STOPPED
        self._result(refusal, "User rejected tool use", {"non_execution_kind": "user-rejected"}, failed=True)
        self.interrupted(" for tool use")

    def interrupted(self, by: str = "") -> None:
        """Tell that the turn was interrupted."""
        self._tell_user([{"type": "text", "text": f"[Request interrupted by user{by}]"}])

    def _call(self, name: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Call a tool and return the input it is to run with; None if it shall not run, which is told then."""
        self._call_id = self._speech.call(name, given)
        denial = {"tool_name": name, "tool_use_id": self._call_id, "tool_input": given}
        if "run_in_background" in given and not self._options.background:
            self._deny(NO_BACKGROUND)
            return None
        asks_nobody = self._options.bash_allowed or self._options.permission_mode == "bypassPermissions"
        if name == "Bash" and asks_nobody:
            return given
        if not self._options.can_ask or self._options.permission_mode == "dontAsk":
            self.denials.append(denial)
            message = f"{name} needs approval, and there is nobody to ask."
            about = {"tool_name": name, "tool_use_id": self._call_id, "message": message}
            self._desk.tell("system", subtype="permission_denied", **about)
            self._deny(message)
            return None
        try:
            allowed = self._permission(name, given, self._call_id)
        except Interrupted:
            self.denials.append(denial)
            raise
        if allowed is None:
            self.denials.append(denial)
        return allowed

    def _permission(self, name: str, given: dict[str, Any], call_id: str) -> dict[str, Any] | None:
        """Ask the people; Interrupted if they want the turn to end as well."""
        request: dict[str, Any] = {"subtype": "can_use_tool", "tool_name": name, "display_name": name, "input": given}
        if name == "Bash":
            rules = [{"toolName": name, "ruleContent": given["command"]}]
            suggestion = {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"}
            request |= {"description": given["description"], "permission_suggestions": [suggestion]}
        request["tool_use_id"] = call_id
        if name == "AskUserQuestion":
            request["requires_user_interaction"] = True
        self._desk.enter("requires_action")
        try:
            answer = self._desk.ask(request)
        finally:
            self._desk.enter("running")
        match answer:
            case None:
                self._deny(f"{FAILED}: AbortError: Tool permission stream closed before response received")
            case {"subtype": "error"}:
                self._deny(f"{FAILED}: Error: {answer.get('error')}")
            case {"response": {"behavior": "allow", "updatedInput": dict(changed)}}:
                return changed
            case {"response": {"behavior": "allow"}}:
                return given
            case {"response": {"behavior": "deny", "interrupt": True}}:
                raise Interrupted
            case {"response": {"behavior": "deny", "message": str(reason)}}:
                self._deny(reason)
            case _:
                self._deny(shapes.INVALID_PERMISSION)
        return None

    def _give(self, content: str, said: dict[str, Any] | None = None) -> None:
        """Tell the result of a tool that was allowed to run; without `said` it has failed."""
        accepted = {"permission_decision": {"decision": "accept", "source": "user_temporary"}}
        self._result(content, said or f"Error: {content}", accepted, failed=said is None)
        self.remark = "tool done"

    def _deny(self, reason: str) -> None:
        """Tell why a tool has not run."""
        decision = {"decision": "reject", "source": "user_reject"}
        meta = {"non_execution_kind": "permission-rule", "permission_decision": decision}
        self._result(reason, f"Error: {reason}", meta, failed=True)
        self.remark = f"the tool did not run: {reason}"

    def _result(self, content: str, said: object, meta: dict[str, Any], *, failed: bool) -> None:
        result = {"tool_use_id": self._call_id, "type": "tool_result", "content": content, "is_error": failed}
        metas = [{"id": self._call_id, **meta}]
        self._tell_user([result], tool_use_result=said, tool_result_meta=metas)
        self._call_id = self._tool = None

    def _tell_user(self, content: list[dict[str, Any]], **more: object) -> None:
        stamps = {"parent_tool_use_id": None, "timestamp": shapes.now()}
        self._desk.tell("user", message={"role": "user", "content": content}, **stamps, **more)
        self.told += 1


def ran(output: str) -> dict[str, Any]:
    """Return what Bash says of a command that went well, beside its output."""
    return {"stdout": output, "stderr": "", "interrupted": False, "isImage": False}
