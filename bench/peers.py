"""
The peers' own virtualenv, build/peers: what they need would only be in the way of Concordia and its tests.

Made on first use, by hash, from constraints-bench.txt. claude-agent-sdk itself is the one that carries the agent's CLI:
it is linked from where that is installed, because its wheel has 166 MB.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PLACE: Final = ROOT / "build" / "peers"
LOCK: Final = ROOT / "constraints-bench.txt"
SDK: Final = "claude_agent_sdk"


def peers_python() -> str:
    """Name the interpreter that has the peers, made if it is not there or no longer as the lock file says."""
    python = PLACE / "bin" / "python"
    made = PLACE / ".made"
    if not made.exists() or made.stat().st_mtime < LOCK.stat().st_mtime:
        print(f"Installing the peers into {PLACE} (this once) …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", PLACE], check=True)
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
        locked = ["--require-hashes", "--only-binary=:all:", "-r", str(LOCK)]
        subprocess.run([python, "-m", "pip", "install", *quiet, *locked], check=True)
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
        (Path(packages) / SDK).symlink_to(Path(sysconfig.get_path("purelib")) / SDK)
        made.touch()
    return str(python)
