"""Parameters as flat texts: names that stay apart, and what of a price graph governance alone moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.protocols import dydx_v4
from defiliq.protocols.aave_v3 import AaveMarket, EMode, parameters
from defiliq.protocols.compound_v2 import parameters as compound_parameters
from defiliq.protocols.parameters import fields_of, named_bits, price_of, reserve_names, said
from defiliq.units import WAD
from tests.builders import NOW, address, graph_market, market, reserve
from tests.protocols.compound_v2.ctokens import comptroller, ctoken
from tests.protocols.dydx_v4 import stage as dydx_stage


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (False, "false"), (0, "0"), (10**30, str(10**30)), ("a", "a")],
)
def test_values_as_texts(value: object, text: str) -> None:
    assert said(value) == text


def test_symbols_that_several_share_get_the_ends_of_an_address() -> None:
    alike = [reserve("WETH", 0), reserve("USDC", 1), reserve("WETH", 2)]
    ends = [f"{one.asset[:6]}..{one.asset[-4:]}" for one in alike]
    assert reserve_names(alike) == (f"WETH {ends[0]}", "USDC", f"WETH {ends[2]}")
    twins = [replace(one, symbol="WETH", asset=alike[0].asset) for one in alike]
    assert reserve_names(twins) == tuple(f"WETH {ends[0]} #{k}" for k in range(3))


def test_two_tokens_over_one_asset_are_told_apart() -> None:
    both = [ctoken(0, "WBTC"), ctoken(1, "WBTC")]
    names = reserve_names(both)
    assert len(set(names)) == 2
    assert all(name.startswith("WBTC ") for name in names)
    found = compound_parameters(comptroller(both, [WAD, WAD]))
    assert sum(path.endswith(".collateral_factor_wad") for path in found) == 2


def test_bitmaps_name_reserves_in_the_order_of_their_ids() -> None:
    names = {0: "WETH", 3: "USDC"}
    assert named_bits(0b1001, names) == "WETH, USDC"
    assert named_bits(1 << 127 | 1, names) == "WETH, reserve 127"
    assert named_bits(0, names) == "none"


def test_fields_below_a_path_and_without_one() -> None:
    one = reserve("WETH", 0)
    assert [*fields_of(one, ("symbol", "is_active"))] == [("symbol", "WETH"), ("is_active", "true")]
    assert [*fields_of(one, ("decimals",), "WETH")] == [("WETH.decimals", "18")]


def prices(at: AaveMarket) -> dict[str, str]:
    return {path: text for k, one in enumerate(at.reserves) for path, text in price_of(at, k, one.symbol)}


def test_a_price_graph_gives_sources_inputs_caps_and_discounts() -> None:
    found = prices(graph_market())
    assert found["USDC.price_cap"] == "104000000"
    assert found["GHO.fixed_price"] == "100000000"
    start = 1_197000000000000000
    assert found["wstETH.price_cap.start"] == str(start)
    assert found["wstETH.price_cap.growth"] == str(start * 968 * 10**6 // (10**4 * 365 * 86_400))
    assert found["WBTC.price_inputs"] == f"BTC/USD {address(0xF00C)}, WBTC/BTC {address(0xF00D)}"
    discounted = next(path for path in found if path.endswith(".price_discount.rate"))
    assert found[discounted] == str(75 * 10**15)


def test_neither_prices_nor_time_nor_indices_show() -> None:
    at = graph_market()
    later = graph_market({"ETH/USD": 2500_00000000, "wstETH/ETH ratio": 1_210000000000000000}).at_time(
        NOW + 999
    )
    moved = replace(
        later,
        reserves=tuple(
            replace(one, liquidity_rate_ray=5, variable_borrow_index_ray=7 * 10**27, updated_at=NOW + 1)
            for one in later.reserves
        ),
    )
    assert parameters(moved) == parameters(at)
    assert [*parameters(moved)] == [*parameters(at)]


def test_a_market_that_was_not_resolved_has_sources_alone() -> None:
    found = prices(market())
    assert found
    assert all(path.endswith(".price_source") for path in found)


def test_a_category_that_no_reserve_is_in_governs_nothing() -> None:
    empty = EMode(
        id=4,
        label="old",
        ltv_bps=1,
        liquidation_threshold_bps=2,
        liquidation_bonus_bps=3,
        collateral_bitmap=0,
        borrowable_bitmap=0,
    )
    without = market()
    assert parameters(replace(without, emodes={4: empty})) == parameters(without)
    used = parameters(replace(without, emodes={4: replace(empty, collateral_bitmap=0b11)}))
    first, second = (one.symbol for one in without.reserves[:2])
    assert used["eMode 4.collateral"] == f"{first}, {second}"
    assert used["eMode 4.ltvzero"] == "none"


def test_an_old_category_has_a_price_source() -> None:
    old = market(revision=3)
    mode = EMode(
        id=1,
        label="ETH",
        ltv_bps=9000,
        liquidation_threshold_bps=9300,
        liquidation_bonus_bps=10100,
        collateral_bitmap=1,
        borrowable_bitmap=1,
    )
    assert parameters(replace(old, emodes={1: mode}))["eMode 1.price_source"] == "none"
    own = parameters(replace(old, emodes={1: replace(mode, feed=1)}))
    assert own["eMode 1.price_source"] == old.feeds[1].source
    assert "eMode 1.borrowable" not in own


def test_dydx_v4_tells_of_tiers_and_of_what_a_liquidation_may_take() -> None:
    at = dydx_stage.read_from(dydx_stage.chain_of()).market
    found = dydx_v4.parameters(at)
    symbol = at.reserves[1].symbol
    assert found[f"{symbol}.initial_margin_ppm"] == str(at.reserves[1].initial_margin_ppm)
    assert found["liquidations.max_notional_liquidated"] == str(at.liquidations.max_notional_liquidated)
    voted = replace(
        at, reserves=(at.reserves[0], replace(at.reserves[1], clob_status="paused"), *at.reserves[2:])
    )
    changed = dydx_v4.parameters(voted)
    assert {path for path in changed if changed[path] != found[path]} == {f"{symbol}.clob_status"}
    moving = tuple(replace(one, funding_index=9, open_interest=8) for one in at.reserves)
    assert dydx_v4.parameters(replace(at, reserves=moving)) == found
