"""Ladders and heats for pictures: levels as somebody would write them down."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import networkx as nx
import numpy as np
import pandas as pd

from defiliq.depth.curve import Curve, curve
from defiliq.depth.impact import SquareRootImpact, square_root_impact
from defiliq.depth.venue import Token
from defiliq.ladder import EVENT_COLUMNS, LADDER_COLUMNS, as_table
from defiliq.model.analysis import Analysis, analyse
from defiliq.model.cascade import Cascade, RungStage, simulate, sweep
from defiliq.model.contagion import Place, build_contagion
from defiliq.model.heat import Heat, build_heat
from defiliq.model.impact import impact, price_after
from defiliq.model.over_time import Frame, HeatOverTime, Moment, frame, over_time

SEED_LEVELS = (
    *((56_800, 16e6), (56_750, 22.31e6), (56_620, 19.22e6), (56_490, 34.04e6)),
    *((56_360, 23.24e6), (56_230, 19.52e6), (56_100, 19.37e6)),
)
"""Price and dollars of the published example, below a spot of 57,000."""

ORACLE_UNIT = 10**8
BLOCK_AT = 1_764_000_000
Level = tuple[float, float, str]


def ladder_of(
    levels: Sequence[Level],
    spot: float,
    driver: str = "ETH/USD",
    *,
    already: Sequence[tuple[float, str]] = (),
    market: str = "Ethereum",
    base_symbol: str = "USD",
) -> pd.DataFrame:
    """A ladder of (price, size, side) and of (size, side) that are liquidatable already."""
    head = {
        "chain_id": 1,
        "block_number": 23_872_000,
        "block_hash": "0x" + "ab" * 32,
        "block_timestamp": BLOCK_AT,
        "protocol": "aave-v3",
        "market": market,
        "version": "3.6",
        "driver": driver,
        "spot_raw": str(round(spot * ORACLE_UNIT)),
        "spot_usd": spot,
        "price_raw": "",
        "band_raw": "",
        "health_factor": "1.1",
        "collateral_usd": 1.0,
        "debt_usd": 1.0,
        "bonus_usd": 0.0,
        "bad_debt_usd": 0.0,
        "seize_asset": "WETH",
        "repay_asset": "USDC",
        "callable": True,
        "reason": "",
        "seize_asset_address": "",
        "repay_asset_address": "",
        "notional_usd": math.nan,
        "evaluated_at": BLOCK_AT,
        "base_symbol": base_symbol,
        "seized_usd": 0.0,
        "repaid_usd": 0.0,
    }
    given = [(price, size, side, "price") for price, size, side in levels]
    given += [(spot, size, side, "already") for size, side in already]
    rows: list[dict[str, object]] = []
    for k, (price, size, side, outcome) in enumerate(given):
        sizes = {"seized_usd": size, "repaid_usd": 0.95 * size if side == "long" else size}
        account = f"0x{k + 1:040x}"
        distance = 100 * (price / spot - 1)
        rows.append(
            {**head, **sizes, "account": account, "side": side, "outcome": outcome}
            | {"price_usd": price, "distance_pct": distance, "price_raw": str(round(price * ORACLE_UNIT))}
        )
    return as_table(rows, LADDER_COLUMNS)


def seeds_heat(step_pct: float = 0.1) -> Heat:
    """The published example."""
    levels = [(price, size, "long") for price, size in SEED_LEVELS]
    return build_heat([ladder_of(levels, 57_000.0, "BTC/USD")], "BTC/USD", step_pct=step_pct)


@cache
def wide_ladder(count: int = 3000, seed: int = 1, market: str = "Ethereum") -> pd.DataFrame:
    """Many levels on both sides with two heavy places below and one above, and some far out."""
    draw = random.Random(seed)
    levels: list[Level] = []
    for _ in range(count):
        places = (draw.gauss(-0.12, 0.01), draw.gauss(-0.25, 0.03), draw.gauss(0.1, 0.01))
        wild = (draw.uniform(-1.2, -0.01), draw.uniform(0.01, 0.9))
        moved = draw.choice([*places, *wild])
        side = "long" if moved < 0 else "short"
        levels.append((3000 * math.exp(moved), draw.paretovariate(1.3) * 1e4, side))
    return ladder_of(levels, 3000.0, already=[(1.2e6, "long"), (3e4, "short")], market=market)


def wide_heat(count: int = 3000, seed: int = 1) -> Heat:
    """The heat of `wide_ladder`."""
    return build_heat([wide_ladder(count, seed)], "ETH/USD")


def thin_depth(daily_usd: int = 100_000_000, price: float = 3000.0) -> SquareRootImpact:
    """A market that a few liquidations move."""
    weth, usdc = Token("WETH", 18), Token("USDC", 6)
    return square_root_impact(weth, usdc, Fraction(round(price * 10**6), 10**18), daily_usd * 10**6)


def shallow_depth() -> Curve:
    """An order book that runs dry 8% below and 6% above 3000."""
    bids = [
        (Fraction(price), Fraction(amount)) for price, amount in ((2990, 200), (2900, 2000), (2760, 3000))
    ]
    asks = [
        (Fraction(price), Fraction(amount)) for price, amount in ((3010, 150), (3100, 1500), (3180, 2500))
    ]
    return curve("order book of a test", Token("WETH", 18), Token("USDC", 6), bids, asks)


@cache
def wide_cascade(shock_pct: int = -10) -> Cascade:
    """What a fall leads to on `wide_ladder` in a thin market."""
    stage = RungStage(wide_ladder(), ["ETH/USD"])
    return simulate([stage], {"ETH/USD": 1 + Fraction(shock_pct, 100)}, {"ETH/USD": thin_depth()})


@cache
def wide_sweep() -> pd.DataFrame:
    """Shocks from -30% to +20% on `wide_ladder` in a thin market."""
    ladder = wide_ladder()
    shocks = [Fraction(pct) for pct in (-30, -25, -20, -15, -12, -10, -8, -5, -2, 2, 5, 8, 10, 12, 15, 20)]
    return sweep(lambda: [RungStage(ladder, ["ETH/USD"])], "ETH/USD", shocks, {"ETH/USD": thin_depth()})


def events_of(liquidations: Sequence[tuple[int, str, float, float]], driver: str = "ETH/USD") -> pd.DataFrame:
    """Liquidations that happened: (seconds before the ladders' block, side, dollars, price)."""
    head = dict.fromkeys(EVENT_COLUMNS, "") | {"seized_raw": "0", "repaid_raw": "0"}
    rows: list[dict[str, object]] = []
    for k, (ago, side, size, price) in enumerate(liquidations):
        sizes = dict.fromkeys(("seized_usd", "repaid_usd"), size)
        rows.append(
            head
            | {"chain_id": 1, "block_number": 23_872_000 - k, "block_hash": f"0x{k:064x}", "log_index": k}
            | {"block_timestamp": BLOCK_AT - ago, "protocol": "aave-v3", "market": "Ethereum"}
            | {"transaction": f"0x{k + 7:064x}", "account": f"0x{k + 1:040x}", "side": side, "driver": driver}
            | {
                "price_usd": price,
                "bonus_usd": 0.0,
                "bad_debt_usd": 0.0,
                "fee_usd": 0.0,
                "base_symbol": "USD",
            }
            | sizes
        )
    return as_table(rows, EVENT_COLUMNS)


@cache
def full_analysis(market: str = "Ethereum") -> Analysis:
    """An analysis that has something to say everywhere."""
    depth = thin_depth(20_000_000)
    happened = [
        (3600, "long", 150e6, 3050.0),
        (7200, "short", 120e6, 2900.0),
        (90_000, "long", 300e6, 3300.0),
    ]
    return analyse(
        [wide_ladder(market=market)],
        "ETH/USD",
        impact=impact(depth, 3000.0),
        depth=depth.name,
        events=events_of(happened),
        events_coverage="blocks 23,860,000 to 23,872,000",
        cascade=wide_cascade(),
        sweep=wide_sweep(),
    )


def contagion_of(analysis: Analysis) -> nx.DiGraph[Place]:
    """Which of its clusters push the price into which, in a thin market."""
    after = price_after(thin_depth(20_000_000), 3000.0)
    driver = analysis.heat.driver
    return build_contagion([analysis.heat], {driver: analysis.clusters}, {driver: after})


@cache
def wide_over_time(count: int = 40, gap_after: int | None = 25) -> HeatOverTime:
    """Snapshots every half hour, with a gap of seven hours, in which levels appear and spot eats them."""
    draw = random.Random(3)
    spot, at = 3000.0, BLOCK_AT
    levels: list[Level] = []
    frames = []
    for k in range(count):
        at += 7 * 3600 if gap_after is not None and k == gap_after + 1 else 1800
        spot *= math.exp(draw.gauss(0, 0.006))
        for _ in range(6):
            moved = draw.choice((draw.gauss(-0.12, 0.03), draw.gauss(0.1, 0.03)))
            levels.append(
                (3000 * math.exp(moved), draw.paretovariate(1.2) * 1e5, "long" if moved < 0 else "short")
            )
        levels = [level for level in levels if (level[0] < spot) == (level[2] == "long")]
        frames.append(frame_of(levels, spot, at, k))
    return over_time(frames)


def frame_of(levels: Sequence[Level], spot: float, at: int, block: int) -> Frame:
    """One snapshot, in buckets of half a percent."""
    prices, sizes = (np.array([level[column] for level in levels], dtype=np.float64) for column in (0, 1))
    is_long = np.array([level[2] == "long" for level in levels], dtype=np.bool_)
    columns = (prices, sizes, is_long, np.zeros(len(levels), dtype=np.bool_))
    market = ("1", "aave-v3", "Ethereum", "USD")
    return frame(
        f"{block}.parquet",
        [market],
        "ETH/USD",
        Moment(block, f"0x{block:064x}", at, "3.6"),
        spot,
        columns,
        0.5,
    )
