"""Phases at the edges of their thresholds, one by one; unknown numbers; contracts together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.cex.history import Floats, History
from defiliq.cex.phase import PHASE_COLUMNS, Phase, PhaseSettings, phase, phase_table, phase_together
from defiliq.errors import InputError
from tests.cex.phase.histories import DAY, HOUR, START, ending, history, settled

NAN = math.nan
CANDLES = 24 * 8


def fallen(to: float, funding: float, hours_ago: int = 20) -> History:
    """Open interest went from 1,000 to `to` some hours ago and stays there."""
    return history(open_interest=ending(*[to] * hours_ago, before=1_000), funding=settled(0.0001, funding))


def running(executed: Sequence[tuple[int, float]] | None, venue: str = "binance") -> History:
    """Within the last hour a tenth of the open interest went, and 5% of the price."""
    return history(
        open_interest=ending(900, before=1_000),
        price=ending(95, before=100),
        executed=executed,
        venue=venue,
    )


@pytest.mark.parametrize(
    ("to", "funding", "label"),
    [
        (800, -1e-9, "washed_out"),
        (800.0001, -1e-9, "quiet"),
        (799, -0.0003, "washed_out"),
        (650, -0.0003, "washed_out"),
        (800, 0.0, "quiet"),
        (500, 0.0001, "quiet"),
    ],
)
def test_washed_out_is_a_fall_of_a_fifth_and_funding_below_nothing(
    to: float, funding: float, label: str
) -> None:
    found = phase(fallen(to, funding))
    assert found.label == label
    assert found.from_peak_pct == pytest.approx((to - 1_000) / 10, rel=1e-12)
    assert found.funding_rate == funding
    assert found.faults == ()


def test_the_numbers_behind_it() -> None:
    found = phase(fallen(800, -0.0002, hours_ago=30))
    assert found.at == START + 8 * DAY
    assert found.open_interest_usd == 80_000
    assert found.peak_at is not None
    assert found.peak_at <= found.at - 30 * HOUR
    assert (found.from_peak_pct, found.day_pct, found.fast_pct) == (-20, 0, 0)
    assert (found.price_fast_pct, found.liquidated_usd) == (0, 0)
    assert (found.funding_rate, found.funding_before_rate) == (-0.0002, 0)
    assert phase(fallen(800, -0.0002)).day_pct == -20


def test_a_fall_of_a_fifth_at_any_price_is_a_fifth() -> None:
    """Dollars of a linear contract would have fallen by more than a fifth, as its price did."""
    found = phase(replace(fallen(800, -0.001), close_usd=np.linspace(63_123.7, 51_234.1, CANDLES)))
    assert found.from_peak_pct == -20
    assert found.open_interest_usd == 800 * 51_234.1


def test_dollars_of_an_inverse_contract_are_what_they_are() -> None:
    one = history(open_interest=5e6, price=2_000.0, is_inverse=True)
    assert phase(one).open_interest_usd == 5e6


def test_a_peak_before_the_window_does_not_count() -> None:
    eight_days_ago = np.full(CANDLES, 700.0)
    eight_days_ago[:20] = 1_000
    found = phase(history(open_interest=eight_days_ago, funding=-0.001))
    assert (found.label, found.from_peak_pct) == ("quiet", 0)
    longer = PhaseSettings(window_s=8 * DAY)
    assert phase(history(open_interest=eight_days_ago, funding=-0.001), longer).label == "washed_out"


@pytest.mark.parametrize(
    ("risen", "funding", "label"),
    [
        (1_050, 0.00011, "building"),
        (1_049.99, 0.00011, "quiet"),
        (1_050, 0.0001, "quiet"),
        (2_000, -0.0004, "quiet"),
        (1_300, 0.002, "building"),
    ],
)
def test_building_is_a_rise_and_elevated_funding(risen: float, funding: float, label: str) -> None:
    found = phase(history(open_interest=ending(*[risen] * 5, before=1_000), funding=settled(funding)))
    assert found.label == label


@pytest.mark.parametrize(
    ("to", "price", "executed", "label"),
    [
        (950, 97.5, 1.0, "under_way"),
        (950, 102.5, 1.0, "under_way"),
        (950.01, 97.5, 1.0, "quiet"),
        (950, 97.51, 1.0, "quiet"),
        (950, 97.5, 0.0, "quiet"),
    ],
)
def test_under_way_is_a_fast_fall_with_a_moving_price_and_liquidations(
    to: float, price: float, executed: float, label: str
) -> None:
    one = history(
        open_interest=ending(to, before=1_000), price=ending(price, before=100), executed=[(60, executed)]
    )
    assert phase(one).label == label


def test_liquidations_before_the_hour_do_not_count() -> None:
    assert phase(running([(HOUR, 5.0)])).label == "quiet"
    found = phase(running([(HOUR - 1, 5.0), (0, 6.0), (2 * HOUR, 7.0)]))
    assert (found.label, found.liquidated_usd) == ("under_way", 11)


def test_where_no_liquidations_are_published_none_are_asked_for() -> None:
    found = phase(running(None))
    assert found.label == "under_way"
    assert math.isnan(found.liquidated_usd)
    assert found.faults == ()


def test_what_still_falls_is_not_washed_out_yet() -> None:
    one = history(
        open_interest=ending(750, before=1_000),
        price=ending(90, before=100),
        funding=settled(-0.001),
        executed=[(5, 1e6)],
    )
    assert phase(one).label == "under_way"


def test_daily_candles_show_no_hour() -> None:
    one = history(9, DAY, open_interest=ending(700, before=1_000, candles=9), price=90.0, funding=-0.0009)
    found = phase(one)
    assert found.label == "washed_out"
    assert math.isnan(found.fast_pct)
    assert found.funding_rate == pytest.approx(-0.0003)  # a third of a day's
    assert "cannot show what falls within 3600 s" in found.faults[0]


def test_fast_candles_are_looked_at_an_hour_back() -> None:
    """Five minutes each: a fall over the last hour counts, one before it does not."""
    falling = np.full(12 * 24 * 7 + 12, 1_000.0)
    falling[-12:] = np.linspace(995, 940, 12)
    one = history(
        len(falling), 300, open_interest=falling, price=ending(97, before=100, candles=len(falling))
    )
    found = phase(replace(one, executed=None))
    assert (found.label, found.fast_pct) == ("under_way", -6)
    earlier = np.full(len(falling), 940.0)
    earlier[:-13] = 1_000
    assert phase(replace(one, executed=None, open_interest=earlier)).label == "quiet"


@pytest.mark.parametrize(
    ("one", "label"),
    [
        (history(open_interest=NAN), None),
        (history(funding=NAN), "quiet"),
        (history(open_interest=ending(*[700.0] * 5, before=1_000), funding=NAN), None),
        (history(open_interest=ending(*[1_100.0] * 5, before=1_000), funding=NAN), None),
        (history(price=NAN), "quiet"),
        (history(open_interest=ending(900, before=1_000), price=NAN, executed=[(1, 1.0)]), None),
        (history(open_interest=ending(900, before=1_000), price=NAN), "quiet"),
        (history(open_interest=ending(NAN, before=1_000)), None),
    ],
)
def test_what_could_be_and_is_not_known_has_no_phase(one: History, label: str | None) -> None:
    assert phase(one).label == label


def test_what_is_not_known_is_told() -> None:
    assert "open interest is not known." in phase(history(open_interest=NAN)).faults[0]
    found = phase(history(open_interest=ending(NAN, NAN, before=1_000)))
    assert "not known since 120 minutes" in found.faults[0]
    assert math.isnan(found.open_interest_usd)
    short = phase(history(36, faults=("a gap of 3 candles.",)))
    assert short.faults[0] == "binance ETH/USDT:USDT: a gap of 3 candles."
    assert "is that of 1.5 days, not of 7" in short.faults[1]


def test_a_gap_within_does_not_matter() -> None:
    held = ending(*[800.0] * 20, before=1_000)
    held[40:60] = NAN
    held[-10] = NAN
    found = phase(replace(fallen(800, -0.001), open_interest=held))
    assert found.label == "washed_out"


def test_no_candle_has_no_phase() -> None:
    with pytest.raises(InputError, match="no candle"):
        phase(history(0))


@pytest.mark.parametrize("wrong", [{"window_s": 0}, {"fast_s": -1}, {"washed_out_pct": NAN}])
def test_senseless_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="times above 0"):
        PhaseSettings(**wrong)  # type: ignore[arg-type]


def test_contracts_together() -> None:
    """1,000 coins fall to 700, 500 stay: together 1,500 to 1,200, a fifth. Funding by weight:
    (-0.0004 * 700 + 0.0002 * 500) / 1,200.
    """
    one = fallen(700, -0.0004)
    other = history(open_interest=500.0, funding=settled(0.0002), venue="okx")
    found = phase_together([one, other])
    assert found.label == "washed_out"
    assert found.name == "together"
    assert found.from_peak_pct == pytest.approx(-20, rel=1e-12)
    assert found.open_interest_usd == 120_000
    assert found.funding_rate == pytest.approx((-0.0004 * 700 + 0.0002 * 500) / 1_200, rel=1e-12)
    assert phase(other).label == "quiet"


def test_contracts_of_different_candles_meet_at_the_coarser_ones() -> None:
    fine = history(12 * 24 * 8, 300, open_interest=300.0, venue="okx", executed=[(60, 4.0)])
    found = phase_together([history(executed=[(60, 2.0)]), fine])
    assert found.open_interest_usd == 130_000
    assert (found.label, found.liquidated_usd) == ("quiet", 6)


def test_inverse_and_linear_contracts_add_up_in_dollars() -> None:
    inverse = history(open_interest=7e4, price=100.0, is_inverse=True, venue="okx")
    assert phase_together([history(), inverse]).open_interest_usd == 170_000


def test_one_without_open_interest_is_left_out_and_told() -> None:
    found = phase_together([fallen(800, -0.001), history(open_interest=NAN, venue="okx")])
    assert found.label == "washed_out"
    assert any("okx ETH/USDT:USDT is left out" in fault for fault in found.faults)
    with pytest.raises(InputError, match="nothing to pool"):
        phase_together([history(open_interest=NAN)])
    with pytest.raises(InputError, match="share no time"):
        phase_together([history(), history(start=START + 9 * DAY, venue="okx")])


def test_one_that_ends_earlier_ends_all_of_them() -> None:
    late = history(open_interest=ending(500, before=1_000), venue="okx")
    early = history(CANDLES - 1)
    found = phase_together([late, early])
    assert found.at == START + 8 * DAY - HOUR
    assert found.open_interest_usd == 200_000


def test_those_that_publish_liquidations_speak_for_all() -> None:
    silent, quiet, loud = running(None), running([], "okx"), running([(9, 2.0)], "bybit")
    assert phase_together([silent, quiet]).label == "quiet"
    assert phase_together([silent, quiet, loud]).label == "under_way"
    assert phase_together([silent]).label == "under_way"
    assert math.isnan(phase_together([silent]).liquidated_usd)


def test_a_contract_that_expires_has_no_funding() -> None:
    """Its zeros are no balance: they neither decide its own phase nor thin out that of perpetuals."""
    risen = history(open_interest=ending(*[1_100.0] * 5, before=1_000), venue="okx")
    quarterly = replace(risen, instrument=replace(risen.instrument, expires_at=risen.until_at + DAY))
    assert phase(risen).label == "quiet"
    assert phase(quarterly).label is None
    both = phase_together([fallen(1_000, 0.0003), quarterly])
    assert both.funding_rate == 0.0003
    assert both.open_interest_usd == 210_000


def test_one_alone_together_is_itself() -> None:
    one = fallen(790, -0.0002)
    alone, together = phase(one), phase_together([one])
    assert replace(together, name=alone.name) == alone


def test_the_table() -> None:
    table = phase_table([phase(fallen(790, -0.0002)), phase(history(open_interest=NAN))])
    assert list(table) == list(PHASE_COLUMNS)
    assert table["phase"].tolist() == ["washed_out", ""]
    assert table["peak_at"].isna().tolist() == [False, True]
    assert table["from_peak_pct"].dtype == np.float64
    assert phase_table([]).empty


columns = st.lists(st.one_of(st.just(NAN), st.floats(1, 1e9)), min_size=60, max_size=60).map(np.array)


@settings(max_examples=50)
@given(columns, columns, st.lists(st.floats(-0.01, 0.01), min_size=60, max_size=60).map(np.array))
def test_any_history_has_a_phase_or_none(held: Floats, price: Floats, funding: Floats) -> None:
    """And nothing that is known is out of bounds."""
    found: Phase = phase(history(60, open_interest=held, price=price, funding=funding))
    assert found.label in ("building", "under_way", "washed_out", "quiet", None)
    assert math.isnan(found.from_peak_pct) or -100 <= found.from_peak_pct <= 0
    if found.label == "washed_out":
        assert found.from_peak_pct <= -20
        assert found.funding_rate < 0
    if math.isnan(held[-1]):
        assert math.isnan(found.open_interest_usd)
        assert found.label is None
