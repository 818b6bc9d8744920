"""Confirmations: what speaks for a signal and what against it. A heatmap alone says no direction.

Four checks stand beside every signal: the trend of open interest, the skew of funding, the order book, and
whether other venues and the chain see the level as well. Each is decided by stated thresholds, and unknown
where its data are missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from defiliq.cex.compare import Comparison
from defiliq.cex.consensus import Agreement
from defiliq.cex.evidence import (
    BookDepth,
    FundingSkew,
    OpenInterestTrend,
    book_depth,
    funding_skew,
    open_interest_trend,
    skew_together,
    trend_together,
)
from defiliq.cex.history import VenueData
from defiliq.cex.tracks import track
from defiliq.errors import InputError
from defiliq.model.clusters import Cluster
from defiliq.model.magnet import Magnet
from defiliq.types import Side

Verdict: TypeAlias = Literal["supports", "against", "neither", "unknown"]

CHECKS = ("open_interest", "funding", "order_book", "consensus")
CONFIRMATION_COLUMNS = (
    *("name", "side", "price_usd", "size_usd", "supports", "against", "unknown", *CHECKS),
    *("open_interest_usd", "open_interest_day_pct", "open_interest_week_pct"),
    *("funding_mean_day_rate", "funding_last_day_rate", "funding_percentile"),
    *("within_half_usd", "within_one_usd", "within_two_usd", "published_pct"),
    *("least_moved_pct", "most_moved_pct", "runs_dry", "agreeing", "asked"),
)
EVIDENCE_COLUMNS = (
    *("name", "open_interest_usd", "open_interest_day_pct", "open_interest_week_pct"),
    *("funding_mean_day_rate", "funding_last_day_rate", "funding_percentile", "funding_sign"),
)


@dataclass(frozen=True, slots=True)
class Signal:
    """A level that may matter."""

    name: str
    """Whose it is: a party of the comparison."""
    side: Side
    """long: longs are sold there, below spot. short: shorts are bought back, above."""
    price_usd: float
    size_usd: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a number speaks for a signal, or against it. Choices, but for what is said of funding."""

    trend_pct: float = 2.0
    """Open interest that rose so far in a day, or further, supports; that fell so far is against."""
    crowded_day_rate: float = 0.0003
    """Longs are crowded where funding per day is above it: three times the 0.01% of interest in the venues'
    own formulas, which longs pay while the market is balanced. Shorts are crowded where it is below 0.
    """
    heavy_pct: float = 1.0
    """A level whose dollars move the books so far, or further, supports."""
    light_pct: float = 0.1
    """One that moves them less is against: it is nothing for this market."""

    def __post_init__(self) -> None:
        if not (self.trend_pct > 0 and self.heavy_pct >= self.light_pct > 0 and self.crowded_day_rate >= 0):
            raise InputError("thresholds of confirmations are above 0, and heavy is not below light.")


DEFAULTS = Thresholds()


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A signal with what stands beside it."""

    signal: Signal
    open_interest: Verdict
    funding: Verdict
    order_book: Verdict
    consensus: Verdict
    trend: OpenInterestTrend
    """Of all contracts together."""
    trends: tuple[OpenInterestTrend, ...]
    """Of each."""
    skew: FundingSkew
    """Of all together, weighted by open interest."""
    skews: tuple[FundingSkew, ...]
    depth: BookDepth
    agreement: Agreement | None
    """None without a comparison."""

    def count(self, verdict: Verdict) -> int:
        """How many of the four checks say so."""
        return (self.open_interest, self.funding, self.order_book, self.consensus).count(verdict)


def cluster_signal(name: str, cluster: Cluster) -> Signal:
    """A party's cluster, or key level, as a signal."""
    return Signal(name, cluster.type, cluster.price_usd, cluster.magnitude_usd)


def magnet_signal(name: str, magnet: Magnet) -> Signal | None:
    """The cluster that a party's magnet points to; None where it is balanced, or there is none."""
    towards = {"upward_magnet": magnet.nearest_above, "downward_magnet": magnet.nearest_below}
    cluster = None if magnet.label is None else towards.get(magnet.label)
    return None if cluster is None else cluster_signal(name, cluster)


def confirm(
    signal: Signal,
    venues: Sequence[VenueData],
    comparison: Comparison | None,
    thresholds: Thresholds = DEFAULTS,
) -> Confirmation:
    """What the venues' public numbers, and the other parties of a comparison, say of a signal.

    - Open interest: it rose over a day, so positions behind such levels are fresh: supports. It fell, so
      they are being closed: against.
    - Funding of the last day: the side that would be liquidated is crowded and pays for it: supports. The
      other one is: against.
    - Order book: what the level holds moves the books of now by 1% or more: supports; by less than 0.1%:
      against. Where books are published too short a way to tell, unknown.
    - Consensus: everybody else has a cluster there: supports; nobody has: against.

    Anything between is neither; missing data are unknown. InputError for a signal that is no level.
    """
    return confirm_all([signal], venues, comparison, thresholds)[0]


def confirm_all(
    signals: Sequence[Signal],
    venues: Sequence[VenueData],
    comparison: Comparison | None,
    thresholds: Thresholds = DEFAULTS,
) -> tuple[Confirmation, ...]:
    """Several signals, each as `confirm` does; what the venues publish is gone through once."""
    histories = [one.history for one in venues if len(one.history)]
    tracks = [track(one) for one in histories]
    trends = (*(open_interest_trend(one) for one in tracks), trend_together(tracks))
    skews = (*(funding_skew(one) for one in histories), skew_together(histories))
    return tuple(_confirmed(one, venues, comparison, thresholds, trends, skews) for one in signals)


def _confirmed(
    signal: Signal,
    venues: Sequence[VenueData],
    comparison: Comparison | None,
    thresholds: Thresholds,
    trends: Sequence[OpenInterestTrend],
    skews: Sequence[FundingSkew],
) -> Confirmation:
    """One signal; the last of the trends and of the skews is that of all contracts together."""
    if not (0 < signal.price_usd < math.inf and 0 <= signal.size_usd < math.inf):
        raise InputError(
            f"{signal.size_usd} dollars at {signal.price_usd} are no level that could be confirmed."
        )
    (*apart, trend), (*skewed, skew) = trends, skews
    depth = book_depth(venues, signal.side, signal.size_usd)
    agreement = (
        None if comparison is None else comparison.agreement(signal.name, signal.price_usd, signal.side)
    )
    return Confirmation(
        signal=signal,
        open_interest=_of_trend(trend.day_pct, thresholds),
        funding=_of_funding(skew.last_day_rate, signal.side, thresholds),
        order_book=_of_depth(depth, thresholds),
        consensus=_of_agreement(agreement),
        trend=trend,
        trends=tuple(apart),
        skew=skew,
        skews=tuple(skewed),
        depth=depth,
        agreement=agreement,
    )


def confirmation_table(confirmations: Sequence[Confirmation]) -> pd.DataFrame:
    """CONFIRMATION_COLUMNS: a row per signal, in the order given."""
    table = pd.DataFrame([_row(one) for one in confirmations], columns=list(CONFIRMATION_COLUMNS))
    return table.astype(_kinds(CONFIRMATION_COLUMNS))


def evidence_table(confirmation: Confirmation) -> pd.DataFrame:
    """EVIDENCE_COLUMNS: a row per contract, and one of all together; the same for every signal."""
    rows = [
        _trend_columns(trend) | _skew_columns(skew) | {"name": trend.name, "funding_sign": skew.sign or ""}
        for trend, skew in zip(
            (*confirmation.trends, confirmation.trend), (*confirmation.skews, confirmation.skew), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(EVIDENCE_COLUMNS)).astype(_kinds(EVIDENCE_COLUMNS))


def _of_trend(day_pct: float, thresholds: Thresholds) -> Verdict:
    if math.isnan(day_pct):
        return "unknown"
    if abs(day_pct) < thresholds.trend_pct:
        return "neither"
    return "supports" if day_pct > 0 else "against"


def _of_funding(day_rate: float, side: Side, thresholds: Thresholds) -> Verdict:
    if math.isnan(day_rate):
        return "unknown"
    if 0 <= day_rate <= thresholds.crowded_day_rate:
        return "neither"
    crowded: Side = "long" if day_rate > 0 else "short"
    return "supports" if crowded == side else "against"


def _of_depth(depth: BookDepth, thresholds: Thresholds) -> Verdict:
    """What holds for the least that the price may move and for the most; unknown where they disagree."""
    if not depth.names:
        return "unknown"
    verdicts = {_of_move(moved, thresholds) for moved in (depth.least_moved_pct, depth.most_moved_pct)}
    return verdicts.pop() if len(verdicts) == 1 else "unknown"


def _of_move(moved_pct: float, thresholds: Thresholds) -> Verdict:
    if moved_pct >= thresholds.heavy_pct:
        return "supports"
    return "against" if moved_pct < thresholds.light_pct else "neither"


def _of_agreement(agreement: Agreement | None) -> Verdict:
    if agreement is None or agreement.label is None:
        return "unknown"
    verdicts: dict[str, Verdict] = {"consensus": "supports", "partial": "neither", "alone": "against"}
    return verdicts[agreement.label]


def _row(one: Confirmation) -> dict[str, object]:
    half, within_one, within_two = one.depth.within_usd
    return {
        "name": one.signal.name,
        "side": one.signal.side,
        "price_usd": one.signal.price_usd,
        "size_usd": one.signal.size_usd,
        "supports": one.count("supports"),
        "against": one.count("against"),
        "unknown": one.count("unknown"),
        **{check: getattr(one, check) for check in CHECKS},
        **_trend_columns(one.trend),
        **_skew_columns(one.skew),
        "within_half_usd": half,
        "within_one_usd": within_one,
        "within_two_usd": within_two,
        "published_pct": one.depth.published_pct,
        "least_moved_pct": one.depth.least_moved_pct,
        "most_moved_pct": one.depth.most_moved_pct,
        "runs_dry": one.depth.runs_dry,
        "agreeing": "" if one.agreement is None else "+".join(one.agreement.agreeing),
        "asked": 0 if one.agreement is None else len(one.agreement.asked),
    }


def _trend_columns(trend: OpenInterestTrend) -> dict[str, object]:
    return {
        "open_interest_usd": trend.now_usd,
        "open_interest_day_pct": trend.day_pct,
        "open_interest_week_pct": trend.week_pct,
    }


def _skew_columns(skew: FundingSkew) -> dict[str, object]:
    return {
        "funding_mean_day_rate": skew.mean_day_rate,
        "funding_last_day_rate": skew.last_day_rate,
        "funding_percentile": skew.percentile,
    }


def _kinds(columns: Sequence[str]) -> dict[str, str]:
    counts = dict.fromkeys({"supports", "against", "unknown", "asked"} & set(columns), "int64")
    return counts | {
        name: "float64" for name in columns if name.endswith(("_usd", "_pct", "_rate", "_percentile"))
    }
