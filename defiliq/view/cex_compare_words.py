"""What is said of a comparison: who is exact and who is estimated, of when, and from where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defiliq.view.cex_rows import Band
from defiliq.view.cex_words import UNKNOWN, band_shown, contract_words, share_band
from defiliq.view.charts import minute
from defiliq.view.heat_rows import market_lines, money_shown, price_shown
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.cex.compare import Comparison
    from defiliq.cex.consensus import Agreement
    from defiliq.cex.levels import Estimate
    from defiliq.cex.parties import Party

EXACT, ESTIMATED = "exact", "estimated"
_MARKETS_NAMED = 3
_NAMED = 2
"""More names than these are a number."""


def title_of_comparison(comparison: Comparison, estimates: Sequence[Estimate] = ()) -> str:
    """Asset and spot; a simulated sample is called so."""
    simulated = " (simulated sample)" if any("simulated" in one.source.lower() for one in estimates) else ""
    spot = price_shown(comparison.axis.spot_usd, comparison.axis.driver)
    beside = "On chain and ESTIMATED" if comparison.chain is not None else "ESTIMATED"
    return f"{beside}{simulated}: {clean(comparison.asset)}, spot {spot}"


def party_words(party: Party) -> str:
    """A party's name with how much of it is known."""
    return f"{clean(party.name)}, {EXACT if party.kind == 'chain' else ESTIMATED}"


def axis_words(comparison: Comparison) -> str:
    """Along which price all stand."""
    moved = ", venues moved to this spot" if comparison.by == "distance" else ""
    return f"{clean(comparison.axis.driver)}, logarithmic{moved}"


def where_lines(comparison: Comparison, estimates: Sequence[Estimate] = ()) -> list[str]:
    """One line per market that was read and per venue that was estimated."""
    lines = []
    if comparison.on_chain is not None:
        lines += market_lines(comparison.on_chain.sources, _MARKETS_NAMED)
    told = [
        f"{contract_words(one.instrument)}, {minute(one.at)}, explains {explained(one)}"
        for one in in_order(estimates)
    ]
    if not told:
        return [*lines, *(f"{clean(one.name)}, {when(one.at)}" for one in comparison.venues)]
    sources = dict.fromkeys(clean(one.source) for one in in_order(estimates))
    return [*lines, *told, f"Estimates from: {', '.join(sources)}."]


def in_order(estimates: Sequence[Estimate]) -> list[Estimate]:
    """As a comparison has its venues."""
    return sorted(estimates, key=lambda one: (one.instrument.venue, one.instrument.symbol))


def explained(estimate: Estimate) -> str:
    """How much of the open interest an estimate explains; one share if it is that of both sides."""
    longs, shorts = (share_band(c, estimate.mid) for c in (estimate.coverage_long, estimate.coverage_short))
    shares = longs if longs == shorts else f"longs {longs}, shorts {shorts},"
    return f"{shares} of {money_shown(estimate.open_interest_usd, 'USD')}"


def when(at: int | None) -> str:
    """A time, if there is one."""
    return UNKNOWN if at is None else minute(at)


def band_words(band: Sequence[float]) -> str:
    """(low, mid, high) dollars: $3.4M (1.2M to 9.8M), or $3.4M where they are one."""
    low, mid, high = band
    if math.isnan(mid):
        return UNKNOWN
    return band_shown(Band(low, mid, high))


def agreement_words(agreement: Agreement) -> str:
    """Who has a cluster there, of those who were asked: partial (okx of 3)."""
    if agreement.label is None:
        return "nobody else to ask"
    if not agreement.agreeing:
        return f"alone of {len(agreement.asked) + 1}"
    if agreement.label == "consensus":
        return f"consensus (all {len(agreement.asked)})"
    few = len(agreement.agreeing) <= _NAMED
    names = ", ".join(map(clean, agreement.agreeing)) if few else str(len(agreement.agreeing))
    return f"{agreement.label} ({names} of {len(agreement.asked)})"
