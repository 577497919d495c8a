"""What was acknowledged outlives SIGKILL."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recorders", [1, 8])
def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, recorders: int) -> None:
    """After SIGKILL in the middle of durable commits every acknowledged event is there, and no number is missing."""
    path = tmp_path / "journal.db"
    for _ in range(3):
        path.unlink(missing_ok=True)
        for rest in tmp_path.glob("journal.db-*"):
            rest.unlink()
        command = [sys.executable, "-m", "tests.journal.acknowledging", str(path), str(recorders)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(200)]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.read().splitlines()
        acknowledged: dict[str, int] = {}
        for room, seq in (line.decode().split() for line in lines if line.strip()):
            acknowledged[room] = max(acknowledged.get(room, 0), int(seq))
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for room, last in acknowledged.items():
                kept = [
                    row[0] for row in connection.execute("SELECT seq FROM events WHERE room = ? ORDER BY seq", (room,))
                ]
                assert kept == list(range(1, len(kept) + 1))
                assert len(kept) >= last
        connection.close()
