"""What every asynchronous test has, which is an end; what none needs, the daemon's log; and browsers for some."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from hypothesis import HealthCheck, settings

from tests.support.chromedriver import Chromedriver, run_chromedriver
from tests.support.patience import PATIENCE_S

VIRTUAL_PATIENCE_S = 7 * 86400.0
"""Longer than every grace and expiry; a test that waits for nothing gets there at once."""

# A machine that stands still for a moment is no fault of what is tested, and what is found must be found again.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")

SLOWEST = ("soak", "nspawn", "e2e")
"""The directories whose files take longest: workers begin with them, so that none is left with one at the end."""

SOAK = "--soak"
SEED = "--seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what `make soak` says."""
    parser.addoption(SOAK, action="store_true", help="let the tests of tests/soak take their full length")
    parser.addoption(SEED, default=secrets.token_hex(4), help="what the chances in tests/soak come from")


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis try other examples each time where there is time for it; let workers have short paths."""
    if config.getoption(SOAK):
        settings.load_profile("soak")
    if worker := getattr(config, "workerinput", None):
        # A Unix socket's path has 107 bytes at the most, so that even `popen-gw0` would be too much in it.
        config.option.basetemp = Path(config.option.basetemp).with_name(worker["workerid"].removeprefix("gw"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest."""
    root = Path(__file__).parent
    order = {name: rank for rank, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path.relative_to(root).parts[0], len(order)))


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Log nothing: a test that fails says what it expected."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
def patience_s(request: pytest.FixtureRequest) -> float:
    """Seconds that a test may take, of the clock that it runs by; a module may have another idea."""
    return VIRTUAL_PATIENCE_S if "autojump_clock" in request.fixturenames else PATIENCE_S


@pytest.fixture
def chromedriver() -> Iterator[Chromedriver]:
    """Give what opens browsers; they end with the test."""
    with run_chromedriver() as chromedriver:
        yield chromedriver


@pytest.fixture(autouse=True)
def _bounded(request: pytest.FixtureRequest) -> None:
    """Fail an asynchronous test that takes too long, instead of hanging with it."""
    item = request.node
    if isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
        item.obj = _bound(item.obj, request.getfixturevalue("patience_s"))


def _bound(test: Callable[..., Awaitable[None]], patience_s: float) -> Callable[..., Any]:
    @wraps(test)
    async def bounded(**arguments: object) -> None:
        with trio.fail_after(patience_s):
            await test(**arguments)

    return bounded
