"""An estimate as a table, as heat that the model takes, and several as one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from defiliq.cex.estimate import estimate
from defiliq.cex.levels import ESTIMATE_COLUMNS, Estimate, Which
from defiliq.cex.priors import LOW, MID, PRIORS
from defiliq.cex.together import together
from defiliq.cex.walk import EstimateSettings
from defiliq.errors import InputError
from defiliq.model import HEAT_COLUMNS, SOURCE_COLUMNS, analyse_heat, find_clusters
from tests.cex.estimator.made import BTC, drawn_history, simple, times_price


def made(seed: int = 5, count: int = 400, venue: str = "binance", step_pct: float = 0.1) -> Estimate:
    history = replace(drawn_history(seed, count), instrument=replace(BTC, venue=venue))
    return estimate(history, [simple(prior) for prior in PRIORS], PRIORS, EstimateSettings(step_pct=step_pct))


@pytest.mark.parametrize("which", ["low", "mid", "high"])
def test_heat_holds_the_dollars_of_the_band(which: Which) -> None:
    found = made()
    heat = found.heat(which)
    place = ("low", "mid", "high").index(which)
    for side in ("long", "short"):
        assert heat.size_usd(side) == pytest.approx(math.fsum(found.band(side)[place]))
    longs, shorts = heat.side("long"), heat.side("short")
    assert (longs["price_usd"] < heat.spot_usd).all()
    assert (shorts["price_usd"] > heat.spot_usd).all()
    assert tuple(heat.buckets.columns) == HEAT_COLUMNS
    assert (heat.spot_usd, heat.step_pct, heat.driver) == (found.spot_usd, 0.25, "BTC/USD")
    assert not heat.buckets["accounts"].any()
    assert heat.already_accounts == heat.untold == 0


def test_heat_names_its_venue_where_others_name_a_market_and_its_block() -> None:
    found = made()
    sources = found.heat().sources
    assert tuple(sources.columns) == SOURCE_COLUMNS
    row = sources.iloc[0]
    assert (row["protocol"], row["market"], row["version"]) == ("binance", "BTC/USDT:USDT", "estimate")
    assert (row["chain_id"], row["block_hash"], row["block_number"]) == ("cex", "", 0)
    assert row["block_timestamp"] == row["evaluated_at"] == found.at
    assert row["failed"] == 0


def test_wider_buckets_hold_the_same() -> None:
    found = made()
    fine, wide = found.heat(step_pct=0.1), found.heat(step_pct=2)
    assert len(wide.buckets) < len(fine.buckets) / 5
    assert wide.size_usd("long") == pytest.approx(fine.size_usd("long"))
    with pytest.raises(InputError, match="wide"):
        found.heat(step_pct=0)


def test_the_model_takes_an_estimate() -> None:
    heat = made(count=1000).heat()
    analysis = analyse_heat(heat)
    assert analysis.clusters == find_clusters(heat)
    assert len(analysis.clusters) > 2
    assert analysis.at == made(count=1000).at
    assert analysis.failed_accounts == 0
    assert "liquidations around $" in analysis.implications.risk_text


def test_the_table_has_what_holds_something_from_the_lowest_price_up() -> None:
    found = made()
    table = found.table()
    assert tuple(table.columns) == ESTIMATE_COLUMNS
    assert table["price_low_usd"].is_monotonic_increasing
    assert (table["price_low_usd"] < table["price_usd"]).all()
    assert (table["price_usd"] < table["price_high_usd"]).all()
    assert table["score"].max() == 1
    longs = table[table["side"] == "long"]
    assert longs["mid_usd"].sum() == pytest.approx(found.long_usd[1].sum())
    assert longs["cumulative_mid_usd"].iloc[0] == pytest.approx(found.long_usd[1].sum())
    assert set(table["coverage"]) == {found.coverage_long[1], found.coverage_short[1]}


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_several_together_hold_what_each_holds(seed: int) -> None:
    ones = [made(seed + k, 120, venue) for k, venue in enumerate(("binance", "bybit", "okx"))]
    whole = together(ones)
    assert whole.long_usd.sum(axis=1) == pytest.approx(sum(one.long_usd.sum(axis=1) for one in ones))
    assert whole.short_score.sum(axis=1) == pytest.approx(sum(one.short_score.sum(axis=1) for one in ones))
    assert whole.open_interest_usd == pytest.approx(sum(one.open_interest_usd for one in ones))
    assert min(one.spot_usd for one in ones) <= whole.spot_usd <= max(one.spot_usd for one in ones)
    assert whole.instrument.venue == "binance+bybit+okx"
    assert whole.instrument.symbol == "BTC/USDT:USDT"
    explained = sum(one.coverage_long * one.open_interest_usd for one in ones)
    assert whole.coverage_long * whole.open_interest_usd == pytest.approx(explained)
    at = int(whole.bucket[0])
    for one in ones:
        place = int(one.bucket[0]) - at
        assert (whole.bucket[place : place + len(one.bucket)] == one.bucket).all()
    backwards = together(ones[::-1])
    assert_allclose(backwards.long_usd, whole.long_usd, rtol=1e-12)


def test_one_alone_is_what_it_is_and_none_is_refused() -> None:
    found = made()
    assert together([found]) is found
    with pytest.raises(InputError, match="no estimate"):
        together([])


def test_what_does_not_belong_together_is_refused() -> None:
    found = made()
    other = replace(found, instrument=replace(BTC, asset="ETH"))
    with pytest.raises(InputError, match="different assets"):
        together([found, other])
    with pytest.raises(InputError, match="other buckets"):
        together([found, made(step_pct=0.2)])
    fewer = estimate(drawn_history(5, 400), [simple(LOW), simple(MID)], [LOW, MID])
    with pytest.raises(InputError, match="different priors"):
        together([found, fewer])
    dear = estimate(
        times_price(drawn_history(5, 400), 2.0),
        [simple(prior) for prior in PRIORS],
        PRIORS,
        EstimateSettings(),
    )
    with pytest.raises(InputError, match="not of one price"):
        together([found, dear])


def test_faults_are_named_by_contract_and_times_apart_are_one() -> None:
    found = made()
    late = replace(found, at=found.at + 3600, faults=("A candle is missing.",))
    assert together([found, late]).faults == (
        "binance BTC/USDT:USDT: A candle is missing.",
        "What is added up is of times 60 minutes apart.",
    )


def test_nothing_estimated_is_heat_without_buckets() -> None:
    found = estimate(drawn_history(5, 1), [simple(prior) for prior in PRIORS])
    heat = found.heat()
    assert heat.buckets.empty
    assert heat.size_usd("long") == 0
    assert len(heat.sources) == 1
    assert found.table().empty
    assert np.array_equal(together([found, found]).long_usd, np.zeros((3, 1)))
