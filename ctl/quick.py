"""
The shortest way for the commonest call, `submit`: no import that Python has not made already for itself.

Law: whoever types a command cannot tell which way it went. What is not plain here (an option that needs more reading, a
slip, help, JSON) is left to click before anything has happened; the same functions find the socket and read the prompt.
A test holds both readings of the arguments against each other.
"""

from __future__ import annotations

import os

from ctl.lines import LineStream
from ctl.prompts import find_traceparent, read_text
from ctl.sockets import candidates, connect

_EVERYWHERE = {"--socket": "socket", "--room": "room", "--output": "output", "-o": "output"}
_OF_SUBMIT = {"--key": "key", "--priority": "priority"}
_FLAGS = {"--alone": "alone", "--raw": "raw"}
_CHOICES = {"output": ("text",), "priority": ("low", "normal", "high")}
"""What is plain of the options that take only some values."""
_ESCAPES = {number: f"\\u{number:04x}" for number in range(0x20)} | {0x22: '\\"', 0x5C: "\\\\"}
_ACCEPTED = b'{"jsonrpc":"2.0","id":1,"result":{"prompt":{"id":"'
"""How the daemon begins its answer; any other one is read as JSON."""
_ID_BYTES = 36

Given = dict[str, "str | bool"]


def run(arguments: list[str]) -> int | None:
    """
    Submit a prompt and print its id; None if the arguments ask for anything else, and nothing has been done.

    Raises:
        Failure: the prompt is no text, no daemon is there, or it refuses.
    """
    understood = None if "_CONCORDIACTL_COMPLETE" in os.environ else understand(arguments)
    if understood is None:
        return None
    given, words = understood
    params: Given = {"text": read_text(words), "room": given.get("room") or "main"}
    params |= {name: value for name, value in given.items() if name in ("key", "priority", "alone", "raw")}
    traceparent = find_traceparent(os.environ)
    if traceparent is not None:
        params["traceparent"] = traceparent
    stream, path = connect(candidates(str(given.get("socket", "")), os.environ))
    with LineStream(stream, path) as lines:
        lines.send(_write(params))
        answer = lines.answer("prompt.submit")
        print(_id_of(answer, path))
    return 0


def understand(arguments: list[str]) -> tuple[Given, tuple[str, ...]] | None:
    """Read the options, by their names on the wire, and the words of the prompt; None for what only click reads."""
    given: Given = {}
    words: list[str] = []
    is_behind = False
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not argument.startswith("-") or (is_behind and argument == "-"):
            if is_behind:
                words.append(argument)
            elif argument == "submit":
                is_behind = True
            else:
                return None
        elif is_behind and argument == "--":
            words.extend(rest)
        elif is_behind and argument in _FLAGS:
            given[_FLAGS[argument]] = True
        elif name in _EVERYWHERE or (is_behind and name in _OF_SUBMIT):
            if not equals:
                value = next(rest, "-")
            meant = (_EVERYWHERE | _OF_SUBMIT)[name]
            if (
                not value
                or value.startswith("-")
                or (equals and not name.startswith("--"))
                or value not in _CHOICES.get(meant, (value,))
            ):
                return None
            given[meant] = value
        else:
            return None
    given.pop("output", None)
    return (given, tuple(words)) if is_behind and _is_unicode(arguments) else None


def _is_unicode(arguments: list[str]) -> bool:
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        return False
    return True


def _write(params: Given) -> bytes:
    members = ",".join(f'"{name}":{_literal(value)}' for name, value in params.items())
    return f'{{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{{{members}}}}}'.encode()


def _literal(value: str | bool) -> str:
    return '"' + value.translate(_ESCAPES) + '"' if isinstance(value, str) else "true"


def _id_of(answer: bytes, path: str) -> str:
    identity, quote, _ = answer.removeprefix(_ACCEPTED)[: _ID_BYTES + 1].partition(b'"')
    if answer.startswith(_ACCEPTED) and quote and len(identity) == _ID_BYTES and b"\\" not in identity:
        return identity.decode()
    from ctl.connection import read_answer

    return str(read_answer(answer, path)["prompt"]["id"])
