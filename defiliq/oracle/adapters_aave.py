"""What Aave's price adapters compute: `latestAnswer` of each contract in aave-dao/aave-price-feeds.

GhoOracle is in aave/gho-core. All of them divide with truncation and answer 0 where a price or a ratio is not
positive.
"""

from __future__ import annotations

from typing import Final

from defiliq.oracle.contracts import Ask
from defiliq.oracle.kinds import Kind
from defiliq.oracle.sheet import RATIO_ANSWER, RATIO_UPDATED_AT, Parts
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Least
from defiliq.units import WAD

FULL_BPS: Final = 10_000
"""100_00 in FixedRatioSynchronicityPriceAdapterBaseToPeg."""
GROWTH_SCALE: Final = 10**6
"""PriceCapAdapterBase.SCALING_FACTOR."""
YEAR: Final = 365 * 24 * 3600
"""SECONDS_PER_YEAR of PendlePriceCapAdapter."""
ONE_STAKED_ETHER: Final = 10**18
"""What StETHtoETHSynchronicityPriceAdapter answers; it has no getter of its own."""


def _peg_to_base(parts: Parts) -> int:
    """asset * peg * 10**DECIMALS / DENOMINATOR"""
    feeds = ("ASSET_TO_PEG", "PEG_TO_BASE")
    parts.expect("DENOMINATOR", 10 ** sum(parts.feed_decimals(feed) for feed in feeds))
    over = [parts.feed(feed) for feed in feeds]
    return parts.fraction(over, (), parts.power("DECIMALS"), parts.scale("DENOMINATOR"))


def _base_to_peg(parts: Parts) -> int:
    """asset * 10**DECIMALS / base"""
    if parts.feed_decimals("ASSET_TO_PEG") != parts.feed_decimals("BASE_TO_PEG"):
        parts.warn("divides feeds of different decimals")
    over, under = parts.feed("ASSET_TO_PEG"), parts.feed("BASE_TO_PEG")
    return parts.fraction((over,), (under,), parts.power("DECIMALS"))


def _fixed_ratio(parts: Parts) -> int:
    """PRICE_RATIO * MULTIPLIER / (1e4 * base)"""
    parts.expect("MULTIPLIER", 10 ** parts.feed_decimals("BASE_TO_PEG") * parts.power("DECIMALS"))
    numerator = parts.number("PRICE_RATIO") * parts.number("MULTIPLIER")
    return parts.fraction((), (parts.feed("BASE_TO_PEG"),), numerator, FULL_BPS)


def _uncapped_ratio(parts: Parts) -> int:
    """base * ratio / 10**RATIO_DECIMALS"""
    base = parts.feed("BASE_TO_USD_AGGREGATOR")
    ratio = parts.ratio("getRatio", "RATIO_PROVIDER", parts.number("RATIO_DECIMALS"), base)
    return parts.fraction((base, ratio), (), 1, parts.power("RATIO_DECIMALS"))


def _ratio_cap(parts: Parts) -> int:
    """base * min(ratio, snapshot + growth * seconds / SCALING_FACTOR) / 10**RATIO_DECIMALS"""
    scale = parts.scale("SCALING_FACTOR") if parts.has("SCALING_FACTOR") else GROWTH_SCALE
    return _capped_ratio(parts, parts.number("getMaxRatioGrowthPerSecondScaled"), scale)


def _unscaled_ratio_cap(parts: Parts) -> int:
    """The same before September 2025, when the growth per second was kept as a whole number."""
    return _capped_ratio(parts, parts.number("getMaxRatioGrowthPerSecond"), 1)


def _capped_ratio(parts: Parts, growth: int, scale: int) -> int:
    start, since = parts.number("getSnapshotRatio"), parts.number("getSnapshotTimestamp")
    if since > parts.sheet.timestamp:
        parts.refuse(f"its cap starts at {since}, after this block")
    base = parts.feed("BASE_TO_USD_AGGREGATOR")
    if parts.feed_decimals("BASE_TO_USD_AGGREGATOR") != parts.decimals:
        parts.warn("answers with other decimals than its base feed")
    ratio = parts.ratio("getRatio", "RATIO_PROVIDER", parts.number("RATIO_DECIMALS"), base)
    cap = parts.sheet.add(Growing(start, since, growth, scale))
    held = parts.sheet.add(Least((ratio, cap), "ratio, at most the cap", parts.contract.address))
    return parts.fraction((base, held), (), 1, parts.power("RATIO_DECIMALS"))


def _stable_cap(parts: Parts) -> int:
    """min(asset, cap)"""
    cap = parts.sheet.add(Fixed(parts.number("getPriceCap"), "price cap", parts.contract.address))
    return parts.least(parts.feed("ASSET_TO_USD_AGGREGATOR"), cap)


def _euro_cap(parts: Parts) -> int:
    """min(asset, base * cap ratio / 10**RATIO_DECIMALS)"""
    base, ratio = parts.feed("BASE_TO_USD_AGGREGATOR"), parts.number("getPriceCapRatio")
    most = Fraction((base,), (), ratio, parts.power("RATIO_DECIMALS"), "price cap", parts.contract.address)
    return parts.least(parts.feed("ASSET_TO_USD_AGGREGATOR"), parts.sheet.add(most))


def _pendle(parts: Parts) -> int:
    """asset * (1e18 - seconds to MATURITY * discountRatePerYear / year) / 1e18"""
    rate, maturity = parts.number("discountRatePerYear"), parts.number("MATURITY")
    left = parts.sheet.add(Discount(WAD, rate, maturity, YEAR))
    return parts.fraction((parts.feed("ASSET_TO_USD_AGGREGATOR"), left), (), 1, WAD)


def _discounted(parts: Parts) -> int:
    """reference * EXCHANGE_RATE * (1e18 - discount) / 1e18"""
    kept = WAD - parts.number("discount")
    if kept < 0:
        parts.refuse("its discount is above 1e18")
    return parts.fraction((parts.feed("REFERENCE_FEED"),), (), parts.number("EXCHANGE_RATE") * kept, WAD)


_RATIO: Final = (
    Ask("getRatio"),
    Ask("RATIO_DECIMALS"),
    # CLRatePriceCapAdapter reads its ratio from an aggregator, which has an age; others refuse these two.
    Ask(RATIO_ANSWER, "latestAnswer", of="RATIO_PROVIDER"),
    Ask(RATIO_UPDATED_AT, "latestTimestamp", of="RATIO_PROVIDER"),
)
_BASE: Final = "BASE_TO_USD_AGGREGATOR"
_ASSET: Final = "ASSET_TO_USD_AGGREGATOR"

AAVE: Final[tuple[Kind, ...]] = (
    Kind(
        "CLSynchronicityPriceAdapterPegToBase",
        ("PEG_TO_BASE", "ASSET_TO_PEG"),
        _peg_to_base,
        (Ask("DECIMALS"), Ask("DENOMINATOR")),
        feeds=("PEG_TO_BASE", "ASSET_TO_PEG"),
    ),
    Kind(
        "CLSynchronicityPriceAdapterBaseToPeg",
        ("BASE_TO_PEG", "ASSET_TO_PEG"),
        _base_to_peg,
        (Ask("DECIMALS"),),
        feeds=("BASE_TO_PEG", "ASSET_TO_PEG"),
    ),
    Kind(
        "FixedRatioSynchronicityPriceAdapterBaseToPeg",
        ("BASE_TO_PEG", "PRICE_RATIO"),
        _fixed_ratio,
        (Ask("DECIMALS"), Ask("MULTIPLIER")),
        feeds=("BASE_TO_PEG",),
    ),
    Kind(
        "PriceCapAdapterBase",
        (_BASE, "RATIO_PROVIDER", "getSnapshotRatio", "getMaxRatioGrowthPerSecondScaled"),
        _ratio_cap,
        (*_RATIO, Ask("getSnapshotTimestamp"), Ask("SCALING_FACTOR")),
        feeds=(_BASE,),
    ),
    Kind(
        "PriceCapAdapterBase, unscaled",
        (_BASE, "RATIO_PROVIDER", "getSnapshotRatio", "getMaxRatioGrowthPerSecond"),
        _unscaled_ratio_cap,
        (*_RATIO, Ask("getSnapshotTimestamp")),
        feeds=(_BASE,),
    ),
    Kind("a base price times a ratio", (_BASE, "RATIO_PROVIDER"), _uncapped_ratio, _RATIO, feeds=(_BASE,)),
    Kind(
        "EURPriceCapAdapterStable",
        (_ASSET, _BASE, "getPriceCapRatio"),
        _euro_cap,
        (Ask("RATIO_DECIMALS"),),
        feeds=(_ASSET, _BASE),
    ),
    Kind(
        "PendlePriceCapAdapter",
        (_ASSET, "PENDLE_PRINCIPAL_TOKEN", "MATURITY"),
        _pendle,
        (Ask("discountRatePerYear"),),
        feeds=(_ASSET,),
    ),
    # Until May 2024 the cap had no getter: those are inputs of their own.
    Kind("PriceCapAdapterStable", (_ASSET,), _stable_cap, (Ask("getPriceCap"),), feeds=(_ASSET,)),
    Kind(
        "DiscountedMKRSKYAdapter",
        ("REFERENCE_FEED", "DISCOUNT_PROVIDER"),
        _discounted,
        (Ask("EXCHANGE_RATE"), Ask("discount")),
        feeds=("REFERENCE_FEED",),
    ),
    Kind("FixedPriceAdapter", ("price", "ACL_MANAGER"), lambda parts: parts.fixed(parts.number("price"))),
    Kind("OneUSDFixedAdapter", ("ONE_USD",), lambda parts: parts.fixed(parts.number("ONE_USD"))),
    Kind("GhoOracle", ("GHO_PRICE",), lambda parts: parts.fixed(parts.number("GHO_PRICE"))),
    Kind("RepFixedPriceAdapter", ("PRICE",), lambda parts: parts.fixed(parts.number("PRICE"))),
    Kind(
        "StETHtoETHSynchronicityPriceAdapter",
        ("DECIMALS",),
        lambda parts: parts.fixed(ONE_STAKED_ETHER),
        pair="stETH/ETH",
    ),
)
