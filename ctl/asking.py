"""
What the agent wants of people, as people read it: the tool calls, the permissions, the questions.

Everything here is made harmless: a tool's input is the agent's, and the agent repeats what it has read.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from ctl.harmless import first_line, harmless
from ctl.quantities import relative
from ctl.screen import Screen, indent

_TELLING: Final = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")
"""Members of a tool's input that tell most about a call, the best first."""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def questions_of(request: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Take the questions out of an AskUserQuestion's input; none where it has another shape."""
    found = (request or {}).get("questions")
    questions = found if isinstance(found, list) else []
    return [each for each in questions if isinstance(each, dict) and isinstance(each.get("question"), str)]


def choices_of(question: dict[str, Any]) -> list[str]:
    """Take the labels of a question's choices."""
    found = question.get("options")
    options = found if isinstance(found, list) else []
    return [_plain(each.get("label", "")) for each in options if isinstance(each, dict)]


def tool_line(tool: str, request: Any) -> str:
    """Say a tool call in one line: its name and what tells most about it."""
    name = first_line(tool)
    if not isinstance(request, dict):
        return name
    questions = questions_of(request)
    if questions:
        return f"{name}  {first_line(questions[0]['question'])}"
    for key in _TELLING:
        if request.get(key):
            return f"{name}  {first_line(_plain(request[key]))}"
    return f"{name}  {first_line(json.dumps(request, ensure_ascii=False))}" if request else name


def tool_details(tool: str, request: Any) -> str:
    """Say the whole of a tool's input in lines: a command after a $, everything else by its name."""
    if not isinstance(request, dict):
        return "" if request is None else harmless(_plain(request))
    lines = []
    for key, value in request.items():
        text = harmless(_plain(value)).rstrip("\n")
        if tool == "Bash" and key == "command":
            lines.append("$ " + text.replace("\n", "\n  "))
        elif "\n" in text:
            lines.append(f"{harmless(key)}:\n{indent(text, 2)}")
        else:
            lines.append(f"{harmless(key)}: {text}")
    return "\n".join(lines)


def question_lines(questions: list[dict[str, Any]]) -> str:
    """Say questions with their choices, both numbered as `approve --answer` takes them."""
    lines = []
    for number, question in enumerate(questions, 1):
        header = question.get("header")
        about = f"  [{first_line(_plain(header))}]" if header else ""
        several = "  (several may be chosen)" if question.get("multiSelect") else ""
        lines.append(f"{number}. {harmless(question['question'])}{about}{several}")
        options = [each for each in question.get("options") or [] if isinstance(each, dict)]
        for place, option in enumerate(options, 1):
            more = option.get("description")
            described = f"  {first_line(_plain(more))}" if more else ""
            lines.append(f"     {place}) {first_line(_plain(option.get('label', '')))}{described}")
    return "\n".join(lines)


def describe(approval: dict[str, Any]) -> str:
    """Say what is asked, in full."""
    questions = questions_of(approval["input"]) if approval["kind"] == "question" else []
    if questions:
        return question_lines(questions)
    if approval["input"] is None and approval.get("input_bytes"):
        return f"(an input of {approval['input_bytes']} bytes: `concordiactl approvals` shows it)"
    described = approval.get("description")
    details = tool_details(approval["tool"], approval["input"])
    return f"{details}\n{harmless(described)}" if described and described not in details else details


def announcement(screen: Screen, approval: dict[str, Any], now: float, command: Callable[..., str] | None) -> str:
    """
    Say who wants what, until when, all of it, and what to type.

    `command` writes a command of these words; None for those who may not answer.

    The commands begin at the margin and have no label: so they fit a terminal of 80 columns and can be copied.
    """
    questions = questions_of(approval["input"]) if approval["kind"] == "question" else []
    answers = " ".join(
        f"--answer {number}={'CHOICE' if choices_of(question) else 'TEXT'}"
        for number, question in enumerate(questions, 1)
    )
    wants = "has a question" if approval["kind"] == "question" else f"asks to use {first_line(approval['tool'])}"
    lines = [
        f"{screen.style(f'the agent {wants}', 'yellow')} (expires {relative(approval['expires_at'], now)})",
        indent(describe(approval), 2),
    ]
    if command is not None:
        lines += [f"{command('approve', approval['id'])} {answers}".rstrip(), command("deny", approval["id"])]
    return "\n".join(lines)
