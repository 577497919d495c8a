"""The store out of which systemd hands the service its secrets, as far as somebody may look into it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from attrs import evolve

from concordiad.config.doors import Metrics
from concordiad.config.places import find_file
from concordiad.config.tables import Agent, Gemini
from ctl.health import Finding, error, ok, warning
from ctl.health.remedies import PASTE, UNIT, write_secret

Table = TypeVar("Table", Gemini, Metrics)
OF_UNIT: Final = frozenset(("anthropic_api_key", "gemini_api_key", "tls_key", "metrics_token"))
"""What the service's unit asks for by itself: its LoadCredential=."""
RESTART: Final = f"`systemctl restart {UNIT}`"


class Store(NamedTuple):
    """
    Where the service's secrets are.

    Attributes:
        folders: where systemd looks for them, in this order.
        handed_over: where it puts them for the daemon that runs.
    """

    folders: tuple[Path, ...]
    handed_over: Path

    def find(self, name: str) -> Path | None:
        """
        Find a secret; None where it is not there.

        Raises:
            PermissionError: that is not for us to know.
        """
        places = [folder / f"concordia.{name}" for folder in self.folders]
        return next((place for place in places if _is_there(place)), None)

    def path(self, name: str) -> Path:
        """Say where a secret is to be written."""
        return self.folders[0] / f"concordia.{name}"

    def filled(self, agent: Agent) -> Agent:
        """Name the secrets of an agent by their files, as far as those are to be seen."""
        return evolve(agent, credentials={variable: self._named(name) for variable, name in agent.credentials.items()})

    def placed(self, table: Table) -> Table:
        """Name a table's secret by its file, if that is to be seen."""
        return evolve(table, credential=self._named(table.credential))

    def _named(self, name: str) -> str:
        try:
            place = None if "/" in name else self.find(name)
        except PermissionError:
            place = None
        return name if place is None else str(place)

    def explain(self, title: str, name: str, what: str, *, runs: bool, write: str | None = None) -> Finding:
        """
        Say of a secret that was not found whether it is missing, and how to give it.

        Args:
            title: the finding's.
            name: the secret's, without "concordia.".
            what: what it is for.
            runs: whether a daemon runs, which has what it needs.
            write: what makes its file, if nobody has to paste it.
        """
        path = self.path(name)
        try:
            is_handed_over = _is_there(self.handed_over / name)
            self.find(name)
        except PermissionError:
            found = f"{what}: the credential {path} is for root alone to look at"
            return ok(title, found) if runs else warning(title, found, "look as root")
        if is_handed_over:
            return ok(title, f"{what}: systemd has handed the credential {name!r} over to the daemon that runs")
        remedy = f"as root {write or f'`{write_secret(path)}`, {PASTE}'}; then {RESTART}"
        found = f"{what}: the credential {name!r} is not there: nothing is in {path}"
        if name in OF_UNIT:
            return error(title, found, remedy)
        # A drop-in may have it from anywhere.
        drop_in = f"`systemctl edit {UNIT}` with [Service] LoadCredential={name}:concordia.{name}"
        return warning(title, f"{found}, and the unit does not ask for it by itself", f"{drop_in}; {remedy}")


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


SERVICE: Final = Store(
    tuple(Path(place, "credstore") for place in ("/etc", "/run", "/usr/lib")), Path("/run/credentials", UNIT)
)


def store_of(path: Path, environment: Mapping[str, str]) -> Store | None:
    """Give the store of a configuration: the service's has one, for whoever is not the service itself."""
    is_service = "CREDENTIALS_DIRECTORY" in environment
    return SERVICE if not is_service and path == find_file(environment, is_service=True) else None
