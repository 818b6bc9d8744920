"""What Moonwell's price feeds compute: `latestRoundData` in moonwell-fi/moonwell-contracts-v2, src/oracles.

ChainlinkFeedOEVWrapper is not among them: it answers its feed's present round or an earlier one and describes
itself as the feed does, so it is an aggregator of that pair.
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


_FEEDS: Final = ("base", "multiplier", "secondMultiplier")

MOONWELL: Final[tuple[Kind, ...]] = (Kind("ChainlinkCompositeOracle", _FEEDS, _composite, feeds=_FEEDS),)
