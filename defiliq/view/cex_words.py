"""What is said around every picture of an estimate: that it is one, of what, from where, how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from defiliq.view.cex_rows import Band, side_band
from defiliq.view.charts import compact, minute
from defiliq.view.heat_rows import money_shown, price_shown
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.cex.history import Floats, Instrument
    from defiliq.cex.levels import Estimate
    from defiliq.view.cex_rows import EstimateRows

DRIVER_END = "/USD"
"""Venues quote dollars, or coins that stand for them."""
NOTHING = "nothing is estimated within this window"
UNKNOWN = "unknown"


def driver_of(instrument: Instrument) -> str:
    """The price that an estimate lies along, as the chain's drivers are named."""
    return f"{clean(instrument.asset)}{DRIVER_END}"


def contract_words(instrument: Instrument) -> str:
    """Venue and contract."""
    return f"{clean(instrument.venue)} {clean(instrument.symbol)}"


def headline(estimate: Estimate) -> str:
    """Of what the estimate is, with spot."""
    spot = price_shown(estimate.spot_usd, driver_of(estimate.instrument))
    return f"{kind_of(estimate.source)}: liquidations of {clean(estimate.instrument.asset)}, spot {spot}"


def kind_of(source: str) -> str:
    """How much of what is shown is real: nothing is known, and of a simulation nothing is observed."""
    return "ESTIMATE (simulated sample)" if "simulated" in source.lower() else "ESTIMATE"


def source_words(estimate: Estimate) -> str:
    """Contract, source and time."""
    where = contract_words(estimate.instrument)
    return f"{where}, {minute(estimate.at)}, source: {clean(estimate.source)}"


def coverage_words(estimate: Estimate) -> str:
    """How much of the reported open interest the estimate explains, under the middle prior and under all."""
    reported = money_shown(estimate.open_interest_usd, "USD")
    parts = [
        f"{side}s {share_band(coverage, estimate.mid)}"
        for side, coverage in (("long", estimate.coverage_long), ("short", estimate.coverage_short))
    ]
    return f"Of {reported} open interest it explains: {', '.join(parts)}."


def share_band(shares: Floats, mid: int) -> str:
    """A share under the middle prior, with what the others make of it: 81% (74% to 90%)."""
    if not len(shares):
        return UNKNOWN
    least, middle, most = float(shares.min()), float(shares[mid]), float(shares.max())
    if share_shown(least) == share_shown(most):
        return share_shown(middle)
    return f"{share_shown(middle)} ({share_shown(least)} to {share_shown(most)})"


def share_shown(share: float) -> str:
    """A share in whole percent; what is there but less than one is said to be."""
    if not math.isfinite(share):
        return UNKNOWN
    return "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


def priors_words(estimate: Estimate) -> str:
    """Which assumptions the band is of."""
    names = [clean(name) for name in estimate.priors]
    if len(names) < 2:
        return f"Leverage prior: {', '.join(names) or 'none'}. One alone gives no band."
    return f"Leverage priors: {', '.join(names)}. Middle of the band: {names[estimate.mid]}."


def band_shown(band: Band) -> str:
    """Dollars with their band: $3.4M (1.2M to 9.8M)."""
    if band.low_usd == band.high_usd:
        return f"${compact(band.mid_usd)}"
    return f"${compact(band.mid_usd)} ({compact(band.low_usd)} to {compact(band.high_usd)})"


def sums_words(estimate: Estimate) -> str:
    """All that is estimated of each side."""
    longs, shorts = (band_shown(side_band(estimate, side)) for side in ("long", "short"))
    return f"In all: longs {longs}, shorts {shorts}."


def left_out(shown: EstimateRows) -> list[str]:
    """What a picture does not show, in sentences."""
    said = [
        f"Further {where}: {band_shown(band)}."
        for where, band in (("below", shown.below), ("above", shown.above))
        if band.high_usd > 0
    ]
    if shown.unknown:
        said.append(f"Price buckets that could not be estimated: {shown.unknown:,}.")
    return said


def fault_words(faults: Sequence[str]) -> list[str]:
    """What makes an estimate incomplete."""
    return [f"Incomplete: {clean(fault).rstrip('.')}." for fault in faults]


def near_dollars(estimate: Estimate, near_pct: float) -> tuple[float, float]:
    """(longs, shorts) of the middle prior so close to spot."""
    if not len(estimate.bucket) or not estimate.spot_usd > 0:
        return 0.0, 0.0
    middle = np.sqrt(estimate.edges_usd[:-1] * estimate.edges_usd[1:])
    is_near = np.abs(middle / estimate.spot_usd - 1) <= near_pct / 100
    longs, shorts = estimate.long_usd[estimate.mid, is_near], estimate.short_usd[estimate.mid, is_near]
    return float(np.nansum(longs)), float(np.nansum(shorts))
