"""Deals, pools and costs for tests: one collateral for one debt in the market of five reserves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from defiliq.depth.combined import Venue
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.files import save_pools
from defiliq.depth.uniswap_v3 import PoolV3
from defiliq.depth.venue import Token
from defiliq.mev.costs import Costs, Native
from defiliq.mev.exits import Exit, Way
from defiliq.pipeline.cost_terms import CostTerms, read_terms
from defiliq.types import Account, Liquidation, Market, Seizure
from tests import builders
from tests.builders import SYMBOLS, account, market

WETH, USDC = SYMBOLS.index("WETH"), SYMBOLS.index("USDC")
GWEI = 10**9


def pool(weth: int = 1_000, usdc: int = 3_000_000, fee_pips: int = 0) -> PoolV2:
    """Whole WETH and USDC in a pair, WETH sold."""
    reserves = market().reserves
    tokens = [Token(reserves[k].symbol, reserves[k].decimals, reserves[k].asset) for k in (WETH, USDC)]
    return PoolV2("pair", tokens[0], tokens[1], weth * 10**18, usdc * 10**6, fee_pips, "0x1")


def exit_of(*depths: Venue, sold: int = WETH, bought: int = USDC) -> Exit:
    """Ways of one swap each."""
    reserves = market().reserves
    return Exit(tuple(Way(depth) for depth in depths), reserves[sold].decimals, reserves[bought].decimals)


def liquidation(
    seized: int = 10**18, repaid: int = 2_850 * 10**6, *, of: int = WETH, for_: int = USDC, **changes: Any
) -> Liquidation:
    """What a call takes at the market's prices: one WETH for 2,850 USDC, if nothing else is said."""
    there = market()
    base = [
        amount * there.price_of(k) // there.reserves[k].unit for k, amount in ((of, seized), (for_, repaid))
    ]
    given = {
        "seizures": (Seizure(of, seized, base[0]),),
        "repay_reserve": for_,
        "repaid": repaid,
        "repaid_base": base[1],
        "bonus_base": base[0] - base[1],
        "bad_debt_base": 0,
    }
    return Liquidation(**{**given, **changes})


def costs(way_out: Exit | None = None, **changes: Any) -> Costs:
    """10 gwei, half a million units of gas, own funds, and perhaps an exit of WETH for USDC."""
    given: dict[str, Any] = {
        "gas_price_wei": 10 * GWEI,
        "native": Native("ETH", WETH),
        "exits": {} if way_out is None else {(WETH, USDC): way_out},
        "gas_units": 500_000,
    }
    return Costs(**{**given, **changes})


def spot() -> Market:
    """The market at its prices: WETH 3,000, USDC 1."""
    return market()


def pools_file(folder: Path, *pools: PoolV2 | PoolV3) -> str:
    """Pools as a file that --exit takes."""
    return str(save_pools(pools or (pool(10**6, 3 * 10**9),), builders.BLOCK, folder / "pools.json"))


def terms_of(folder: Path, **changes: Any) -> CostTerms:
    """Deep pools of WETH and USDC, own funds, 10 gwei."""
    texts: dict[str, Any] = {
        "gas_gwei": "10",
        "flash": "none",
        "exits": (f"WETH/USDC=file:{pools_file(folder)}",),
    }
    return read_terms(**{**texts, **changes})


def borrower(debt: float, number: int = 1, weth: float = 1) -> Account:
    return account(number, WETH=(weth, 0), USDC=(0, debt))
