"""A node, a listing and a whole book of each market of the lab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.calldata import packed
from defiliq.chain.evm import EvmNode, connect
from defiliq.chain.node import Call, Override
from defiliq.errors import CallReverted
from defiliq.protocols.compound_v3 import CometMarket, read
from defiliq.types import Block, Listing
from tests.lab import CometLab
from tests.nodes import PassingNode


@dataclass(frozen=True, slots=True)
class Scene:
    """One market of the lab as defiliq sees it."""

    lab: CometLab
    name: str
    node: EvmNode
    listing: Listing

    @property
    def comet(self) -> str:
        """Its address."""
        return self.lab.comets[self.name]

    def latest(self) -> Block:
        return self.node.block("latest")

    def owners(self) -> NDArray[np.uint8]:
        return packed(list(self.lab.owners(self.name)))

    def book(self, *, uncounted: bool = False) -> Book[CometMarket]:
        return read(self.node, self.listing, self.owners(), self.latest(), uncounted=uncounted)


@pytest.fixture(params=["usdc", "weth"])
def scene(request: pytest.FixtureRequest, lab_compound_v3: CometLab) -> Iterator[Scene]:
    """Both markets, one after the other."""
    yield from staged(lab_compound_v3, str(request.param))


@pytest.fixture
def usdc(lab_compound_v3: CometLab) -> Iterator[Scene]:
    """The market of 18 collaterals."""
    yield from staged(lab_compound_v3, "usdc")


def staged(lab: CometLab, name: str) -> Iterator[Scene]:
    listing = Listing("compound-v3", f"Local {name}", lab.chain_id, 0, {"comet": lab.comets[name]})
    with connect(lab.url, retries=0) as node:
        yield Scene(lab, name, node, listing)


class Deaf(PassingNode):
    """A node that takes state and time overrides and ignores them."""

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        return self.node.call(calls, at)
