"""What a picture of an estimate shows: rows of equal width in the logarithm of price, with their bands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from defiliq.view.heat_rows import WIDENINGS, WITHIN_PCT, HeatRow, joined_steps
from defiliq.view.rungs import full_scale

if TYPE_CHECKING:
    from defiliq.cex.history import Floats, Int64s
    from defiliq.cex.levels import Estimate


@dataclass(frozen=True, slots=True)
class Band:
    """Dollars under several priors: the least, the middle prior's, the most."""

    low_usd: float
    mid_usd: float
    high_usd: float


NO_BAND = Band(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class EstimateRow:
    """What is estimated between two prices."""

    mid: HeatRow
    """Under the middle prior; it knows of no accounts."""
    long: Band
    short: Band
    both: Band
    """Of the two sides' sum, which is not the sum of their bands where priors disagree on the sides."""
    score: float
    """What is old weighs less: 0 to 1, of the heaviest row."""

    def band(self, side: str) -> Band:
        """Of one side."""
        return self.long if side == "long" else self.short


@dataclass(frozen=True, slots=True)
class EstimateRows:
    """The rows of a picture that hold something under some prior, from the lowest price to the highest."""

    rows: tuple[EstimateRow, ...]
    spot_usd: float
    anchor_usd: float
    """The edge of a bucket that is next to spot: rows are counted from it."""
    step_pct: float
    low_usd: float
    high_usd: float
    below: Band
    """What lies further out than the picture, of both sides."""
    above: Band
    unknown: int
    """Buckets whose dollars are no numbers: they are in no row."""

    @property
    def full_usd(self) -> float:
        """The size of a full bar: the band's upper end of the largest row that is no giant."""
        return full_scale([band.high_usd for row in self.rows for band in (row.long, row.short)])

    @property
    def full_mid_usd(self) -> float:
        """The same under the middle prior, by which rows are called heavy or light."""
        return full_scale([size for row in self.rows for size in (row.mid.long_usd, row.mid.short_usd)])

    @property
    def full_density_usd(self) -> float:
        """The density that has the last colour."""
        return full_scale([row.mid.density_usd for row in self.rows])

    @property
    def has_giants(self) -> bool:
        """Whether some bars are cut."""
        return any(max(row.long.high_usd, row.short.high_usd) > self.full_usd for row in self.rows)

    def edges_of(self, step: int) -> tuple[float, float]:
        """The two prices of a row, whether it holds something or not."""
        width = math.log1p(self.step_pct / 100)
        return self.anchor_usd * math.exp(step * width), self.anchor_usd * math.exp((step + 1) * width)

    def strip(self, low: float, high: float) -> tuple[list[float], list[float]]:
        """(edges, density of the middle prior) of all rows between two prices and a little beyond."""
        width = math.log1p(self.step_pct / 100)
        first, end = (math.log(price / self.anchor_usd) / width for price in (low, high))
        steps = range(math.floor(first), math.ceil(end) + 1)
        held = {row.mid.step: row.mid.density_usd for row in self.rows}
        edges = [self.anchor_usd * math.exp(step * width) for step in steps]
        return edges, [held.get(step, 0.0) for step in steps[:-1]]


def estimate_rows(
    estimate: Estimate,
    *,
    within_pct: float = WITHIN_PCT,
    fits: Callable[[Sequence[int]], bool] = lambda _: True,
) -> EstimateRows:
    """An estimate's buckets as rows, joined in equal numbers until the rows' steps, which rise, fit.

    A row at least each side of spot stays, whether that fits or not. Buckets of an estimate lie where price
    alone puts them, so rows begin at the edge next to spot, which is at most half a bucket off.
    """
    spot = estimate.spot_usd
    if not len(estimate.bucket) or not spot > 0:
        return EstimateRows((), spot, spot, estimate.step_pct, spot, spot, NO_BAND, NO_BAND, 0)
    width = math.log1p(estimate.step_pct / 100)
    anchor = round(math.log(spot) / width)
    place = estimate.bucket - anchor
    middle = np.exp((estimate.bucket + 0.5) * width)
    sides = np.stack([estimate.long_usd, estimate.short_usd])
    is_known = ~np.isnan(sides).any(axis=(0, 1))
    known = np.where(is_known, sides, 0.0)
    is_held = known.max(axis=(0, 1)) > 0
    below, above = middle < spot * (1 - within_pct / 100), middle > spot * (1 + within_pct / 100)
    inside = np.flatnonzero(is_held & ~below & ~above)
    steps = place[inside].tolist()
    # From `widest` on there is one row on each side of spot: nothing is gained by more.
    widest = max(map(abs, steps), default=0) + 1
    enough = (n for n in WIDENINGS if n >= widest or fits(joined_steps(steps, n)))
    joined = next(enough, WIDENINGS[-1])
    rows = _rows_of(estimate, known, place // joined, inside, (anchor, joined * width, width))
    return EstimateRows(
        rows,
        spot,
        math.exp(anchor * width),
        100 * math.expm1(joined * width),
        min([spot, *(row.mid.low_usd for row in rows)]),
        max([spot, *(row.mid.high_usd for row in rows)]),
        _band(known[:, :, below].sum(axis=(0, 2)), estimate.mid),
        _band(known[:, :, above].sum(axis=(0, 2)), estimate.mid),
        int(np.count_nonzero(~is_known)),
    )


def _rows_of(
    estimate: Estimate, known: Floats, step: Int64s, inside: Int64s, grid: tuple[int, float, float]
) -> tuple[EstimateRow, ...]:
    """`known` is (sides, priors, buckets), `step` each bucket's row; `grid` the bucket at which rows begin, a
    row's width and a bucket's.
    """
    anchor, wide, width = grid
    start = math.exp(anchor * width)
    of_mid = np.stack([score[estimate.mid] for score in (estimate.long_score, estimate.short_score)])
    scores = np.nansum(of_mid, axis=0)
    per_row = np.bincount(step - step.min(), weights=scores)
    best = float(per_row.max(initial=0.0))
    middle = np.exp((estimate.bucket + 0.5) * width)
    rows = []
    for each in np.unique(step[inside]).tolist():
        columns = inside[step[inside] == each]
        longs, shorts = known[:, :, columns].sum(axis=2)
        low, high = (start * math.exp(k * wide) for k in (each, each + 1))
        weights = known[:, estimate.mid, columns].sum(axis=0)
        total = float(weights.sum())
        mean = float((weights / total * middle[columns]).sum()) if total > 0 else math.sqrt(low * high)
        rows.append(
            EstimateRow(
                HeatRow(
                    each, low, high, float(longs[estimate.mid]), float(shorts[estimate.mid]), price_usd=mean
                ),
                *(_band(longs, estimate.mid), _band(shorts, estimate.mid)),
                _band(longs + shorts, estimate.mid),
                float(per_row[each - step.min()]) / best if best > 0 else 0.0,
            )
        )
    return tuple(rows)


def _band(per_prior: Floats, mid: int) -> Band:
    return Band(float(per_prior.min()), float(per_prior[mid]), float(per_prior.max()))


def side_band(estimate: Estimate, side: str) -> Band:
    """All dollars of one side, wherever they lie; those that are no numbers left out."""
    dollars = estimate.long_usd if side == "long" else estimate.short_usd
    return _band(np.nansum(dollars, axis=1), estimate.mid) if dollars.size else NO_BAND
