"""Rows of an estimate: nothing is lost, bands are those of sums, and no unknown counts as nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.view.cex_rows import Band, EstimateRows, estimate_rows, side_band
from defiliq.view.cex_words import band_shown, coverage_words, priors_words, share_band, share_shown
from defiliq.view.heat_rows import few_slots
from tests.view.cex_stage import PRIORS, Sided, estimate_of, wide_estimate


def total(shown: EstimateRows, which: str) -> float:
    rows = math.fsum(float(getattr(row.both, f"{which}_usd")) for row in shown.rows)
    return rows + sum(float(getattr(band, f"{which}_usd")) for band in (shown.below, shown.above))


@pytest.mark.parametrize("most", [5, 40, 240, 10_000])
def test_nothing_is_lost_however_buckets_are_joined(most: int) -> None:
    estimate = wide_estimate()
    shown = estimate_rows(estimate, fits=few_slots(most))
    both = estimate.long_usd + estimate.short_usd
    assert total(shown, "mid") == pytest.approx(both[1].sum())
    assert shown.rows[-1].mid.step - shown.rows[0].mid.step < max(most, 2)
    widths = [math.log(row.mid.high_usd / row.mid.low_usd) for row in shown.rows]
    assert np.ptp(widths) == pytest.approx(0, abs=1e-12)


def test_the_band_of_a_row_is_that_of_the_sum_and_not_the_sum_of_bands() -> None:
    levels: list[Sided] = [(2500.0, "long", (10.0, 20.0, 30.0)), (2507.0, "long", (30.0, 20.0, 10.0))]
    apart = estimate_rows(estimate_of(levels))
    assert [row.long for row in apart.rows] == [Band(10.0, 20.0, 30.0)] * 2
    (joined,) = estimate_rows(estimate_of(levels), fits=few_slots(1)).rows
    assert joined.long == joined.both == Band(40.0, 40.0, 40.0)
    assert joined.short == Band(0.0, 0.0, 0.0)
    assert joined.mid.accounts == 0


@given(
    st.lists(
        st.tuples(
            st.floats(1600, 4400),
            st.sampled_from(("long", "short")),
            st.tuples(*[st.floats(0, 1e9)] * 3),
        ),
        min_size=1,
        max_size=30,
    ),
    st.floats(2500, 3500),
    st.integers(1, 60),
)
@settings(max_examples=200, deadline=None)
def test_every_level_is_in_the_row_of_its_price(levels: list[Sided], spot: float, most: int) -> None:
    estimate = estimate_of(levels, spot)
    shown = estimate_rows(estimate, within_pct=90.0, fits=few_slots(most))
    for row in shown.rows:
        assert row.both.low_usd <= row.both.mid_usd <= row.both.high_usd
        assert 0 <= row.score <= 1
        assert row.mid.low_usd <= row.mid.price_usd <= row.mid.high_usd * (1 + 1e-12)
    for price, side, dollars in levels:
        if max(dollars) > 0:
            held = [row for row in shown.rows if row.mid.low_usd / 1.003 <= price <= row.mid.high_usd * 1.003]
            assert any(row.band(side).high_usd >= max(dollars) * (1 - 1e-12) for row in held)
    for side in ("long", "short"):
        wanted = side_band(estimate, side).mid_usd
        assert math.fsum(row.band(side).mid_usd for row in shown.rows) == pytest.approx(wanted)


def test_rows_begin_at_the_edge_next_to_spot() -> None:
    shown = estimate_rows(wide_estimate())
    assert abs(math.log(shown.anchor_usd / shown.spot_usd)) <= math.log1p(0.0025) / 2
    assert shown.edges_of(0)[0] == shown.anchor_usd == pytest.approx(shown.edges_of(-1)[1])
    edges, density = shown.strip(2000.0, 4000.0)
    assert len(edges) == len(density) + 1
    assert edges[0] <= 2000.0 < 4000.0 <= edges[-1]
    held = {row.mid.low_usd: row.mid.density_usd for row in shown.rows}
    low = max(price for price in held if price < 2450)
    place = min(range(len(density)), key=lambda k: abs(edges[k] - low))
    assert density[place] == held[low] > 0


def test_the_score_is_of_the_heaviest_row_wherever_it_lies() -> None:
    levels: list[Sided] = [
        (1000.0, "long", (8e6,) * 3),
        (2500.0, "long", (4e6,) * 3),
        (3600.0, "short", (1e6,) * 3),
    ]
    scores = [row.score for row in estimate_rows(estimate_of(levels)).rows]
    assert scores == [0.5, 0.25]  # longs weigh half in the stage: 4, 2 and 1


def test_what_is_no_number_is_counted_and_in_no_sum() -> None:
    estimate = estimate_of([(2500.0, "long", (1.0, 2.0, 3.0)), (2600.0, "long", (4.0, 5.0, 6.0))])
    broken = estimate.long_usd.copy()
    broken[1, 0] = math.nan
    shown = estimate_rows(replace(estimate, long_usd=broken))
    assert shown.unknown == 1
    assert [row.long for row in shown.rows] == [Band(4.0, 5.0, 6.0)]


@pytest.mark.parametrize("spot", [math.nan, 0.0])
def test_without_a_spot_there_is_no_row(spot: float) -> None:
    assert estimate_rows(estimate_of([(2500.0, "long", (1.0, 2.0, 3.0))], spot)).rows == ()
    assert estimate_rows(estimate_of([], 3000.0)).rows == ()


def test_words_for_bands_and_shares() -> None:
    assert band_shown(Band(1.2e6, 3.4e6, 9.8e6)) == "$3.4M (1.2M to 9.8M)"
    assert band_shown(Band(5e6, 5e6, 5e6)) == "$5M"
    assert [share_shown(share) for share in (0.0, 0.001, 0.834, 1.0, math.nan, math.inf)] == [
        *("0%", "<1%", "83%", "100%", "unknown", "unknown")
    ]
    assert share_band(np.array([0.7, 0.8, 0.9]), 1) == "80% (70% to 90%)"
    assert share_band(np.array([0.0, 0.0, 0.0]), 1) == "0%"
    assert share_band(np.zeros(0), 0) == "unknown"
    told = estimate_of([], open_interest_usd=math.nan, coverage=(math.nan,) * 3)
    assert coverage_words(told) == "Of unknown open interest it explains: longs unknown, shorts unknown."
    assert priors_words(told) == f"Leverage priors: {', '.join(PRIORS)}. Middle of the band: usual."
    alone = estimate_of([], priors=("usual",), coverage=(0.5,))
    assert priors_words(alone) == "Leverage prior: usual. One alone gives no band."
