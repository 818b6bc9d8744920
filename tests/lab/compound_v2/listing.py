"""What the Compound v2 market lists. Prices are dollars with 8 decimals.

Interest is many times what public markets ask, so that the thousand blocks of the lab matter as weeks do
there. No rate passes what a market refuses: 0.0005% per block, 525,600 basis points in the models' year.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.reserves import Stage, quote

DOLLAR = 10**8
NATIVE = "ETH"
"""The coin of the chain: its market has no underlying()."""


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """One market as it is listed, by the symbol of its underlying."""

    symbol: str
    feed: str
    """Description of the aggregator: two markets share one."""
    feed_decimals: int
    decimals: int
    falling: int
    """Price while those borrow who fear a fall: the highest."""
    rising: int
    """Price while those borrow who fear a rise: the lowest."""
    final: int
    collateral_bps: int
    """Collateral factor."""
    reserve_bps: int
    """Reserve factor."""
    rates: tuple[int, ...]
    """Basis points per year: base and slope; where it has a kink, also the slope beyond, and the kink."""

    @property
    def unit(self) -> int:
        """Base units in one whole token."""
        return int(10**self.decimals)

    @property
    def market(self) -> str:
        """Symbol of the market's own token."""
        return f"v{self.symbol}"

    @property
    def driver(self) -> str:
        """What moves its price: ETH/USD."""
        return quote(self.feed)

    def price(self, stage: Stage) -> int:
        """Dollars of a whole token in one stage of the population's life."""
        return {"falling": self.falling, "rising": self.rising, "final": self.final}[stage]

    def answer(self, stage: Stage) -> int:
        """What its aggregator says in that stage."""
        return int(self.price(stage) * 10**self.feed_decimals // DOLLAR)


def _usd(price: float) -> int:
    return round(price * DOLLAR)


MARKETS = (
    MarketSpec(
        NATIVE, "ETH / USD", 8, 18, _usd(2935.12), _usd(2130.5), _usd(2498.20517361),
        8200, 2000, (40_000, 400_000),
    ),
    MarketSpec(
        "WETH", "ETH / USD", 8, 18, _usd(2935.12), _usd(2130.5), _usd(2498.20517361),
        7900, 1500, (31_000, 250_000, 900_000, 8_000),
    ),
    MarketSpec(
        "WBTC", "BTC / USD", 8, 8, _usd(71_042.3), _usd(52_500), _usd(60_123.99120004),
        7000, 2500, (50_000, 280_000, 600_000, 6_500),
    ),
    MarketSpec(
        "USDC", "USDC / USD", 8, 6, _usd(1), _usd(1), _usd(0.99991537),
        8550, 750, (17_000, 300_000, 1_500_000, 8_800),
    ),
    MarketSpec(
        "USDT", "USDT / USD", 8, 6, _usd(1.0002), _usd(0.998), _usd(0.97142),
        7500, 1000, (23_000, 280_000, 900_000, 8_000),
    ),
    MarketSpec(
        "LINK", "LINK / USD", 8, 18, _usd(18.2), _usd(12.1), _usd(14.73062),
        5575, 2500, (0, 480_000),
    ),
    MarketSpec(
        "COMP", "COMP / USD", 18, 18, _usd(61.5), _usd(42.2), _usd(49.90731),
        0, 3000, (100_000, 300_000, 500_000, 7_000),
    ),
)  # fmt: skip
BY_SYMBOL = {spec.symbol: spec for spec in MARKETS}
DRIVERS = {spec.driver: spec for spec in MARKETS}
"""One of the markets that hang on each driver."""
CLOSE_FACTOR_WAD, INCENTIVE_WAD, MAX_ASSETS = 5 * 10**17, 108 * 10**16, 20
INITIAL_RATE_BPS = 200
"""How much of an underlying token one of a market's own is worth at first."""
MARKET_DECIMALS = 8
