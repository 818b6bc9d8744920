"""Estimates and truths by hand."""

from __future__ import annotations

import numpy as np

from defiliq.cex.history import Floats
from defiliq.cex.levels import Estimate
from defiliq.cex.population import SIMULATED, TrueLevels
from defiliq.model.over_time import buckets_of

STEP_PCT = 0.1
AT = 1_000


def truth_at(longs: dict[float, float], shorts: dict[float, float]) -> TrueLevels:
    """Dollars by price."""
    prices = np.array([*longs, *shorts])
    return TrueLevels(
        at=AT,
        spot_usd=100.0,
        is_long=np.arange(len(prices)) < len(longs),
        price_usd=prices,
        size_usd=np.array([*longs.values(), *shorts.values()]),
    )


def estimate_of(rows: list[tuple[dict[float, float], dict[float, float]]], mid: int = 0) -> Estimate:
    """Dollars by price, longs and shorts of each prior."""
    known = np.array([price for row in rows for side in row for price in side])
    buckets = np.arange(
        buckets_of(known.min()[None], STEP_PCT)[0], buckets_of(known.max()[None], STEP_PCT)[0] + 1
    )

    def laid(k: int) -> Floats:
        found = np.zeros((len(rows), len(buckets)))
        for i, row in enumerate(rows):
            for price, dollars in row[k].items():
                found[i, buckets_of(np.array([price]), STEP_PCT)[0] - buckets[0]] += dollars
        return found

    return Estimate(
        instrument=SIMULATED,
        at=AT,
        spot_usd=100.0,
        step_pct=STEP_PCT,
        priors=tuple(f"prior {k}" for k in range(len(rows))),
        mid=mid,
        bucket=buckets,
        long_usd=laid(0),
        short_usd=laid(1),
        long_score=laid(0),
        short_score=laid(1),
        open_interest_usd=1.0,
        coverage_long=np.ones(len(rows)),
        coverage_short=np.ones(len(rows)),
        source="by hand",
    )
