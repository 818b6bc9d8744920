"""A simulated cascade is made for real: Aave's calls, Uniswap's swaps, and an oracle that is told each price.

All of it in one block, for the simulation lets no interest accrue between rounds; and once more block by
block, where it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

import pytest

from defiliq.depth.uniswap_v3 import PoolV3
from defiliq.model.cascade import Cascade, OracleRule
from defiliq.model.cascade.simulate import ROUND_S
from defiliq.pipeline.cascade import cascade
from tests.lab import Lab
from tests.model.on_chain import (
    BTC,
    ETH,
    Happened,
    Place,
    calls_at,
    happened,
    left_with,
    read_again,
    seeded,
)

pytestmark = pytest.mark.lab
Rows: TypeAlias = dict[str, Any]
"""Driver to its row of one round."""
COUNTED = ("accounts", "calls", "seized_usd", "repaid_usd", "bonus_usd")
DEVIATION_BPS = 50


def rounds_of(found: Cascade) -> Iterator[Rows]:
    """From the shock on; what breaks at spot, nobody here does."""
    for number, rows in found.rounds.groupby("round"):
        if number:
            yield {row["driver"]: row for _, row in rows.iterrows()}


def answers(place: Place, rows: Rows) -> dict[str, int]:
    """The oracle's integers in one round."""
    return {name: round(row["oracle_usd"] * place.driver(name).unit) for name, row in rows.items()}


@pytest.mark.parametrize(
    ("fixture", "seed", "shock"),
    [
        ("lab_v36", 1, {ETH: -8}),
        ("lab_v36", 1, {ETH: -12}),
        ("lab_v36", 3, {ETH: 20}),
        ("lab_v36", 4, {ETH: -28, BTC: 0}),
        ("lab_v36", 5, {ETH: -20, BTC: 0}),
        ("lab_v36", 2, {ETH: -20, BTC: -10}),
        ("lab_v30", 1, {ETH: -20, BTC: 0}),
    ],
)
def test_what_is_simulated_is_what_happens(
    request: pytest.FixtureRequest, fixture: str, seed: int, shock: Mapping[str, int]
) -> None:
    """A driver that is shocked by 0 has a pool, and moves only by what is sold there."""
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        place = seeded(lab, seed, sorted(shock))
        moves = [f"{name}={percent:+}%" for name, percent in shock.items() if percent]
        found = cascade([place.book], moves, place.pools, rule=OracleRule(DEVIATION_BPS, heartbeat_s=None))
        assert found.last_round >= 2
        assert found.ended == "quiet"
        pools = {
            name: pool.at_price(pool.price * (1 + Fraction(shock[name], 100)))
            for name, pool in place.pools.items()
        }
        moved = [name for name in pools if shock[name]]
        sent, accounts = [[place.arbitrage(name, pools[name]) for name in moved]], list(place.book.accounts())
        for rows in rounds_of(found):
            told = answers(place, rows)
            made, accounts = calls_at(place.at(told), accounts)
            calls = [place.call(account, taken) for account, taken in made]
            trades = [place.trade(name, left_with(made, place.token(name))) for name in rows]
            sent.append([*place.tell(told), *calls, *(tx for trade in trades for tx in trade)])
        first, *done = happened(place, sent)
        for name in moved:
            pool = pools[name]
            assert first.swaps[pool.address][2:] == (pool.sqrt_price_x96, pool.liquidity)
        for rows, there in zip(rounds_of(found), done, strict=True):
            expected = calls_of(place, answers(place, rows), there)
            assert all(row[[*COUNTED]].to_dict() == expected for row in rows.values())
        prices = {
            name: trades_as_said(place, found, name, Fraction(100 + shock[name], 100), pools[name], done)
            for name in pools
        }
        assert all(prices[name] != pool.price for name, pool in pools.items()), "nothing was traded"
        book, at_end = read_again(lab, place.book.owners, [pool.address for pool in pools.values()])
        assert list(book.accounts()) == accounts
        assert [pool.price for pool in at_end] == [*prices.values()]


def calls_of(place: Place, told: Mapping[str, int], there: Happened) -> dict[str, float]:
    """What a round's events come to at the oracle's prices, as the simulation counts."""
    market = place.at(told)
    position = {reserve.asset: k for k, reserve in enumerate(market.reserves)}
    seized = repaid = 0
    for call in there.calls:
        held, owed = position[call.seized_asset], position[call.repaid_asset]
        seized += call.seized * market.price_of(held) // market.reserves[held].unit
        repaid -= -call.repaid * market.price_of(owed) // market.reserves[owed].unit
    return {
        "accounts": len({call.owner for call in there.calls}),
        "calls": len(there.calls),
        "seized_usd": seized / market.base_unit,
        "repaid_usd": repaid / market.base_unit,
        "bonus_usd": (seized - repaid) / market.base_unit,
    }


def trades_as_said(
    place: Place, found: Cascade, name: str, shock: Fraction, pool: PoolV3, done: Sequence[Happened]
) -> Fraction:
    """Amounts and prices out of one pool's own events; the price that the last swap leaves."""
    driver, anchor, price = place.driver(name), pool.price, pool.price
    spot, unit = Fraction(driver.spot, driver.unit), 10**pool.base.decimals
    told = driver.spot * shock
    for rows, there in zip(rounds_of(found), done, strict=True):
        row, before = rows[name], shock * price / anchor
        if abs(driver.spot * before - told) * 10_000 >= DEVIATION_BPS * told:
            told = driver.spot * before
        assert answers(place, rows)[name] == int(told)
        assert row["market_usd"] == float(spot * before)
        sold, swap = 0, there.swaps.get(pool.address)
        if swap is not None:
            sold = swap.amount0 if pool.base_is_token0 else swap.amount1
            price = replace(pool, sqrt_price_x96=swap.sqrt_price_x96).price
        assert row["traded_usd"] == float(spot * before * Fraction(sold, unit))
        assert row["market_after_usd"] == float(spot * shock * price / anchor)
        assert row["unfilled_usd"] == 0
    assert found.final[name] == shock * price / anchor
    return price


def test_block_by_block_interest_moves_it_by_little(lab_v36: Lab) -> None:
    """The same calls, twelve seconds and a sale apart, each price taken from the pool: within a millionth."""
    with lab_v36.rewinding():
        place = seeded(lab_v36, 1, [ETH])
        found = cascade([place.book], f"{ETH}=-12%", place.pools, rule=OracleRule(DEVIATION_BPS, None))
        shock, driver, weth = Fraction(88, 100), place.driver(ETH), place.token(ETH)
        pool = place.pools[ETH].at_price(place.pools[ETH].price * shock)
        happened(place, [[place.arbitrage(ETH, pool)]])
        accounts, price, asset = (
            list(place.book.accounts()),
            pool.price,
            place.book.market.reserves[weth].asset,
        )
        for k, rows in enumerate(rounds_of(found), start=1):
            told = {ETH: int(driver.spot * shock * price / pool.price)}
            assert told[ETH] == pytest.approx(answers(place, rows)[ETH], rel=1e-6)
            made, accounts = calls_at(place.at(answers(place, rows)), accounts)
            calls = [place.call(account, taken) for account, taken in made]
            (there,) = happened(place, [[*place.tell(told), *calls]], ROUND_S * k)
            sold = sum(call.seized for call in there.calls if call.seized_asset == asset)
            sold -= sum(call.repaid for call in there.calls if call.repaid_asset == asset)
            assert sold == pytest.approx(left_with(made, weth), rel=1e-6)
            if sold:
                (there,) = happened(place, [place.trade(ETH, sold)], ROUND_S * k + 1)
                price = replace(pool, sqrt_price_x96=there.swaps[pool.address].sqrt_price_x96).price
        assert float(shock * price / pool.price) == pytest.approx(float(found.final[ETH]), rel=1e-6)
