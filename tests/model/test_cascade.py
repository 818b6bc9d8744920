"""Cascades whose every step is worked out by hand, over rungs and a straight depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest

from defiliq.errors import InputError
from defiliq.ladder import LADDER_COLUMNS, as_table
from defiliq.model.cascade import (
    Cascade,
    Followed,
    OracleRule,
    RungStage,
    Settled,
    frontier,
    simulate,
    sweep,
)
from tests.model.straight import Straight

UNIT = 100
"""Integers in a dollar of the driver."""


def rung(
    price: int, size: float, *, side: str = "long", account: str = "", **changes: Any
) -> dict[str, object]:
    """One account that gives `size` dollars at a price in dollars."""
    outcome = changes.pop("outcome", "price")
    plain: dict[str, object] = dict.fromkeys(LADDER_COLUMNS, "")
    plain |= {
        "chain_id": 1,
        "block_number": 7,
        "block_timestamp": 1_000,
        "evaluated_at": 1_000,
        "block_hash": "0x" + "1" * 64,
        "protocol": "aave-v3",
        "market": "Local",
        "version": "3.6",
        "account": account or f"{side} {price}",
        "driver": "ETH/USD",
        "side": side,
        "outcome": outcome,
        "price_raw": str(price * UNIT),
        "price_usd": float(price),
        "spot_raw": str(100 * UNIT),
        "spot_usd": 100.0,
        "distance_pct": float(price - 100),
        "collateral_usd": 2 * size,
        "debt_usd": size,
        "seized_usd": size,
        "repaid_usd": size,
        "bonus_usd": 0.0,
        "bad_debt_usd": 0.0,
        "callable": True,
        "notional_usd": math.nan,
        "base_symbol": "USD",
    }
    return plain | changes


def ladder(*rungs: dict[str, object]) -> pd.DataFrame:
    return as_table(rungs, LADDER_COLUMNS)


def run(
    rungs: pd.DataFrame,
    shock: str,
    depth: Straight | None = None,
    rule: OracleRule | None = None,
    **more: Any,
) -> Cascade:
    depth = Straight(Fraction(100), Fraction(1, 10)) if depth is None else depth
    stage = RungStage(rungs, ["ETH/USD"])
    return simulate([stage], {"ETH/USD": Fraction(shock)}, {"ETH/USD": depth}, rule=rule, **more)


def rounds(found: Cascade) -> list[tuple[object, ...]]:
    """(cause, oracle, market before, market after, accounts, seized, traded) of each round."""
    names = ("cause", "oracle_usd", "market_usd", "market_after_usd", "accounts", "seized_usd", "traded_usd")
    return [tuple(row) for row in found.rounds[list(names)].itertuples(index=False, name=None)]


def test_a_fall_sells_what_breaks_and_the_sale_breaks_the_next_one() -> None:
    """100 falls to 94. The rung at 95 sells 950 / 95 = 10 tokens: 94 - 1 = 93. That breaks the rung at 93,
    which sells 1,860 / 93 = 20 tokens: 93 - 2 = 91, where nobody is."""
    found = run(ladder(rung(95, 950), rung(93, 1860), rung(80, 800)), "0.94")
    assert rounds(found) == [
        ("already", 100.0, 100.0, 100.0, 0, 0.0, 0.0),
        ("shock", 94.0, 94.0, 93.0, 1, 950.0, 940.0),
        ("deviation", 93.0, 93.0, 91.0, 1, 1860.0, 1860.0),
        ("deviation", 91.0, 91.0, 91.0, 0, 0.0, 0.0),
    ]
    assert found.ended == "quiet"
    assert (found.initial_usd, found.induced_usd, found.total_usd) == (950.0, 1860.0, 2810.0)
    assert found.branching_ratio == 1860 / 950
    assert (found.accounts, found.last_round) == (2, 2)
    assert found.final == {"ETH/USD": Fraction(91, 100)}
    assert found.change_pct("ETH/USD") == -9.0
    assert found.amplification("ETH/USD") == pytest.approx(math.log(0.91) / math.log(0.94), rel=1e-15)


def test_a_rise_buys_back_what_is_owed() -> None:
    """100 rises to 106. The short at 105 buys 1,050 / 105 = 10 tokens: 107; the long at 95 is not met."""
    found = run(ladder(rung(105, 1050, side="short"), rung(95, 950)), "1.06")
    assert rounds(found)[1:] == [
        ("shock", 106.0, 106.0, 107.0, 1, 1050.0, -1060.0),
        ("deviation", 107.0, 107.0, 107.0, 0, 0.0, 0.0),
    ]
    assert found.ended == "quiet"
    assert found.change_pct("ETH/USD") == 7.0


def test_a_rung_is_met_at_its_own_price_and_not_one_integer_before() -> None:
    assert run(ladder(rung(94, 940)), "0.94").accounts == 1
    assert run(ladder(rung(94, 940, price_raw="9399", price_usd=93.99)), "0.94").accounts == 0


def test_an_oracle_waits_for_its_deviation() -> None:
    """The sale takes 94 to 93: 106 basis points. An oracle that waits for 107 does not follow."""
    rungs = ladder(rung(95, 950), rung(93, 1860))
    followed = run(rungs, "0.94", rule=OracleRule(106, None))
    assert followed.accounts == 2
    waited = run(rungs, "0.94", rule=OracleRule(107, None))
    assert (waited.accounts, waited.ended) == (1, "quiet")
    assert waited.final == {"ETH/USD": Fraction(93, 100)}


def test_an_oracle_follows_exactly_at_its_deviation() -> None:
    """1% of 100 is exactly 100 basis points."""
    assert OracleRule(100, None).is_due(10_000, 9_900)
    assert not OracleRule(100, None).is_due(10_000, 9_901)
    assert OracleRule(100, None).is_due(10_000, 10_100)
    assert not OracleRule(0, None).is_due(10_000, 10_000), "an oracle at the price has nothing to say"
    assert not OracleRule(None, None).is_due(10_000, 10_000)
    assert OracleRule(None, None).is_due(10_000, 9_999)


def test_a_heartbeat_brings_what_the_deviation_held_back() -> None:
    found = run(ladder(rung(95, 950), rung(93, 1860)), "0.94", rule=OracleRule(107, 3600))
    assert [(row[0], row[4]) for row in rounds(found)[1:]] == [
        ("shock", 1),
        ("heartbeat", 1),
        ("deviation", 0),
    ]
    assert found.rounds["at_s"].tolist() == [0, 0, 3600, 3612]
    assert found.induced_usd == 1860.0


def test_a_heartbeat_that_was_over_long_ago_comes_in_the_next_round() -> None:
    some = ladder(rung(95, 950), rung(93, 1860))
    found = run(some, "0.94", rule=OracleRule(107, 10), round_s=60)
    assert found.rounds["at_s"].tolist() == [0, 0, 60, 120]


def test_parts_of_base_units_are_not_traded() -> None:
    """997.5 dollars at 95 are 10.5 tokens, of which the depth counts no halves: 94 - 1 = 93."""
    found = run(ladder(rung(95, 997.5)), "0.94")
    assert found.rounds["market_after_usd"].tolist()[1:] == [93.0, 93.0]
    assert run(ladder(rung(106, 1123.6, side="short")), "1.06").rounds["market_after_usd"].iloc[1] == 107.0


def test_what_is_refused_stays_refused_until_the_end() -> None:
    refused = rung(94, 0.0, callable=False, reason="paused: WETH")
    found = run(ladder(refused, rung(95, 950), rung(93, 1860)), "0.94")
    assert found.markets["refused"].tolist() == [0, 1, 1, 1]
    assert found.refused == {"paused": 1}


class Waiting(RungStage):
    """A market whose oracle waits for 5%, or 20 seconds."""

    @property
    def drivers(self) -> Mapping[str, Followed]:
        rule = OracleRule(500, 20)
        return {name: replace(found, rule=rule) for name, found in super().drivers.items()}


def test_a_heartbeat_comes_while_other_oracles_follow_their_deviation() -> None:
    """One oracle follows 94, 93, 92, 91 at 0, 12, 24, 36 seconds; at 24 the other's heartbeat is over."""
    quick = ladder(rung(95, 950), rung(93, 930), rung(92, 920))
    slow = ladder(rung(93, 93, account="late", market="Slow"))
    stages = [RungStage(quick, ["ETH/USD"]), Waiting(slow, ["ETH/USD"])]
    depth = Straight(Fraction(100), Fraction(1, 10))
    found = simulate(stages, {"ETH/USD": Fraction("0.94")}, {"ETH/USD": depth})
    assert found.rounds["at_s"].tolist()[:4] == [0, 0, 12, 24]
    assert found.rounds["cause"].tolist()[3] == "deviation"
    assert found.rounds["oracle_usd"].tolist()[2:4] == [93.0, 92.0], "the lower one, as the price falls"
    broken = found.markets[(found.markets["market"] == "Slow") & (found.markets["accounts"] > 0)]
    assert broken["round"].tolist() == [3]


def test_an_oracle_that_had_nothing_new_to_say_said_so_at_its_heartbeat() -> None:
    """The slow one waits for 5% or 20 seconds. When 94 becomes 93 under it, at 24, its beat at 20 has passed:
    the next one is at 40.
    """
    rungs = [rung(95, 950, driver="BTC/USD"), rung(93, 930, driver="BTC/USD", account="b")]
    stages = [RungStage(ladder(*rungs), ["BTC/USD"]), Late(ladder(rung(95, 950)), ["ETH/USD"], after=3)]
    depths = {name: Straight(Fraction(100), Fraction(1, 10)) for name in ("BTC/USD", "ETH/USD")}
    found = simulate(stages, dict.fromkeys(depths, Fraction("0.94")), depths)
    ether = found.rounds[found.rounds["driver"] == "ETH/USD"]
    assert ether["at_s"].tolist() == [0, 0, 12, 24, 40]
    assert ether["market_after_usd"].tolist() == [100.0, 94.0, 94.0, 93.0, 93.0]
    assert ether["oracle_usd"].tolist() == [100.0, 94.0, 94.0, 94.0, 93.0]


class Late(Waiting):
    """The same, in which nobody is liquidated in the first so many rounds."""

    def __init__(self, rungs: pd.DataFrame, drivers: Sequence[str], *, after: int) -> None:
        super().__init__(rungs, drivers)
        self.rounds_left = after

    def settle(self, at: Mapping[str, int]) -> Settled:
        self.rounds_left -= 1
        return super().settle(at if self.rounds_left < 0 else dict.fromkeys(at, 10_000))


def test_what_is_bought_once_the_price_has_fallen_to_nothing_has_no_slippage() -> None:
    """940 tokens are sold, which takes the price from 94 to exactly 0, and 100 are bought back."""
    sold = ladder(rung(95, 95 * 940))
    owed = ladder(rung(93, 100, account="b", market="B"))
    stages = [RungStage(sold, ["ETH/USD"]), Buying(owed, ["ETH/USD"])]
    depth = Straight(Fraction(100), Fraction(1, 10))
    found = simulate(stages, {"ETH/USD": Fraction("0.94")}, {"ETH/USD": depth})
    assert found.rounds["market_after_usd"].tolist()[1:3] == [0.0, 10.0]
    assert math.isnan(found.rounds["slippage_pct"].iloc[2])


class Buying(RungStage):
    """A market in which what breaks as the price falls buys 100 tokens."""

    def settle(self, at: Mapping[str, int]) -> Settled:
        settled = super().settle(at)
        return settled._replace(traded={"ETH/USD": Fraction(-100 * settled.accounts)})


def test_a_market_in_which_nobody_ever_breaks_says_where_its_driver_stands() -> None:
    never = rung(1, 0.0, outcome="never") | {"price_raw": "", "price_usd": math.nan}
    found = run(ladder(never), "0.9")
    assert (found.ended, found.accounts, found.final) == ("quiet", 0, {"ETH/USD": Fraction(9, 10)})
    assert found.markets["market"].unique().tolist() == ["Local"]


def test_a_depth_that_runs_dry_ends_it_and_says_what_is_left() -> None:
    """From 94 down to a floor of 93.5 the depth takes 5 tokens; 5 of the 10 remain, told at the 94 that they
    were to be sold from."""
    depth = Straight(Fraction(100), Fraction(1, 10), floor=Fraction(187, 2))
    found = run(ladder(rung(95, 950), rung(93, 1860)), "0.94", depth)
    assert found.ended == "depth ran dry"
    assert found.unfilled_usd == 5 * 94
    assert found.accounts == 1, "nobody is liquidated after that"


def test_what_is_liquidatable_at_spot_is_told_apart_and_not_traded() -> None:
    already = rung(100, 500, outcome="already", account="dead")
    found = run(ladder(already, rung(95, 950)), "0.96")
    assert rounds(found)[0] == ("already", 100.0, 100.0, 100.0, 1, 500.0, 500.0)
    assert found.final == {"ETH/USD": Fraction(96, 100)}
    assert (found.accounts, found.initial_usd) == (0, 0.0)
    assert math.isnan(found.branching_ratio)


def test_an_account_with_levels_on_both_sides_breaks_once() -> None:
    both = [rung(95, 950, account="both"), rung(105, 1050, side="short", account="both")]
    depth = Straight(Fraction(100), Fraction(10))
    found = run(ladder(*both, rung(106, 1060, side="short")), "1.06", depth)
    assert found.accounts == 2
    assert found.total_usd == 1050.0 + 1060.0


def test_what_the_protocol_refuses_is_counted_and_not_sold() -> None:
    refused = rung(95, 0, callable=False, reason="ReservePaused: WETH", account="a")
    untold = rung(95, math.nan, account="b")
    found = run(ladder(refused, untold), "0.94")
    assert found.final == {"ETH/USD": Fraction(94, 100)}
    assert found.accounts == 0
    assert run(ladder(refused, untold), "0.94", most_rounds=1).refused == {
        "ReservePaused": 1,
        "what a call takes is not known": 1,
    }


def test_a_perpetual_is_closed_as_a_whole() -> None:
    """The first order takes 95 dollars of a position of 950: 10 tokens are sold in the end."""
    found = run(ladder(rung(95, 95, notional_usd=950.0)), "0.94")
    assert found.final == {"ETH/USD": Fraction(93, 100)}


def test_two_markets_share_one_price_and_one_depth() -> None:
    one = ladder(rung(95, 950))
    other = ladder(rung(95, 1900, market="Other"))
    stages = [RungStage(table, ["ETH/USD"]) for table in (one, other)]
    depths = {"ETH/USD": Straight(Fraction(100), Fraction(1, 10))}
    found = simulate(stages, {"ETH/USD": Fraction("0.94")}, depths)
    assert found.final == {"ETH/USD": Fraction(91, 100)}
    sums = found.markets.groupby("market")["seized_usd"].sum()
    assert sums.to_dict() == {"Local": 950.0, "Other": 1900.0}
    assert found.initial_usd == 2850.0, "a round counts once, however many rows tell of it"


def test_a_driver_that_is_not_shocked_moves_when_its_assets_are_sold() -> None:
    rungs = ladder(rung(95, 950), rung(95, 950, driver="BTC/USD", account="x"))
    depths = {name: Straight(Fraction(100), Fraction(1, 10)) for name in ("ETH/USD", "BTC/USD")}
    stage = RungStage(rungs, list(depths))
    found = simulate([stage], {"ETH/USD": Fraction("0.94")}, depths)
    assert found.final == {"ETH/USD": Fraction(93, 100), "BTC/USD": Fraction(1)}
    assert found.initial_usd == 950.0, "a row per driver does not count a round twice"


def test_the_round_limit_is_said() -> None:
    found = run(ladder(rung(95, 950), rung(93, 1860)), "0.94", most_rounds=1)
    assert found.ended == "round limit"


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [rung(95 - k, 100.0 + k / 3, account=f"a{k}") for k in range(12)]
    one, other = run(ladder(*rows), "0.94"), run(ladder(*reversed(rows)), "0.94")
    pd.testing.assert_frame_equal(one.rounds, other.rounds)
    assert one.final == other.final


def test_a_shock_without_depth_is_refused() -> None:
    stage = RungStage(ladder(rung(95, 950)), ["ETH/USD"])
    with pytest.raises(
        InputError, match=r"no depth is known for ETH/USD\. Give each its own, such as --depth ETH/USD"
    ):
        simulate([stage], {"ETH/USD": Fraction("0.9")}, {})


def test_a_sweep_tells_from_where_on_more_is_induced_than_caused() -> None:
    """A fall of 5% or 6% breaks 950 dollars; their sale reaches 93, and 1,860 dollars, from 94 only."""
    rungs = ladder(rung(95, 950), rung(93, 1860))
    depths = {"ETH/USD": Straight(Fraction(100), Fraction(1, 10))}
    shocks = [Fraction(-6), Fraction(-5), Fraction(-4), Fraction(7)]
    table = sweep(lambda: [RungStage(rungs, ["ETH/USD"])], "ETH/USD", shocks, depths)
    assert table["shock_pct"].tolist() == [-6.0, -5.0, -4.0, 7.0]
    assert table["initial_usd"].tolist() == [950.0, 950.0, 0.0, 0.0]
    assert table["induced_usd"].tolist() == [1860.0, 0.0, 0.0, 0.0]
    assert table["final_change_pct"].tolist() == [-9.0, -6.0, -4.0, 7.0]
    assert frontier(table) == (-6.0, None)


def test_a_trade_that_costs_more_than_the_bonus_is_told() -> None:
    """10 tokens from 94 down to 93 bring 935 instead of 940 dollars: 0.53% less, 5 dollars."""
    for bonus, losing in ((5.0, None), (4.99, 1)):
        found = run(ladder(rung(95, 950, bonus_usd=bonus)), "0.94")
        assert found.rounds["slippage_pct"].iloc[1] == float(100 * Fraction(5, 940))
        assert found.losing_round == losing
    assert math.isnan(found.rounds["slippage_pct"].iloc[0]), "nothing is traded at spot"
    assert run(ladder(rung(95, 950), rung(93, 1860)), "0.94").losing_round == 1, "the first of two"
    assert run(ladder(rung(90, 900)), "0.94").losing_round is None


def test_what_is_bought_may_cost_more_than_the_bonus_too() -> None:
    assert run(ladder(rung(105, 1050, side="short", bonus_usd=1.0)), "1.06").losing_round == 1


def test_trades_along_several_drivers_cost_together_what_they_cost() -> None:
    """Each costs 5 dollars of a round whose bonus is 8; and who breaks along both is liquidated once."""
    bitcoin: dict[str, Any] = {"driver": "BTC/USD"}
    rungs = [rung(95, 950, bonus_usd=4.0), rung(95, 950, account="b", bonus_usd=4.0, **bitcoin)]
    names = ["ETH/USD", "BTC/USD"]
    depths = {name: Straight(Fraction(100), Fraction(1, 10)) for name in names}
    for more in ([], [rung(95, 950, bonus_usd=4.0, **bitcoin)]):
        stage = RungStage(ladder(*rungs, *more), names)
        found = simulate([stage], dict.fromkeys(names, Fraction("0.94")), depths)
        assert found.rounds["accounts"].tolist()[2:4] == [2, 2]
        assert found.losing_round == 1


def test_the_frontier_is_the_smallest_move_on_either_side() -> None:
    moves = {-30: 2.0, -20: 2.0, -10: 1.0, 10: 0.5, 20: 1.5, 30: 3.0}
    table = pd.DataFrame([(pct, 1.0, usd) for pct, usd in moves.items()])
    assert frontier(table.set_axis(["shock_pct", "initial_usd", "induced_usd"], axis=1)) == (-20.0, 20.0)


def test_what_many_rungs_sell_has_few_digits() -> None:
    """Prices below one another's fractions would make a number with all their digits."""
    rungs = [rung(95, 100 / 3, account=f"a{k}", price_raw=str(9_500 + 2 * k + 1)) for k in range(200)]
    stage = RungStage(ladder(*rungs), ["ETH/USD"])
    sold = stage.settle({"ETH/USD": 9_000}).traded["ETH/USD"]
    assert 10**18 % sold.denominator == 0
    each = [Fraction(100 / 3) * 100 / (9_500 + 2 * k + 1) for k in range(200)]
    assert 0 <= sum(each) - sold < Fraction(200, 10**18)


def test_a_fresh_start_forgets_what_was_reached() -> None:
    stage = RungStage(ladder(rung(95, 950), rung(94, 0, callable=False, reason="Paused")), ["ETH/USD"])
    first = stage.settle({"ETH/USD": 9_400})
    assert (first.calls, first.refused) == (1, {"Paused": 1})
    assert stage.settle({"ETH/USD": 9_400}).calls == 0
    assert stage.fresh().settle({"ETH/USD": 9_400}) == first
    assert stage.fresh().settle({"ETH/USD": 9_500}).refused == {}
