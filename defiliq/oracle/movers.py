"""Which driver a reserve mostly hangs on, and which of two assets is the volatile one."""

from __future__ import annotations

from collections.abc import Sequence

from defiliq.oracle.drivers import RATIO_SUFFIX, input_drivers
from defiliq.pricing.driver import Driver
from defiliq.types import Market, Side

PEG_PARTS = 50
"""A driver within one part in so many of 1.0 (2%) is a peg: USDC/USD, stETH/ETH."""


def is_peg(driver: Driver) -> bool:
    """Whether a driver stands so near to 1.0 of what it is quoted in that it is meant to be just that.

    By its value alone, for a feed does not say what it is for. So a stablecoin that has lost its peg counts
    as volatile, which it then is; and what happens to cost 1.0 counts as a peg.
    """
    return abs(driver.spot - driver.unit) * PEG_PARTS <= driver.unit


def volatile_driver(market: Market, drivers: Sequence[Driver], reserve: int) -> Driver | None:
    """The driver, of those of the market, that makes the reserve's price move; None where all are pegs.

    Of several it is the first that is no exchange rate: ETH/USD of a staked ether, and not its ratio.
    """
    feed = market.reserves[reserve].feed
    moving = [driver for driver in drivers if feed in driver.feeds and not is_peg(driver)]
    return min(moving, key=lambda driver: driver.name.endswith(RATIO_SUFFIX), default=None)


def any_driver(market: Market, drivers: Sequence[Driver], reserve: int) -> Driver | None:
    """The first driver of a reserve's price, peg or not; None where nothing moves it."""
    feed = market.reserves[reserve].feed
    return next((driver for driver in drivers if feed in driver.feeds), None)


class Movers:
    """The drivers of one market, asked again and again."""

    def __init__(self, market: Market) -> None:
        self._market, self._drivers = market, input_drivers(market)

    def of_liquidation(self, seized: int | None, repaid: int | None) -> tuple[Side, Driver | None]:
        """The side of a liquidation between two reserves, and the driver that it is told of.

        Which price moved it nobody can know. By definition: a long where the seized asset is volatile, along
        its driver, whether or not the debt is volatile too; a short where only the repaid asset is, along
        that one's; and where none is, a long along what the seized asset hangs on, or else a short along what
        the repaid one does.
        """
        for find in (volatile_driver, any_driver):
            driver = None if seized is None else find(self._market, self._drivers, seized)
            if driver is not None:
                return "long", driver
            driver = None if repaid is None else find(self._market, self._drivers, repaid)
            if driver is not None:
                return "short", driver
        return "long", None
