"""Who calls is whom the kernel says; what an agent started gets no methods."""

import getpass
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.control_client import ControlClient
from tests.support.daemon import Daemon, Site
from tests.support.patience import PATIENCE_S

CALL = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as client, client.makefile() as answers:
    client.connect(sys.argv[1])
    client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"prompt.submit","params":{"text":"from inside"}}\\n')
    print(json.loads(answers.readline()).get("error", {}).get("data", {}).get("name"))
"""
"""A program that submits a prompt and prints the name of the error that it gets."""

ORPHAN = 'setsid "$@" > "$OUT.new" && mv "$OUT.new" "$OUT" & until [ -e "$OUT" ]; do :; done; cat "$OUT"'
"""A shell line that runs a program whose parent is not waited for."""


def run_as_tool(client: ControlClient, command: str) -> str:
    """Let the agent run a command; return its output."""
    client.submit(f"[[tool:{command}]]")
    asked = client.next("approval.requested")["approval"]
    client.call("approval.answer", id=asked["id"], allow=True)
    return str(client.next("agent.tool_result")["content"])


@pytest.mark.parametrize(
    "wrapper",
    [
        [],
        ["setsid", "--wait"],
        ["env", "-i"],
        # Its parent is gone when it calls, so only the mark in its environment tells.
        [
            "sh",
            "-c",
            'setsid "$@" > "$OUT.new" && mv "$OUT.new" "$OUT" & until [ -e "$OUT" ]; do :; done; cat "$OUT"',
            "-",
        ],
    ],
    ids=["child", "own session", "empty environment", "orphan"],
)
def test_what_an_agent_started_gets_no_methods(daemon: Daemon, site: Site, tmp_path: Path, wrapper: list[str]) -> None:
    """A tool of the agent that calls the daemon is told that it may not, and nothing is submitted."""
    script = tmp_path / "call.py"
    script.write_text(CALL)
    command = [*wrapper, sys.executable, str(script), str(site.socket)]
    client = daemon.follow()
    said = run_as_tool(client, f"OUT={tmp_path / 'out'} {shlex.join(command)}")
    assert said.strip() == "not_allowed"
    client.finished()
    assert len(client.call("prompt.list")["prompts"]) == 1


def test_author_is_whom_the_kernel_names(daemon: Daemon, site: Site, tmp_path: Path) -> None:
    """A prompt's author is the user that the calling process runs as."""
    prompt = daemon.connect().submit("[[text:hello]]")
    assert prompt["author"] == {"id": f"uid:{os.getuid()}", "name": getpass.getuser(), "kind": "local"}
    script = tmp_path / "call.py"
    script.write_text(CALL)
    line = [sys.executable, str(script), str(site.socket)]
    called = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert called.stdout.strip() == "None"
