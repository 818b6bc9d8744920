"""Which update makes whom liquidatable, and whom time alone does: by hand, and beside the real contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import defiliq
from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.errors import InputError, UnknownDriver
from defiliq.ladder import IDENTITY
from defiliq.mev.triggers import Offchain
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.oev import Capture
from defiliq.pipeline.by_time import TIME_COLUMNS, frozen, may_break, time_triggers
from defiliq.pipeline.eta import find_etas
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import Solved
from defiliq.pipeline.triggers import TRIGGER_COLUMNS, captures_of, triggers
from defiliq.pricing.graph import Discount, Growing, Input, PriceGraph
from defiliq.pricing.graph import Fraction as Quotient
from defiliq.protocols.aave_v3 import AaveMarket, rule
from defiliq.types import Account, Level, Listing
from defiliq.units import RAY, WAD
from tests.builders import (
    NOW,
    account,
    account_in,
    address,
    book,
    graph_market,
    market,
    plain_market,
    plain_reserve,
)
from tests.lab import Lab
from tests.lab.reserves import RATIO, STAKED
from tests.protocols.aave_v3.stage import open_position
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner
from tests.venue import venue_book

ETHER, LEVEL = "WETH/USD", 2424_24242424
"""One WETH at 82.5% against 2000 dollars: 2424.24242424 is the first price, in 1e-8, that does not cover."""
DAY = 86_400


def longs() -> list[Account]:
    """Two that break at LEVEL, one deeper, one as the ether rises, and one that is broken already."""
    one = account(1, WETH=(1, 0), USDC=(0, 2000))
    return [
        one,
        replace(one, owner=address(2)),
        account(3, WETH=(1, 0), USDC=(0, 1000)),
        account(4, USDC=(10_000, 0), WETH=(0, 2)),
        account(5, WETH=(1, 0), USDC=(0, 2600)),
    ]


def only(table: pd.DataFrame, driver: str) -> dict[str, Any]:
    """The one row of a driver, NA as None."""
    part = table[table["driver"] == driver]
    assert len(part) == 1
    return {
        str(k): None if v is pd.NA else bool(v) if isinstance(v, np.bool_) else v
        for k, v in part.iloc[0].items()
    }


def priced(text: str) -> dict[str, Any]:
    """The row of the ether with the market at a price."""
    return only(triggers(book(longs()), offchain={"weth": text}), ETHER)


def test_the_nearest_levels_of_both_sides() -> None:
    table = triggers(book(longs()))
    assert tuple(table.columns) == TRIGGER_COLUMNS
    assert TRIGGER_COLUMNS[: len(IDENTITY)] == IDENTITY
    row = only(table, ETHER)
    assert row["driver_raw"] == "300000000000"
    assert row["driver_value"] == 3000.0
    assert (row["nearest_long_raw"], row["nearest_long_units"]) == (str(LEVEL), str(LEVEL - 3000_00000000))
    assert row["nearest_long_pct"] == 100 * (LEVEL - 3000_00000000) / 3000_00000000
    assert (row["nearest_long_accounts"], row["nearest_long_debt_usd"]) == (2, 4000.0)
    short = int(row["nearest_short_raw"])
    assert (row["nearest_short_units"], row["nearest_short_accounts"]) == (str(short - 3000_00000000), 1)
    assert row["nearest_short_debt_usd"] == pytest.approx(2 * short / 10**8)
    assert set(table["evaluated_at"]) == {NOW}


def test_levels_are_those_of_the_ladder() -> None:
    there = book(longs())
    rungs = defiliq.ladder(there)
    rungs = rungs[rungs["outcome"] == "price"]
    table = triggers(there)
    assert set(table["driver"]) == set(rungs["driver"])
    for side in ("long", "short"):
        nearest = rungs[rungs["side"] == side].sort_values("distance_pct", key=abs, kind="stable")
        first = nearest.drop_duplicates("driver").set_index("driver")["price_raw"]
        said = table.set_index("driver")[f"nearest_{side}_raw"]
        assert {k: v for k, v in said.items() if v} == first.to_dict()


def test_the_price_of_the_level_crosses_it_and_the_next_unit_does_not() -> None:
    crossing, short_of_it = priced("2424.24242424"), priced("2424.24242425")
    assert crossing["offchain_raw"] == str(LEVEL)
    assert (crossing["would_cross"], crossing["accounts_if_updated"]) == (True, 2)
    assert crossing["debt_usd_if_updated"] == 4000.0
    assert (short_of_it["would_cross"], short_of_it["accounts_if_updated"]) == (False, 0)
    assert (short_of_it["debt_usd_if_updated"], short_of_it["bonus_usd_if_updated"]) == (0.0, 0.0)
    assert crossing["offchain_source"] == "given"
    assert crossing["deviation_now_bps"] == (LEVEL - 3000_00000000) * 10_000 // 3000_00000000 + 1


def test_the_bonus_is_that_of_the_calls_at_the_price() -> None:
    """Half of each debt may be repaid for 105% of it at 2424; below 0.95 all of it, as the ladder says."""
    moved = book(longs()[:2], market(WETH=LEVEL))
    rungs = defiliq.ladder(moved, ETHER)
    assert set(rungs["outcome"]) == {"already"}
    row = only(triggers(book(longs()), offchain={ETHER: "2424.24242424"}), ETHER)
    assert row["bonus_usd_if_updated"] == pytest.approx(float(rungs["bonus_usd"].sum()), rel=1e-12)
    assert row["bonus_usd_if_updated"] > 0


def test_prices_on_the_other_side_and_at_spot() -> None:
    assert priced("3000")["would_cross"] is False
    assert priced("3000")["deviation_now_bps"] == 0
    assert priced("3900")["accounts_if_updated"] == 0  # 7,800 of threshold against 7,800 of debt
    assert priced("3900.00000001")["accounts_if_updated"] == 1
    deep = priced("1000")
    assert (deep["accounts_if_updated"], deep["debt_usd_if_updated"]) == (3, 5000.0)


def test_nothing_is_said_of_updates_without_a_price() -> None:
    row = only(triggers(book(longs())), ETHER)
    assert row["would_cross"] is None
    assert row["accounts_if_updated"] is None
    assert (row["offchain_raw"], row["offchain_source"], row["update_expected"]) == ("", "", "")
    assert pd.isna(row["debt_usd_if_updated"])


def test_who_only_rounding_decides_is_judged_at_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """No level is known of them, and still the law knows what a price does."""

    def unresolved(there: Book[Any], chosen: Any, **_: object) -> Solved:
        known = Level(1, defiliq.find_driver(there.market, ETHER), "long", "price", LEVEL)
        return Solved((known,), {}, ((there.owner(0), ETHER), (there.owner(2), ETHER)))

    monkeypatch.setattr("defiliq.pipeline.triggers.solve_book", unresolved)
    table = triggers(book(longs()), offchain={ETHER: "2424.24242424"})
    assert only(table, ETHER)["accounts_if_updated"] == 2
    assert table.attrs["unresolved"] == [[address(1), ETHER], [address(3), ETHER]]


def test_drivers_without_levels_are_left_out_unless_named() -> None:
    there = book([account(1, WETH=(1, 0), USDC=(0, 2000))])
    assert set(triggers(there)["driver"]) == {ETHER, "USDC/USD"}
    assert triggers(there, "WBTC")["driver"].tolist() == ["WBTC/USD"]
    assert set(triggers(there, offchain={"WBTC": "60000"})["driver"]) == {ETHER, "USDC/USD", "WBTC/USD"}
    assert triggers(book([])).empty
    assert tuple(triggers(book([])).columns) == TRIGGER_COLUMNS


@pytest.mark.parametrize(
    "words", [{"driver": "NOPE"}, {"offchain": {"NOPE": "1"}}, {"promises": {"NOPE": Promise()}}]
)
def test_unknown_drivers_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(UnknownDriver):
        triggers(book(longs()), **words)


@pytest.mark.parametrize("text", ["0", "-1", "nan", ""])
def test_no_price_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        triggers(book(longs()), offchain={ETHER: text})


def resolved(**changes: Any) -> Book[AaveMarket]:
    at = graph_market(**changes)
    return Book.build(at, [account_in(at, 1, {"WETH": (1, 0), "USDC": (0, 2000)})])


def test_the_feed_and_when_it_answers_again() -> None:
    row = only(triggers(resolved()), "ETH/USD")
    assert (row["driver_kind"], row["driver_source"], row["other_sources"]) == (
        "aggregator",
        address(0xD000),
        "",
    )
    assert (row["updated_at"], row["age_s"], row["heartbeat_s"], row["deviation_bps"]) == (
        NOW - 37,
        37,
        3600,
        50,
    )
    assert (row["heartbeat_due_at"], row["stale"]) == (NOW - 37 + 3600, False)
    assert row["update_expected"] == "heartbeat in 3563 s"
    assert (row["oev"], row["oev_source"]) == ("none known", "")


def test_later_the_same_answer_is_older() -> None:
    due = defiliq.at_time(resolved(), NOW - 37 + 3600)
    assert only(triggers(due), "ETH/USD")["update_expected"] == "heartbeat now"
    late = only(triggers(defiliq.at_time(resolved(), NOW - 37 + 3601)), "ETH/USD")
    assert (late["age_s"], late["stale"], late["update_expected"]) == (3601, True, "heartbeat 1 s overdue")


def test_the_market_has_moved_by_the_threshold_or_a_unit_less() -> None:
    at = only(triggers(resolved(), offchain={"ETH/USD": "2985"}), "ETH/USD")
    before = only(triggers(resolved(), offchain={"ETH/USD": "2985.00000001"}), "ETH/USD")
    assert (at["update_expected"], at["deviation_now_bps"]) == ("deviation", -50)
    assert (before["update_expected"], before["deviation_now_bps"]) == ("heartbeat in 3563 s", -49)
    told = only(
        triggers(resolved(), offchain={"ETH/USD": "2985.3"}, promises={"eth/usd": Promise(None, 49)}),
        "ETH/USD",
    )
    assert (told["update_expected"], told["deviation_bps"], told["heartbeat_s"]) == ("deviation", 49, 3600)


def test_what_contracts_say_of_captures_is_passed_on() -> None:
    said = {address(0xD000): Capture("svr possible", "its aggregator is a DualAggregator 1.0.0")}
    row = only(triggers(resolved(), captures=said), "ETH/USD")
    assert (row["oev"], row["oev_source"]) == tuple(said[address(0xD000)])
    assert captures_of(graph_market(), None) == {}


def test_a_chain_s_own_prices_and_funding() -> None:
    there = venue_book()
    table = triggers(there, offchain={"BTC/USD": Offchain(Fraction(30_000), "x")})
    row = only(table, "BTC/USD")
    assert (row["driver_kind"], row["driver_source"], row["update_expected"]) == (
        "oracle",
        "market/0",
        "every block",
    )
    assert row["heartbeat_s"] is None
    assert row["accounts_if_updated"] >= 1
    assert time_triggers(there).attrs["unforeseen"] == "funding"


RATES = {
    "WETH": {"variable_borrow_rate_ray": RAY // 40},
    "USDC": {"liquidity_rate_ray": RAY // 25, "variable_borrow_rate_ray": RAY // 20},
}


def test_interest_alone_in_order_and_within_the_horizon() -> None:
    """The instant is that of `eta`; the second before, the law says safe."""
    near = [
        account(1, WETH=(1, 0), USDC=(0, 2474.9)),
        account(2, WETH=(1, 0), USDC=(0, 2474.99)),
        account(3, WETH=(1, 0), USDC=(0, 2000)),
        account(4, WETH=(1, 0), USDC=(0, 2600)),
        account(5, WETH=(1, 0)),
    ]
    there = book(near, market(reserves=RATES))
    table = time_triggers(there)
    assert tuple(table.columns) == TIME_COLUMNS
    assert table["account"].tolist() == [address(2), address(1)]
    assert set(table["moves"]) == {"interest"}
    assert set(table["reserves"]) == {""}
    assert table["eta_s"].is_monotonic_increasing
    for name, at in zip(table["account"], table["eta_at"], strict=True):
        row = there.find(name)
        assert row is not None
        for second, expected in ((int(at), True), (int(at) - 1, False)):
            moved = there.market.at_time(second)
            assert rule(there.account(row), moved).liquidatable(moved.prices) is expected
    assert (table["bonus_usd"] > 0).all()
    last = int(table["eta_s"].max())
    assert len(time_triggers(there, last)) == 2
    assert len(time_triggers(there, last - 1)) == 1
    assert table.attrs["unresolved"] == table.attrs["unknown"] == []
    assert table.attrs["unforeseen"] == ""


def at_the_cap(at: AaveMarket) -> Account:
    """Owes the token whose cap binds, and breaks within an hour as the cap grows."""
    return account_in(at, 1, {"WETH": (1.31891, 0), "weETH": (0, 1)})


def test_a_cap_that_binds_grows_over_a_level() -> None:
    """Its growth crosses at the second at which the price does, found here one second after the other."""
    at = graph_market()
    there = Book.build(at, [at_the_cap(at)])
    table = time_triggers(there)
    assert table["moves"].tolist() == ["growing cap"]
    assert table["reserves"].tolist() == ["weETH"]
    instant = int(table["eta_at"].iloc[0])
    broken = [
        rule(there.account(0), moved).liquidatable(moved.prices)
        for moved in map(at.at_time, range(NOW, instant + 1))
    ]
    assert broken.index(True) == instant - NOW == len(broken) - 1
    still = frozen(at, Growing)
    assert still.prices_at(NOW + DAY)[2] == at.prices[2] < at.prices_at(NOW + DAY)[2]
    assert time_triggers(Book.build(still, [at_the_cap(at)])).empty


def test_a_cap_and_interest_that_are_both_needed() -> None:
    """Ether earns nothing and the debt grows: the cap alone would reach the level later, interest, too."""
    at = graph_market()
    grown = tuple(
        replace(one, variable_borrow_rate_ray=RAY // 20) if one.symbol == "weETH" else one
        for one in at.reserves
    )
    dear = replace(at, reserves=grown)
    alone, both = (time_triggers(Book.build(one, [at_the_cap(at)])) for one in (at, dear))
    assert both["eta_at"].iloc[0] < alone["eta_at"].iloc[0]
    assert both["moves"].tolist() == ["interest + growing cap"]


def test_a_discount_that_ends_raises_a_debt() -> None:
    at = graph_market()
    owing = account_in(at, 1, {"WETH": (0.3969, 0), "PT-sUSDe": (0, 1000)})
    table = time_triggers(Book.build(at, [owing]), 5 * DAY)
    assert table["moves"].tolist() == ["discount"]
    assert table["reserves"].tolist() == ["PT-sUSDe"]
    assert time_triggers(Book.build(frozen(at, Discount), [owing]), 5 * DAY).empty


def test_a_price_that_falls_with_time_is_no_proof_of_safety() -> None:
    """Collateral that is worth 3000 over what grows: whoever it stops to cover is searched, and found."""
    graph = PriceGraph(
        (
            Input("ETH/USD", "aggregator", address(1), 3000_00000000, 8),
            Growing(10**9, NOW, 10**3, 1, "divisor"),
            Quotient((0,), (1,), 10**9, 1),
            Input("USDC/USD", "aggregator", address(2), 10**8, 8),
        ),
        (2, 3),
    )
    held = plain_reserve(0, "X", 18, liquidation_threshold_bps=8250, liquidation_bonus_bps=10500)
    at = plain_market([held, plain_reserve(1, "USDC", 6)], graph.prices(NOW), graph=graph)
    there = Book.build(
        at, [account_in(at, k, {"X": (1, 0), "USDC": (0, debt)}) for k, debt in ((1, 2474.9), (2, 900))]
    )
    assert may_break(there, DAY).tolist() == [True, False]
    assert time_triggers(there)["account"].tolist() == [address(1)]


def test_a_cap_of_the_collateral_is_no_cause() -> None:
    """It helps the account while interest breaks it: frozen, the account would break sooner."""
    at = graph_market()
    dear = replace(
        at,
        reserves=tuple(
            replace(one, variable_borrow_rate_ray=RAY) if one.symbol == "USDC" else one for one in at.reserves
        ),
    )
    there = Book.build(dear, [account_in(at, 1, {"weETH": (1, 0), "USDC": (0, 2575)})])
    table = time_triggers(there)
    assert table["moves"].tolist() == ["interest"]
    assert table["reserves"].tolist() == ["weETH"]


def test_a_market_that_is_known_at_its_block_alone_still_has_instants() -> None:
    """DAI accrues in a way of its own: who has none breaks when they do, with a bonus that is not told."""
    strange = ctoken(
        *(0, "DAI"), accrues_plainly=False, exchange_rate_at_block_wad=WAD, borrow_index_at_block_wad=WAD
    )
    at = comptroller([strange, ctoken(1, "B", borrow_rate_wad=10**12), ctoken(2, "C")], [WAD] * 3).at_time(
        NOW
    )
    plain = replace(owner(holds(2, 100 * WAD), holds(1, 0, 75 * WAD - 1)), owner=address(1))
    other = replace(owner(holds(0, 100 * WAD, WAD)), owner=address(2))
    table = time_triggers(Book.build(at, [plain, other]))
    assert table["account"].tolist() == [address(1)]
    assert table["moves"].tolist() == ["interest"]
    assert pd.isna(table["bonus_usd"].iloc[0])
    assert table["reason"].tolist() == ["DAI accrues in its own way: the market is not known then"]
    assert table.attrs["unknown"] == [address(2)]


def read_lab(lab: Lab) -> Book[AaveMarket]:
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        found: Book[AaveMarket] = read(node, listing, "latest")
    return found


def broken_in(lab: Lab) -> dict[str, int]:
    """Debt in the base currency of everyone whom the pool calls liquidatable."""
    said = zip(lab.owners, lab.all_account_data(), strict=True)
    return {owner: data.debt_base for owner, data in said if data.factor_wad < WAD}


@pytest.mark.lab
@pytest.mark.parametrize(
    ("driver", "bps"), [("ETH/USD", -900), ("ETH/USD", 700), ("BTC/USD", -1_500), (RATIO, -300)]
)
def test_an_update_breaks_whom_the_contract_calls_broken_after_it(
    lab_v36: Lab, driver: str, bps: int
) -> None:
    """Exactly those, and a unit beside each nearest level it tells apart before from after."""
    there = read_lab(lab_v36)
    spot = only(triggers(there, driver), driver)
    side = "long" if bps < 0 else "short"
    step = 1 if bps < 0 else -1
    level, raw = int(spot[f"nearest_{side}_raw"]), int(spot["driver_raw"])
    unit = 10**18 if driver == RATIO else 10**8
    before = broken_in(lab_v36)
    for at in (raw * (10_000 + bps) // 10_000, level, level + step):
        row = only(triggers(there, driver, offchain={driver: Offchain(Fraction(at, unit), "x")}), driver)
        assert row["offchain_raw"] == str(at)
        with lab_v36.rewinding():
            lab_v36.set_driver(driver, at)
            after = broken_in(lab_v36)
        new = {owner: debt for owner, debt in after.items() if owner not in before}
        assert row["accounts_if_updated"] == len(new)
        assert row["would_cross"] is bool(new) is (at != level + step)
        assert row["debt_usd_if_updated"] == sum(new.values()) / 10**8


def assert_only_the_safe_are_left_out(there: Book[Any]) -> None:
    """Whoever the screen calls safe breaks at no second of a span, and some are called so."""
    for horizon_s in (60, 30 * DAY):
        may, found = may_break(there, horizon_s), find_etas(there, horizon_s).found
        assert 0 < may.sum() < there.debtors.sum()
        assert {found[k].outcome for k in np.flatnonzero(~may).tolist()} == {"never"}


def read_named(lab: Any, name: str, folder: Path) -> Book[Any]:
    """The book of a lab's market; a lab of several calls it by `name`."""
    path = folder / "market.json"
    lab.market_file(*([name] if name else []), path)
    with connect(lab.url, retries=0) as node:
        found: Book[Any] = read(node, defiliq.market_from_file(path), "latest")
        assert captures_of(found.market, node) == {}
    return found


@pytest.mark.lab
@pytest.mark.parametrize(
    ("lab", "name"),
    [("lab_v30", ""), ("lab_compound_v2", ""), ("lab_compound_v3", "usdc"), ("lab_dydx_solo", "")],
)
def test_every_protocol_s_updates_break_whom_its_verdicts_say(
    request: pytest.FixtureRequest, tmp_path: Path, lab: str, name: str
) -> None:
    """At each nearest level and one unit before: those whose verdict changes, found without any level."""
    there = read_named(request.getfixturevalue(lab), name, tmp_path)
    table = triggers(there)
    assert_only_the_safe_are_left_out(there)
    was, told = defiliq.liquidatable(there), 0
    assert len(table) >= 6
    for row in table.to_dict("records"):
        driver = defiliq.find_driver(there.market, row["driver"])
        for side, step in (("long", 1), ("short", -1)):
            level = row[f"nearest_{side}_raw"]
            for at in (int(level), int(level) + step) if level else ():
                market_there = there.market.at_prices(driver.prices(at))
                new = defiliq.liquidatable(replace(there, market=market_there)) & ~was
                price = {driver.name: Offchain(Fraction(at, driver.unit), "x")}
                seen = only(triggers(there, driver.name, offchain=price), driver.name)
                assert seen["accounts_if_updated"] == new.sum()
                assert seen["would_cross"] is (at == int(level))
                told += 1
    assert told >= 12


@pytest.fixture
def capped(lab_v36: Lab) -> Iterator[tuple[Lab, str]]:
    """The staked token is held by a cap that doubles in a year, and somebody owes it to the limit."""
    with lab_v36.rewinding():
        ratio = int(lab_v36.chain.call(lab_v36.market.ratio, "getRatio"))
        lab_v36.set_cap(STAKED, ratio * 90 // 100, yearly_growth_bps=10_000)
        owned, owed = lab_v36.price("WETH") * 10, lab_v36.price(STAKED)
        most = owned * 10**18 * 8050 // 10_000 // owed
        yield (
            lab_v36,
            open_position(lab_v36, "capped debt", {"WETH": 10 * 10**18}, {STAKED: most * 999 // 1000}),
        )


@pytest.mark.lab
def test_a_growing_cap_breaks_at_the_second_that_the_pool_does(capped: tuple[Lab, str]) -> None:
    lab, owner = capped
    table = time_triggers(read_lab(lab), 60 * DAY)
    row = table[table["account"] == owner].iloc[0]
    assert row["moves"] in ("growing cap", "interest + growing cap")
    assert row["reserves"] == STAKED
    at = int(row["eta_at"])
    assert lab.account_data(owner, timestamp=at).factor_wad < WAD
    assert lab.account_data(owner, timestamp=at - 1).factor_wad >= WAD
    now = lab.chain.now()
    cap = lab.chain.call(lab.market.ratio, "getRatio") * 90 // 100
    with lab.rewinding():
        lab.set_cap(STAKED, cap * 10_001 // 10_000, since=now)
        assert lab.account_data(owner, timestamp=at).factor_wad >= WAD
    others = table[table["account"] != owner]
    assert "interest" in set(others["moves"])
    assert_only_the_safe_are_left_out(read_lab(lab))
