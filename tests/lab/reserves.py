"""What both markets list. Parameters resemble the public ones; prices are dollars with 8 decimals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

DOLLAR = 10**8
Stage: TypeAlias = Literal["falling", "rising", "final"]


@dataclass(frozen=True, slots=True)
class ReserveSpec:
    """One reserve as it is listed."""

    symbol: str
    feed: str
    """Description of the aggregator that moves it; wstETH's is its adapter's, over the one of WETH."""
    decimals: int
    falling: int
    """Price while those borrow who fear a fall: the highest, for what is collateral. wstETH: the ratio."""
    rising: int
    """Price while those borrow who fear a rise: the lowest."""
    final: int
    ltv: int
    threshold: int
    bonus: int
    protocol_fee: int
    factor: int
    """Reserve factor, in basis points."""
    rates: tuple[int, int, int, int]
    """Optimal usage, base rate, slope below it, slope above it; in basis points."""
    emode: int = 0

    @property
    def unit(self) -> int:
        """Base units in one whole token."""
        return int(10**self.decimals)

    def price(self, stage: Stage) -> int:
        """The feed's answer in one stage of the population's life."""
        return {"falling": self.falling, "rising": self.rising, "final": self.final}[stage]


@dataclass(frozen=True, slots=True)
class EModeSpec:
    """One efficiency mode; its members name it in their reserve."""

    id: int
    label: str
    ltv: int
    threshold: int
    bonus: int
    collaterals: tuple[str, ...]
    borrowables: tuple[str, ...]


def _usd(price: float) -> int:
    return round(price * DOLLAR)


RATIO_FALLING, RATIO_RISING, RATIO_FINAL = (
    1_248_000_000_000_000_000,
    1_190_000_000_000_000_000,
    1_193_371_824_550_718_263,
)

CAP_RATIO, CAP_GROWTH_BPS = 1_300_000_000_000_000_000, 968
"""What the staked token's ratio may not pass: from the first block on, growing by so much in a year."""
STABLE_CAPS = {"USDC": _usd(1.04), "USDT": _usd(1.04)}
"""What these cannot be worth more than. Neither cap binds at any stage."""
PEGGED, PEG_FEED, PEG = "WBTC", "wBTC / BTC", 10**8
"""A reserve whose source multiplies two aggregators: its price in the peg, at all stages, and the peg's."""
STAKED = "wstETH"
RATIO = "wstETH/ETH ratio"

RESERVES = (
    ReserveSpec(
        "WETH", "ETH / USD", 18, _usd(2935.12), _usd(2130.5), _usd(2498.20517361),
        8050, 8300, 10500, 1000, 1500, (9000, 0, 270, 8000), 1,
    ),
    ReserveSpec(
        "wstETH", "Capped wstETH / stETH(ETH) / USD", 18, RATIO_FALLING, RATIO_RISING, RATIO_FINAL,
        7850, 8100, 10600, 1000, 500, (4500, 10, 700, 30000), 1,
    ),
    ReserveSpec(
        "WBTC", "BTC / USD", 8, _usd(71_042.3), _usd(52_500), _usd(60_123.99120004),
        7300, 7800, 10500, 1500, 2000, (4500, 25, 400, 30000),
    ),
    ReserveSpec(
        "USDC", "USDC / USD", 6, _usd(1), _usd(1), _usd(0.99991537),
        7500, 7800, 10450, 1000, 1000, (9200, 0, 550, 6000), 2,
    ),
    ReserveSpec(
        "USDT", "USDT / USD", 6, _usd(1.0002), _usd(0.998), _usd(0.97142),
        7400, 7700, 10450, 0, 1000, (9200, 0, 550, 7500), 2,
    ),
    ReserveSpec(
        "AAVE", "AAVE / USD", 18, _usd(110), _usd(82), _usd(93.417),
        0, 0, 0, 0, 2000, (4500, 0, 700, 30000),
    ),
    ReserveSpec(
        "GHO", "GHO / USD", 18, _usd(1), _usd(0.9995), _usd(0.99874411),
        0, 0, 0, 0, 1000, (9900, 450, 200, 5000), 2,
    ),
    ReserveSpec(
        "LINK", "LINK / USD", 18, _usd(18.2), _usd(12.1), _usd(14.73062),
        6600, 8000, 10700, 1000, 2000, (4500, 0, 700, 30000),
    ),
    ReserveSpec(
        "CRV", "CRV / USD", 18, _usd(0.61), _usd(0.43), _usd(0.50021),
        3500, 4100, 10830, 2000, 3500, (4500, 0, 700, 30000),
    ),
)  # fmt: skip
BY_SYMBOL = {reserve.symbol: reserve for reserve in RESERVES}
ETH_MODE = EModeSpec(1, "ETH correlated", 9300, 9500, 10100, ("WETH", "wstETH"), ("WETH",))
STABLE_MODE = EModeSpec(2, "Stablecoins", 9300, 9500, 10100, ("USDC", "USDT"), ("USDC", "USDT", "GHO"))
EMODES = (ETH_MODE, STABLE_MODE)
GHO_MODE = EModeSpec(3, "GHO line", 6200, 6500, 11200, ("GHO", "LINK"), ("USDC",))
"""Since v3.6 an eMode may count what is no collateral outside of it, and lend less than outside."""
LATER_LTV_ZERO = "CRV"
"""A reserve whose LTV is cut to zero after it was borrowed against."""


def dollars(symbol: str, stage: Stage) -> int:
    """A reserve's oracle price in one stage, the staked token's included."""
    price = BY_SYMBOL[symbol].price(stage)
    return BY_SYMBOL["WETH"].price(stage) * price // 10**18 if symbol == STAKED else price


def quote(description: str) -> str:
    """A feed's description as the name of what it quotes: ETH/USD."""
    return description.replace(" / ", "/")
