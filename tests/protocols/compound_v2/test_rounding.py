"""How a Comptroller rounds, told from one answer at pretended prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.chain.node import Call, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.protocols.compound_v2 import CompoundMarket, read_market
from defiliq.protocols.compound_v2.market import ProductRounding
from defiliq.protocols.compound_v2.rounding import REPAID, rounding_of, telling_prices
from defiliq.protocols.compound_v2.take import seize_tokens
from defiliq.types import Block
from tests.builders import BLOCK
from tests.protocols.compound_v2.contracts import LISTING, WAD, Contracts, fork

ROUNDINGS: tuple[ProductRounding, ...] = get_args(ProductRounding)


@dataclass
class Answering(Contracts):
    """A Comptroller that answers liquidateCalculateSeizeTokens with some words."""

    seizes: bytes | CallReverted = b""

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        assert overrides is not None
        return [self.seizes]


def market_of(*symbols: str) -> CompoundMarket:
    return read_market(fork(*symbols), LISTING, BLOCK)


def seized(market: CompoundMarket, rounding: ProductRounding) -> int:
    """What the Comptroller would answer at the telling prices."""
    prices = telling_prices(market)
    assert prices is not None
    last = len(market.reserves) - 1
    moved = replace(
        market.as_stored().at_prices({0: prices[0]} | {last: prices[1]}), product_rounding=rounding
    )
    found = seize_tokens(moved, 0, last, REPAID)
    assert found is not None
    return found


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


@pytest.mark.parametrize("symbols", [("A",), ("A", "B"), ("A", "B", "C")])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_either_rounding_is_told(rounding: ProductRounding, symbols: tuple[str, ...]) -> None:
    market = market_of(*symbols)
    node = Answering(seizes=words(0, seized(market, rounding)))
    assert rounding_of(node, market) == rounding


@pytest.mark.parametrize("answer", [b"", words(0), words(13, 0), words(0, 1), CallReverted("0x", b"")])
def test_an_answer_that_fits_neither_tells_nothing(answer: bytes | CallReverted) -> None:
    assert rounding_of(Answering(seizes=answer), market_of("A", "B")) is None


def test_a_node_without_overrides_tells_nothing() -> None:
    chain = fork("A", "B")
    market = read_market(chain, LISTING, BLOCK)
    with pytest.raises(RpcError):
        chain.call([], BLOCK, overrides={})
    assert rounding_of(chain, market) is None


@settings(max_examples=40)
@given(incentive=st.integers(1_010, 1_500), supply=st.integers(10**12, 10**30))
def test_there_are_prices_that_tell(incentive: int, supply: int) -> None:
    """At every usual exchange rate and incentive, where there are two cTokens at least."""
    market = market_of("A", "B")
    reserves = tuple(replace(reserve, total_supply=supply) for reserve in market.reserves)
    market = replace(market, reserves=reserves, liquidation_incentive_wad=incentive * WAD // 1_000)
    assert telling_prices(market) is not None
    assert len({seized(market, rounding) for rounding in ROUNDINGS}) == len(ROUNDINGS)


def test_an_incentive_of_one_may_tell_nothing() -> None:
    """Then no product is rounded, and the accounts' own liquidity has to tell."""
    market = replace(market_of("A"), liquidation_incentive_wad=WAD)
    reserves = tuple(replace(reserve, total_supply=1, cash=1) for reserve in market.reserves)
    assert telling_prices(replace(market, reserves=reserves)) is None
