"""What Moonwell's price feeds compute: `latestRoundData` in moonwell-fi/moonwell-contracts-v2, src/oracles.

ChainlinkFeedOEVWrapper and ChainlinkOEVWrapper are not among them: they answer their feed's present round or
an earlier one and describe themselves as the feed does, so they are aggregators of that pair. Nor is
ChainlinkBoundedCompositeOracle, which jumps to another feed where the first one leaves its bounds: it is an
input of its own.
"""

from __future__ import annotations

from typing import Final

from defiliq.oracle.kinds import Kind
from defiliq.oracle.sheet import Parts, ten_to

COMPOSITE_DECIMALS: Final = 18
"""ChainlinkCompositeOracle.decimals, to which it brings every answer before it multiplies."""


def _composite(parts: Parts) -> int:
    """base * multiplier * secondMultiplier / 1e18 for each but the first, all with 18 decimals"""
    names = ["base", "multiplier"]
    if parts.number("secondMultiplier") != 0:
        names.append("secondMultiplier")
    decimals = [parts.feed_decimals(name) for name in names]
    if max(decimals) > COMPOSITE_DECIMALS:
        parts.refuse(f"one of its feeds has {max(decimals)} decimals")
    missing = COMPOSITE_DECIMALS * len(names) - sum(decimals)
    over = [parts.feed(name) for name in names]
    return parts.fraction(over, (), ten_to(missing), ten_to(COMPOSITE_DECIMALS * (len(names) - 1)))


def _held_back(parts: Parts) -> int:
    """compositeOracle's answer; for some time after each round of baseFeed an earlier one, which is refused.

    Until then a liquidator can have the present answer, too (updatePriceEarlyAndLiquidate), for a fee.
    """
    return parts.fraction([parts.feed("compositeOracle")])


_FEEDS: Final = ("base", "multiplier", "secondMultiplier")

MOONWELL: Final[tuple[Kind, ...]] = (
    Kind("ChainlinkCompositeOracle", _FEEDS, _composite, feeds=_FEEDS),
    Kind(
        "ChainlinkCompositeOEVWrapper",
        ("compositeOracle", "baseFeed", "cachedCompositePrice"),
        _held_back,
        feeds=("compositeOracle",),
    ),
)
