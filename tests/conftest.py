"""Fixtures for everybody: the labs, started once per session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab import Lab, LabError, start_lab

LAB_USERS = 120
LAB_SEED = 8


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave the lab out where somebody asked for that; a lab that merely cannot start is a failure."""
    if item.get_closest_marker("lab") is not None and os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")


@pytest.fixture(scope="session")
def lab_v36() -> Iterator[Lab]:
    """Aave v3.6, pool revision 10. Leave it as you found it: change things inside `lab.rewinding()`."""
    yield from _lab("v3.6")


@pytest.fixture(scope="session")
def lab_v30() -> Iterator[Lab]:
    """Aave v3.0, pool revision 1. Leave it as you found it: change things inside `lab.rewinding()`."""
    yield from _lab("v3.0")


def _lab(version: str) -> Iterator[Lab]:
    if os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")
    try:
        lab = start_lab(version, users=LAB_USERS, seed=LAB_SEED)
    except LabError as error:
        pytest.fail(f"{error} (or set DEFILIQ_NO_LAB=1 to skip)", pytrace=False)
    with lab:
        yield lab
