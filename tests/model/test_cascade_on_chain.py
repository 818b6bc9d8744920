"""A simulated cascade is made for real: Aave's calls, Uniswap's swaps, and an oracle that is told each price.

All of it in one block, for the simulation lets no interest accrue between rounds.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from defiliq.depth.uniswap_v3 import PoolV3
from defiliq.model.cascade import Cascade, OracleRule
from defiliq.pipeline.cascade import cascade
from tests.lab import Lab
from tests.model.on_chain import ETH, Happened, Place, calls_at, happened, read_again, seeded, traded

pytestmark = pytest.mark.lab
COUNTED = ("accounts", "calls", "seized_usd", "repaid_usd", "bonus_usd")
RULE = OracleRule(deviation_bps=50, heartbeat_s=None)


def answers(found: Cascade) -> list[int]:
    """The oracle's integers, round by round from the shock on."""
    return [round(price * 10**8) for price in found.rounds["oracle_usd"][1:]]


@pytest.mark.parametrize(
    ("fixture", "seed", "shock_pct"),
    [
        ("lab_v36", 1, -8),
        ("lab_v36", 2, -12),
        ("lab_v36", 3, -25),
        ("lab_v36", 1, 20),
        ("lab_v30", 2, -12),
    ],
)
def test_what_is_simulated_is_what_happens(
    request: pytest.FixtureRequest, fixture: str, seed: int, shock_pct: int
) -> None:
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        place = seeded(lab, seed)
        found = cascade([place.book], f"{ETH}={shock_pct:+}%", {ETH: place.pool}, rule=RULE)
        assert found.last_round >= 2
        assert found.ended == "quiet"
        ratio = 1 + Fraction(shock_pct, 100)
        shocked = place.pool.at_price(place.pool.price * ratio)
        rounds, accounts = [[place.arbitrage(shocked)]], list(place.book.accounts())
        for answer in answers(found):
            made, accounts = calls_at(place, accounts, answer)
            sold = traded(place, made)
            calls = [place.call(account, taken) for account, taken in made]
            rounds.append([place.answer(answer), *calls, *(place.trade(sold) if sold else ())])
        first, *done = happened(place, rounds)
        assert first.swap is not None
        assert (first.swap.sqrt_price_x96, first.swap.liquidity) == (
            shocked.sqrt_price_x96,
            shocked.liquidity,
        )
        for (_, row), answer, there in zip(found.rounds[1:].iterrows(), answers(found), done, strict=True):
            assert calls_of(place, answer, there) == row[[*COUNTED]].to_dict()
        price = traded_as_said(place, found, shocked, ratio, done)
        assert found.final[ETH] == ratio * price / shocked.price
        book, pool = read_again(lab, place.book.owners, place.pool.address)
        assert list(book.accounts()) == accounts
        assert pool.price == price


def calls_of(place: Place, answer: int, there: Happened) -> dict[str, float]:
    """What a round's events come to at the oracle's prices, as the simulation counts."""
    market = place.at(answer)
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


def traded_as_said(
    place: Place, found: Cascade, pool: PoolV3, ratio: Fraction, done: list[Happened]
) -> Fraction:
    """Amounts and prices out of the pool's own events; the price that the last swap leaves."""
    spot, anchor, price = Fraction(place.driver.spot, place.driver.unit), pool.price, pool.price
    for (_, row), there in zip(found.rounds[1:].iterrows(), done, strict=True):
        before = ratio * price / anchor
        assert row["market_usd"] == float(spot * before)
        sold = 0
        if there.swap is not None:
            sold = there.swap.amount0 if pool.base_is_token0 else there.swap.amount1
            price = replace(pool, sqrt_price_x96=there.swap.sqrt_price_x96).price
        assert row["traded_usd"] == float(spot * before * Fraction(sold, 10**18))
        assert row["market_after_usd"] == float(spot * ratio * price / anchor)
        assert row["unfilled_usd"] == 0
    return price
