"""What the Solo market lists. Prices are dollars with 8 decimals; factors are fractions of 10**18.

Interest is what it was at its dearest, so that the months of the lab move the indices by whole percents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["falling", "rising", "crash", "final"]
DOLLAR = 10**8
WAD = 10**18
PERCENT = WAD // 100
PRICE_DECIMALS = 36
"""A price times an amount in base units is a value of 36 decimals."""


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """One market as it is listed."""

    symbol: str
    decimals: int
    falling: int
    """Price while those borrow who fear a fall: the highest."""
    rising: int
    """Price while those borrow who fear a rise: the lowest."""
    crash: int
    """Price for the one block in which some accounts are liquidated."""
    final: int
    setter: str
    """Which of dYdX's interest setters."""
    max_apr: int
    coefficients: tuple[int, ...] = ()
    """Percents by power of the utilization, of the polynomial setters: they sum to 100."""
    margin_premium: int = 0
    spread_premium: int = 0
    closes: bool = False
    """From the end of the population's life on, nobody may borrow more."""

    @property
    def unit(self) -> int:
        """Base units in one whole token."""
        return int(10**self.decimals)

    def dollars(self, stage: Stage) -> int:
        """Dollars of a whole token in one stage of the population's life."""
        return {
            "falling": self.falling,
            "rising": self.rising,
            "crash": self.crash,
            "final": self.final,
        }[stage]

    def price(self, stage: Stage) -> int:
        """What its oracle says in that stage."""
        return int(self.dollars(stage) * 10 ** (PRICE_DECIMALS - self.decimals) // DOLLAR)


def _usd(price: float) -> int:
    return round(price * DOLLAR)


POLYNOMIAL, DOUBLE_EXPONENT, CONSTANT = (
    "PolynomialInterestSetter",
    "DoubleExponentInterestSetter",
    "TestInterestSetter",
)
MARKETS = (
    MarketSpec(
        "WETH", 18, _usd(241.37), _usd(158.2), _usd(120.5), _usd(196.82519374),
        POLYNOMIAL, 50 * PERCENT, (0, 15, 0, 0, 0, 85),
    ),
    MarketSpec(
        "SAI", 18, _usd(1), _usd(0.991), _usd(1), _usd(1.00731255),
        POLYNOMIAL, 30 * PERCENT, (0, 40, 60), margin_premium=7 * PERCENT, closes=True,
    ),
    MarketSpec("USDC", 6, _usd(1), _usd(1), _usd(1), _usd(1), POLYNOMIAL, 40 * PERCENT, (0, 10, 10, 0, 80)),
    MarketSpec(
        "DAI", 18, _usd(1.001), _usd(0.982), _usd(1), _usd(1.0034),
        DOUBLE_EXPONENT, 45 * PERCENT, (0, 20, 0, 20, 60),
    ),
    MarketSpec(
        "WBTC", 8, _usd(10_931.7), _usd(8_120), _usd(9_000), _usd(9_411.63880021),
        CONSTANT, 30 * PERCENT, margin_premium=12_345_678_901_234_567, spread_premium=50 * PERCENT,
    ),
    MarketSpec(
        "REP", 18, _usd(17.4), _usd(11.2), _usd(13.1), _usd(14.02913377),
        POLYNOMIAL, 60 * PERCENT, (2, 8, 0, 90), margin_premium=40 * PERCENT, spread_premium=20 * PERCENT,
    ),
)  # fmt: skip
"""Market ids are positions here. WETH, SAI, USDC and DAI stand where they stood on Ethereum."""
BY_SYMBOL = {spec.symbol: spec for spec in MARKETS}
IDS = {spec.symbol: position for position, spec in enumerate(MARKETS)}

MARGIN_RATIO = 15 * PERCENT
LIQUIDATION_SPREAD = 5 * PERCENT
EARNINGS_RATE = 95 * PERCENT
MIN_BORROWED_VALUE = 5 * 10**34
"""Five cents: set at the end, so that smaller debts exist."""
LIMITS = (2 * WAD, WAD // 2, WAD, 2 * WAD, 2 * WAD, 10**38)
"""At most: margin ratio, liquidation spread, earnings rate, both premiums, least borrowed value."""
