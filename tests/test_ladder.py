"""Levels as rows: columns, order, outcomes, and sums that do not hang on the order of rows."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pandas as pd
import pytest

from defiliq.book import Book
from defiliq.ladder import (
    IDENTITY,
    LADDER_COLUMNS,
    bin_ladder,
    build_ladder,
    factor_text,
    headed,
    identity_of,
    to_usd,
)
from defiliq.pipeline.judge import choose_drivers, ladder
from defiliq.pipeline.solving import solve_book
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import NO_DEBT_FACTOR, Account, Leg, Liquidation, Market
from tests.builders import BLOCK, account, address, book, market, reserve

SPEC = [
    "chain_id",
    "block_number",
    "block_hash",
    "block_timestamp",
    "protocol",
    "market",
    "version",
    "account",
    "driver",
    "side",
    "outcome",
    "price_raw",
    "price_usd",
    "spot_raw",
    "spot_usd",
    "distance_pct",
    "band_raw",
    "health_factor",
    "collateral_usd",
    "debt_usd",
    "seize_asset",
    "repay_asset",
    "seized_usd",
    "repaid_usd",
    "bonus_usd",
    "bad_debt_usd",
    "callable",
    "reason",
]


def row(table: pd.DataFrame, number: int, driver: str) -> dict[str, object]:
    (found,) = table[(table["account"] == address(number)) & (table["driver"] == driver)].to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_the_columns_are_the_promised_ones_in_order() -> None:
    assert list(LADDER_COLUMNS[: len(SPEC)]) == SPEC
    assert list(ladder(book()).columns) == list(LADDER_COLUMNS)


def test_an_empty_ladder_has_the_same_columns_and_types() -> None:
    empty = ladder(book([account(5, WETH=(2, 0))]))
    assert len(empty) == 0
    assert dict(empty.dtypes) == dict(ladder(book()).dtypes)


def test_a_long_rung_says_what_the_law_says() -> None:
    at = market()
    found = row(ladder(book(), "WETH"), 1, "WETH/USD")
    # 1 WETH at 82.5% against 2,000 USDC: liquidatable below 2000 / 0.825 = 2424.2424...
    assert found["price_raw"] == "242424242424"
    assert found["price_usd"] == 2424.24242424
    assert found["spot_raw"] == "300000000000"
    assert found["distance_pct"] == float(Fraction(242424242424 - 300000000000, 3000000000))
    assert found["health_factor"] == "1.237500000000000000"
    assert (found["collateral_usd"], found["debt_usd"]) == (3000.0, 2000.0)
    taken = aave_v3.take(book().account(0), at.at_prices({0: 242424242424}))
    assert isinstance(taken, Liquidation)
    assert found["seized_usd"] == taken.seized_base / 10**8
    assert found["repaid_usd"] == taken.repaid_base / 10**8
    assert found["bonus_usd"] == taken.bonus_base / 10**8
    assert (found["seize_asset"], found["repay_asset"]) == ("WETH", "USDC")
    assert found["seize_asset_address"] == at.reserves[0].asset
    assert (found["callable"], found["reason"]) == (True, "")
    assert (found["chain_id"], found["block_number"], found["block_hash"]) == (31337, 120, BLOCK.hash)


def test_sides_and_outcomes() -> None:
    table = ladder(book(), "WETH", include_never=True)
    assert row(table, 1, "WETH/USD")["side"] == "long"
    assert row(table, 2, "WETH/USD")["side"] == "short"
    already = row(table, 3, "WETH/USD")
    assert (already["outcome"], already["price_raw"], already["distance_pct"]) == (
        "already",
        "300000000000",
        0,
    )
    never = row(table, 4, "WETH/USD")
    assert (never["outcome"], never["price_raw"], never["callable"]) == ("never", "", False)
    assert math.isnan(float(str(never["price_usd"])))
    assert math.isnan(float(str(never["distance_pct"])))
    assert row(table, 5, "WETH/USD")["health_factor"] == ""


def test_never_is_counted_and_listed_only_on_request() -> None:
    table = ladder(book(), "WETH")
    assert set(table["outcome"]) == {"price", "already"}
    assert table.attrs["never"] == {"WETH/USD": 3}
    assert len(ladder(book(), "WETH", include_never=True)) == len(table) + 3


def test_a_side_keeps_its_own_rungs() -> None:
    both = ladder(book(), "WETH")
    for side in ("long", "short"):
        alone = ladder(book(), "WETH", "long" if side == "long" else "short")
        expected = both[both["side"] == side].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected)
        in_both = alone.attrs["never"]["WETH/USD"] + (alone["outcome"] == "price").sum()
        assert in_both == len(book()) - 1  # account 3 is broken already, whatever the side


def test_rungs_run_outwards_from_spot() -> None:
    table = ladder(book())
    keys = list(
        zip(table["driver"], table["side"], table["distance_pct"].abs(), table["account"], strict=True)
    )
    assert keys == sorted(keys)


def test_the_order_of_accounts_does_not_matter() -> None:
    plain = book()
    accounts = list(plain.accounts())
    random.Random(3).shuffle(accounts)
    pd.testing.assert_frame_equal(ladder(book(accounts)), ladder(plain))


def test_a_refused_liquidation_is_not_callable_and_says_why() -> None:
    paused = market(reserves={"WETH": {"is_paused": True}})
    found = row(ladder(book(at=paused), "WETH"), 1, "WETH/USD")
    assert found["price_raw"] == "242424242424"
    assert found["callable"] is False
    assert "ReservePaused" in str(found["reason"])
    assert (found["seize_asset"], found["seized_usd"]) == ("", 0.0)


def test_bad_debt_is_in_the_ladder() -> None:
    # A long fall of the debt asset's counterpart: WETH drops so far that the collateral can't pay.
    broke = market(WETH=1_000_00000000)
    found = row(ladder(book([account(1, WETH=(1, 0), USDC=(0, 2000))], broke), "WETH"), 1, "WETH/USD")
    assert found["outcome"] == "already"
    assert float(str(found["bad_debt_usd"])) > 1000


def test_a_band_is_reported_where_the_rule_has_several_crossings() -> None:
    at = market()
    accounts = book([account(1, WETH=(1, 0), USDC=(0, 2000))], at)
    (level,) = solve_book(accounts, choose_drivers(at, ["WETH"])).levels
    banded = type(level)(level.account, level.driver, level.side, "price", level.price, 17)
    table = build_ladder(accounts, [banded], aave_v3.take, aave_v3.health, aave_v3.explain)
    assert table["band_raw"].tolist() == ["17"]
    assert ladder(accounts)["band_raw"].unique().tolist() == [""]


@pytest.mark.parametrize(
    ("wad", "text"),
    [(10**18, "1.000000000000000000"), (1, "0.000000000000000001"), (10**18 - 1, "0.999999999999999999")],
)
def test_health_factors_keep_every_digit(wad: int, text: str) -> None:
    assert factor_text(wad) == text
    assert factor_text(NO_DEBT_FACTOR) == ""


def test_money_is_rounded_once() -> None:
    at: Market = market()
    rnd = random.Random(5)
    for _ in range(2000):
        base = rnd.randrange(10**25)
        assert to_usd(base, at) == float(Fraction(base, 10**8))


def crowded(count: int = 400, seed: int = 1) -> Book[AaveMarket]:
    """Accounts with one WETH each and debts all over."""
    rnd = random.Random(seed)
    weth, usdc = reserve("WETH", 0), reserve("USDC", 3)
    accounts = [
        Account(
            address(k + 1),
            0,
            (
                Leg(weth.id, rnd.randrange(10**15, 10**21), 0, True),
                Leg(usdc.id, 0, rnd.randrange(10**6, 10**10), False),
            ),
        )
        for k in range(count)
    ]
    return book(accounts)


def test_rows_about_several_markets_name_them_all() -> None:
    """In an order that is not that of the rows, each thing once; what one does not tell is left out."""
    names = [*IDENTITY, "base_symbol"]
    base = (8453, 130, "0xbb", 1_000_012, "aave-v3", "Base", "", "USD")
    main = (1, 120, "0xaa", 1_000_000, "aave-v3", "Core", "3.6", "USD")
    both = ("1+8453", "120+130", "0xaa+0xbb", "1000000+1000012", "aave-v3", "Core+Base", "3.6", "USD")
    for rows in ([base, main, main], [main, base]):
        assert identity_of(pd.DataFrame(rows, columns=names)) == dict(zip(names, both, strict=True))
    alone = pd.DataFrame([main, main], columns=names)
    assert identity_of(alone) == dict(zip(names, main, strict=True))
    assert identity_of(alone.head(0)) == dict.fromkeys(names, "")
    few = headed(pd.DataFrame({"x": [1, 2]}), alone.drop(columns="block_timestamp"))
    assert list(few) == [*(name for name in IDENTITY if name != "block_timestamp"), "x", "base_symbol"]
    assert few["chain_id"].tolist() == [1, 1]


def test_buckets_hold_every_rung_once() -> None:
    rungs = ladder(crowded(), "WETH")
    bins = bin_ladder(rungs, 1.0)
    assert bins["accounts"].sum() == len(rungs)
    assert math.fsum(bins["debt_usd"]) == pytest.approx(math.fsum(rungs["debt_usd"]), rel=1e-12)
    priced, placed = rungs[rungs["outcome"] == "price"], 0
    for bucket in bins[bins["outcome"] == "price"].to_dict("records"):
        low, high = bucket["price_low_usd"], bucket["price_high_usd"]
        inside = priced["price_usd"].between(low * (1 - 1e-12), high * (1 + 1e-12))
        assert inside.sum() >= bucket["accounts"]
        placed += bucket["accounts"]
        assert high / low == pytest.approx(1.01)
    assert placed == len(priced)


def test_cumulative_columns_run_outwards() -> None:
    bins = bin_ladder(ladder(crowded(), "WETH"), 2.0)
    for _, side in bins.groupby(["driver", "side"]):
        assert side["cumulative_accounts"].tolist() == side["accounts"].cumsum().tolist()
        last = side["cumulative_repaid_usd"].iloc[-1]
        assert last == pytest.approx(math.fsum(side["repaid_usd"]), rel=1e-15)


def test_bucket_sums_do_not_hang_on_the_order_of_rows() -> None:
    rungs = ladder(crowded(), "WETH")
    plain = bin_ladder(rungs, 5.0)
    for seed in range(5):
        pd.testing.assert_frame_equal(bin_ladder(rungs.sample(frac=1, random_state=seed), 5.0), plain)


def test_buckets_of_an_empty_ladder() -> None:
    assert len(bin_ladder(ladder(book([account(5, WETH=(2, 0))])), 1.0)) == 0


def test_accounts_broken_already_make_a_bucket_at_spot() -> None:
    bins = bin_ladder(ladder(book(), "WETH"), 1.0)
    already = bins[bins["outcome"] == "already"]
    assert already[["price_low_usd", "price_high_usd", "accounts"]].to_numpy().tolist() == [[3000, 3000, 1]]


def test_without_a_driver_the_ladder_has_those_that_break_someone() -> None:
    """Nobody here owes or holds WBTC enough to break on it; asked for by name it is there all the same."""
    accounts = book([account(1, WETH=(1, 0), USDC=(0, 2000)), account(2, USDC=(10_000, 0), WETH=(0, 2))])
    table = ladder(accounts)
    assert set(table["driver"]) == {"WETH/USD", "USDC/USD"}
    assert set(table.attrs["never"]) == {"WETH/USD", "USDC/USD"}
    assert table.attrs["idle"] == ["wstETH/USD", "WBTC/USD", "DAI/USD"]
    assert ladder(accounts, "WBTC/USD").attrs == {"never": {"WBTC/USD": 2}, "idle": [], "unresolved": []}
    assert set(ladder(accounts, include_never=True)["driver"]) == {*table["driver"], *table.attrs["idle"]}


def test_accounts_that_are_broken_are_listed_though_no_driver_breaks_anyone_else() -> None:
    broken = book([account(1, WETH=(1, 0), USDC=(0, 2600))])
    assert set(ladder(broken)["outcome"]) == {"already"}
