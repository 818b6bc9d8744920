"""A seeded book of Solo Margin: pars around what collateralizes them, in four markets with premiums."""

from __future__ import annotations

from random import Random

from defiliq.book import Book
from defiliq.protocols.dydx_solo.market import LIQUID, NORMAL, SoloMarket
from defiliq.types import Account, Leg
from defiliq.units import WAD
from tests.builders import address
from tests.protocols.dydx_solo.states import DOLLAR, listed, solo

PRICES = (2_800 * 10**18, 15 * 10**18, 10**30, 10**18)
LIQUID_SHARE = 0.05


def solo_market(least_debt_base: int = 0) -> SoloMarket:
    """Ether, a volatile token, and dollars of 6 and 18 decimals. No two pairs have one spread."""
    reserves = [
        listed(0, 18, spread_premium_wad=WAD // 5, supply_index_wad=WAD * 107 // 100 + 3),
        listed(
            1,
            18,
            margin_premium_wad=WAD // 10,
            spread_premium_wad=WAD // 20,
            borrow_index_wad=WAD * 117 // 100 + 9,
        ),
        listed(2, 6, supply_index_wad=WAD * 101 // 100 + 3, borrow_index_wad=WAD * 119 // 100 + 9),
        listed(3, 18, margin_premium_wad=WAD // 5, spread_premium_wad=WAD // 10),
    ]
    return solo(reserves, PRICES, min_borrowed_value_base=least_debt_base)


def solo_book(accounts: int, seed: int, least_debt_base: int = 0) -> Book[SoloMarket]:
    """Accounts of two to four markets, most of them near the edge."""
    market, random = solo_market(least_debt_base), Random(seed)
    return Book.build(market, [_account(k, market, random) for k in range(1, accounts + 1)])


def _account(number: int, market: SoloMarket, random: Random) -> Account:
    chosen = random.sample(range(4), random.choice((2, 2, 3, 4)))
    backing = random.randint(1, len(chosen) - 1)
    size, pars, weighted = random.lognormvariate(8, 2.3), dict[int, int](), 0.0
    for k in chosen[:backing]:
        value, reserve = size * (0.1 + random.random()), market.reserves[k]
        pars[k] = int(value * DOLLAR / PRICES[k])
        weighted += value * reserve.supply_index_now_wad / (WAD + reserve.margin_premium_wad)
    health = random.choice((random.uniform(0.8, 1.3), random.uniform(0.97, 1.03)))
    parts = [0.1 + random.random() for _ in chosen[backing:]]
    for k, part in zip(chosen[backing:], parts, strict=True):
        reserve = market.reserves[k]
        value = weighted / 1.15 / health * part / sum(parts) * WAD / (WAD + reserve.margin_premium_wad)
        pars[k] = -int(value * DOLLAR / PRICES[k] * WAD / reserve.borrow_index_now_wad)
    legs = tuple(Leg(k, max(0, par), max(0, -par), True) for k, par in sorted(pars.items()) if par)
    status = LIQUID if random.random() < LIQUID_SHARE else NORMAL
    return Account(f"{address(number)}/0", status, legs)
