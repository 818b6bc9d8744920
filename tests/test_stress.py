"""Stress over whole books: verdicts equal the law one by one, sums equal brute force, tables say both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pandas as pd
import pytest

from defiliq.book import Book
from defiliq.errors import InputError
from defiliq.oracle.caps import Cap, find_cap
from defiliq.pipeline.shocks import moved_market
from defiliq.pipeline.stress import stress, stress_curve
from defiliq.pipeline.stressed import Curve, StressResult
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, Leg, Liquidation
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import account_in, address, book, graph_market, market
from tests.takings import sole

JOINT = ("ETH/USD=-20%", "wstETH/ETH=-5%")
HELD = ("WETH", "WETH", "wstETH", "wstETH", "weETH", "WBTC", "USDC", "PT-sUSDe", "LDO")
OWED = ("USDC", "USDT", "WETH", "GHO", "WBTC")


def random_book(at: AaveMarket, count: int = 400, seed: int = 5) -> Book[AaveMarket]:
    """Accounts of two or three legs, most of them a few percent away from liquidation."""
    draw = random.Random(seed)
    price = {reserve.symbol: at.price_of(k) for k, reserve in enumerate(at.reserves)}
    limit = {reserve.symbol: reserve.liquidation_threshold_bps for reserve in at.reserves}
    accounts = []
    for number in range(1, count + 1):
        held, owed = draw.choice(HELD), draw.choice(OWED)
        size = 10 ** draw.uniform(0, 7) * at.base_unit
        factor = draw.choice((0.7, 0.99, 1.0000001, 1.02, 1.1, 1.3, 2.5))
        legs = {held: (size / price[held], 0.0), "USDT": (0.0, draw.choice((0.0, 5.0)))}
        debt = size * limit[held] / 10**4 / factor / price[owed]
        legs[owed] = (legs.get(owed, (0.0, 0.0))[0], debt)
        accounts.append(account_in(at, number, legs))
    return Book.build(at, accounts)


def one_by_one(book: Book[AaveMarket], at: AaveMarket) -> list[bool]:
    return [aave_v3.health(account, at).liquidatable for account in book.accounts()]


def check(result: StressResult) -> None:
    """Everything that a result says, worked out again account by account."""
    before, after = result.book.market, result.market
    assert isinstance(after, AaveMarket)
    assert result.before.tolist() == one_by_one(result.book, before)
    assert result.after.tolist() == one_by_one(result.book, after)
    collateral, debt = [0] * len(after.reserves), [0] * len(after.reserves)
    seized, repaid = [0] * len(after.reserves), [0] * len(after.reserves)
    seized_base, repaid_base = [0] * len(after.reserves), [0] * len(after.reserves)
    shortfalls, refused = [], 0
    for account, broken in zip(result.book.accounts(), result.after.tolist(), strict=True):
        if not broken:
            continue
        health, taken = aave_v3.health(account, after), aave_v3.take(account, after)
        for leg in aave_v3.explain(account, after):
            collateral[leg.reserve] += leg.supplied_base if leg.counted else 0
            debt[leg.reserve] += leg.owed_base
        if health.debt_base > health.collateral_base:
            shortfalls.append(health.debt_base - health.collateral_base)
        if isinstance(taken, Liquidation):
            seized[sole(taken).reserve] += sole(taken).amount
            repaid[taken.repay_reserve] += taken.repaid
            seized_base[sole(taken).reserve] += sole(taken).base
            repaid_base[taken.repay_reserve] += taken.repaid_base
        else:
            refused += 1
    assert [heap.base for heap in result.sums.collateral] == collateral
    assert [heap.base for heap in result.sums.debt] == debt
    assert [heap.moved for heap in result.sums.collateral] == seized
    assert [heap.moved for heap in result.sums.debt] == repaid
    assert result.sums.bad_debt_base == sum(shortfalls)
    assert result.sums.bad_debt_accounts == len(shortfalls)
    assert [heap.moved_base for heap in result.sums.collateral] == seized_base
    assert [heap.moved_base for heap in result.sums.debt] == repaid_base
    totals, unit = result.totals.iloc[0], after.base_unit
    assert totals["seized_usd"] == sum(seized_base) / unit
    assert totals["repaid_usd"] == sum(repaid_base) / unit
    assert totals["bonus_usd"] == (sum(seized_base) - sum(repaid_base)) / unit
    assert totals["refused_accounts"] == refused
    assert totals["callable_accounts"] + refused == totals["liquidatable_accounts"] == sum(result.after)


@pytest.mark.parametrize(
    "shocks",
    [
        JOINT,
        ("ETH/USD=+30%",),
        ("ETH/USD=-70%", "BTC/USD=-60%", "LDO/USD=-90%"),
        ("cap:wstETH=-2.85%",),
        ("USDC/USD=0.877", "USDT/USD=1.2"),
        ("ETH/USD=+0%",),
    ],
)
def test_verdicts_and_sums_equal_the_law_one_by_one(shocks: Sequence[str]) -> None:
    result = stress(random_book(graph_market()), shocks)
    check(result)
    if shocks[0] == "ETH/USD=+0%":
        assert result.after.tolist() == result.before.tolist()
        assert result.market.prices == result.book.market.prices
        assert 0 < result.sums.debt_base == result.at_spot.debt_base
    else:
        assert result.after.tolist() != result.before.tolist()


@pytest.mark.parametrize("revision", [1, 6, 8, 9, 11])
def test_every_arithmetic(revision: int) -> None:
    check(stress(random_book(graph_market(revision=revision), 150), JOINT))


def test_a_book_of_every_shape() -> None:
    check(stress(synthetic_book(synthetic_market(), 3000, 2), ["WETH/USD=-15%", "USDC/USD=+3%"]))


def test_a_joint_move_is_more_than_its_parts() -> None:
    held = random_book(graph_market())
    alone = [stress(held, shock).after for shock in JOINT]
    joint = stress(held, JOINT).after
    assert (joint & ~alone[0] & ~alone[1]).any()
    assert (alone[1] & ~joint).any(), "debt in ether falls with it"


def test_a_move_can_cure() -> None:
    at = graph_market()
    accounts = [
        account_in(at, 1, {"WETH": (1, 0), "USDC": (0, 2600)}),
        account_in(at, 2, {"USDC": (10_000, 0), "WETH": (0, 2.5)}),
    ]
    result = stress(Book.build(at, accounts), "ETH/USD=+10%")
    assert result.before.tolist() == [True, False]
    assert result.after.tolist() == [False, True]
    row = result.totals.iloc[0]
    assert [row[f"{name}_accounts"] for name in ("already", "newly", "cured")] == [0, 1, 1]


def test_bad_debt_is_what_collateral_does_not_cover() -> None:
    at = market()
    accounts = [
        Account(address(1), 0, (Leg(0, 10**18, 0, True), Leg(3, 0, 2000 * 10**6, False))),
        Account(address(2), 0, (Leg(3, 0, 7 * 10**6, False),)),
        Account(address(3), 0, (Leg(0, 10**18, 0, False), Leg(3, 0, 5 * 10**6, False))),
    ]
    result = stress(Book.build(at, accounts), "WETH=-50%")
    assert result.sums.bad_debt_base == 500_00000000 + 7_00000000 + 5_00000000
    assert result.sums.bad_debt_accounts == 3
    assert result.at_spot.bad_debt_base == 12_00000000
    row = result.totals.iloc[0]
    assert (row["bad_debt_usd"], row["spot_bad_debt_usd"]) == (512.0, 12.0)
    assert result.accounts["shortfall_usd"].tolist() == [500.0, 7.0, 5.0]
    assert row["collateral_usd"] == 1500.0, "what backs nothing is not liquidatable collateral"


def test_refusals_are_counted_with_their_reasons() -> None:
    at = market(reserves={"WETH": {"is_paused": True}})
    result = stress(book(at=at), "WETH=-90%")
    row = result.totals.iloc[0]
    assert row["refused_accounts"] > 0
    assert f"{row['refused_accounts']} x " in row["reasons"]
    assert "ReservePaused: WETH" in row["reasons"]
    assert result.accounts[~result.accounts["callable"]]["reason"].str.contains("ReservePaused").all()


def test_rare_reasons_are_counted_together() -> None:
    symbols = ("WETH", "wstETH", "WBTC", "USDC", "DAI")
    at = market(reserves={symbol: {"is_paused": True} for symbol in symbols})
    accounts = [
        Account(address(1 + 5 * k + j), 0, (Leg(k, 10**6, 0, True), Leg(j, 0, 10**24, False)))
        for k in range(5)
        for j in range(5)
        if k != j
    ]
    row = stress(Book.build(at, accounts), "WETH=+1%").totals.iloc[0]
    assert row["refused_accounts"] == 20
    counts = [int(part.split(" x ")[0]) for part in row["reasons"].split("; ") if " x " in part]
    assert sum(counts) == 20


def test_the_reserve_table_shows_prices_caps_and_amounts() -> None:
    at = graph_market()
    accounts = [
        account_in(at, 1, {"wstETH": (10, 0), "WETH": (0, 9.5)}),
        account_in(at, 2, {"weETH": (1, 0), "USDC": (0, 1)}),
    ]
    result = stress(Book.build(at, accounts), ["cap:wstETH=-2.85%", "weETH/ETH=-10%"])
    table = result.reserves.set_index("reserve")
    assert len(table) == 9
    row = table.loc["wstETH"]
    assert (row["collateral"], row["collateral_accounts"], row["capped"]) == ("10", 1, True)
    capped = {
        symbol: "" if said is pd.NA else str(said)
        for symbol, said in zip(table.index, table["capped_at_spot"], strict=True)
    }
    assert capped == {
        **dict.fromkeys(("WETH", "WBTC", "GHO", "LDO"), ""),
        **dict.fromkeys(("wstETH", "USDC", "USDT", "PT-sUSDe"), "False"),
        "weETH": "True",
    }
    assert not table.loc["weETH", "capped"], "it stops binding"
    assert table.loc["wstETH", "spot_raw"] == str(at.price_of(1))
    assert table.loc["wstETH", "price_raw"] == str(result.market.price_of(1))
    assert table.loc["wstETH", "change_pct"] == pytest.approx(-2.85, abs=1e-9)
    assert table.loc["WETH", "debt"] == "9.5"
    there = result.market
    assert isinstance(there, AaveMarket)
    taken = aave_v3.take(accounts[0], there)
    assert isinstance(taken, Liquidation)
    assert Fraction(str(table.loc["WETH", "repaid"])) == Fraction(taken.repaid, 10**18)
    assert Fraction(str(table.loc["wstETH", "seized"])) == Fraction(sole(taken).amount, 10**18)
    assert table.loc["weETH", "collateral_usd"] == 0.0


def test_the_moved_table_is_exact() -> None:
    result = stress(random_book(graph_market(), 5), JOINT)
    assert result.moved[["driver", "before_raw", "after_raw"]].to_numpy().tolist() == [
        ["ETH/USD", "300000000000", "240000000000"],
        ["wstETH/ETH ratio", "1200000000000000007", "1140000000000000006"],
    ]
    assert result.moved["after_value"].tolist() == [2400.0, 1.14]
    assert result.moved["limited_raw"].tolist() == ["", ""]
    capped = stress(random_book(graph_market(), 5), "cap:wstETH=-2.85%").moved.iloc[0]
    assert capped["limited_raw"] == "1200000000000000007"
    assert capped["limited_pct"] == pytest.approx(-2.85)
    assert capped["before_raw"] == str(find_cap(graph_market(), "wstETH").value)


def test_accounts_are_listed_with_their_first_call_the_largest_debt_first() -> None:
    result = stress(random_book(graph_market()), JOINT)
    table, there = result.accounts, result.market
    assert isinstance(there, AaveMarket)
    assert len(table) == result.after.sum()
    assert table["debt_usd"].is_monotonic_decreasing
    assert table["already"].sum() == (result.after & result.before).sum()
    for row in table.head(20).to_dict("records"):
        i = result.book.find(row["account"])
        assert i is not None
        taken = aave_v3.take(result.book.account(i), there)
        assert isinstance(taken, Liquidation)
        assert row["repaid_usd"] == taken.repaid_base / 10**8


@pytest.mark.parametrize("accounts", [[], [Account(address(1), 0, ())]])
def test_a_book_in_which_nobody_breaks(accounts: list[Account]) -> None:
    result = stress(Book.build(graph_market(), accounts), "ETH/USD=-90%")
    assert result.totals.iloc[0]["liquidatable_accounts"] == 0
    assert result.accounts.empty
    assert result.accounts["already"].dtype.kind == "b"
    assert (result.reserves["collateral_usd"] == 0).all()
    curve = stress_curve(Book.build(graph_market(), accounts), "ETH/USD=-90%", steps=3)
    assert curve.reserves.empty
    assert curve.totals["debt_usd"].tolist() == [0.0] * 4


def test_a_later_instant_counts() -> None:
    held = random_book(graph_market())
    later = replace(held, market=held.market.at_time(held.market.timestamp + 40 * 86_400))
    check(stress(later, JOINT))
    assert stress(later, JOINT).market.timestamp == held.market.timestamp + 40 * 86_400


def test_a_market_without_any_of_the_drivers_is_an_error() -> None:
    from defiliq.pipeline.shocks import parse_shock

    shock = replace(parse_shock("SOL/USD=-5%"), is_optional=True)
    with pytest.raises(InputError, match=r"nothing to move in aave-v3 Local: .*SOL/USD=-5%. `defiliq feeds`"):
        stress(random_book(graph_market(), 2), shock)
    with pytest.raises(InputError, match="Its price sources were not resolved"):
        stress(book(), shock)


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    result = stress(random_book(graph_market()), JOINT, on_progress=lambda *seen: told.append(seen))
    assert told[-1] == (int(result.after.sum()), int(result.after.sum()))
    told.clear()
    stress_curve(random_book(graph_market(), 5), JOINT, steps=4, on_progress=lambda *seen: told.append(seen))
    assert told == [(k, 5) for k in range(1, 6)]


@pytest.fixture(scope="module")
def curve() -> Curve:
    return stress_curve(random_book(graph_market()), JOINT, steps=8)


def test_a_curve_is_a_stress_at_each_step(curve: Curve) -> None:
    held = random_book(graph_market())
    for point in curve.points:
        there = replace(held, market=moved_market(held.market, point.moves))
        shocks = [f"{move.name}={decimal_text(move.after, move.decimals)}" for move in point.moves]
        alone = stress(held, shocks)
        assert alone.market == there.market
        assert point.liquidatable == alone.after.sum()
        assert [heap.base for heap in point.sums.debt] == [heap.base for heap in alone.sums.debt]
        assert [heap.base for heap in point.sums.collateral] == [heap.base for heap in alone.sums.collateral]
        assert point.sums.bad_debt_base == alone.sums.bad_debt_base


def decimal_text(value: int, decimals: int | None) -> str:
    assert decimals is not None
    return f"{value // 10**decimals}.{value % 10**decimals:0{decimals}d}"


def test_a_curve_goes_from_spot_to_the_whole_move(curve: Curve) -> None:
    whole = stress(random_book(graph_market()), JOINT)
    assert [move.after for move in curve.points[0].moves] == [move.before for move in whole.moves]
    assert curve.points[0].sums == whole.at_spot
    assert curve.points[-1].moves == whole.moves
    assert curve.points[-1].sums.debt_base == whole.sums.debt_base


def test_curve_tables_agree(curve: Curve) -> None:
    totals, reserves = curve.totals, curve.reserves
    assert totals["share_pct"].tolist() == [12.5 * k for k in range(9)]
    assert totals["change_pct"].isna().all(), "two drivers have no change in common"
    assert totals["moves"].iloc[-1] == "ETH/USD=2400; wstETH/ETH ratio=1.140000000000000006"
    for column in ("debt_usd", "collateral_usd"):
        summed = reserves.groupby("step")[column].sum()
        assert summed.tolist() == pytest.approx(totals[column].tolist())
    assert set(reserves.groupby("step").size()) == {len(set(reserves["asset"]))}


def test_a_cap_comes_down_from_what_it_limits() -> None:
    """Above it nothing changes, so that is where the way begins."""
    held = random_book(graph_market())
    curve = stress_curve(held, "cap:wstETH=-2.85%", steps=4)
    ratio = 1_200000000000000007
    assert [point.moves[0].after for point in curve.points[:2]] == [
        ratio,
        (3 * ratio + ratio * 9715 // 10000) // 4,
    ]
    assert curve.points[0].sums == stress(held, "cap:wstETH=-2.85%").at_spot
    assert curve.points[0].sums.debt_base < curve.points[-1].sums.debt_base
    assert curve.totals["change_pct"].tolist() == pytest.approx([0, -0.7125, -1.425, -2.1375, -2.85])


@pytest.mark.parametrize(("move", "start"), [("cap:weETH=-20%", "binding"), ("cap:wstETH=+5%", "above")])
def test_a_cap_that_binds_or_stays_above_begins_where_it_stands(move: str, start: str) -> None:
    curve = stress_curve(random_book(graph_market(), 20), move, steps=2)
    assert curve.points[0].moves[0].after == curve.moves[0].before
    what = curve.moves[0].what
    assert isinstance(what, Cap)
    assert what.binds is (start == "binding")


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_absurd_steps_are_refused(steps: int) -> None:
    with pytest.raises(InputError, match=r"steps are too few or too many\. Use 1 to 1000"):
        stress_curve(random_book(graph_market(), 2), JOINT, steps=steps)
