"""promtool, which tells whether Prometheus takes measures and rules; without it such tests are skipped loudly."""

import os
import shutil
import subprocess
from typing import Final

import pytest

REQUIRED: Final = "CONCORDIA_REQUIRE_PROMTOOL"


def promtool(*arguments: str, given: str = "") -> tuple[int, str]:
    """Run it; returns its status and what it says."""
    program = shutil.which("promtool")
    if program is None:
        message = f"promtool is not there: install Debian's package prometheus (with {REQUIRED}=1 this is a failure)"
        if os.environ.get(REQUIRED):
            pytest.fail(message)
        pytest.skip(message)
    ran = subprocess.run(
        [program, *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return ran.returncode, ran.stdout
