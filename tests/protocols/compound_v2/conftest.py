"""The Compound v2 lab as defiliq sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.evm import EvmNode, connect
from defiliq.protocols.compound_v2 import CompoundMarket, read
from defiliq.types import Block, Listing
from tests.lab import CompoundV2Lab


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


@pytest.fixture
def scene(lab_compound_v2: CompoundV2Lab) -> Iterator[Scene]:
    addresses = {"comptroller": lab_compound_v2.comptroller}
    listing = Listing("compound-v2", "Local", lab_compound_v2.chain_id, 0, addresses)
    with connect(lab_compound_v2.url, retries=0) as node:
        yield Scene(lab_compound_v2, node, listing)
