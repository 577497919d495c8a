"""The daemon's sandbox: each directive is tried by doing what it forbids, in a unit with the daemon's own settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from shipping.install import UNITS
from tests.nspawn.concordia import SERVICE, Installed
from tests.nspawn.machine import Machine
from tests.support.patience import PATIENCE_S

PROBING: Final = Path(__file__).with_name("probing.py")
BECOMES_ROOT: Final = "/usr/local/bin/become-root"
FORBIDDEN_BY_THE_MACHINE: Final = {
    *("ProtectClock", "ProtectControlGroups", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"),
}
"""What root may not do either in a machine of systemd-nspawn's, so that no attempt tells who forbade it."""
OTHER_PURPOSE: Final = {
    "Requires=concordiad.socket": "",
    "Type=notify": "Type=oneshot",
    "Restart=always": "Restart=no",
    "WatchdogSec=30": "",
}
"""The settings of a daemon that a program which ends cannot have."""

Came = Mapping[str, str]


def try_in(machine: Machine, name: str, unit: str) -> Came:
    """Let the attempts be made in a unit, and return what came of each."""
    command = f"/usr/bin/python3 -I /run/probing.py {BECOMES_ROOT}"
    machine.write(f"/run/systemd/system/{name}.service", unit.format(command=command, out=f"/run/{name}.json"))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", f"{name}.service")
    came: Came = json.loads(machine.read("cat", f"/run/{name}.json"))
    return came


@pytest.fixture(scope="module")
def attempted(installed: Installed) -> tuple[Came, Came, Came]:
    """Give what came of each attempt: in the sandbox, without it as the same user, and as root."""
    machine = installed.machine
    machine.copy(PROBING, "/run")
    machine.run("install", "--mode=4755", "/usr/bin/id", BECOMES_ROOT)
    machine.run("mkdir", "--mode=0777", "/srv/for-all")
    machine.run("touch", "/tmp/of-another")
    machine.run("mknod", "/dev/probe", "c", "1", "3")
    unit = (UNITS / SERVICE).read_text(encoding="utf-8")
    for setting, other in OTHER_PURPOSE.items():
        assert setting in unit
        unit = unit.replace(setting, other)
    unit = unit.replace("ExecStart=/usr/bin/concordiad", "ExecStart={command}\nStandardOutput=file:{out}")
    bare = "[Service]\nType=oneshot\nUser={user}\nExecStart={{command}}\nStandardOutput=file:{{out}}\n"
    try:
        return (
            try_in(machine, "probe-sandbox", unit),
            try_in(machine, "probe-bare", bare.format(user="concordia")),
            try_in(machine, "probe-root", bare.format(user="root")),
        )
    finally:
        machine.run("rm", "--recursive", "/srv/for-all", BECOMES_ROOT, "/dev/probe", "/tmp/of-another")
        machine.run("find", "/var/lib/concordia-rooms/main", "-name", "of-*", "-delete")


def test_everything_that_the_sandbox_forbids_fails_in_it(attempted: tuple[Came, Came, Came]) -> None:
    """Not one attempt succeeds."""
    sandboxed, _, _ = attempted
    assert {name: came for name, came in sandboxed.items() if came in ("done", "")} == {}


def test_the_attempts_can_succeed(attempted: tuple[Came, Came, Came]) -> None:
    """Without the sandbox each of them succeeds, for the same user or for root, but for what no machine here allows."""
    sandboxed, bare, root = attempted
    assert sandboxed.keys() == bare.keys() == root.keys()
    assert {name for name in root if "done" not in (bare[name], root[name])} == FORBIDDEN_BY_THE_MACHINE


def test_the_daemon_has_what_it_needs(installed: Installed) -> None:
    """Within all that, it reads its configuration, keeps its journal, and its agent works in the room's directory."""
    place = "/var/lib/concordia-rooms/main/made-by-the-agent"
    asked = installed.machine.start(
        "concordiactl", "submit", "--wait", f"[[tool:touch {place}]] [[text:made]]", user="ada", stdout=-1, text=True
    )
    with asked:
        installed.wait_until(lambda: "Bash" in installed.ctl("approvals").stdout, "the agent asks to use its tool")
        (approval,) = json.loads(installed.ctl("approvals", "-o", "json").stdout)["approvals"]
        installed.ctl("approve", approval["id"])
        said, _ = asked.communicate(timeout=PATIENCE_S)
    assert said.strip().endswith("made")
    assert installed.machine.read("stat", "--format=%U", place) == "concordia"
    installed.machine.run("rm", place)
