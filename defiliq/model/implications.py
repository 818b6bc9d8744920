"""What the figures of an analysis come to, in sentences: of what lies there, never of what will be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from defiliq.model.clusters import Cluster
from defiliq.model.heat import Heat
from defiliq.model.magnet import Magnet
from defiliq.model.risk import Asymmetry, CascadeRisk, strongest

Bias: TypeAlias = Literal["mild bullish", "bearish", "neutral"]

_BIAS: dict[Asymmetry, Bias] = {
    "upside_stronger": "mild bullish",
    "downside_stronger": "bearish",
    "balanced": "neutral",
}
_RANK = ("low", "moderate", "high")


@dataclass(frozen=True, slots=True)
class Implications:
    """Three sentences, and what they are about."""

    bias: Bias | None
    """How the model calls the asymmetry; None without clusters."""
    bias_text: str
    risk: Cluster | None
    """The nearest cluster of high priority; the nearest of all where none is."""
    risk_text: str
    key_level: Cluster | None
    """Where the first of the clusters stands that are stacked most closely; without any, the largest."""
    key_level_text: str


def imply(
    heat: Heat,
    clusters: Sequence[Cluster],
    high: Sequence[Cluster],
    magnet: Magnet,
    lean: Asymmetry | None,
    down: CascadeRisk,
    up: CascadeRisk,
) -> Implications:
    """The sentences of an analysis, whose `high` are the clusters of high priority."""
    say = _Wording(heat.base_symbol, heat.driver)
    near = min(high or clusters, key=lambda c: (abs(c.distance_pct), -c.magnitude_usd), default=None)
    stacked = max((down, up), key=lambda risk: (_RANK.index(risk.label), _is_nearer(risk, down, up)))
    key = stacked.stack[0] if stacked.stack else (clusters[0] if clusters else None)
    return Implications(
        bias=None if lean is None else _BIAS[lean],
        bias_text=_bias_text(say, heat, clusters, magnet, lean),
        risk=near,
        risk_text=_risk_text(say, heat, near, is_high=bool(high)),
        key_level=key,
        key_level_text=_key_text(say, key, stacked),
    )


def _is_nearer(risk: CascadeRisk, down: CascadeRisk, up: CascadeRisk) -> bool:
    """Whether no other direction's stack begins nearer to spot."""
    starts = {id(each): abs(each.stack[0].distance_pct) for each in (down, up) if each.stack}
    return id(risk) in starts and starts[id(risk)] == min(starts.values())


def _bias_text(
    say: _Wording, heat: Heat, clusters: Sequence[Cluster], magnet: Magnet, lean: Asymmetry | None
) -> str:
    if lean is None:
        return "No cluster stands on either side, so there is no bias."
    pull = "" if math.isnan(magnet.imbalance) else f"; weighted with distance, {_pulls(magnet.imbalance)}"
    above, below = strongest(heat.spot_usd, clusters)
    sides = " and ".join((_side_text(say, above, "above"), _side_text(say, below, "below"))) + pull
    if lean == "balanced":
        return f"Magnets balanced, neutral: {sides}."
    word = "Upward" if lean == "upside_stronger" else "Downward"
    return f"{word} magnet stronger, {_BIAS[lean]} in the model's terms: {sides}."


def _side_text(say: _Wording, largest: Cluster | None, where: str) -> str:
    if largest is None:
        return f"no cluster stands {where} spot"
    return f"the largest cluster {where} spot holds {say.money(largest.magnitude_usd)}"


def _pulls(imbalance: float) -> str:
    share = f"{50 * (1 + abs(imbalance)):.0f}%"
    if share == "50%":
        return "both sides weigh about the same"
    return f"{share} of all that breaks lies {'above' if imbalance > 0 else 'below'} spot"


def _risk_text(say: _Wording, heat: Heat, near: Cluster | None, *, is_high: bool) -> str:
    already = ""
    if heat.already_accounts:
        held = say.money(heat.already_long_usd + heat.already_short_usd)
        already = f" {say.accounts(heat.already_accounts)} liquidatable at spot already, with {held}."
    if near is None:
        return f"No cluster stands within the window.{already}"
    what = "high-priority level" if is_high else "cluster"
    return (
        f"The nearest {what} stands {abs(near.distance_pct):.2f}% {_where(near)} spot: "
        f"{say.money(near.magnitude_usd)} of {near.type} liquidations around {say.price(near.price_usd)}."
        f"{already}"
    )


def _key_text(say: _Wording, key: Cluster | None, risk: CascadeRisk) -> str:
    if key is None:
        return "No level stands out."
    at = say.price(key.price_usd)
    if not risk.stack:
        return (
            f"{at} is the largest cluster, with {say.money(key.magnitude_usd)}; no two are stacked closely."
        )
    return (
        f"{at}: from there {'down' if risk.direction == 'down' else 'up'}, {risk.stacked} clusters are "
        f"stacked within {risk.stacked_within_pct:.2f}% of spot, the closest "
        f"{risk.smallest_gap_pct:.2f}% apart ({risk.label} cascade risk)."
    )


def _where(cluster: Cluster) -> str:
    return "above" if cluster.distance_pct > 0 else "below" if cluster.distance_pct < 0 else "from"


@dataclass(frozen=True, slots=True)
class _Wording:
    """Numbers as text, in one currency, along one driver."""

    base_symbol: str
    driver: str

    def money(self, value: float) -> str:
        """An amount in whole units, in cents below a thousand."""
        digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
        return self._in_base(digits)

    def price(self, value: float) -> str:
        """A price with as many digits as say something; a ratio of two assets is of no currency."""
        digits = f"{value:,.0f}" if value >= 10_000 else f"{value:,.2f}" if value >= 100 else f"{value:.6g}"
        return self._in_base(digits) if self.driver.endswith(f"/{self.base_symbol}") else digits

    def _in_base(self, digits: str) -> str:
        return f"${digits}" if self.base_symbol == "USD" else f"{digits} {self.base_symbol}".strip()

    def accounts(self, count: int) -> str:
        """How many accounts are."""
        return "1 account is" if count == 1 else f"{count:,} accounts are"
