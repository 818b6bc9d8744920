"""The Compound v2 lab, started once, and as defiliq sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import EvmNode, connect
from defiliq.protocols.compound_v2 import CompoundMarket, read
from defiliq.types import Block, Listing
from tests.lab import CompoundV2Lab, LabError, start_compound_v2


@dataclass(frozen=True, slots=True)
class Scene:
    """The lab through a node."""

    lab: CompoundV2Lab
    node: EvmNode
    listing: Listing

    def latest(self) -> Block:
        return self.node.block("latest")

    def owners(self) -> NDArray[np.uint8]:
        return packed(self.lab.owners)

    def book(self, *, uncounted: bool = False) -> Book[CompoundMarket]:
        return read(self.node, self.listing, self.owners(), self.latest(), uncounted=uncounted)


def packed(addresses: tuple[str, ...]) -> NDArray[np.uint8]:
    raw = b"".join(bytes.fromhex(address[2:]) for address in addresses)
    return np.frombuffer(raw, np.uint8).reshape(-1, 20)


@pytest.fixture(scope="session")
def compound_v2_lab() -> Iterator[CompoundV2Lab]:
    """Leave it as you found it: change things inside `lab.rewinding()`."""
    if os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")
    try:
        lab = start_compound_v2()
    except LabError as error:
        pytest.fail(f"{error} (or set DEFILIQ_NO_LAB=1 to skip)", pytrace=False)
    with lab:
        yield lab


@pytest.fixture
def scene(compound_v2_lab: CompoundV2Lab) -> Iterator[Scene]:
    addresses = {"comptroller": compound_v2_lab.comptroller}
    listing = Listing("compound-v2", "Local", compound_v2_lab.chain_id, 0, addresses)
    with connect(compound_v2_lab.url, retries=0) as node:
        yield Scene(compound_v2_lab, node, listing)
