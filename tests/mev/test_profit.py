"""What a liquidation leaves, by numbers that can be followed by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.mev.costs import Flash, Native
from defiliq.mev.deal import Deal, Got, Step, deal_of
from defiliq.mev.exits import Exit, Way
from defiliq.mev.fields import ECONOMICS, economics
from defiliq.mev.profit import Kept, profit
from defiliq.types import Seizure
from tests.builders import SYMBOLS, market
from tests.depth.pools import v3
from tests.mev.deals import GWEI, USDC, WETH, costs, exit_of, liquidation, pool, spot

DAI = SYMBOLS.index("DAI")


def test_every_cost_by_hand() -> None:
    """1 WETH into 1,000 : 3,000,000 gives 3e12 * 1e18 // 1001e18; gas is 5e15 wei, $15."""
    found = profit(liquidation(), spot(), costs(exit_of(pool()), flash=Flash(5)))
    out = 3_000_000 * 10**6 // 1_001
    assert found.exit_out == out == 2_997_002_997
    assert found.flash_fee == 1_425_000
    assert (found.gas_units, found.gas_base, found.gas) == (500_000, 15 * 10**8, 15 * 10**6)
    assert found.net == out - 2_850_000_000 - 1_425_000 - 15_000_000 == 130_577_997
    assert found.net_base == 13_057_799_700
    assert found.slippage_base == 3_000 * 10**8 - out * 100
    assert found.deal.bonus_base == 150 * 10**8
    assert (found.lacks, found.kept) == ("", ())


@pytest.mark.parametrize("at_hand", [0, 1, 10**17])
def test_what_stays_a_receipt_counts_for_nothing(at_hand: int) -> None:
    plain = deal_of(liquidation(), spot())
    part = replace(plain, got=(plain.got[0]._replace(at_hand=at_hand),))
    found = profit(liquidation(), spot(), costs(exit_of(pool())), part)
    assert found.exit_out == at_hand * 3 * 10**12 // (10**21 + at_hand)
    assert found.net == found.exit_out - 2_850_000_000 - 15_000_000
    assert found.deal.bonus_base == 150 * 10**8, "the bonus is before anything is sold"


def test_no_gas_and_no_bonus() -> None:
    taken = liquidation(repaid=3_000 * 10**6)
    found = profit(taken, spot(), costs(exit_of(pool(10**12, 3 * 10**15 // 10**3)), gas_price_wei=0))
    assert found.deal.bonus_base == 0
    assert found.gas == found.gas_base == 0
    free = profit(taken, spot(), costs(exit_of(pool()), gas_price_wei=0, native=Native("ETH")))
    assert free.lacks == "", "gas that costs nothing needs no price"
    assert free.net == free.exit_out - 3_000 * 10**6 if free.exit_out is not None else False


def test_the_same_asset_on_both_sides_is_not_sold() -> None:
    taken = liquidation(105 * 10**16, 10**18, of=WETH, for_=WETH)
    found = profit(taken, spot(), costs(gas_price_wei=0))
    assert found.sales == ()
    assert found.exit_out == 105 * 10**16
    assert found.net == 5 * 10**16
    assert found.net_base == 150 * 10**8


def test_without_an_exit_there_is_a_bonus_and_no_net() -> None:
    found = profit(liquidation(), spot(), costs())
    assert (found.net, found.net_base, found.exit_out, found.slippage_base) == (None, None, None, None)
    assert found.lacks == "no exit is known for WETH/USDC"
    assert found.deal.bonus_base == 150 * 10**8
    assert found.gas_base == 15 * 10**8
    told = profit(liquidation(), spot(), costs(no_exit={(WETH, USDC): "nobody sells it"}))
    assert told.lacks == "nobody sells it"


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"gas_price_wei": None}, "no gas price is known: give --gas-gwei"),
        ({"native": Native("ETH")}, "no price of ETH is known here: give --native-usd"),
        ({"lacks": "a snapshot has no premium"}, "a snapshot has no premium"),
        (
            {"flash": Flash(5, refused=frozenset({USDC}))},
            "the pool lends no flash loans of USDC: give --flash none, or basis points",
        ),
    ],
)
def test_what_is_not_known_is_never_taken_as_nothing(changes: dict[str, object], lacks: str) -> None:
    found = profit(liquidation(), spot(), costs(exit_of(pool()), **changes))
    assert found.lacks == lacks
    assert found.net is None
    assert found.net_base is None
    assert found.exit_out is not None


def test_a_premium_that_is_not_known_is_not_0() -> None:
    terms = costs(exit_of(pool()), lacks="a snapshot has no premium")
    found = profit(liquidation(), spot(), terms)
    assert found.flash_fee is None
    assert economics(found, spot())["flash_fee_raw"] is None
    assert profit(liquidation(), spot(), replace(terms, lacks="")).flash_fee == 0


def test_gas_that_was_never_measured() -> None:
    strange = replace(spot(), protocol="aave-v9")
    deal = replace(deal_of(liquidation(), spot()), steps=(Step("teleport"),))
    found = profit(liquidation(), strange, costs(exit_of(pool()), gas_units=None), deal)
    assert found.gas_units is None
    assert found.lacks == "the gas of a liquidation in aave-v9 was not measured: give --gas-units"


def test_only_the_gas_of_the_loan_was_never_measured() -> None:
    comet = replace(spot(), protocol="compound-v3", version="")
    deal = replace(deal_of(liquidation(), comet), steps=(Step("absorb", 1), Step("purchase")))
    terms = costs(exit_of(pool()), gas_units=None)
    assert profit(liquidation(), comet, terms, deal).lacks == ""
    found = profit(liquidation(), comet, replace(terms, flash=Flash(5)), deal)
    assert found.lacks == "the gas of a flash loan in compound-v3 was not measured: give --gas-units"


def test_several_sales_say_that_they_do_not_see_each_other() -> None:
    two = replace(liquidation(), seizures=liquidation().seizures * 2)
    said = "each collateral is sold as if the others were not: pools that they share would bring less"
    assert profit(two, spot(), costs(exit_of(pool()))).remark == said
    assert profit(liquidation(), spot(), costs(exit_of(pool()))).remark == ""


def test_a_dry_pool_keeps_the_rest() -> None:
    narrow = v3([(-200_340, -196_320, 10**12)], 2**96 * 5_477 // 10**8)
    narrow = replace(narrow, base=pool().base, quote=pool().quote)
    taken = liquidation(10**21, 10**6)
    found = profit(taken, spot(), costs(exit_of(narrow)))
    (sale,) = found.sales
    assert sale.left > 0
    assert sale.sold + sale.left == 10**21
    assert found.kept == (Kept(WETH, sale.left),)
    assert found.exit_out == sale.got
    assert f"{sale.left} base units of WETH are kept and count for nothing" in found.remark


def test_whales_are_exact() -> None:
    """More than a float holds, in a pool that is as large."""
    taken = liquidation(10**27 + 1, 2_850 * 10**15 + 1)
    deep = pool(10**12, 3 * 10**15)
    found = profit(taken, spot(), costs(exit_of(deep)))
    given = 10**27 + 1
    out = given * deep.quote_reserve // (deep.base_reserve + given)
    assert found.net == out - taken.repaid - 15 * 10**6


def test_several_seizures_of_which_one_has_no_exit() -> None:
    taken = liquidation()
    more = replace(taken, seizures=(*taken.seizures, Seizure(DAI, 10**18, 10**8)))
    found = profit(more, spot(), costs(exit_of(pool())))
    assert found.lacks == "no exit is known for DAI/USDC"
    assert found.net is None
    assert len(found.sales) == 1


def test_pools_follow_the_oracle_from_where_they_were() -> None:
    """A pool 1% above the oracle stays 1% above it once the oracle has fallen by a tenth."""
    above = pool(1_000, 3_030_000)
    there = market(WETH=2_700 * 10**8)
    found = profit(liquidation(10**12, 1), there, costs(exit_of(above), spot=spot().prices))
    moved = above.at_price(Fraction(2_727 * 10**6, 10**18))
    assert found.exit_out == moved.sell(10**12)[0].got
    still = profit(liquidation(10**12, 1), there, costs(exit_of(above)))
    assert still.exit_out == above.sell(10**12)[0].got


def test_of_several_ways_the_one_that_leaves_most_after_gas() -> None:
    """Two swaps bring a dollar more: worth it while a swap's gas costs less than that."""
    best = Way(pool(1_000, 3_001_000), 2)
    both = Exit((Way(pool()), best), 18, 6)
    cheap = profit(liquidation(), spot(), costs(both, gas_units=None, gas_price_wei=1))
    assert [sale.swaps for sale in cheap.sales] == [2]
    dear = profit(liquidation(), spot(), costs(both, gas_units=None, gas_price_wei=100 * GWEI))
    assert [sale.swaps for sale in dear.sales] == [1]
    assert cheap.gas_units is not None
    assert dear.gas_units is not None
    assert cheap.gas_units > dear.gas_units


@pytest.mark.parametrize(
    ("rounding", "amount", "fee"),
    [("up", 1, 1), ("half up", 1, 0), ("half up", 1_000, 1), ("half up", 999, 0), ("up", 2_000, 1)],
)
def test_premiums_round_as_each_version_does(rounding: str, amount: int, fee: int) -> None:
    assert Flash(5, "up" if rounding == "up" else "half up").fee(amount) == fee


def test_a_fund_pays_and_gains_without_gas() -> None:
    deal = Deal("insurance fund", USDC, 5, 5, (Got(WETH, 7, 9),), 0, None, fund_gains=-12)
    found = profit(liquidation(), spot(), costs(gas_price_wei=None), deal)
    assert (found.net, found.net_base, found.gas_base, found.lacks) == (-12, -12, 0, "")


@given(st.integers(0, 10**24), st.integers(0, 10**15), st.integers(0, 10**12), st.integers(0, 100))
def test_the_parts_add_up(seized: int, repaid: int, gas_price_wei: int, bps: int) -> None:
    terms = costs(exit_of(pool()), gas_price_wei=gas_price_wei, flash=Flash(bps))
    found = profit(liquidation(seized, repaid), spot(), terms)
    assert found.net is not None
    assert found.gas is not None
    out = sum(sale.got for sale in found.sales)
    assert found.flash_fee is not None
    assert found.net == out - repaid - found.flash_fee - found.gas
    assert all(sale.sold + sale.left == seized for sale in found.sales)
    assert found.gas == -(-500_000 * gas_price_wei * 3_000 // 10**12)


def test_fields_are_those_that_are_documented() -> None:
    for terms in (costs(exit_of(pool())), costs(gas_price_wei=None)):
        fields = economics(profit(liquidation(), spot(), terms), spot())
        assert list(fields) == [field.name for field in ECONOMICS]
        assert orjson.loads(orjson.dumps(fields)) == fields
        for field in ECONOMICS:
            value, optional = fields[field.name], field.form.endswith("?")
            assert value is not None or optional, field
            if value is not None:
                kind = {"string": str, "integer string": str, "integer": int, "number": float}
                assert isinstance(value, kind[field.form.removesuffix("?")]), field
    known = economics(profit(liquidation(), spot(), costs(exit_of(pool()))), spot())
    assert known["net_raw"] == str(2_997_002_997 - 2_850_000_000 - 15_000_000)
    assert known["net_usd"] == 132.002997
