"""What is read from the real contracts, field by field against plain calls of the same contracts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from defiliq.index import Index, discover
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.verify import verify
from defiliq.pricing.graph import Input
from defiliq.protocols.compound_v2 import CompoundMarket, discovery, health, read, read_market, rule
from defiliq.protocols.compound_v2.market import COIN
from defiliq.types import Account, Leg
from tests.lab.compound_v2.listing import CLOSE_FACTOR_WAD, INCENTIVE_WAD, MARKETS, NATIVE
from tests.protocols.compound_v2.conftest import Scene, packed

pytestmark = pytest.mark.lab

WAD = 10**18


def test_discovery_finds_every_borrower_and_nobody_else(scene: Scene) -> None:
    at = scene.latest()
    wanted, owner_of = discovery(scene.node, scene.listing, at)
    assert set(wanted.addresses) == set(scene.lab.markets.values())
    with Index(":memory:") as index:
        owners = discover(scene.node, index, wanted, owner_of, 0, at)
    found = {"0x" + owner.tobytes().hex() for owner in owners}
    assert found == {owner.lower() for owner in scene.lab.borrowers}
    assert len(owners) == len(found)


def test_c_tokens_equal_plain_calls(scene: Scene) -> None:
    lab, market = scene.lab, scene.book().market
    call, comptroller = lab.chain.call, lab.market.comptroller
    assert [reserve.c_token for reserve in market.reserves] == list(lab.markets.values())
    for reserve, spec in zip(market.reserves, MARKETS, strict=True):
        token = lab.market.markets[spec.symbol]
        (listed, factor, *_) = call(comptroller, "markets", reserve.c_token)
        assert (reserve.is_listed, reserve.collateral_factor_wad) == (listed, factor)
        assert factor == spec.collateral_bps * 10**14
        assert reserve.asset == (COIN if spec.symbol == NATIVE else lab.tokens[spec.symbol])
        assert reserve.symbol == (spec.market if spec.symbol == NATIVE else spec.symbol)
        assert (reserve.c_symbol, reserve.decimals) == (spec.market, spec.decimals)
        assert reserve.cash == call(token, "getCash")
        assert reserve.total_borrows == call(token, "totalBorrows")
        assert reserve.total_reserves == call(token, "totalReserves")
        assert reserve.total_supply == call(token, "totalSupply")
        assert reserve.reserve_factor_wad == call(token, "reserveFactorMantissa")
        assert reserve.borrow_rate_wad == call(token, "borrowRatePerBlock")
        assert reserve.borrow_index_wad == call(token, "borrowIndex")
        assert reserve.accrued_at == call(token, "accrualBlockNumber")
        assert (reserve.seize_share_wad, reserve.is_deprecated, reserve.accrues_plainly) == (0, False, True)


def test_the_comptroller_equals_plain_calls(scene: Scene) -> None:
    lab, market = scene.lab, scene.book().market
    assert (market.comptroller, market.oracle) == (lab.comptroller, lab.oracle)
    assert (market.close_factor_wad, market.liquidation_incentive_wad) == (CLOSE_FACTOR_WAD, INCENTIVE_WAD)
    assert (market.clock, market.seize_paused, market.product_rounding) == ("block", False, "half_up")
    assert market.tick_at(market.block.timestamp) == market.block.number
    assert market.timestamp == market.block.timestamp


@pytest.mark.parametrize("guard", ["_setSeizePaused", "_setProtocolPaused"])
def test_pauses_of_liquidations_are_seen(scene: Scene, guard: str) -> None:
    with scene.lab.rewinding():
        scene.lab.chain.send(scene.lab.market.comptroller, guard, True)
        assert read_market(scene.node, scene.listing, scene.latest()).seize_paused


def test_prices_and_feeds_equal_plain_calls(scene: Scene) -> None:
    lab, market = scene.lab, scene.book().market
    assert (market.base_unit, market.base_symbol) == (WAD, "USD")
    for position, (reserve, spec) in enumerate(zip(market.reserves, MARKETS, strict=True)):
        assert market.price_of(position) == lab.price(spec.symbol)
        assert market.feeds[reserve.feed].source == lab.drivers[spec.driver]
        assert market.price_unit(reserve.feed) == 10 ** (36 - spec.decimals)
    assert market.graph.prices(market.timestamp) == market.prices
    assert market.graph.warnings == ()


def test_markets_on_one_aggregator_have_one_driver(scene: Scene) -> None:
    market = scene.book().market
    found = {driver.name: driver for driver in drivers(market)}
    assert set(found) == {spec.driver for spec in MARKETS}
    moved = found["ETH/USD"].prices(2_000_12345678)
    ether = [reserve.feed for reserve in market.reserves if reserve.symbol in ("vETH", "WETH")]
    assert moved == dict.fromkeys(ether, 200012345678 * 10**10)
    (_, quantity), *others = (
        (k, one) for k, one in market.graph.inputs if one.source == scene.lab.drivers["ETH/USD"]
    )
    assert not others
    assert (quantity.kind, quantity.decimals, quantity.value) == (
        "aggregator",
        8,
        scene.lab.answer("ETH/USD"),
    )


@pytest.mark.parametrize("uncounted", [False, True])
def test_every_leg_equals_plain_calls(scene: Scene, uncounted: bool) -> None:
    lab, book = scene.lab, scene.book(uncounted=uncounted)
    assert not book.failed
    assert [book.owner(i) for i in range(len(book))] == list(lab.owners)
    calls = [[owner] for owner in lab.owners]
    held = {s: lab.chain.call_many(t, "balanceOf", calls) for s, t in lab.market.markets.items()}
    entered = lab.chain.call_many(lab.market.comptroller, "getAssetsIn", calls)
    debts = {s: lab.chain.call_many(t, "borrowBalanceStored", calls) for s, t in lab.market.markets.items()}
    symbols = list(lab.markets)
    for i, account in enumerate(book.accounts()):
        inside = {address.lower() for address in entered[i]}
        owes = any(debts[symbol][i] for symbol in symbols)
        expected = []
        for position, symbol in enumerate(symbols):
            is_in = lab.markets[symbol].lower() in inside
            tokens = held[symbol][i] if is_in or owes or uncounted else 0
            principal, index = lab.borrow_snapshot(account.owner, symbol) if debts[symbol][i] else (0, 0)
            if tokens or principal:
                expected.append(Leg(position, tokens, principal, is_in, None, index))
        assert list(account.legs) == expected, lab.users[i]


def test_the_population_is_worth_reading(scene: Scene) -> None:
    """The comparisons say little unless the accounts are of many shapes."""
    book = scene.book()
    idle = ~book.counted & book.collateral.is_positive()
    assert int(idle.sum()) >= 5, "cTokens of debtors that they never entered"
    assert int(np.diff(book.first_leg).max()) >= 4
    assert 0 < int(book.debtors.sum()) < len(book)
    verdicts = [health(account, book.market).liquidatable for account in book.accounts()]
    assert 10 < sum(verdicts) < len(verdicts) // 2


def margins(accounts: list[Account], market: CompoundMarket) -> list[tuple[int, int]]:
    """Liquidity and shortfall by the law."""
    found = [rule(account, market).margin(market.prices) for account in accounts]
    return [(max(0, margin), max(0, -margin)) for margin in found]


@pytest.mark.parametrize("later_s", [None, 0, 1, 2, 40, 900])
def test_liquidity_and_shortfall_equal_to_the_integer(scene: Scene, later_s: int | None) -> None:
    """None: as stored. Else after every cToken accrued, at the block or so many seconds later."""
    lab, book = scene.lab, scene.book()
    market, accounts = book.market, list(book.accounts())
    if later_s is None:
        moved, number = market.as_stored(), None
    else:
        moved = market.at_time(market.block.timestamp + later_s)
        number = moved.tick_at(moved.timestamp)
    said = [
        lab.account_liquidity(account.owner, accrued=later_s is not None, block_number=number)
        for account in accounts
    ]
    assert margins(accounts, moved) == [(one.liquidity, one.shortfall) for one in said]
    assert all(one.error == 0 for one in said)


def test_the_comptroller_agrees_with_every_account_and_level(scene: Scene) -> None:
    result = verify(scene.node, scene.book(), levels=True)
    assert result.agrees, result.disagreements.to_string()
    assert result.agreed == result.asked == len(scene.lab.owners)
    assert result.price_agreed == result.neighbour_agreed == result.levels_asked == result.levels_at_source
    assert result.levels_asked > 300


def test_levels_agree_where_the_oracle_is_pinned(scene: Scene) -> None:
    """A group moves prices, not aggregators, so the oracle itself is put elsewhere."""
    group = "CRYPTO=WETH,vETH,WBTC,LINK"
    result = verify(scene.node, scene.book(), levels=True, groups=[group], drivers=["CRYPTO"])
    assert result.agrees, result.disagreements.to_string()
    assert result.levels_asked > 100
    assert result.levels_at_source == 0


def test_stored_verdicts_agree_too(scene: Scene) -> None:
    book = scene.book()
    stored = replace(book, market=book.market.as_stored())
    result = verify(scene.node, stored, levels=True)
    assert result.agrees, result.disagreements.to_string()
    assert result.levels_asked > 300


def test_verdicts_at_a_later_time_agree(scene: Scene) -> None:
    book = scene.book()
    later = replace(book, market=book.market.at_time(book.market.block.timestamp + 300))
    result = verify(scene.node, later, levels=True)
    assert result.agrees, result.disagreements.to_string()


def test_interest_is_worth_accruing(scene: Scene) -> None:
    """Stored and accrued verdicts differ for somebody, or the tests above could not tell them apart."""
    book = scene.book()
    stored = book.market.as_stored()
    differ = [
        account
        for account in book.accounts()
        if health(account, book.market).liquidatable != health(account, stored).liquidatable
    ]
    assert differ


def test_nobody_is_no_error(scene: Scene) -> None:
    book = read(scene.node, scene.listing, packed(()), scene.latest())
    assert (len(book), book.legs, dict(book.failed)) == (0, 0, {})


def test_an_address_that_never_came_is_an_account_without_legs(scene: Scene) -> None:
    book = read(scene.node, scene.listing, packed(("0x" + "77" * 20,)), scene.latest())
    assert (len(book), book.legs, dict(book.failed)) == (1, 0, {})


def test_the_market_alone_is_the_book_s(scene: Scene) -> None:
    assert read_market(scene.node, scene.listing, scene.latest()) == scene.book().market


def test_a_price_posted_by_hand_moves_alone(scene: Scene) -> None:
    with scene.lab.rewinding():
        scene.lab.set_direct_price("USDT", 98 * 10**16)
        book = scene.book()
        (posted,) = [one for _, one in book.market.graph.inputs if one.kind == "unresolved"]
        assert posted == Input("USDT/USD", "unresolved", scene.lab.oracle, 98 * 10**28, 30)
        (warning,) = book.market.graph.warnings
        assert "posted by hand" in warning
        result = verify(scene.node, book, levels=True, drivers=["USDT/USD"])
        assert result.agrees, result.disagreements.to_string()
        assert result.levels_asked > 20
        assert result.levels_at_source == 0
