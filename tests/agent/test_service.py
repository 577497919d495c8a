"""What the machine's service gives its daemon, as somebody else reads it."""

from pathlib import Path

import pytest

from concordiad.agent.service import as_in_service, read_variables
from concordiad.config.places import AGENT_SOCKET


@pytest.mark.parametrize(
    ("said", "variables"),
    [
        ("", {}),
        ("FDSTORE=256 CONCORDIA_AGENT_SOCKET=/run/a.sock\n", {"FDSTORE": "256", AGENT_SOCKET: "/run/a.sock"}),
        ("'A=two words' B= C=x=y nothing\n", {"A": "two words", "B": "", "C": "x=y"}),
        ("A='half", {}),
    ],
)
def test_variables_of_a_unit_are_read(said: str, variables: dict[str, str]) -> None:
    """As systemctl quotes them; what makes no sense says nothing."""
    assert read_variables(said) == variables


def test_a_variable_that_is_set_comes_first() -> None:
    """A daemon, and whoever wants to know what another one would do, need ask nobody."""
    given = {AGENT_SOCKET: "", "STATE_DIRECTORY": "/var/lib/concordia"}
    assert as_in_service(Path("/etc/concordia/concordiad.toml"), given) == given


def test_another_file_is_not_the_services() -> None:
    """What the unit of the machine says is nothing to a person's own configuration."""
    assert as_in_service(Path("/home/ada/concordiad.toml"), {"HOME": "/home/ada"}) == {"HOME": "/home/ada"}
