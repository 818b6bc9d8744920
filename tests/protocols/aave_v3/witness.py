"""An account whose health under v3.0 to v3.4 falls while a collateral's price rises."""

from __future__ import annotations

from dataclasses import replace

from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve
from defiliq.types import Account, Block, Driver, Feed, Leg, Move
from defiliq.units import RAY

NO_ADDRESS = "0x" + "00" * 20
THRESHOLDS_BPS = (8300, 7800, 0)
PRICES = (2_500 * 10**8, 60_000 * 10**8, 10**8)


def _reserve(position: int, symbol: str, decimals: int) -> AaveReserve:
    return AaveReserve(
        id=position,
        asset=f"0x{position + 1:040x}",
        symbol=symbol,
        decimals=decimals,
        feed=position,
        a_token=NO_ADDRESS,
        variable_debt_token=NO_ADDRESS,
        stable_debt_token=None,
        ltv_bps=0,
        liquidation_threshold_bps=THRESHOLDS_BPS[position],
        liquidation_bonus_bps=10_500,
        liquidation_protocol_fee_bps=0,
        is_active=True,
        is_frozen=False,
        is_paused=False,
        borrowing_enabled=True,
        emode_category=0,
        grace_period_until=0,
        liquidity_index_ray=RAY,
        liquidity_rate_ray=0,
        variable_borrow_index_ray=RAY,
        variable_borrow_rate_ray=0,
        updated_at=0,
    )


def witness(revision: int) -> tuple[AaveMarket, Account, Driver]:
    """One WETH (83%) and some WBTC (78%) against dollars, with the debt where an average of WBTC prices cuts.

    As WBTC falls the average threshold climbs by whole basis points; just below a step the account regains
    what it lost. The debt is set to the backing right before such a step, so both sides of it cross 1.
    """
    market = AaveMarket(
        protocol="aave-v3",
        name="Witness",
        version="witness",
        block=Block(1, 1, "0x" + "00" * 32, 0),
        timestamp=0,
        base_unit=10**8,
        base_symbol="USD",
        reserves=(_reserve(0, "WETH", 18), _reserve(1, "WBTC", 8), _reserve(2, "USDC", 6)),
        feeds=(Feed("WETH", NO_ADDRESS), Feed("WBTC", NO_ADDRESS), Feed("USDC", NO_ADDRESS)),
        prices=PRICES,
        revision=revision,
        emodes={},
        liquidations_allowed=True,
        provider=NO_ADDRESS,
        pool=NO_ADDRESS,
        oracle=NO_ADDRESS,
    ).at_time(0)
    weth, wbtc = 10**18, 10**5  # 1 WETH, 0.001 WBTC: $2,500 and $60
    eth_value = weth * PRICES[0] // 10**18

    def average(btc_price: int) -> tuple[int, int]:
        value = wbtc * btc_price // 10**8
        total = eth_value + value
        return total, (eth_value * 8300 + value * 7800) // total

    # The highest price below spot, minus a little room, at which the average has just stepped up.
    start = average(PRICES[1])[1]
    low, high = 1, PRICES[1]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if average(middle)[1] > start else (low, middle)
    total, bps = average(high)  # just above the step: the cut average is still `start`
    backing = (total * bps + 5000) // 10_000
    debt = (backing + 20) * 10**6 // 10**8 + 1  # a little more than the backing there, less than at the step
    account = Account(
        "0x" + "22" * 20, 0, (Leg(0, weth, 0, True), Leg(1, wbtc, 0, True), Leg(2, 0, debt, False))
    )
    driver = Driver("WBTC/USD", PRICES[1], 10**8, (Move(1),))
    return replace(market), account, driver
