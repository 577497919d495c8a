"""The sandboxes of the daemon and of agents: each directive is tried by doing what it forbids in a unit like theirs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from shipping.install import UNITS
from tests.nspawn.concordia import SERVICE, Installed
from tests.nspawn.machine import Machine
from tests.support.patience import PATIENCE_S

AGENT: Final = "concordia-agent@.service"
PROBING: Final = Path(__file__).with_name("probing.py")
BECOMES_ROOT: Final = "/usr/local/bin/become-root"
FORBIDDEN_BY_THE_MACHINE: Final = {
    *("ProtectClock", "ProtectControlGroups", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"),
}
"""What root may not do either in a machine of systemd-nspawn's, so that no attempt tells who forbade it."""
OTHER_PURPOSE: Final = {
    SERVICE: {
        "Requires=concordiad.socket\nWants=concordia-agent.socket": "",
        "Type=notify": "Type=oneshot",
        "Restart=always": "Restart=no",
        "WatchdogSec=30": "",
        "ExecStart=/usr/bin/concordiad": "ExecStart={command}\nStandardOutput=file:{out}",
    },
    AGENT: {
        "Type=exec": "Type=oneshot",
        "ExecStart=/usr/lib/concordia/bin/python3 -IS /usr/lib/concordia/agent-shim.py": "ExecStart={command}",
        "StandardInput=socket": "",
        "StandardOutput=journal": "StandardOutput=file:{out}",
    },
}
"""The settings of each unit that a program which ends, and answers in a file, cannot have."""
OPEN_TO_AGENTS: Final = {
    *("MemoryDenyWriteExecute", "RestrictNamespaces"),  # Node compiles while it runs; its tools have a sandbox
    *("ProcSubset", "RestrictAddressFamilies"),  # it looks at the memory that there is, and at the network
    "UMask",  # what it makes in a project is its group's
}
"""What an agent may do and the daemon may not."""

Came = Mapping[str, str]


def unit_to_try(name: str) -> str:
    """Give the text of a unit of ours that does nothing but try; its command and its output are to be put in."""
    unit = (UNITS / name).read_text(encoding="utf-8")
    for setting, other in OTHER_PURPOSE[name].items():
        assert setting in unit
        unit = unit.replace(setting, other)
    return unit


def try_in(machine: Machine, name: str, unit: str) -> Came:
    """Let the attempts be made in a unit, and return what came of each."""
    command = f"/usr/bin/python3 -I /run/probing.py {BECOMES_ROOT}"
    machine.write(f"/run/systemd/system/{name}.service", unit.format(command=command, out=f"/run/{name}.json"))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", f"{name}.service")
    came: Came = json.loads(machine.read("cat", f"/run/{name}.json"))
    return came


class Attempted(NamedTuple):
    """What came of each attempt: in the daemon's sandbox, in an agent's, as the daemon's user without any, as root."""

    daemon: Came
    agent: Came
    bare: Came
    root: Came


@pytest.fixture(scope="module")
def attempted(installed: Installed) -> Attempted:
    """Let all of them be made."""
    machine = installed.machine
    machine.copy(PROBING, "/run")
    machine.run("install", "--mode=4755", "/usr/bin/id", BECOMES_ROOT)
    machine.run("mkdir", "--mode=0777", "/srv/for-all")
    machine.run("touch", "/tmp/of-another")
    machine.run("mknod", "/dev/probe", "c", "1", "3")
    bare = "[Service]\nType=oneshot\nUser={user}\nExecStart={{command}}\nStandardOutput=file:{{out}}\n"
    try:
        return Attempted(
            try_in(machine, "probe-sandbox", unit_to_try(SERVICE)),
            try_in(machine, "probe-agent", unit_to_try(AGENT)),
            try_in(machine, "probe-bare", bare.format(user="concordia")),
            try_in(machine, "probe-root", bare.format(user="root")),
        )
    finally:
        machine.run("rm", "--recursive", "/srv/for-all", BECOMES_ROOT, "/dev/probe", "/tmp/of-another")
        machine.run("find", "/var/lib/concordia-rooms/main", "-name", "of-*", "-delete")


def test_everything_that_the_sandbox_forbids_fails_in_it(attempted: Attempted) -> None:
    """Not one attempt succeeds."""
    assert {name: came for name, came in attempted.daemon.items() if came in ("done", "")} == {}


def test_an_agent_may_do_what_it_needs_and_no_more(attempted: Attempted) -> None:
    """In its own sandbox, which is wider, everything else fails."""
    assert {name for name, came in attempted.agent.items() if came in ("done", "")} == OPEN_TO_AGENTS


def test_the_attempts_can_succeed(attempted: Attempted) -> None:
    """Without the sandbox each of them succeeds, for the same user or for root, but for what no machine here allows."""
    _, _, bare, root = attempted
    assert attempted.daemon.keys() == attempted.agent.keys() == bare.keys() == root.keys()
    assert {name for name in root if "done" not in (bare[name], root[name])} == FORBIDDEN_BY_THE_MACHINE


def test_the_daemon_has_what_it_needs(installed: Installed) -> None:
    """Within all that, it reads its configuration, keeps its journal, and its agent has a unit to work in."""
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
    assert installed.machine.read("stat", "--format=%U:%G %a", place) == "concordia-agent:concordia 660"
    installed.machine.run("rm", place)
