"""An account whose health under v3.0 to v3.4 falls while a collateral's price rises."""

from __future__ import annotations

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, Leg
from tests.builders import plain_market, plain_reserve

PRICES = (2_500 * 10**8, 60_000 * 10**8, 10**8)


def witness(revision: int) -> tuple[AaveMarket, Account, Driver]:
    """One WETH (83%) and some WBTC (78%) against dollars, with the debt where an average of WBTC prices cuts.

    As WBTC falls the average threshold climbs by whole basis points; just below a step the account regains
    what it lost. The debt is set to the backing right before such a step, so both sides of it cross 1.
    """
    tokens = (("WETH", 18, 8300), ("WBTC", 8, 7800), ("USDC", 6, 0))
    reserves = [
        plain_reserve(k, symbol, decimals, liquidation_threshold_bps=bps, liquidation_bonus_bps=10_500)
        for k, (symbol, decimals, bps) in enumerate(tokens)
    ]
    market = plain_market(reserves, PRICES, revision=revision)
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
    driver = driver_of_feeds("WBTC/USD", PRICES[1], 10**8, (Move(1),))
    return market, account, driver
