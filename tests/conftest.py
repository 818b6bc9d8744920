"""Fixtures for everybody: the labs, started once per session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from hypothesis import settings

from tests.lab import (
    CometLab,
    CompoundV2Lab,
    Lab,
    LabError,
    SoloLab,
    start_compound_v2,
    start_compound_v3,
    start_dydx_solo,
    start_lab,
)
from tests.lab.running import RunningNode
from tests.lab.uniswap_v3 import UniswapLab, start_uniswap_v3

LAB_USERS = 120
LAB_SEED = 8
COMPOUND_USERS = 300
COMPOUND_SEED = 7
SOLO_USERS = 320
SOLO_SEED = 7
R = TypeVar("R", bound=RunningNode)
LONGEST = ("tests/test_demo.py", "tests/watch/", "tests/test_lab_", "tests/cli/test_model_on_chains.py")
"""Where few tests take long: they begin first, so that no process is left alone with them at the end."""

# How long an example takes says something of the machine, not of the code.
settings.register_profile("defiliq", deadline=None)
# The same examples in every run of the same tests: what decides about a change must not hang on luck.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("DEFILIQ_EXAMPLES", "defiliq"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave the lab out where somebody asked for that; a lab that merely cannot start is a failure."""
    if item.get_closest_marker("lab") is not None and os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, all else in the order of its name."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def lab_v36() -> Iterator[Lab]:
    """Aave v3.6, pool revision 10. Leave it as you found it: change things inside `lab.rewinding()`."""
    yield from _started(lambda: start_lab("v3.6", users=LAB_USERS, seed=LAB_SEED))


@pytest.fixture(scope="session")
def lab_v30() -> Iterator[Lab]:
    """Aave v3.0, pool revision 1. Leave it as you found it: change things inside `lab.rewinding()`."""
    yield from _started(lambda: start_lab("v3.0", users=LAB_USERS, seed=LAB_SEED))


@pytest.fixture(scope="session")
def lab_compound_v2() -> Iterator[CompoundV2Lab]:
    """Compound v2 as Venus 0.4.1. Leave it as you found it: change things inside `lab.rewinding()`."""
    yield from _started(lambda: start_compound_v2(users=COMPOUND_USERS, seed=COMPOUND_SEED))


@pytest.fixture(scope="session")
def lab_compound_v3() -> Iterator[CometLab]:
    """Two Comets with so many users each. Leave it as you found it: change things inside `rewinding`."""
    yield from _started(lambda: start_compound_v3(users=COMPOUND_USERS, seed=COMPOUND_SEED))


@pytest.fixture(scope="session")
def lab_dydx_solo() -> Iterator[SoloLab]:
    """dYdX's Solo Margin. Leave it as you found it: change things inside `lab.rewinding()`."""
    yield from _started(lambda: start_dydx_solo(users=SOLO_USERS, seed=SOLO_SEED))


@pytest.fixture(scope="session")
def lab_uniswap_v3() -> Iterator[UniswapLab]:
    """Pools of Uniswap v3 and a pair of v2. Leave it as you found it: trade inside `lab.rewinding()`."""
    yield from _started(start_uniswap_v3)


def _started(start: Callable[[], R]) -> Iterator[R]:
    if os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")
    try:
        lab = start()
    except LabError as error:
        pytest.fail(f"{error} (or set DEFILIQ_NO_LAB=1 to skip)", pytrace=False)
    with lab:
        yield lab
