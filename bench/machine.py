"""The machine that a benchmark ran on, and the programs that took part."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.support.real_cli import find_cli


def describe_machine() -> dict[str, str]:
    """Name everything that a figure depends on, by what it is."""
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {_processor()}, {_memory_gib():.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, trio {version('trio')}",
        "sqlite": sqlite3.sqlite_version,
        "claude": _cli_version(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()) + " (before, over 1, 5 and 15 minutes)",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "processor not named"


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _cli_version() -> str:
    cli = find_cli()
    if cli is None:
        return "missing"
    return subprocess.run([cli, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout.strip()
