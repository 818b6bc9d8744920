"""The opportunity ladder: which rows, in which order, and what is said where something is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import defiliq
from defiliq.book import Book
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.files import save_pools
from defiliq.errors import InputError, NotAPool, UnsoundPool
from defiliq.mev.fields import ECONOMICS
from defiliq.mev.gas import measured_units
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.cost_terms import CostTerms, read_terms
from defiliq.pipeline.deals import deals
from defiliq.pipeline.exits import Found
from defiliq.pipeline.judge import ladder
from defiliq.pipeline.opportunities import OPPORTUNITY_COLUMNS, opportunities, ranked
from defiliq.pipeline.valuing import BlockCosts, gas_usd, valuer
from defiliq.protocols import PROTOCOLS, aave_v3
from defiliq.types import Block, Head, Liquidation, Listing
from defiliq.units import WAD
from defiliq.view.opportunities import print_opportunities
from tests import builders
from tests.builders import account, address, book, market
from tests.mev.deals import WETH, borrower, pool, pools_file, terms_of
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner


def net_at(of: Book[Any], price: int, terms: CostTerms, number: int = 0) -> int | None:
    """Net profit with WETH at a price, from scratch."""
    driver = find_driver(of.market, "WETH/USD")
    there = of.market.at_prices(driver.prices(price))
    taken = PROTOCOLS["aave-v3"].take(of.account(number), there)
    costs = BlockCosts(None, None, of.market.block, terms, Found(), of.market)
    if not isinstance(taken, Liquidation):
        return None
    return costs.value(of.account(number), there, taken).net_base


@pytest.mark.parametrize("gas_gwei", ["0", "10", "300", "600", "1000", "1300"])
def test_a_break_even_pays_and_the_price_before_it_does_not(tmp_path: Path, gas_gwei: str) -> None:
    """The close factor jumps from half to all of the debt on the way, where gas between both is paid off."""
    of, terms = book([borrower(2_400)]), terms_of(tmp_path, gas_gwei=gas_gwei, gas_units=100_000)
    (row,) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
    near, spot = int(row["price_raw"]), int(row["spot_raw"])
    assert near < spot
    net = net_at(of, near, terms)
    assert net is not None
    assert row["net_usd"] == net / 10**8
    if net >= 0:
        assert row["break_even_raw"] == row["price_raw"]
    elif row["break_even_raw"]:
        even = int(row["break_even_raw"])
        assert even < near
        assert (net_at(of, even, terms) or 0) >= 0 > (net_at(of, even + 1, terms) or 0)
    else:
        assert all((net_at(of, near - k * near // 100, terms) or -1) < 0 for k in range(55))
    peak = net_at(of, int(row["peak_raw"]), terms)
    assert peak is not None
    assert row["peak_net_usd"] == peak / 10**8
    assert peak >= max(net_at(of, near - k * near // 100, terms) or net for k in range(50))


def test_break_evens_of_all_three_kinds_were_seen(tmp_path: Path) -> None:
    """At the level, beyond it, and nowhere."""
    of = book([borrower(2_400)])
    seen = []
    for gwei in ("10", "300", "9000"):
        terms = terms_of(tmp_path, gas_gwei=gwei, gas_units=100_000)
        (row,) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
        seen.append((row["break_even_raw"] == row["price_raw"], row["break_even_raw"] == ""))
    assert seen == [(True, False), (False, False), (False, True)]


def test_the_best_first_and_the_unknown_last(tmp_path: Path) -> None:
    owners = [borrower(2_350, 1), borrower(235_000, 2, 100), account(3, WBTC=(1, 0), USDC=(0, 44_000))]
    table = opportunities(book(owners), None, terms_of(tmp_path))
    assert list(table.columns) == list(OPPORTUNITY_COLUMNS)
    nets = table["net_usd"].tolist()
    known = [net for net in nets if not np.isnan(net)]
    assert nets[: len(known)] == sorted(known, reverse=True) == known
    assert table["account"].iloc[0] == address(2)
    unknown = table[table["net_usd"].isna()]
    assert set(unknown["account"]) == {address(3)}
    assert set(unknown["lacks"]) == {"no exit is given for WBTC/USDC: give --exit WBTC/USDC=file:PATH"}
    assert set(unknown["net_raw"]) == {""}
    assert (unknown["bonus_usd"] > 0).all()
    profitable = opportunities(book(owners), None, terms_of(tmp_path), min_profit_usd=1.0)
    assert set(profitable["account"]) == {address(1), address(2)}
    assert (profitable["net_usd"] >= 1).all()


def test_levels_are_those_of_the_ladder(tmp_path: Path) -> None:
    of = book([borrower(debt, k, 1) for k, debt in enumerate((2_000, 2_300, 2_450, 2_474), 1)])
    rungs = ladder(of)
    table = opportunities(of, None, terms_of(tmp_path), within_pct=5)
    near = rungs[rungs["distance_pct"].abs() <= 5]
    keys = ["account", "driver", "side", "price_raw", "bonus_usd", "repaid_usd", "seized_usd"]
    assert sorted(map(tuple, near[keys].to_numpy())) == sorted(map(tuple, table[keys].to_numpy()))
    assert table.attrs["beyond"] == len(rungs) - len(near) > 0
    spot = table["spot_raw"].map(int) + table["distance_units"].map(int)
    assert spot.map(str).tolist() == table["price_raw"].tolist()


def test_who_is_liquidatable_already_has_one_row(tmp_path: Path) -> None:
    of = book([account(1, WETH=(1, 0), USDC=(0, 2_600))])
    table = opportunities(of, None, terms_of(tmp_path))
    assert len(ladder(of)) > 1
    (row,) = table.to_dict("records")
    assert (row["outcome"], row["driver"], row["distance_pct"]) == ("already", "WETH/USD", 0.0)
    assert row["break_even_raw"] == row["spot_raw"]


def test_only_the_best_are_searched(tmp_path: Path) -> None:
    of = book([borrower(2_300 + k, k + 1) for k in range(4)])
    for searched, count in ((0, 0), (3, 3), (None, 8)):
        table = opportunities(of, None, terms_of(tmp_path), searched=searched)
        assert (table["peak_raw"] != "").sum() == count
        assert len(table) == 8, "falling WETH and rising USDC"


def test_another_pair_of_legs_nets_more(tmp_path: Path) -> None:
    """WETH pays the larger bonus and sells badly; WBTC is not sold at all without an exit."""
    of = book([account(1, WETH=(20, 0), wstETH=(20, 0), USDC=(0, 115_000))])
    there = of.market
    taken = aave_v3.take(of.account(0), there)
    assert isinstance(taken, Liquidation)
    wsteth = builders.SYMBOLS.index("wstETH")
    assert taken.seizures[0].reserve == wsteth
    choices = deals(of.account(0), there, taken)
    assert [deal.got[0].reserve for deal in choices] == [wsteth, WETH]
    shallow = pool(30, 108_000)
    token = shallow.base._replace(symbol="wstETH", address=there.reserves[wsteth].asset)
    bad = replace(shallow, base=token, address=address(7))
    both = (
        f"WETH/USDC=file:{pools_file(tmp_path)}",
        f"wstETH/USDC=file:{save_pools((bad,), builders.BLOCK, tmp_path / 'bad.json')}",
    )
    (row,) = opportunities(of, None, terms_of(tmp_path, exits=both), driver="WETH/USD").to_dict("records")
    assert (row["outcome"], row["seize_asset"]) == ("already", "WETH")
    assert row["bonus_usd"] < taken.bonus_base / 10**8
    (only,) = opportunities(of, None, terms_of(tmp_path), driver="WETH/USD").to_dict("records")
    assert only["seize_asset"] == "WETH", "the one whose net is known, and pays"
    (none,) = opportunities(of, None, terms_of(tmp_path, exits=()), driver="WETH/USD").to_dict("records")
    assert (none["seize_asset"], none["bonus_usd"]) == ("wstETH", taken.bonus_base / 10**8)
    assert np.isnan(none["net_usd"])


@pytest.mark.parametrize(
    ("cash", "tokens"), [(0, 0), (1, 0), (3, 1), (10**18 - 1, 399_999_999), (10**30, None)]
)
def test_a_ctoken_pays_out_only_its_cash(cash: int, tokens: int | None) -> None:
    """What cannot be redeemed is no part of the net: a rate of 2.5e9 wei each, in whole cTokens."""
    rate_wad = 25 * 10**26 if cash > 3 else 25 * 10**17
    there = comptroller(
        [ctoken(0, "ETH", cash=cash, exchange_rate_now_wad=rate_wad), ctoken(1, "USDC", 6)],
        [3_000 * WAD, 10**30],
    )
    whose = owner(holds(0, tokens=4 * 10**36 // rate_wad), holds(1, owed=9_500 * 10**6))
    taken = PROTOCOLS["compound-v2"].take(whose, there)
    assert isinstance(taken, Liquidation)
    (deal,) = deals(whose, there, taken)
    (got,) = deal.got
    assert got.amount == taken.seizures[0].amount
    if tokens is None:
        assert (got.usable, deal.remark) == (got.amount, "")
        return
    assert got.usable == tokens * rate_wad // WAD <= cash
    assert got.usable < got.amount
    assert (tokens + 1) * rate_wad // WAD > cash, "not one cToken more"
    assert f"cETH has cash for {got.usable} of {got.amount} base units of ETH" in deal.remark


def test_a_known_loss_does_not_stand_for_an_unknown_net(tmp_path: Path) -> None:
    """Gas eats what WETH pays; what wstETH would is not known, and that is what is said."""
    of = book([account(1, WETH=(1, 0), wstETH=(1, 0), USDC=(0, 5_700))])
    terms = terms_of(tmp_path, gas_units=10**9)
    (row,) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
    assert (row["seize_asset"], row["lacks"][:20]) == ("wstETH", "no exit is given for")


def test_a_snapshot_names_what_it_lacks(tmp_path: Path) -> None:
    (row,) = opportunities(book([borrower(2_400)]), driver="WETH/USD").to_dict("records")
    assert row["lacks"] == (
        "a snapshot has no flash premium: give --flash none, or basis points; "
        "no exit is given for WETH/USDC: give --exit WETH/USDC=file:PATH; "
        "no gas price is known: give --gas-gwei"
    )
    parts = [measured_units("aave-v3", "3.6", step, 2) for step in ("liquidate", "bot")]
    assert row["gas_units"] == sum(units for units in parts if units is not None)
    assert row["peak_raw"] == ""


def test_refusals_are_rows_with_a_reason(tmp_path: Path) -> None:
    paused = market(reserves={"WETH": {"is_paused": True}})
    (row,) = opportunities(
        book([borrower(2_400)], paused), None, terms_of(tmp_path), driver="WETH/USD"
    ).to_dict("records")
    assert row["lacks"] == "ReservePaused: WETH"
    assert np.isnan(row["bonus_usd"])


def test_refusals_have_no_bonus_to_tell_people_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paused = market(reserves={"WETH": {"is_paused": True}})
    of = book([borrower(2_400)], paused)
    print_opportunities(opportunities(of, None, terms_of(tmp_path), driver="WETH/USD"))
    out = capsys.readouterr().out
    assert "  1: ReservePaused: WETH" in out
    assert "nan" not in out


def test_markets_are_ranked_together(tmp_path: Path) -> None:
    terms = terms_of(tmp_path)
    tables = [opportunities(book([borrower(debt, k)]), None, terms) for k, debt in ((1, 2_350), (2, 2_450))]
    table = ranked(tables)
    assert table["net_usd"].tolist() == sorted(
        (net for each in tables for net in each["net_usd"]), reverse=True
    )
    assert set(table["account"]) == {address(1), address(2)}


def test_from_python(tmp_path: Path) -> None:
    terms = defiliq.read_terms(gas_gwei="10", flash="none", exits=(f"WETH/USDC=file:{pools_file(tmp_path)}",))
    table = defiliq.opportunities(book([borrower(2_400)]), costs=terms)
    assert isinstance(table, pd.DataFrame)
    assert (table["lacks"] == "").all()
    with pytest.raises(InputError, match="no side"):
        defiliq.opportunities(book([borrower(2_400)]), side="left")  # type: ignore[arg-type]


def test_valuers_of_a_watch(tmp_path: Path) -> None:
    """Once per block; in a market at other prices, too."""
    of, head = book([borrower(2_600)]), _head(builders.BLOCK)
    value = valuer(None, Listing("aave-v3", "Local", 31337, 0, {}), terms_of(tmp_path))
    taken = aave_v3.take(of.account(0), of.market)
    assert isinstance(taken, Liquidation)
    fields = value(head, of.market)(of.account(0), of.market, taken)
    assert list(fields) == [field.name for field in ECONOMICS]
    assert fields["lacks"] == ""
    assert value(head, of.market)(of.account(0), of.market, taken) == fields
    lower = of.market.at_prices({0: 2_700 * 10**8})
    there = aave_v3.take(of.account(0), lower)
    assert isinstance(there, Liquidation)
    fallen = value(head, of.market)(of.account(0), lower, there)
    assert 0 < number(fallen["slippage_usd"]) < 1, "the pool has followed the oracle down"
    assert gas_usd(10**18, of.market) == 3_000.0
    assert gas_usd(10**18, replace(of.market, reserves=of.market.reserves[1:])) is None


def number(value: object) -> float:
    assert isinstance(value, float)
    return value


def _head(block: Block) -> Head:
    return Head(block, "0x" + "cd" * 32, 10**9, 15_000_000, 30_000_000)


@pytest.mark.parametrize(
    ("exits", "said"),
    [
        ((f"WETH/USDC=pool:0x{'11' * 20}",), "read from a node"),
        (("WETH/USDC=file:nowhere.json",), "nowhere.json"),
    ],
)
def test_exits_that_cannot_be_read(exits: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        opportunities(book([borrower(2_400)]), None, read_terms(exits=exits))


def test_curves_and_laws_as_exits(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("side,price,amount\nbid,2990,5\nbid,2900,50\nask,3010,50\n")
    of = book([borrower(2_400)])
    rows = {}
    for what in (f"file:{curve}", "impact:1B,4%"):
        terms = terms_of(tmp_path, exits=(f"WETH/USDC={what}",))
        (rows[what],) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
        assert rows[what]["lacks"] == ""
        assert rows[what]["slippage_usd"] > 0
    terms = terms_of(tmp_path, exits=(f"USDC/WETH=file:{curve}",))
    with pytest.raises(InputError, match="not the other way"):
        opportunities(of, None, terms, driver="WETH/USD")


def test_exits_of_what_is_not_listed_are_told(tmp_path: Path) -> None:
    given = (f"WETH/USDC=file:{pools_file(tmp_path)}", "WHET/usdc=impact:1B", "DAI/WETH=impact:1B")
    table = opportunities(book([borrower(2_400)]), None, terms_of(tmp_path, exits=given))
    told = [said for said in table.attrs["remarks"] if said.startswith("--exit")]
    assert told == ["--exit WHET/usdc is of no use here: WHET is not listed"]


def test_a_law_stands_at_spot_whichever_level_asks_first(tmp_path: Path) -> None:
    """It is anchored at the market's price, not at the level's, and moves with the oracle once."""
    terms = terms_of(tmp_path, exits=("WETH/USDC=impact:1B,4%",))
    (alone,) = opportunities(book([borrower(2_400)]), None, terms, driver="WETH/USD").to_dict("records")
    assert 0 < alone["slippage_usd"] < alone["seized_usd"] / 10**4, "a trade of a millionth of the volume"
    two = opportunities(book([borrower(2_400), borrower(2_600, 2)]), None, terms, driver="WETH/USD")
    (same,) = two[two["account"] == alone["account"]].to_dict("records")
    assert same == alone


def test_pools_that_contradict_themselves_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three found pools two are bad: the third is the exit, and they are not asked for again."""
    good, asked = replace(pool(), address=address(3)), []

    def read_pools(node: Any, wanted: Any, at: Block, *, base: str) -> tuple[PoolV2, ...]:
        asked.append(list(wanted))
        for bad, fault in ((address(1), UnsoundPool), (address(2), NotAPool)):
            if bad in wanted:
                raise fault(bad, "it lies")
        return (good,)

    every = (address(1), address(2), address(3))
    monkeypatch.setattr("defiliq.pipeline.exits.find_pools", lambda *given: every)
    monkeypatch.setattr("defiliq.pipeline.exits.read_pools", read_pools)
    found = Found()
    node: Any = None
    tokens = good.base.address, good.quote.address
    assert found.pools(node, *tokens, builders.BLOCK) == (good,)
    assert found.pools(node, *tokens, builders.BLOCK) == (good,)
    assert [len(some) for some in asked] == [3, 2, 1, 1]
    assert set(found.unread) == set(every[:2])
    assert "contradicts itself: it lies" in found.unread[address(1)]
