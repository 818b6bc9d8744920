"""A node, a listing and a whole book of each lab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import EvmNode, connect
from defiliq.protocols.aave_v3 import AaveMarket, read
from defiliq.types import Block, Listing
from tests.lab import Lab


@dataclass(frozen=True, slots=True)
class Scene:
    """One lab as defiliq sees it."""

    lab: Lab
    node: EvmNode
    listing: Listing

    def latest(self) -> Block:
        return self.node.block("latest")

    def owners(self) -> NDArray[np.uint8]:
        return packed(self.lab.owners)

    def book(self, *, uncounted: bool = False) -> Book[AaveMarket]:
        return read(self.node, self.listing, self.owners(), self.latest(), uncounted=uncounted)


def packed(addresses: tuple[str, ...]) -> NDArray[np.uint8]:
    raw = b"".join(bytes.fromhex(address[2:]) for address in addresses)
    return np.frombuffer(raw, np.uint8).reshape(-1, 20)


@pytest.fixture(params=["lab_v36", "lab_v30"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Both labs, one after the other."""
    lab: Lab = request.getfixturevalue(request.param)
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        yield Scene(lab, node, listing)
