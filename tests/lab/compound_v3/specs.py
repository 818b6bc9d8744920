"""What the two Compound III markets list: parameters like the public ones, prices at three stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

PRICE_DECIMALS = 8
FACTOR = 10**18
CRASH_PERCENT = 94
"""What a crash leaves of an aggregator's final price, while a few accounts are absorbed."""
Stage: TypeAlias = Literal["early", "crash", "final"]
Source: TypeAlias = Literal[
    "SettableFeed",
    "CompoundConstantFeed",
    "CompoundMultiplicativeFeed",
    "CompoundRateFeed",
    "CompoundReverseFeed",
    "CompoundScalingFeed",
    "CompoundVaultFeed",
    "CompoundWrappedFeed",
]


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """Something that moves by itself: an aggregator, or a rate that a token or vault answers."""

    decimals: int
    early: int
    """While accounts borrow."""
    final: int
    is_rate: bool = False
    crashes: bool = True

    def at(self, stage: Stage) -> int:
        """Its answer in one stage."""
        crashed = self.final * CRASH_PERCENT // 100 if self.crashes and not self.is_rate else self.final
        return {"early": self.early, "crash": crashed, "final": self.final}[stage]


def _aggregator(early: float, final: float, decimals: int = 8, *, crashes: bool = True) -> DriverSpec:
    unit = int(10 ** (decimals - 8))
    return DriverSpec(decimals, round(early * 10**8) * unit, round(final * 10**8) * unit, crashes=crashes)


def _rate(early: int, final: int) -> DriverSpec:
    return DriverSpec(18, early, final, is_rate=True)


DRIVERS: Mapping[str, DriverSpec] = {
    "ETH / USD": _aggregator(2935.12, 2498.20517361),
    "BTC / USD": _aggregator(71_042.3, 60_123.99120004),
    "tBTC / USD": _aggregator(70_990.01, 60_001.5),
    "COMP / USD": _aggregator(52.4, 43.17290001),
    "UNI / USD": _aggregator(11.03, 8.88123456),
    "LINK / USD": _aggregator(18.2, 14.73062),
    "ARB / USD": _aggregator(0.5121, 0.40118),
    "OP / USD": _aggregator(0.93, 0.71234567, 18),
    "GMX / USD": _aggregator(18.9, 15.20077),
    "AAVE / USD": _aggregator(281.55, 233.41733333),
    "XAUt / USD": _aggregator(3_480.2, 3_301.99),
    "EURC / USD": _aggregator(1.171, 1.1422),
    "USDC / USD": _aggregator(1.0001, 0.99991537, crashes=False),
    "USDS / USD": _aggregator(1.0, 0.99987654, crashes=False),
    "USDT / USD": _aggregator(1.0002, 0.97142, crashes=False),
    "LBTC / BTC": _aggregator(1.001, 0.99120345),
    "stETH / ETH": _aggregator(1.0004, 0.94912345, 18),
    "cbETH / ETH": _aggregator(1.0951, 1.04123456, 18),
    "wstETH / ETH rate": _rate(1_190_000_000_000_000_000, 1_193_371_824_550_718_263),
    "weETH / ETH rate": _rate(1_071_000_000_000_000_007, 1_076_543_210_987_654_321),
    "sUSDS / USDS rate": _rate(1_062_000_000_000_000_000, 1_065_432_109_876_543_210),
    "stETH / wstETH rate": _rate(840_336_134_453_781_512, 837_961_833_456_789_012),
}
"""By description. Rates grow, so stETH per wstETH falls."""


@dataclass(frozen=True, slots=True)
class CollateralSpec:
    """One collateral as it is listed."""

    symbol: str
    decimals: int
    source: Source
    times: tuple[str, ...]
    """The drivers that its price is the product of …"""
    factors_bps: tuple[int, int, int]
    """Borrow collateral factor, liquidate collateral factor, liquidation factor."""
    divided_by: tuple[str, ...] = ()
    """… divided by these."""

    @property
    def unit(self) -> int:
        """Base units in one whole token."""
        return int(10**self.decimals)

    def price(self, stage: Stage) -> int:
        """About what its feed answers in one stage, with 8 decimals: plans are drawn with it."""
        found, divisor = int(10**PRICE_DECIMALS), 1
        for name in self.times:
            found, divisor = found * DRIVERS[name].at(stage), divisor * 10 ** DRIVERS[name].decimals
        for name in self.divided_by:
            found, divisor = found * 10 ** DRIVERS[name].decimals, divisor * DRIVERS[name].at(stage)
        return int(found // divisor)


@dataclass(frozen=True, slots=True)
class CurveSpec:
    """Interest per year by utilization, in basis points."""

    kink: int
    slope_low: int
    slope_high: int
    base: int


@dataclass(frozen=True, slots=True)
class CometSpec:
    """One market."""

    name: str
    symbol: str
    base: CollateralSpec
    """The base asset: its factors mean nothing."""
    collaterals: tuple[CollateralSpec, ...]
    supply_rates: CurveSpec
    borrow_rates: CurveSpec
    borrow_min: int
    target_reserves: int
    utilization_bps: int
    """Near which the population leaves the market."""
    growth_bps: int
    """About how much debts grow until the end."""

    def collateral(self, symbol: str) -> CollateralSpec:
        """The collateral of that symbol."""
        return next(each for each in self.collaterals if each.symbol == symbol)


ETH, BTC = "ETH / USD", "BTC / USD"
USDC_COLLATERALS = (
    CollateralSpec("COMP", 18, "SettableFeed", ("COMP / USD",), (5000, 7000, 7500)),
    CollateralSpec("WBTC", 8, "SettableFeed", (BTC,), (8000, 8500, 9500)),
    CollateralSpec("WETH", 18, "SettableFeed", (ETH,), (8300, 9000, 9500)),
    CollateralSpec("UNI", 18, "SettableFeed", ("UNI / USD",), (6800, 7400, 8300)),
    CollateralSpec("LINK", 18, "SettableFeed", ("LINK / USD",), (7300, 7900, 8300)),
    CollateralSpec(
        "wstETH", 18, "CompoundMultiplicativeFeed", ("wstETH / ETH rate", ETH), (8200, 8700, 9200)
    ),
    CollateralSpec("cbETH", 18, "CompoundMultiplicativeFeed", ("cbETH / ETH", ETH), (8000, 8501, 9333)),
    CollateralSpec("cbBTC", 8, "SettableFeed", (BTC,), (8000, 8500, 9500)),
    CollateralSpec("tBTC", 18, "SettableFeed", ("tBTC / USD",), (7600, 8100, 9000)),
    CollateralSpec("weETH", 18, "CompoundMultiplicativeFeed", ("weETH / ETH rate", ETH), (8000, 8500, 9500)),
    CollateralSpec("LBTC", 8, "CompoundMultiplicativeFeed", ("LBTC / BTC", BTC), (7500, 8000, 9000)),
    CollateralSpec("ARB", 18, "SettableFeed", ("ARB / USD",), (5500, 6000, 9300)),
    CollateralSpec("OP", 18, "CompoundScalingFeed", ("OP / USD",), (6500, 7000, 8000)),
    CollateralSpec("GMX", 18, "SettableFeed", ("GMX / USD",), (0, 4500, 9300)),
    CollateralSpec("sUSDS", 18, "CompoundVaultFeed", ("sUSDS / USDS rate", "USDS / USD"), (8800, 9000, 9500)),
    CollateralSpec("XAUt", 6, "SettableFeed", ("XAUt / USD",), (7000, 7500, 9000)),
    CollateralSpec("EURC", 6, "SettableFeed", ("EURC / USD",), (8500, 9000, 9500)),
    CollateralSpec("AAVE", 18, "SettableFeed", ("AAVE / USD",), (6000, 6777, 8001)),
)
"""More than 16, so that the bits of the last ones lie in userBasic's reserved byte."""
WETH_COLLATERALS = (
    CollateralSpec(
        "wstETH", 18, "CompoundWrappedFeed", ("stETH / ETH",), (9000, 9300, 9750), ("stETH / wstETH rate",)
    ),
    CollateralSpec("cbETH", 18, "CompoundScalingFeed", ("cbETH / ETH",), (9000, 9300, 9750)),
    CollateralSpec("weETH", 18, "CompoundRateFeed", ("weETH / ETH rate",), (9000, 9300, 9600)),
    CollateralSpec("WBTC", 8, "CompoundReverseFeed", (BTC,), (8000, 8500, 9500), (ETH,)),
    CollateralSpec("USDT", 6, "CompoundReverseFeed", ("USDT / USD",), (8000, 8300, 9500), (ETH,)),
)
"""The market counts in ETH: its base costs 1e8, for ever."""
COMETS = {
    "usdc": CometSpec(
        "usdc", "cUSDCv3", CollateralSpec("USDC", 6, "SettableFeed", ("USDC / USD",), (0, 0, 0)),
        USDC_COLLATERALS, CurveSpec(9000, 540, 30_340, 0), CurveSpec(9000, 500, 34_000, 150),
        100 * 10**6, 5 * 10**12 * 10**6, 8300, 55,
    ),
    "weth": CometSpec(
        "weth", "cWETHv3", CollateralSpec("WETH", 18, "CompoundConstantFeed", (), (0, 0, 0)),
        WETH_COLLATERALS, CurveSpec(8500, 210, 10_000, 0), CurveSpec(8500, 165, 11_500, 100),
        10**17, 5 * 10**12 * 10**18, 9400, 120,
    ),
}  # fmt: skip
"""Two markets on the same drivers: below their kink and above it."""


def driver_name(description: str) -> str:
    """A description as a driver's name: ETH/USD."""
    return description.replace(" / ", "/")
