"""What Compound III's price feeds compute: `latestRoundData` of each contract in compound-finance/comet.

Those that cap a ratio are in woof-software/compound-capo. All of them divide with truncation. Numbers that
a contract keeps without a getter (`rescaleFactor`) follow from the decimals that its constructor read or
assumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from defiliq.oracle.contracts import Ask
from defiliq.oracle.kinds import Kind
from defiliq.oracle.sheet import Parts, ten_to
from defiliq.pricing.graph import Growing, Least

RATE_DECIMALS: Final = 18
"""What RsETHScalingPriceFeed and EzETHExchangeRatePriceFeed take for granted."""
MAX_RATE_DECIMALS: Final = 36
_UNDERLYING: Final = "underlyingPriceFeed"
_BASE: Final = "assetToBaseAggregator"


def _constant(parts: Parts) -> int:
    return parts.fixed(parts.number("constantPrice"))


def _product(parts: Parts, feeds: tuple[str, str]) -> int:
    """a * b * priceFeedScale / combinedScale"""
    parts.expect("combinedScale", 10 ** sum(parts.feed_decimals(feed) for feed in feeds))
    over = [parts.feed(feed) for feed in feeds]
    return parts.fraction(over, (), parts.number("priceFeedScale"), parts.scale("combinedScale"))


def _quotient(parts: Parts) -> int:
    """a * priceFeedBScale * priceFeedScale / b / priceFeedAScale; both roundings down are one."""
    for feed, scale in (("priceFeedA", "priceFeedAScale"), ("priceFeedB", "priceFeedBScale")):
        parts.expect(scale, ten_to(parts.feed_decimals(feed)))
    numerator = parts.number("priceFeedBScale") * parts.number("priceFeedScale")
    over, under = (parts.feed("priceFeedA"),), (parts.feed("priceFeedB"),)
    return parts.fraction(over, under, numerator, parts.scale("priceFeedAScale"))


def _vault(parts: Parts) -> int:
    """rate * underlying * priceFeedScale / combinedScale, the rate being convertToAssets(1 share)"""
    decimals = parts.number("rateDecimals")
    parts.expect("combinedScale", ten_to(decimals + parts.feed_decimals(_UNDERLYING)))
    base = parts.feed(_UNDERLYING)
    rate = parts.ratio("convertToAssets", "rateProvider", decimals, base)
    return parts.fraction((rate, base), (), parts.number("priceFeedScale"), parts.scale("combinedScale"))


def _wrapped(parts: Parts) -> int:
    """stETH price * wstETHScale / tokensPerStEth / 10**(stETHToETHPriceFeedDecimals - decimals)"""
    surplus = parts.number("stETHToETHPriceFeedDecimals") - parts.decimals
    rate = parts.ratio("tokensPerStEth", "wstETH", RATE_DECIMALS, title="stETH/wstETH ratio")
    over = (parts.feed("stETHtoETHPriceFeed"),)
    return parts.fraction(over, (rate,), parts.number("wstETHScale"), ten_to(surplus, "surplus of decimals"))


def _scaled(parts: Parts) -> int:
    """The underlying with other decimals: a price, or a rate that getRate or rsETHPrice answers.

    Four contracts look the same from outside; which it is shows in what it answers.
    """
    for position, decimals in _underlying(parts):
        up, down = max(0, parts.decimals - decimals), max(0, decimals - parts.decimals)
        if parts.sheet.values[position] * ten_to(up) // ten_to(down) == parts.contract.answer:
            return parts.fraction((position,), (), ten_to(up), ten_to(down))
    return parts.refuse("its answer is not its underlying feed's with other decimals")


def _underlying(parts: Parts) -> Iterator[tuple[int, int]]:
    """Positions and decimals of what may be scaled, the likely ones first."""
    if parts.is_priced(_UNDERLYING):
        yield parts.feed(_UNDERLYING), parts.feed_decimals(_UNDERLYING)
    others = (decimals for decimals in range(MAX_RATE_DECIMALS + 1) if decimals != RATE_DECIMALS)
    for decimals in (RATE_DECIMALS, *others):
        for rate in ("getRate", "rsETHPrice"):
            if parts.has(rate) and parts.number(rate) > 0:
                yield parts.ratio(rate, _UNDERLYING, decimals), decimals


def _ratio_cap(parts: Parts) -> int:
    """base * min(ratio, snapshot + growth * seconds / GROWTH_RATIO_SCALE) / 10**ratioDecimals, rescaled after

    PriceCapAdapterBase. The growth per second was a whole number before it got a scale. Where there is a
    marketAggregator, getRatio has its rate in it: both together are one ratio here.
    """
    start, since = parts.number("snapshotRatio"), parts.number("snapshotTimestamp")
    if since > parts.sheet.timestamp:
        parts.refuse(f"its cap starts at {since}, after this block")
    scale = parts.scale("GROWTH_RATIO_SCALE") if parts.has("GROWTH_RATIO_SCALE") else 1
    base, decimals = parts.feed(_BASE), parts.number("ratioDecimals")
    ratio = parts.ratio("getRatio", "ratioProvider", decimals, base)
    cap = parts.sheet.add(Growing(start, since, parts.number("maxRatioGrowthPerSecond"), scale))
    values = parts.sheet.values
    if (values[ratio] > values[cap]) != bool(parts.number("isCapped")):
        parts.refuse(f"its cap would stand at {values[cap]}, which its isCapped contradicts")
    held = parts.sheet.add(Least((ratio, cap), "ratio, at most the cap", parts.contract.address))
    missing = parts.decimals - parts.feed_decimals(_BASE)
    price = parts.fraction((base, held), (), 1, ten_to(decimals + max(0, -missing)))
    return parts.fraction((price,), (), ten_to(missing)) if missing > 0 else price


_SCALES: Final = (Ask("priceFeedScale"), Ask("combinedScale"))

COMPOUND: Final[tuple[Kind, ...]] = (
    Kind("ConstantPriceFeed", ("constantPrice",), _constant),
    Kind(
        "WBTCPriceFeed",
        ("WBTCToBTCPriceFeed", "BTCToUSDPriceFeed"),
        partial(_product, feeds=("WBTCToBTCPriceFeed", "BTCToUSDPriceFeed")),
        _SCALES,
        feeds=("WBTCToBTCPriceFeed", "BTCToUSDPriceFeed"),
    ),
    Kind(
        "WstETHPriceFeed",
        ("stETHtoETHPriceFeed", "wstETH"),
        _wrapped,
        (Ask("stETHToETHPriceFeedDecimals"), Ask("wstETHScale"), Ask("tokensPerStEth", of="wstETH")),
        feeds=("stETHtoETHPriceFeed",),
    ),
    Kind(
        "ReverseMultiplicativePriceFeed",
        ("priceFeedA", "priceFeedB", "priceFeedAScale"),
        _quotient,
        (Ask("priceFeedBScale"), Ask("priceFeedScale")),
        feeds=("priceFeedA", "priceFeedB"),
    ),
    Kind(
        "MultiplicativePriceFeed",
        ("priceFeedA", "priceFeedB"),
        partial(_product, feeds=("priceFeedA", "priceFeedB")),
        _SCALES,
        feeds=("priceFeedA", "priceFeedB"),
    ),
    Kind(
        "PriceFeedWith4626Support",
        ("rateProvider", _UNDERLYING),
        _vault,
        (
            *_SCALES,
            Ask("rateDecimals", "decimals", of="rateProvider"),
            Ask("convertToAssets", of="rateProvider", power="rateDecimals"),
        ),
        feeds=(_UNDERLYING,),
    ),
    Kind(
        "PriceCapAdapterBase of Compound",
        (_BASE, "ratioProvider"),
        _ratio_cap,
        (
            *(Ask(getter) for getter in ("getRatio", "ratioDecimals", "snapshotRatio", "snapshotTimestamp")),
            *(Ask(getter) for getter in ("maxRatioGrowthPerSecond", "GROWTH_RATIO_SCALE", "isCapped")),
        ),
        feeds=(_BASE,),
    ),
    Kind(
        "ScalingPriceFeed",
        (_UNDERLYING,),
        _scaled,
        (Ask("getRate", of=_UNDERLYING), Ask("rsETHPrice", of=_UNDERLYING)),
        feeds=(_UNDERLYING,),
    ),
)
