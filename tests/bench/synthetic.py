"""A seeded book of made-up accounts, as columns: shapes, sizes and health as live Aave markets have them.

Health factors run from 0.9 to 10 with a dense region around 1 that comes as close as 1e-16; sizes from dust
of a few base units to whales far above 2**64. Nothing here is read from a chain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Amounts, Book
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.units import BPS, RAY
from tests.builders import NOW, plain_market, plain_reserve

NO_ADDRESS = "0x" + "00" * 20
BASE_UNIT = 10**8

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESERVES = (
    # symbol, decimals, price in 1e-8 dollars, threshold, LTV, bonus, popularity, in which eMode
    ("WETH", 18, 2_795_31640000, 8300, 8050, 10500, 30, 1),
    ("wstETH", 18, 3_409_11872511, 8100, 7850, 10600, 14, 1),
    ("weETH", 18, 3_019_40268211, 8000, 7750, 10700, 10, 1),
    ("rETH", 18, 3_214_00955102, 7900, 7450, 10750, 2, 1),
    ("cbETH", 18, 3_101_77213005, 7900, 7500, 10750, 1, 1),
    ("WBTC", 8, 86_512_34000000, 7800, 7300, 10500, 12, 0),
    ("cbBTC", 8, 86_571_15000000, 7800, 7300, 10600, 6, 0),
    ("tBTC", 18, 86_422_60000000, 7800, 7300, 10750, 1, 0),
    ("USDC", 6, 99987000, 7800, 7500, 10450, 40, 2),
    ("USDT", 6, 99965843, 7800, 7500, 10450, 34, 2),
    ("DAI", 18, 99979112, 7700, 6300, 10500, 8, 2),
    ("USDe", 18, 99890000, 7500, 7200, 10850, 5, 2),
    ("GHO", 18, 100000000, 0, 0, 0, 7, 0),
    ("osETH", 18, 2_951_40021700, 7500, 7250, 10750, 1, 1),
    ("EURC", 6, 115_300000, 7800, 7500, 10500, 1, 0),
    ("LINK", 18, 12_86540000, 7100, 6600, 10700, 5, 0),
    ("AAVE", 18, 168_42000000, 7600, 6900, 10750, 4, 0),
    ("UNI", 18, 6_07700000, 7400, 6500, 11000, 1, 0),
    ("rsETH", 18, 2_968_77134952, 7500, 7200, 10750, 2, 1),
    ("CRV", 18, 40117000, 4100, 3500, 10830, 1, 0),
)
EMODES = ((1, "ETH correlated", 9300, 9500, 10100), (2, "Stablecoins", 9000, 9300, 10200))

SHAPES = (
    # collateral legs, debt legs, share; a collateral that is also the debt is (0, 0): one leg with both sides
    (1, 0, 0.08),
    (0, 1, 0.01),
    (1, 1, 0.46),
    (2, 1, 0.20),
    (1, 2, 0.08),
    (3, 1, 0.06),
    (2, 2, 0.06),
    (1, 3, 0.02),
    (0, 0, 0.03),
)
EDGE_SHARE, DENSE_SHARE = 0.001, 0.20
DUST_SHARE, WHALE_SHARE = 0.05, 0.002


def synthetic_market() -> AaveMarket:
    """Twenty reserves of 6, 8 and 18 decimals whose indices have accrued for years, and two eModes."""
    reserves = tuple(_reserve(position) for position in range(len(RESERVES)))
    emodes = {row[0]: _emode(row, reserves) for row in EMODES}
    return plain_market(reserves, [row[2] for row in RESERVES], name="Synthetic", emodes=emodes)


def _reserve(position: int) -> AaveReserve:
    symbol, decimals, _, threshold_bps, ltv_bps, bonus_bps, _, _ = RESERVES[position]
    grown = (position * 7919 + 1234567) * RAY // 1_000_000
    return plain_reserve(
        position,
        symbol,
        decimals,
        ltv_bps=ltv_bps,
        liquidation_threshold_bps=threshold_bps,
        liquidation_bonus_bps=bonus_bps,
        liquidity_index_ray=RAY + grown // 9 + 987654321 * position,
        liquidity_rate_ray=RAY * (3 + position) // 311,
        variable_borrow_index_ray=RAY + grown // 6 + 123456789 * position,
        variable_borrow_rate_ray=RAY * (5 + position) // 307,
        updated_at=NOW - 12 * (1 + position * position),
    )


def _emode(row: tuple[int, str, int, int, int], reserves: tuple[AaveReserve, ...]) -> EMode:
    category, label, ltv_bps, threshold_bps, bonus_bps = row
    members = sum(1 << reserve.id for reserve in reserves if RESERVES[reserve.id][7] == category)
    return EMode(
        id=category,
        label=label,
        ltv_bps=ltv_bps,
        liquidation_threshold_bps=threshold_bps,
        liquidation_bonus_bps=bonus_bps,
        collateral_bitmap=members,
        borrowable_bitmap=members,
    )


def synthetic_book(market: AaveMarket, accounts: int, seed: int) -> Book[AaveMarket]:
    """`accounts` accounts of one to four legs."""
    rng = np.random.default_rng(seed)
    table = np.array([shape[:2] for shape in SHAPES])
    shape = rng.choice(len(SHAPES), size=accounts, p=np.array([shape[2] for shape in SHAPES]))
    backing, owing = table[shape, 0], table[shape, 1]
    both = (backing == 0) & (owing == 0)
    legs_of = np.where(both, 1, backing + owing)
    first_leg = np.concatenate(([0], np.cumsum(legs_of))).astype(np.int64)
    account = np.repeat(np.arange(accounts), legs_of)
    place = np.arange(first_leg[-1]) - first_leg[account]
    supplied = (place < backing[account]) | both[account]
    owed = (place >= backing[account]) | both[account]
    reserves = _chosen_reserves(rng, accounts)[account, place]
    modes = rng.choice(3, size=accounts, p=(0.78, 0.16, 0.06)).astype(np.uint8)
    counted = supplied & (rng.random(len(account)) > 0.03)

    thresholds, income, debt_index, price = _columns(market)
    size = _sizes(rng, accounts)[account]
    values = np.where(supplied, size * _split(rng, account, accounts, supplied), 0.0)
    threshold = thresholds[modes[account].astype(np.intp), reserves]
    weighted = np.bincount(account, np.where(counted, values * threshold, 0.0), minlength=accounts)
    wanted = weighted / _health_factors(rng, accounts)
    unbacked = weighted == 0.0
    wanted[unbacked] = rng.lognormal(1.0, 3.0, size=accounts)[unbacked]
    debts = np.where(owed, wanted[account] * _split(rng, account, accounts, owed), 0.0)
    return Book(
        market=market,
        owners=rng.integers(0, 256, size=(accounts, 20), dtype=np.uint8),
        modes=modes,
        first_leg=first_leg,
        reserves=reserves.astype(np.int16),
        collateral=_amounts(rng, values / (price * income)[reserves]),
        debt=_amounts(rng, debts / (price * debt_index)[reserves]),
        counted=counted,
    )


def _columns(market: AaveMarket) -> tuple[Floats, Floats, Floats, Floats]:
    """Thresholds as shares per mode and reserve; both indices; dollars per token base unit."""
    thresholds = np.empty((len(EMODES) + 1, len(RESERVES)))
    for mode in range(len(EMODES) + 1):
        for k, reserve in enumerate(market.reserves):
            inside = mode > 0 and RESERVES[k][7] == mode
            bps = EMODES[mode - 1][3] if inside else reserve.liquidation_threshold_bps
            thresholds[mode, k] = bps / BPS
    income = np.array([reserve.income_ray / RAY for reserve in market.reserves])
    debt_index = np.array([reserve.debt_ray / RAY for reserve in market.reserves])
    units = np.array([float(BASE_UNIT * reserve.unit) for reserve in market.reserves])
    return thresholds, income, debt_index, np.array(market.prices, dtype=np.float64) / units


def _chosen_reserves(rng: np.random.Generator, accounts: int) -> Ints:
    """(accounts, 4) distinct reserves, the popular ones more often (the largest of weighted random keys)."""
    weight = np.array([float(row[6]) for row in RESERVES])
    chosen = np.empty((accounts, 4), dtype=np.int64)
    for start in range(0, accounts, 100_000):  # in slices, to keep the keys small
        part = chosen[start : start + 100_000]
        keys = rng.exponential(size=(len(part), len(RESERVES))) / weight
        nearest = np.argpartition(keys, 4, axis=1)[:, :4]
        part[:] = np.take_along_axis(nearest, np.take_along_axis(keys, nearest, 1).argsort(axis=1), 1)
    return chosen


def _sizes(rng: np.random.Generator, accounts: int) -> Floats:
    """Dollars of collateral: most between ten and a million, some dust, a few whales."""
    size = rng.lognormal(np.log(3_000.0), 2.3, size=accounts)
    kind = rng.random(accounts)
    size = np.where(kind < DUST_SHARE, 10.0 ** rng.uniform(-6.0, 0.0, accounts), size)
    return np.where(kind > 1.0 - WHALE_SHARE, 10.0 ** rng.uniform(7.0, 9.7, accounts), size)


def _health_factors(rng: np.random.Generator, accounts: int) -> Floats:
    """0.9 to 10: a lognormal body, a dense region around 1, and a few at 1 give or take 1e-3 to 1e-16."""
    factor = 1.02 + rng.lognormal(-0.6, 0.9, size=accounts)
    kind = rng.random(accounts)
    side = np.where(rng.random(accounts) < 0.5, -1.0, 1.0)
    factor = np.where(kind < DENSE_SHARE, rng.normal(1.05, 0.05, size=accounts), factor)
    factor = np.where(kind < EDGE_SHARE, 1.0 + side * 10.0 ** -rng.uniform(3.0, 16.0, accounts), factor)
    return np.clip(factor, 0.9, 10.0)


def _split(rng: np.random.Generator, account: Ints, accounts: int, chosen: NDArray[np.bool_]) -> Floats:
    """The share of each chosen leg in its account's total."""
    weight = np.where(chosen, rng.exponential(size=len(account)) + 0.01, 0.0)
    total = np.bincount(account, weight, minlength=accounts)
    return np.divide(weight, total[account], out=np.zeros_like(weight), where=chosen)


def _amounts(rng: np.random.Generator, units: Floats) -> Amounts:
    """The integers nearest to some doubles, with random bits below the doubles' precision."""
    units = np.floor(units)
    high = np.floor(units / 2.0**64)
    low = (units - high * 2.0**64).astype(np.uint64)
    noise = rng.integers(0, 1 << 8, size=len(units), dtype=np.uint64)
    return Amounts(high.astype(np.uint64), np.where(units > 2.0**61, low ^ noise, low))
