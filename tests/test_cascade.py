"""Cascades over books: by the law of each account, over drivers that move several assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.depth.venue import Depth, Token
from defiliq.engine.liquidate import ColumnBook
from defiliq.errors import ConservationBroken, InputError, UnknownDriver
from defiliq.ladder import joined
from defiliq.model.cascade import LawBook, OracleRule
from defiliq.model.cascade.booked import followed
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.cascade import cascade, law_of, quote_usd, sweep, with_insurance_fund
from defiliq.pipeline.judge import ladder
from defiliq.pricing.driver import Move, driver_of_inputs
from defiliq.protocols import PROTOCOLS, aave_v3
from defiliq.types import Account, Liquidation, Refusal
from defiliq.units import WAD
from defiliq.view.cascade import summary_lines
from tests.bench.compound import synthetic_comptroller
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import account_in, graph_market
from tests.model.straight import Straight
from tests.sensitivity.population import dydx_book

ETH, RATIO = "ETH/USD", "wstETH/ETH ratio"
UNIT = 10**9


def depth(price: int, slope: Fraction) -> Straight:
    """A depth in which each WETH moves the price by `slope` dollars."""
    wei = Token("WETH", 18)
    return Straight(Fraction(price), slope / 10**18, base=wei)


def book(*legs: Mapping[str, tuple[float, float]], **changes: Any) -> Book[Any]:
    market = graph_market(**changes)
    return Book.build(market, [account_in(market, k + 1, each) for k, each in enumerate(legs)])


def test_an_account_is_sold_and_breaks_again_where_its_own_sale_takes_the_price() -> None:
    """10 WETH at a threshold of 82.5% back 22,500 USDC of 0.9998 dollars: the contract calls at 2,726.72.

    At 2,700 (a fall of 10%) half of the debt is repaid, 11,247.75 dollars, and 1.05 times that is seized:
    11,810.1375 dollars, 4.374125 WETH, a tenth of the bonus of which goes to the protocol.
    """
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)})
    found = cascade([one], f"{ETH}=-10%", {ETH: depth(3000, Fraction(50))})
    first = found.rounds.iloc[1]
    assert (first["cause"], first["accounts"], first["calls"]) == ("shock", 1, 1)
    assert first["repaid_usd"] == pytest.approx(11_247.75, abs=1e-6)
    fee = 11_247.75 * 0.05 * 0.10
    assert first["seized_usd"] == pytest.approx(11_247.75 * 1.05 - fee, abs=1e-5)
    sold = first["seized_usd"] / 2700
    assert first["market_after_usd"] == pytest.approx(2700 - 50 * sold, abs=1e-5)
    # What is left: 5.625875 WETH against 11,250 USDC, which breaks at 2,423.4 only.
    assert found.last_round == 1
    deeper = cascade([one], f"{ETH}=-10%", {ETH: depth(3000, Fraction(80))})
    assert deeper.rounds["accounts"].tolist()[:3] == [0, 1, 1], "80 dollars a WETH take it there"


def test_all_that_hangs_on_a_driver_is_sold_along_it() -> None:
    """1 wstETH is 1.197... ETH: under its cap it sells as much ETH as it is worth."""
    one = book({"wstETH": (10, 0), "USDC": (0, 27_000)})
    market = one.market
    found = cascade([one], f"{ETH}=-10%", {ETH: depth(3000, Fraction(1))})
    row = found.rounds.iloc[1]
    assert row["traded_usd"] == pytest.approx(row["seized_usd"], rel=1e-12)
    assert market.reserves[1].symbol == "wstETH"


def test_debt_in_the_same_driver_is_bought_back() -> None:
    """WETH against wstETH does not break on ETH/USD; LDO against WETH does, and buys back what it owes."""
    loop = {"wstETH": (10, 0), "WETH": (0, 9)}
    short = {"LDO": (10_000, 0), "WETH": (0, 2.4)}
    found = cascade([book(loop, short)], f"{ETH}=+10%", {ETH: depth(3000, Fraction(1))})
    row = found.rounds.iloc[1]
    assert row["accounts"] == 1
    assert row["traded_usd"] == pytest.approx(-row["repaid_usd"], rel=1e-12)
    assert row["market_after_usd"] > 3300
    assert found.untraded_usd["LDO"] == pytest.approx(row["seized_usd"], rel=1e-9)


def test_a_ratio_is_sold_in_its_own_tokens_for_ether_which_is_netted_with_ether() -> None:
    """100 wstETH at 1.08 ETH back 92 WETH, which are repaid. 1.045 times their worth is seized: 89.02 wstETH.

    Sold at 1.08 those are 96.14 ETH, of which 4.14 are left to sell for dollars.
    """
    loop = book({"wstETH": (100, 0), "WETH": (0, 92)})
    staked = {RATIO: Straight(Fraction(119, 100), Fraction(1, 10**22), base=Token("wstETH", 18))}
    for depths in (
        staked,
        staked | {ETH: depth(3000, Fraction(1, 10))},
        {ETH: depth(3000, Fraction(1, 10))} | staked,
    ):
        found = cascade([loop], f"{RATIO}=-10%", depths)
        rows = found.rounds[found.rounds["round"] == 1].set_index("driver")
        seized = rows["seized_usd"].iloc[0]
        tokens = seized / 3000 / 1.08
        assert rows["repaid_usd"].iloc[0] == 92 * 3000
        assert tokens == pytest.approx(92 * 1.045 / 1.08, rel=1e-9)
        assert rows["traded_usd"][RATIO] == pytest.approx(seized, rel=1e-12)
        assert float(found.final[RATIO]) == pytest.approx(
            0.9 * (1 - tokens / 10**4 / (0.9 * 1.19)), rel=1e-12
        )
        if ETH in depths:
            assert rows["traded_usd"][ETH] == pytest.approx(seized - 92 * 3000, rel=1e-12)
            assert rows["market_after_usd"][ETH] == pytest.approx(3000 - (seized / 3000 - 92) / 10, rel=1e-12)


def test_what_a_ratio_is_quoted_in_moves_with_its_own_driver() -> None:
    """ETH falls by a quarter beside it: as many wstETH are sold, for as much less money."""
    loop = book({"wstETH": (100, 0), "WETH": (0, 92)})
    depths: dict[str, Depth] = {RATIO: depth(1, Fraction(1, 10**9)), ETH: depth(3000, Fraction(1, 10**9))}
    for shock, ether in ((0, 3000), (-25, 2250)):
        found = cascade([loop], [f"{RATIO}=-10%", f"{ETH}={shock:+d}%"], depths)
        rows = found.rounds[found.rounds["round"] == 1].set_index("driver")
        assert rows["traded_usd"][RATIO] == pytest.approx(92 * 1.045 * ether, rel=1e-9)


def test_a_ladder_along_a_ratio_must_say_what_its_quote_is_worth() -> None:
    some = book({"wstETH": (100, 0), "WETH": (0, 92)}, {"WETH": (10, 0), "USDC": (0, 22_500)})
    along = {name: ladder(some, name) for name in (RATIO, ETH)}
    depths: dict[str, Depth] = {RATIO: depth(1, Fraction(1, 100))}
    with pytest.raises(InputError, match="wstETH/ETH ratio is in ETH, and no rung says what that is worth"):
        cascade([along[RATIO]], f"{RATIO}=-10%", depths)
    both = pd.concat([along[RATIO], along[ETH]], ignore_index=True)
    found = cascade([both], f"{RATIO}=-10%", depths)
    row = along[RATIO].iloc[0]
    assert found.rounds["accounts"].tolist()[:2] == [0, 1]
    tokens = row["seized_usd"] / 3000 / row["price_usd"]
    assert found.rounds["traded_usd"].iloc[1] == pytest.approx(tokens * 1.08 * 3000, rel=1e-9)
    assert quote_usd([both], RATIO) == quote_usd([some], RATIO) == 3000.0
    assert quote_usd([both], ETH) == quote_usd([some], ETH) == 1.0


def test_a_feed_of_the_market_waits_for_its_own_deviation() -> None:
    """ETH/USD of the builder answers at 50 basis points: 13.5 dollars at 2,700."""
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)}, {"WETH": (10, 0), "USDC": (0, 22_250)})
    slow = cascade([one], f"{ETH}=-10%", {ETH: depth(3000, Fraction(3))})
    assert slow.rounds["market_after_usd"].iloc[1] > 2700 - 13.5
    assert slow.rounds["cause"].tolist() == ["already", "shock", "heartbeat", "heartbeat"]
    assert slow.rounds["at_s"].tolist() == [0, 0, 3600, 7200]
    assert slow.rounds["accounts"].tolist() == [0, 1, 1, 0]
    assert slow.followed_at_once == ()
    quick = cascade([one], f"{ETH}=-10%", {ETH: depth(3000, Fraction(4))})
    assert quick.rounds["cause"].tolist()[2] == "deviation"


def test_a_driver_of_several_feeds_answers_as_the_soonest_of_them() -> None:
    """All feeds together: exchange rates have no deviation that is known, heartbeats are 3600 s and a day."""
    market = graph_market()
    moves = [Move(position, each.value, UNIT) for position, each in market.graph.inputs]
    joint = driver_of_inputs(market.graph, "together", UNIT, UNIT, moves, market.timestamp)
    assert followed(market, joint).rule == OracleRule(None, 3600)
    assert followed(market, find_driver(market, "BTC/USD")).rule == OracleRule(50, 3600)


def test_an_oracle_never_answers_nothing() -> None:
    found = followed(graph_market(), find_driver(graph_market(), ETH))
    assert (found.at(Fraction(0)), found.at(Fraction(1, 10**12)), found.at(Fraction(1))) == (1, 1, found.spot)


def test_what_hangs_on_no_driver_is_summed_over_markets() -> None:
    """Each seizes LDO for the WETH that is bought; a dollar at 0.97 is no money any more, and is told."""
    short = {"LDO": (10_000, 0), "WETH": (0, 2.4)}
    depths: dict[str, Depth] = {ETH: depth(3000, Fraction(1, 10**9))}
    one = cascade([book(short)], f"{ETH}=+10%", depths)
    both = cascade([book(short), book(short, name="Other")], f"{ETH}=+10%", depths)
    assert both.untraded_usd["LDO"] == pytest.approx(2 * one.untraded_usd["LDO"], rel=1e-12)
    long = {"WETH": (10, 0), "USDC": (0, 22_500)}
    for cents, told in ((98, []), (97, ["USDC"])):
        some = book(long, inputs={"USDC/USD": cents * 10**6})
        assert [*cascade([some], f"{ETH}=-13%", depths).untraded_usd] == told


def test_what_would_have_to_be_bought_without_a_depth_is_told_too() -> None:
    """15,000 LDO of 1.5 dollars are owed on WETH at 2,700: half of them are repaid."""
    one = book({"WETH": (10, 0), "LDO": (0, 15_000)})
    found = cascade([one], f"{ETH}=-10%", {ETH: depth(3000, Fraction(1, 10**9))})
    assert found.untraded_usd == {"LDO": pytest.approx(-11_250)}
    assert "repaid, but not bought for want of a depth: LDO 11,250" in summary_lines(found)


def test_the_first_round_takes_what_the_law_takes_of_each_account() -> None:
    """Summed here over `take` alone, account by account, until each is safe or refused."""
    some = synthetic_book(synthetic_market(), 1000, seed=5)
    name = "WETH/USD"
    found = cascade([some], f"{name}=-12%", {name: depth(3000, Fraction(1, 10**9))}, most_rounds=1)
    spot = some.market.prices[0]
    fallen = some.market.at_prices({0: spot * 88 // 100})
    repaid = seized = accounts = 0
    for k in range(len(some)):
        held: Account | None = _cleared_at_spot(some, k)
        calls = 0
        while held is not None and isinstance(taken := aave_v3.take(held, fallen), Liquidation):
            repaid, seized, calls = repaid + taken.repaid_base, seized + taken.seized_base, calls + 1
            held = aave_v3.after(held, fallen, taken)
        accounts += calls > 0
    assert accounts > 20
    row = found.rounds.iloc[1]
    assert (row["accounts"], row["repaid_usd"]) == (accounts, repaid / 10**8)
    assert row["seized_usd"] == seized / 10**8


def _cleared_at_spot(some: Book[Any], k: int) -> Account:
    held = some.account(k)
    while not isinstance(taken := aave_v3.take(held, some.market), Refusal):
        held = aave_v3.after(held, some.market, taken)
    return held


def test_the_order_of_accounts_does_not_matter() -> None:
    some = synthetic_book(synthetic_market(), 300, seed=6)
    order = np.random.default_rng(1).permutation(len(some))
    shuffled = Book.build(some.market, [some.account(int(k)) for k in order])
    depths: dict[str, Depth] = {"WETH/USD": depth(3000, Fraction(1, 1000))}
    one, other = (cascade([each], "WETH/USD=-15%", depths) for each in (some, shuffled))
    pd.testing.assert_frame_equal(one.rounds, other.rounds)
    assert one.final == other.final


def test_a_law_that_takes_more_than_it_says_is_noticed() -> None:
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)})
    law = law_of(one)

    def careless(account: Account, market: Any, taken: Liquidation) -> Account:
        left = law.after(account, market, taken)
        weth = replace(left.legs[0], collateral=left.legs[0].collateral - 17)
        return replace(left, legs=(weth, *left.legs[1:]))

    prices = one.market.at_prices({0: 2700_00000000}).prices
    with pytest.raises(ConservationBroken, match="-17 base units of WETH"):
        LawBook(one, law._replace(after=careless)).settle(prices)
    LawBook(one, law).settle(prices)


def test_debt_that_vanishes_without_being_bad_is_noticed() -> None:
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)})
    law = law_of(one)

    def generous(account: Account, market: Any, taken: Liquidation) -> Account:
        left = law.after(account, market, taken)
        return replace(left, legs=left.legs[:1])

    prices = one.market.at_prices({0: 2700_00000000}).prices
    with pytest.raises(ConservationBroken, match="USDC"):
        LawBook(one, law._replace(after=generous)).settle(prices)


def test_bad_debt_excuses_no_collateral_that_stays_behind() -> None:
    """All of 10 WETH at 1,500 is taken from 22,495.5 dollars of debt; a thousandth of it is left behind."""
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)})
    law = law_of(one)

    def careless(account: Account, market: Any, taken: Liquidation) -> Account:
        assert taken.bad_debt_base > 8_000 * 10**8
        left = law.after(account, market, taken)
        return replace(left, legs=(replace(account.legs[0], collateral=10**16), *left.legs))

    prices = one.market.at_prices({0: 1500_00000000}).prices
    LawBook(one, law).settle(prices)
    with pytest.raises(ConservationBroken, match="does not add up"):
        LawBook(one, law._replace(after=careless)).settle(prices)


def test_what_a_fund_pays_excuses_no_position_that_stays_behind() -> None:
    """Every fill of longs at 30% less has a loss that the fund pays, and 17 quantums too many are left."""
    (one,) = with_insurance_fund([dydx_book(40)], None)
    law = law_of(one)

    def careless(account: Account, market: Any, taken: Liquidation) -> Account:
        left = law.after(account, market, taken)
        if taken.bad_debt_base == 0 or taken.seizures[0].reserve == 0:
            return left
        kept = [
            replace(leg, collateral=leg.collateral + 17) if leg.collateral else leg for leg in left.legs[1:]
        ]
        return replace(left, legs=(left.legs[0], *kept))

    prices = [price * (7 if feed else 10) // 10 for feed, price in enumerate(one.market.prices)]
    assert LawBook(one, law).settle(prices).bad_debt_base > 0
    with pytest.raises(ConservationBroken, match="17 base units of"):
        LawBook(one, law._replace(after=careless)).settle(prices)


def test_what_hangs_on_a_driver_that_has_fallen_to_nothing_has_a_price_too() -> None:
    """At one integer of USDT/USD the discounted PT would stand at 0, by which its contract divides."""
    one = book({"PT-sUSDe": (1_000, 0), "WETH": (0, 0.2)}, {"PT-sUSDe": (1_000, 0), "USDC": (0, 10)})
    depths: dict[str, Depth] = {"USDT/USD": depth(1, Fraction(1, 10**9))}
    found = cascade([one], "USDT/USD=-99.999999999%", depths)
    assert found.rounds["accounts"].tolist()[:2] == [0, 2]


@pytest.mark.parametrize("of", [LawBook, ColumnBook])
def test_debt_that_is_bad_already_is_not_bad_once_more(of: type[LawBook] | type[ColumnBook]) -> None:
    """A call that leaves a single unit's worth of collateral says that the debt is bad; the call on that unit
    says it again, in this round or, once prices have moved, in the next.
    """
    market, some = synthetic_comptroller(300)
    law = LawBook(some, law_of(some))
    ledger = law if of is LawBook else ColumnBook.of(some, PROTOCOLS["compound-v2"].call_terms)
    said, prices = 0.0, list(market.prices)
    for k, part in ((5, 100), (5, 101), (6, 100), (6, 90), (5, 90)):
        prices[k] = market.prices[k] // part
        said += ledger.settle(prices).bad_debt_base
        if ledger is not law:
            law.settle(prices)
    there, bare = market.at_prices(dict(enumerate(prices))), 0.0
    for account in law.accounts.values():
        owed, held = (sum(worth) for worth in zip(*in_dollars(account, there), strict=True))
        bare += owed - held if held < owed / 10**6 else 0
    assert said == pytest.approx(float(bare), rel=1e-6)
    assert bare > 10**6 * 10**18


def in_dollars(account: Account, market: Any) -> list[tuple[int, int]]:
    """(owed, held) of each leg in base currency."""
    said = PROTOCOLS["compound-v2"].explain(account, market)
    return [
        (leg.owed * market.price_of(leg.reserve) // WAD, leg.supplied * market.price_of(leg.reserve) // WAD)
        for leg in said
    ]


def test_what_little_another_leg_holds_is_cleared_too() -> None:
    """10,000 dollars of debt, and besides fallen WETH a millionth of a dollar of LDO: its debt is bad."""
    one = book({"WETH": (4, 0), "LDO": (0.000_001, 0), "USDC": (0, 10_000)})
    found = cascade([one], f"{ETH}=-70%", {ETH: depth(3000, Fraction(1, 10**15))})
    shocked = found.rounds.iloc[1]
    assert shocked["bad_debt_usd"] > 3_000
    assert (shocked["calls"], found.last_round, found.refused) == (2, 1, {})


def test_a_ladder_gives_the_first_calls_of_the_book_behind_it() -> None:
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)}, {"WETH": (5, 0), "USDC": (0, 11_500)})
    rungs = ladder(one, ETH)
    depths: dict[str, Depth] = {ETH: depth(3000, Fraction(1, 10**6))}
    found = cascade([rungs], f"{ETH}=-10%", depths)
    assert found.accounts == 2
    assert found.initial_usd == pytest.approx(rungs[rungs["side"] == "long"]["seized_usd"].sum(), rel=1e-12)
    assert found.followed_at_once == (ETH,), "a ladder does not say when oracles answer"


def test_a_driver_of_one_market_may_be_fixed_in_another() -> None:
    """USDC is a dollar by the rule of dYdX v4, and has a feed of its own on Aave."""
    several = [book({"USDC": (10_000, 0), "WETH": (0, 2.4)}), dydx_book(3)]
    for some in (several, several[::-1]):
        found = cascade(some, "USDC/USD=-10%", {"USDC/USD": depth(1, Fraction(1, 10**9))})
        assert found.markets["protocol"].unique().tolist() == ["aave-v3"]
        assert found.accounts == 1


def test_a_ladder_of_several_markets_is_as_many_ladders() -> None:
    """One account is in both, and breaks in both."""
    legs = {"WETH": (10, 0), "USDC": (0, 22_500)}
    held = book(legs, {"WETH": (5, 0), "USDC": (0, 11_500)})
    tables = [ladder(one, ETH) for one in (held, book(legs, name="Other"))]
    depths: dict[str, Depth] = {ETH: depth(3000, Fraction(10))}
    apart = cascade(tables, f"{ETH}=-10%", depths)
    joint = cascade([joined(tables)], f"{ETH}=-10%", depths)
    pd.testing.assert_frame_equal(joint.rounds, apart.rounds)
    pd.testing.assert_frame_equal(joint.markets, apart.markets)
    assert joint.rounds["accounts"].tolist()[:2] == [0, 3]


def test_a_sweep_is_many_cascades_from_the_same_start() -> None:
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)}, {"WETH": (5, 0), "USDC": (0, 8_000)})
    depths: dict[str, Depth] = {ETH: depth(3000, Fraction(50))}
    shocks = [Fraction(-30), Fraction(-10), Fraction(-1), Fraction(20)]
    table = sweep([one], ETH, shocks, depths)
    for row, shock in zip(table.to_dict("records"), shocks, strict=True):
        alone = cascade([one], f"{ETH}={float(shock):+g}%", depths)
        assert row["accounts"] == alone.accounts
        assert row["total_usd"] == pytest.approx(alone.total_usd, rel=1e-9)
        assert row["final_usd"] == pytest.approx(3000 * float(alone.final[ETH]), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(-45, 45).filter(bool))
def test_every_cascade_ends_and_adds_up(seed: int, percent: int) -> None:
    """Each call is proved to conserve; the rounds then add up to the markets, and nothing is sold twice."""
    some = synthetic_book(synthetic_market(), 60, seed=seed)
    depths: dict[str, Depth] = {"WETH/USD": depth(3000, Fraction(1, 10_000))}
    found = cascade([some], f"WETH/USD={percent:+d}%", depths)
    assert found.ended in ("quiet", "depth ran dry")
    assert found.markets["seized_usd"].sum() == pytest.approx(found.rounds["seized_usd"].sum(), rel=1e-12)
    later = found.rounds[found.rounds["round"] > 1]
    if percent < 0 and not (found.rounds["traded_usd"] < 0).any():
        assert (later["oracle_usd"].diff().dropna() <= 0).all()


def test_bad_input_is_said_in_one_line() -> None:
    one = book({"WETH": (10, 0), "USDC": (0, 22_500)})
    depths: dict[str, Depth] = {ETH: depth(3000, Fraction(1))}
    with pytest.raises(UnknownDriver, match="no driver 'DOGE/USD'"):
        cascade([one], "DOGE/USD=-10%", depths)
    with pytest.raises(InputError, match="its price is fixed in its source"):
        cascade([dydx_book(3)], "USDC/USD=-10%", {"USDC/USD": depth(1, Fraction(1))})
    with pytest.raises(InputError, match="leaves no price"):
        cascade([one], f"{ETH}=-100%", depths)
    with pytest.raises(InputError, match="moved twice"):
        cascade([one], [f"{ETH}=-10%", f"{ETH}=-20%"], depths)
    with pytest.raises(InputError, match="ETH/USD is moved twice"):
        cascade([one], [f"{ETH}=-10%", "eth/usd=-20%"], depths)
    with pytest.raises(InputError, match="ETH/USD is given two depths"):
        cascade([one], f"{ETH}=-10%", depths | {"eth/usd": depth(3000, Fraction(2))})
    with pytest.raises(InputError, match="no depth is known for BTC/USD"):
        cascade([one], "BTC/USD=-10%", depths)
