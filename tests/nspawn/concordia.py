"""Concordia as it was installed from its Debian package into a machine, and who uses it there."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.nspawn.machine import Machine
from tests.support.patience import PATIENCE_S

SERVICE: Final = "concordiad.service"
SOCKET: Final = "concordiad.socket"
AGENTS: Final = "concordia-agent.socket"
CONTROL: Final = "/run/concordia/control.sock"
CONFIGURATION: Final = "/etc/concordia/concordiad.toml"
PYTHON: Final = "/usr/lib/concordia/bin/python3"
LOOK_S: Final = 0.05
DROP_IN: Final = "/run/systemd/system/concordiad.service.d/test.conf"


class Installed:
    """
    A machine with Concordia in it.

    Attributes:
        machine: the machine.
        package: the Debian package.
    """

    def __init__(self, machine: Machine, package: Path) -> None:
        self.machine = machine
        self.package = package
        self._is_changed = False
        for name, groups in (("ada", "concordia"), ("ben", "")):
            machine.run("groupadd", "--force", "--system", "concordia")
            machine.run("useradd", "--create-home", "--groups", groups, name)
        self.install(package)
        self.configuration = machine.read("cat", CONFIGURATION)

    def install(self, package: Path) -> None:
        """Install a package."""
        self.machine.copy(package, "/root")
        self.machine.run("dpkg", "--install", f"/root/{package.name}")

    def ctl(self, *words: str, user: str | None = "ada", check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run concordiactl as somebody."""
        return self.machine.run("concordiactl", *words, user=user, check=check)

    def ask(self, text: str, user: str = "ada") -> str:
        """Submit a prompt and return its answer."""
        return self.ctl("submit", "--wait", text, user=user).stdout.strip()

    def rooms(self) -> set[str]:
        """Return the names of the rooms that are open."""
        return {room["name"] for room in json.loads(self.ctl("status", "-o", "json").stdout)["rooms"]}

    def agent(self) -> int:
        """Return the number of the process of the agent of the room `main`; 0 where there is none."""
        rooms = {room["name"]: room for room in json.loads(self.ctl("status", "-o", "json").stdout)["rooms"]}
        return int(rooms["main"]["agent"]["pid"] or 0)

    def wait_for_agent_of(self, user: str) -> None:
        """Wait until that agent is one of this user; one of an earlier configuration may go on for a moment."""

        def is_theirs() -> bool:
            theirs = self.machine.run("pgrep", "-u", user, check=False).stdout.split()
            return str(self.agent()) in theirs

        self.wait_until(is_theirs, f"the agent runs as {user}")

    @property
    def pid(self) -> int:
        """The number of the daemon's process in the machine; 0 where there is none."""
        return int(self.machine.show(SERVICE, "MainPID"))

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for what the service manager or the daemon comes to say."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"not so: {what}\n{self.machine.log_of(SERVICE)}"
            time.sleep(LOOK_S)

    def wait_for_another(self, pid: int) -> int:
        """Wait until a daemon runs that is not this one, and return its number."""

        def is_another() -> bool:
            return self.machine.show(SERVICE, "ActiveState") == "active" and self.pid not in (0, pid)

        self.wait_until(is_another, f"another daemon than {pid} is active")
        return self.pid

    def drop_in(self, text: str) -> None:
        """Change the service for the rest of the test, and have it started with that."""
        self._is_changed = True
        self.machine.write(DROP_IN, text)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", SERVICE)

    def configure(self, text: str, changed: Mapping[str, str] = MappingProxyType({})) -> None:
        """Put this behind the configuration, and in it one text in the place of another, for the rest of the test."""
        self._is_changed = True
        configuration = self.configuration
        for old, new in changed.items():
            assert old in configuration
            configuration = configuration.replace(old, new)
        self.machine.write(CONFIGURATION, f"{configuration}\n{text}\n")

    def reset(self) -> None:
        """Have everything as after the installation, but for what the journal remembers."""
        # Also of how often it was started just now: tests do so more often than the units allow.
        self.machine.run("systemctl", "reset-failed")
        if not self._is_changed and self.machine.show(SERVICE, "ActiveState") == "active":
            return
        self._is_changed = False
        self.machine.run("rm", "--force", DROP_IN)
        self.machine.write(CONFIGURATION, f"{self.configuration}\n")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "stop", SOCKET, SERVICE)
        self.machine.run("systemctl", "start", SOCKET, SERVICE)
