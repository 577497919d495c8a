"""How long the soak's tests go on, the seed that their chances come from, and the figures that they end with."""

import pytest

from tests.conftest import SEED, SOAK

FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def is_soak(request: pytest.FixtureRequest) -> bool:
    """Tell whether the long parts are wanted."""
    return bool(request.config.getoption(SOAK))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """Give the seed, and say it: a failed test shows it."""
    seed = str(request.config.getoption(SEED))
    print(f"--- {SEED}={seed}")
    return seed


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Give a list for what was measured; it is shown at the end of a soak."""
    return request.config.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the seed and the figures of a soak."""
    if config.getoption(SOAK):
        terminalreporter.section(f"soak, {SEED}={config.getoption(SEED)}")
        for line in config.stash.get(FIGURES, []):
            terminalreporter.write_line(line)
