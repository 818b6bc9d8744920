"""What Aave's adapters of staked tokens computed before ratios were capped.

They are in bgd-labs/cl-synchronicity-price-adapter. `latestAnswer` of each is
base * rate / 10**RATIO_DECIMALS, and the rate is asked of another contract.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from defiliq.oracle.contracts import Ask
from defiliq.oracle.kinds import Kind
from defiliq.oracle.sheet import Parts


def _staked(parts: Parts, base: str, provider: str, rate: str) -> int:
    price = parts.feed(base)
    ratio = parts.ratio(rate, provider, parts.number("RATIO_DECIMALS"), price)
    return parts.fraction((price, ratio), (), 1, parts.power("RATIO_DECIMALS"))


def _kind(name: str, base: str, provider: str, rate: str, power: str | int | None = None) -> Kind:
    build = partial(_staked, base=base, provider=provider, rate=rate)
    asks = (Ask("RATIO_DECIMALS"), Ask(rate, of=provider, power=power))
    return Kind(name, (base, provider), build, asks, feeds=(base,))


LEGACY: Final[tuple[Kind, ...]] = (
    _kind("WstETHSynchronicityPriceAdapter", "ETH_TO_BASE", "STETH", "getPooledEthByShares", 18),
    _kind("CbEthSynchronicityPriceAdapter", "CBETH_TO_BASE", "RATE_PROVIDER", "exchangeRate"),
    _kind("CLrETHSynchronicityPriceAdapter", "ETH_TO_USD", "RETH", "getExchangeRate"),
    _kind("MaticSynchronicityPriceAdapter", "MATIC_TO_BASE", "RATE_PROVIDER", "getRate"),
    _kind("sDAISynchronicityPriceAdapter", "DAI_TO_USD", "RATE_PROVIDER", "chi"),
    _kind(
        "sDAIGnosisChainSynchronicityPriceAdapter", "DAI_TO_BASE", "sDAI", "convertToAssets", "RATIO_DECIMALS"
    ),
)
