"""What nobody uses takes no memory, and is there for whoever does use it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def say(program: str) -> str:
    """Run a program and return what it prints."""
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_daemon_does_without_asyncio() -> None:
    """Whatever the daemon imports, another event loop is not loaded with it."""
    everything = "import concordiad.__main__, concordiad.meaning.client, sys"
    assert say(f"{everything}; print('asyncio.events' in sys.modules)") == "False"


def test_postponed_module_is_there_when_it_is_used() -> None:
    """Whoever asks it for anything has the module."""
    begin = "from concordiad.ops.postponed import postpone; postpone('asyncio'); import asyncio, sys;"
    use = "async def five(): return 5"
    assert say(
        f"{begin}\n{use}\nprint(asyncio.run(five()), sys.modules['asyncio'] is asyncio.sys.modules['asyncio'])"
    ) == ("5 True")


def test_module_that_is_there_stays() -> None:
    """What was imported before is not imported twice."""
    begin = "import json; before = json; from concordiad.ops.postponed import postpone; postpone('json'); import json;"
    assert say(f"{begin} print(json is before)") == "True"
