"""Chains that are odd and right all the same, and chains that are newer than what is known of them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.solving import solve_book
from defiliq.protocols.dydx_v4 import DydxMarket, health
from tests.dydx.population import Population
from tests.dydx.standin import dydx_standin
from tests.protocols.dydx_v4.stage import (
    BTC,
    ETH,
    ISOLATED,
    PEPE,
    assert_same_book,
    chain_of,
    holding_only,
    keys_of,
    name_of,
    read_from,
    subaccount,
)

LONG = subaccount(1, (BTC, 10**8), usdc=-(10**8))
SHORT = subaccount(2, (BTC, -(10**8)), usdc=10**9)
UNKNOWN_FIELD = b"\xfa\x3e\x03new"
"""Field 1007, which no message of the chain has."""


def changed(change: Callable[[Population], object]) -> Book[DydxMarket]:
    held = holding_only(LONG, SHORT)
    change(held)
    return read_from(dydx_standin(held))


def with_field(message: Any) -> None:
    """A field that a newer chain may have added."""
    message.MergeFromString(UNKNOWN_FIELD)


NEWER: dict[str, tuple[Callable[[Population], object], str]] = {
    "perpetual": (lambda held: with_field(held.perpetuals[3]), "AllPerpetuals"),
    "its parameters": (lambda held: with_field(held.perpetuals[3].params), "AllPerpetuals"),
    "tier": (lambda held: with_field(held.liquidity_tiers[2]), "AllLiquidityTiers"),
    "market param": (lambda held: with_field(held.market_params[0]), "AllMarketParams"),
    "price": (lambda held: with_field(held.market_prices[0]), "AllMarketPrices"),
    "order book": (lambda held: with_field(held.clob_pairs[0]), "ClobPairAll"),
    "asset": (lambda held: with_field(held.assets[0]), "AllAssets"),
    "config": (lambda held: with_field(held.liquidations_config), "LiquidationsConfiguration"),
    "its limits": (
        lambda held: with_field(held.liquidations_config.position_block_limits),
        "LiquidationsConfiguration",
    ),
    "subaccount": (lambda held: with_field(held.subaccounts[0]), "subaccounts"),
    "position": (lambda held: with_field(held.subaccounts[0].perpetual_positions[0]), "subaccounts"),
    "kind of perpetual": (
        lambda held: setattr(held.perpetuals[3].params, "market_type", 3),
        "kinds of perpetuals",
    ),
    "state of a book": (lambda held: setattr(held.clob_pairs[0], "status", 7), "states of order books"),
}


@pytest.mark.parametrize("what", NEWER)
def test_a_newer_chain_is_read_with_a_word_of_warning(what: str) -> None:
    change, told = NEWER[what]
    book, plain = changed(change), changed(lambda held: None)
    (warning,) = book.market.graph.warnings
    assert told in warning
    assert "hold what is not known here" in warning
    assert list(book.accounts()) == list(plain.accounts())
    assert dict(book.failed) == {}
    assert plain.market.graph.warnings == ()


def test_a_newer_subaccount_asked_for_by_name() -> None:
    held = holding_only(LONG, SHORT)
    owners = keys_of([name_of(LONG)])
    with_field(held.subaccounts[0])
    (warning,) = read_from(dydx_standin(held), owners=owners).market.graph.warnings
    assert "subaccounts" in warning
    assert read_from(dydx_standin(held), owners=keys_of([name_of(SHORT)])).market.graph.warnings == ()


def test_two_perpetuals_of_one_market_share_its_price() -> None:
    held = holding_only(LONG, SHORT)
    held.perpetuals[ETH].params.market_id = BTC
    market = read_from(dydx_standin(held)).market
    assert market.reserves[1].feed == market.reserves[2].feed == 1
    assert market.feeds[1].name == "BTC-USD+ETH-USD"
    assert market.feeds[1].source == "market/0"
    assert len(market.feeds) == len(market.reserves) - 1
    assert [driver.name for driver in drivers(market)][:2] == ["BTC/USD", "LINK/USD"]
    assert drivers(market)[0].feeds == {1}


def test_two_perpetuals_of_one_ticker_are_told_apart() -> None:
    held = holding_only(LONG, SHORT)
    held.perpetuals[ETH].params.ticker = "BTC-USD"
    held.perpetuals[2].params.ticker = "USDC"
    held.perpetuals[3].params.ticker = "\x1b[31mX\n"
    held.perpetuals[4].params.ticker = ""
    symbols = [reserve.symbol for reserve in read_from(dydx_standin(held)).market.reserves]
    assert symbols[:6] == ["USDC", "BTC-USD.0", "BTC-USD.1", "USDC.2", "31mX", "PERP-4"]


def test_a_ticker_that_imitates_a_name_is_told_apart() -> None:
    held = holding_only(LONG, SHORT)
    held.perpetuals[ETH].params.ticker = "BTC-USD"
    held.perpetuals[2].params.ticker = "BTC-USD.0"
    symbols = [reserve.symbol for reserve in read_from(dydx_standin(held)).market.reserves]
    assert symbols[:4] == ["USDC", "BTC-USD.0", "BTC-USD.1", "BTC-USD.0.2"]
    assert len(set(symbols)) == len(symbols)


@pytest.mark.parametrize("price", [1, 2**61, 2**63, 2**64 - 1])
def test_prices_of_all_sizes(price: int) -> None:
    held = holding_only(LONG, SHORT)
    held.market_prices[BTC].price = price
    book = read_from(dydx_standin(held))
    assert book.market.prices[1] == price
    notional = 10**8 * price // 10**9
    for account in book.accounts():
        judged = health(account, book.market)
        net = notional - 10**8 if account.owner == name_of(LONG) else 10**9 - notional
        initial = (notional * 20_000 + 999_999) // 10**6
        margin = (initial * 600_000 + 999_999) // 10**6
        assert judged.margin == net - margin
        assert judged.liquidatable == (margin > 0 and net < margin)
    solved = solve_book(book, [drivers(book.market)[0]])
    assert solved.unresolved == ()
    assert len(solved.levels) + solved.never["BTC/USD"] >= 2


@pytest.mark.parametrize(("exponent", "decimals"), [(0, 0), (-40, 40)])
def test_price_exponents_at_the_ends(exponent: int, decimals: int) -> None:
    held = holding_only(LONG, SHORT)
    held.market_prices[BTC].exponent = exponent
    market = read_from(dydx_standin(held)).market
    assert (market.feeds[1].unit, market.reserves[1].exponent) == (10**decimals, exponent)


def test_a_quantum_of_more_than_one_whole() -> None:
    """PEPE counts in tens: its scale is 10**(1 - 16 + 6)."""
    book = read_from(chain_of(subaccount(1, (PEPE, 2**70)), subaccount(2, (PEPE, -(2**70)), usdc=2**70)))
    place = next(k for k, reserve in enumerate(book.market.reserves) if reserve.id == PEPE)
    reserve = book.market.reserves[place]
    assert (reserve.decimals, reserve.quantum_exponent) == (-1, -9)
    notional = 2**70 * book.market.price_of(place) // 10**9
    assert {health(account, book.market).collateral_base for account in book.accounts()} == {notional, 2**70}


def test_isolated_perpetuals_and_what_is_beside_them() -> None:
    """The chain lets nobody have anything beside an isolated position."""
    alone = subaccount(1, (ISOLATED, 10**9), number=128)
    other = subaccount(2, (ISOLATED, -(10**9)), usdc=10**12, number=128)
    book = read_from(chain_of(alone, other))
    assert [reserve.id for reserve in book.market.reserves if reserve.is_isolated] == [300, 301]
    assert {book.owner(i) for i in range(2)} == {name_of(alone), name_of(other)}
    both = subaccount(3, (BTC, 10**8), (ISOLATED, 10**9))
    (why,) = [read_from(chain_of(alone, other, both)).failed[name_of(both)]]
    assert "beside an isolated one" in why


def test_an_order_book_is_found_by_its_perpetual() -> None:
    def swap(held: Population) -> None:
        for pair, perpetual in ((held.clob_pairs[0], ETH), (held.clob_pairs[1], BTC)):
            pair.perpetual_clob_metadata.perpetual_id = perpetual
        held.clob_pairs[2].ClearField("perpetual_clob_metadata")
        held.clob_pairs[3].status = 6

    plain, market = changed(lambda held: None).market.reserves, changed(swap).market.reserves
    assert market[1].step_base_quantums == plain[2].step_base_quantums
    assert market[2].subticks_per_tick == plain[1].subticks_per_tick
    assert (market[3].clob_status, market[3].step_base_quantums) == ("none", 0)
    assert market[4].clob_status == "final_settlement"


def test_integers_as_go_also_takes_them() -> None:
    """No bytes and a negative zero are 0; leading zeros change nothing."""
    odd, plain = subaccount(1, (ETH, 5), usdc=7), subaccount(1, (ETH, 5), usdc=7)
    odd.perpetual_positions[0].quantums = b"\x02\x00\x00\x05"
    odd.perpetual_positions[0].funding_index = b"\x03"
    odd.perpetual_positions[0].quote_balance = b""
    short = subaccount(2, (ETH, -5), usdc=10**9)
    assert_same_book(read_from(chain_of(odd, short)), read_from(chain_of(plain, short)))
