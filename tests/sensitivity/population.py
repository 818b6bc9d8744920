"""Seeded accounts of real-like size and health, in whole dollars and ten-thousandths, so that every machine
draws the same integers.

Debts are lognormal, and so is the health factor's excess over 1: both fitted to the 304 accounts of at least
100 dollars of stablecoin debt against staked ether on Aave v3 Ethereum in June 2023, which
github lidofinance/aave-liquidation-model has (commit a44561e9, data/b21_debt_stables_v3.csv): means of the
logarithms 10.17 and 0.166, deviations 2.05 and 1.04. How many accounts are of which kind is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from defiliq.book import Book
from defiliq.types import Account, Leg
from defiliq.units import BPS, WAD
from tests.builders import address
from tests.dydx.population import owner
from tests.sensitivity import markets

ACCOUNTS = 3_000
SEED = 43
DEBT_LOG_MEAN, DEBT_LOG_DEVIATION = 10.17, 2.05
EXCESS_LOG_MEAN, EXCESS_LOG_DEVIATION = 0.166, 1.04
LOOP_MEAN, LOOP_DEVIATION = 0.03, 0.02
LEAVES_BPS = 5
"""The least excess of a health factor over 1, in ten-thousandths: nobody is liquidatable at spot."""

Weights = Mapping[str, int]
ETHER = {"WETH": 50, "wstETH": 25, "weETH": 15, "rETH": 3, "cbETH": 3, "osETH": 2, "ETHx": 2}
BITCOIN = {"WBTC": 60, "cbBTC": 30, "tBTC": 10}
DOLLARS = {"USDC": 42, "USDT": 38, "GHO": 7, "DAI": 6, "USDS": 5, "PYUSD": 2}
AAVE_KINDS: Mapping[str, tuple[int, Sequence[Weights], Weights, int]] = {
    # what: accounts in a hundred, collaterals, debts, eMode
    "long ether": (50, (ETHER,), DOLLARS, 0),
    "long bitcoin": (17, (BITCOIN,), DOLLARS, 0),
    "long both": (10, (ETHER, BITCOIN), DOLLARS, 0),
    "staked ether against ether": (13, ({"wstETH": 55, "weETH": 40, "rETH": 5},), {"WETH": 1}, 1),
    "short ether": (5, ({"USDC": 60, "USDT": 40},), {"WETH": 1}, 0),
    "sUSDe against dollars": (5, ({"sUSDe": 70, "USDe": 30},), {"USDC": 40, "USDT": 60}, 2),
}
COMET_COLLATERAL = {"WETH": 55, "WBTC": 33, "LINK": 8, "UNI": 4}
PERPETUALS = {"ETH-USD": 45, "BTC-USD": 35, "SOL-USD": 10, "LINK-USD": 5, "AVAX-USD": 5}
LEVERAGE_LOG_MEAN, LEVERAGE_LOG_DEVIATION = 1.1, 0.7
LEAST_LEVERAGE, MOST_LEVERAGE = 0.5, 12.0
HOUSE_LEVERAGE_BPS = 5_000


def _dollars(random: Random) -> int:
    return max(100, round(random.lognormvariate(DEBT_LOG_MEAN, DEBT_LOG_DEVIATION)))


def _health_bps(random: Random) -> int:
    return BPS + max(LEAVES_BPS, round(BPS * random.lognormvariate(EXCESS_LOG_MEAN, EXCESS_LOG_DEVIATION)))


def _loop_health_bps(random: Random) -> int:
    return BPS + max(LEAVES_BPS, round(BPS * abs(random.gauss(LOOP_MEAN, LOOP_DEVIATION))))


def _pick(random: Random, weights: Weights) -> str:
    (picked,) = random.choices(list(weights), list(weights.values()))
    return picked


def _backing(
    market: Any, held: Sequence[int], needed_base: int, threshold: Callable[[int], tuple[int, int]]
) -> list[Leg]:
    """Collateral of some reserves, in equal parts, that counts as `needed_base` or a little more."""
    legs = []
    for k in sorted(set(held)):
        counts, unit = threshold(k)
        value = -(-needed_base * unit // (len(set(held)) * counts))
        legs.append(Leg(k, -(-value * market.reserves[k].unit // market.price_of(k)), 0, True))
    return legs


def aave_book(count: int = ACCOUNTS, seed: int = SEED) -> Book[Any]:
    """Accounts of six kinds on Aave v3's core pool."""
    random, market = Random(seed), markets.aave()
    place = {reserve.symbol: k for k, reserve in enumerate(market.reserves)}
    accounts = []
    for number in range(1, count + 1):
        (kind,) = random.choices(list(AAVE_KINDS), [row[0] for row in AAVE_KINDS.values()])
        _, collaterals, debts, mode = AAVE_KINDS[kind]
        owed, held = place[_pick(random, debts)], [place[_pick(random, each)] for each in collaterals]
        debt_base = _dollars(random) * market.base_unit
        health_bps = _loop_health_bps(random) if mode else _health_bps(random)

        def threshold(k: int, mode: int = mode) -> tuple[int, int]:
            own = market.reserves[k].liquidation_threshold_bps
            return (market.emodes[mode].liquidation_threshold_bps if mode else own), BPS

        debt = Leg(owed, 0, debt_base * market.reserves[owed].unit // market.price_of(owed), False)
        legs = _backing(market, held, debt_base * health_bps // BPS, threshold)
        accounts.append(
            Account(address(number), mode, tuple(sorted([*legs, debt], key=lambda leg: leg.reserve)))
        )
    return Book.build(market, accounts)


def dollar_comet_book(count: int = ACCOUNTS, seed: int = SEED) -> Book[Any]:
    """Accounts that owe USDC against one or two collaterals."""
    random, market = Random(seed), markets.dollar_comet()
    place = {reserve.symbol: k for k, reserve in enumerate(market.reserves)}
    accounts = []
    for number in range(1, count + 1):
        held = [place[_pick(random, COMET_COLLATERAL)] for _ in range(random.choice((1, 1, 1, 2)))]
        debt_base = _dollars(random) * market.base_unit
        accounts.append(_borrower(market, number, held, debt_base, _health_bps(random)))
    return Book.build(market, accounts)


def ether_comet_book(count: int = ACCOUNTS, seed: int = SEED) -> Book[Any]:
    """Accounts that owe WETH against staked ether."""
    random, market = Random(seed), markets.ether_comet()
    ether = markets.answers()["WETH"]
    accounts = []
    for number in range(1, count + 1):
        (held,) = random.choices((1, 2), (15, 85))
        debt_base = _dollars(random) * markets.PRICE_UNIT * market.base_unit // ether
        accounts.append(_borrower(market, number, [held], debt_base, _loop_health_bps(random)))
    return Book.build(market, accounts)


def _borrower(market: Any, number: int, held: Sequence[int], debt_base: int, health_bps: int) -> Account:
    owed = debt_base * market.reserves[0].unit // market.price_of(0)
    legs = _backing(
        market,
        held,
        debt_base * health_bps // BPS,
        lambda k: (market.reserves[k].liquidate_factor_wad, WAD),
    )
    return Account(address(number), 0, (Leg(0, 0, owed, False), *legs))


def dydx_book(count: int = ACCOUNTS, seed: int = SEED) -> Book[Any]:
    """Subaccounts with one or two positions, half of them short, and a house on the other side of all.

    Sizes are drawn as debts are, leverages from a lognormal with the median 3; the latter is made up.
    """
    random, market = Random(seed), markets.dydx()
    place = {reserve.symbol: k for k, reserve in enumerate(market.reserves)}
    net: dict[int, int] = {}
    accounts = []
    for number in range(1, count + 1):
        chosen = {place[_pick(random, PERPETUALS)] for _ in range(random.choice((1, 1, 1, 2)))}
        sizes = {}
        for k in sorted(chosen):
            sizes[k] = random.choice((-1, 1)) * _quantums(market, k, _dollars(random))
            net[k] = net.get(k, 0) - sizes[k]
        leverage = random.lognormvariate(LEVERAGE_LOG_MEAN, LEVERAGE_LOG_DEVIATION)
        bps = round(BPS * min(max(leverage, LEAST_LEVERAGE), MOST_LEVERAGE))
        accounts.append(_trader(market, owner(number, seed), sizes, bps))
    accounts.append(_trader(market, owner(0, seed), net, HOUSE_LEVERAGE_BPS))
    return Book.build(_interested(market, accounts), accounts)


def _quantums(market: Any, k: int, dollars: int) -> int:
    """A position of about so many dollars, in whole steps."""
    perpetual = market.reserves[k]
    step: int = max(1, perpetual.step_base_quantums)
    per_step = _value(market, k, step * 10**6)
    return max(1, dollars * 10**12 // per_step) * step


def _value(market: Any, k: int, quantums: int) -> int:
    """Quote quantums of a position, towards zero."""
    power = market.reserves[k].quantum_exponent
    size = abs(quantums) * market.price_of(k)
    size = size * 10**power if power >= 0 else size // 10**-power
    return int(size) if quantums >= 0 else -int(size)


def _trader(market: Any, name: str, sizes: Mapping[int, int], leverage_bps: int) -> Account:
    """A subaccount whose net collateral is its positions' size over its leverage."""
    values = {k: _value(market, k, size) for k, size in sizes.items() if size}
    equity = sum(map(abs, values.values())) * BPS // leverage_bps
    usdc = equity - sum(values.values())
    legs = [_signed(0, usdc, 0)]
    legs += [_signed(k, sizes[k], market.reserves[k].funding_index) for k in sorted(values)]
    return Account(f"{name}/0", 0, tuple(legs))


def _signed(k: int, size: int, index: int) -> Leg:
    return Leg(k, max(0, size), max(0, -size), True, funding_index=index)


def _interested(market: Any, accounts: Sequence[Account]) -> Any:
    """The market whose open interest is what the accounts are long."""
    from dataclasses import replace

    longs: dict[int, int] = {}
    for account in accounts:
        for leg in account.legs[1:]:
            longs[leg.reserve] = longs.get(leg.reserve, 0) + leg.collateral
    reserves = [
        replace(each, open_interest=longs.get(k, 0)) if k else each for k, each in enumerate(market.reserves)
    ]
    return replace(market, reserves=tuple(reserves))
