"""Small histories whose estimates anybody can work out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from defiliq.cex.estimate import estimate, estimate_over_time, estimates_at, moments_of
from defiliq.cex.levels import Estimate
from defiliq.cex.openings import Factors
from defiliq.cex.priors import Prior
from defiliq.cex.walk import EstimateSettings
from defiliq.errors import InputError
from tests.cex.estimator.made import BTC_INVERSE, STEP_S, drawn_history, head, history_of, simple

TEN = Prior("ten", (10,), (1.0,))
FLAT = (100.0, 100.0, 100.0, 100.0)
PLAIN = EstimateSettings(churn=0.0, tilt=0.0, half_life_s=math.inf)
nan = math.nan


def held(found: Estimate, side: str, prior: int = 0) -> dict[float, float]:
    """Dollars by the bucket's middle, rounded to a tenth."""
    dollars = (found.long_usd if side == "long" else found.short_usd)[prior]
    summed: dict[float, float] = {}
    for price, usd in zip(found.middles_usd.round(1).tolist(), dollars.tolist(), strict=True):
        if usd:
            summed[price] = summed.get(price, 0.0) + usd
    return summed


def of(
    candles: list[tuple[float, float, float, float]],
    interest: list[float],
    chosen: EstimateSettings = PLAIN,
    prior: Prior = TEN,
) -> Estimate:
    return estimate(history_of(candles, interest), [simple(prior)], [prior], chosen)


def test_what_opens_opens_on_both_sides_and_the_rest_is_not_explained() -> None:
    found = of([FLAT, FLAT], [100, 110])
    assert held(found, "long") == {90.4: pytest.approx(10 * 90.4, rel=1e-3)}
    assert held(found, "short") == {109.6: pytest.approx(10 * 109.6, rel=1e-3)}
    assert found.coverage_long == found.coverage_short == pytest.approx([10 / 110])
    assert found.open_interest_usd == 11_000
    assert found.at == history_of([FLAT, FLAT], [1, 1]).at[0] + 2 * STEP_S


def test_an_inverse_contract_is_worth_its_dollars_at_every_price() -> None:
    history = history_of([FLAT, FLAT], [5000, 5600], instrument=BTC_INVERSE)
    found = estimate(history, [simple(TEN)], [TEN], PLAIN)
    assert held(found, "long") == {90.4: pytest.approx(600, rel=1e-12)}
    assert held(found, "short") == {109.6: pytest.approx(600, rel=1e-12)}
    assert found.open_interest_usd == 5600


def test_a_fall_of_open_interest_takes_from_all_that_is_alive_alike() -> None:
    """110 contracts, 10 of them explained; 55 are left, so 5 explained ones."""
    found = of([FLAT, FLAT, FLAT], [100, 110, 55])
    assert held(found, "long") == {90.4: pytest.approx(5 * 90.4, rel=1e-3)}
    assert found.coverage_short == pytest.approx([10 / 110])


def test_what_is_traded_through_is_netted_with_the_fall_first() -> None:
    """The long at 90.4 is gone, and the fall of 10 with it. Of 110 shorts 100 are left: 10 * 100 / 110."""
    found = of([FLAT, FLAT, (100.0, 100.0, 90.0, 95.0)], [100, 110, 100])
    assert held(found, "long") == {}
    assert found.coverage_long == pytest.approx([0.0])
    assert sum(held(found, "short").values()) == pytest.approx(10 * 100 / 110 * 109.6, rel=1e-3)


def test_what_is_traded_through_beyond_the_fall_was_opened_again() -> None:
    """10 longs are gone, open interest fell by 4: 6 opened in this candle, at 95 as it ends or on the way.

    Those that stand are entered where 0.904 of the entry is below what the candle still trades at: 90 and up.
    """
    found = of([FLAT, FLAT, (95.0, 95.0, 90.0, 90.0)], [100, 110, 106])
    assert found.coverage_long == pytest.approx([6 / 106])
    longs = held(found, "long")
    assert sum(dollars / price for price, dollars in longs.items()) == pytest.approx(6, rel=1e-3)
    assert 90 * 0.903 < min(longs) < max(longs) < 95 * 0.905


def test_a_level_is_reached_at_the_middle_of_its_bucket() -> None:
    middle = float(next(iter(of([FLAT, FLAT], [100, 110]).middles_usd)))
    for low, is_alive in ((middle * 1.00001, True), (middle * 0.99999, False)):
        found = of([FLAT, FLAT, (100.0, 100.0, low, 100.0)], [100, 110, nan])
        assert bool(held(found, "long")) is is_alive


def test_what_breaks_within_its_own_candle_is_in_no_open_interest() -> None:
    """100x longs stand 0.6% below entry. The candle falls by 5%, so only the last of its entries live."""
    prior = Prior("hundred", (100,), (1.0,))
    found = of([FLAT, (100.0, 100.0, 95.0, 95.0)], [100, 110], replace(PLAIN, points=50), prior)
    longs = held(found, "long")
    assert max(longs) < 95
    assert sum(dollars / price for price, dollars in longs.items()) == pytest.approx(10, rel=1e-3)
    shorts = held(found, "short")
    assert min(shorts) == pytest.approx(95 * 1.006, rel=2e-3)
    assert max(shorts) == pytest.approx(100 * 1.006, rel=2e-3)


def test_entries_lie_evenly_along_the_path() -> None:
    """Up by 10% and down to where it began: half of the way is above the middle in logarithm."""
    candle = (100.0, 110.0, 100.0, 100.01)
    shorts = held(of([FLAT, candle], [100, 110], replace(PLAIN, points=64)), "short")
    above = sum(usd / price for price, usd in shorts.items() if price > 109.6 * math.sqrt(1.1))
    assert above == pytest.approx(5, rel=0.04)


def test_open_interest_that_is_not_known_counts_where_it_is_known_again() -> None:
    found = of([FLAT, FLAT, (200.0, 200.0, 200.0, 200.0)], [100, nan, 110])
    assert list(held(found, "long")) == [pytest.approx(180.8, rel=1e-3)]
    assert found.faults == (
        "1 of 3 candles have no open interest: what it changed there counts in the next that has it.",
    )


def test_a_candle_without_a_price_kills_nothing_and_opens_nothing() -> None:
    found = of([FLAT, FLAT, (nan, nan, nan, nan), FLAT], [100, 110, 130, 120])
    assert sum(held(found, "long").values()) == pytest.approx(20 * 90.4, rel=1e-3)
    assert len(found.faults) == 1
    assert found.spot_usd == 100
    last = of([FLAT, FLAT, (nan, nan, nan, nan)], [100, 110, 130])
    assert last.coverage_long == pytest.approx([10 / 110])
    assert (last.spot_usd, last.open_interest_usd) == (100, 11_000)


def test_churn_replaces_what_is_old() -> None:
    """A volume of 40 contracts, half of it lasting, and no change: 10 open, 10 close of 100 and of the 10."""
    history = history_of([FLAT, FLAT], [100, 100], volume_usd=[0, 4000])
    found = estimate(history, [simple(TEN)], [TEN], replace(PLAIN, churn=0.5))
    assert found.coverage_long == pytest.approx([10 * (1 - 10 / 110) / 100])
    less = estimate(history_of([FLAT, FLAT], [100, 130], volume_usd=[0, 4000]), [simple(TEN)], [TEN], PLAIN)
    assert less.coverage_long == pytest.approx([30 / 130])


def test_buying_takers_push_longs_to_more_leverage_and_shorts_to_less() -> None:
    prior = Prior("two", (4, 16), (0.5, 0.5))
    history = history_of([FLAT, FLAT], [100, 110], taker_buy_share=[0.5, 0.6])
    found = estimate(history, [simple(prior)], [prior], replace(PLAIN, tilt=0.5))
    lean = math.tanh(math.sqrt(2))  # twice as unusual as the mean square of two candles, one at one half
    shares = [w / (4 ** (0.5 * lean) + 16 ** (0.5 * lean)) for w in (4 ** (0.5 * lean), 16 ** (0.5 * lean))]
    assert list(held(found, "long").values()) == pytest.approx(
        [10 * shares[0] * 75.4, 10 * shares[1] * 94.15], rel=1e-3
    )
    assert list(held(found, "short").values()) == pytest.approx(
        [10 * shares[0] * 105.85, 10 * shares[1] * 124.6], rel=1e-3
    )


def test_scores_halve_with_age_and_fresh_open_interest_renews_them() -> None:
    chosen = replace(PLAIN, half_life_s=STEP_S)

    def score(interest: list[float]) -> float:
        found = of([FLAT] * len(interest), interest, chosen)
        return float(found.long_score.sum() / found.middles_usd[found.long_usd[0] > 0][0])

    assert score([100, 108]) == pytest.approx(8)
    assert score([100, 108, 108]) == pytest.approx(4)
    assert score([100, 108, 108, 109]) == pytest.approx(2 + 1 + 1)  # one fresh contract renews one old one
    assert score([100, 108, 108, 120]) == pytest.approx(20)  # and 12 all of those that have aged
    assert of([FLAT] * 4, [100, 108, 108, 109], chosen).long_usd.sum() == pytest.approx(9 * 90.4, rel=1e-3)


def test_a_leverage_that_is_not_allowed_counts_as_the_highest_that_is() -> None:
    prior = Prior("three", (10, 50, 125), (0.5, 0.3, 0.2))
    factors = Factors((10, 50, 125), np.array([0.904, nan, 1.0]), np.array([1.096, 1.016, nan]))
    found = estimate(history_of([FLAT, FLAT], [100, 110]), [factors], [prior], PLAIN)
    assert held(found, "long") == {90.4: pytest.approx(10 * 90.4, rel=1e-3)}
    assert held(found, "short") == {
        101.6: pytest.approx(5 * 101.6, rel=1e-3),
        109.6: pytest.approx(5 * 109.6, rel=1e-3),
    }


def test_one_walk_gives_what_every_history_alone_would() -> None:
    history = drawn_history(11, 300, gaps=0.05)
    rows = [40, 150, 299]
    for row, found in zip(rows, estimates_at(history, [simple(TEN)], rows, [TEN]), strict=True):
        alone = estimate(head(history, row + 1), [simple(TEN)], [TEN])
        assert found.faults == alone.faults
        assert (found.bucket == alone.bucket).all()
        assert_allclose(found.long_usd, alone.long_usd, rtol=1e-12)
        assert (found.at, found.spot_usd) == (alone.at, alone.spot_usd)


def test_over_time_ends_with_the_estimate() -> None:
    history = drawn_history(12, 200)
    over = estimate_over_time(history, simple(TEN), TEN, moments=7)
    last = estimate(history, [simple(TEN)], [TEN])
    assert len(over.at) == 7 == len(set(over.at.tolist()))
    assert int(over.at[-1]) == last.at
    inside = slice(int(last.bucket[0] - over.bucket[0]), int(last.bucket[-1] - over.bucket[0]) + 1)
    assert (over.long_usd[-1, inside] == last.long_usd[0]).all()
    assert over.short_usd[-1].sum() == pytest.approx(last.short_usd.sum())
    assert moments_of(history, 500) == list(range(200))


@pytest.mark.parametrize(
    ("candles", "interest", "said"),
    [
        ([FLAT, (100.0, 99.0, 98.0, 98.5)], [1.0, 1.0], "makes no sense"),
        ([FLAT, (100.0, 101.0, 0.0, 98.5)], [1.0, 1.0], "makes no sense"),
        ([FLAT, (100.0, math.inf, 90.0, 98.5)], [1.0, 1.0], "makes no sense"),
        ([FLAT, FLAT], [1.0, -1.0], "makes no sense"),
        ([FLAT, FLAT], [nan, nan], "holds no price, or no open interest"),
        ([(nan, nan, nan, nan)], [1.0], "holds no price, or no open interest"),
    ],
)
def test_senseless_candles_are_refused(
    candles: list[tuple[float, float, float, float]], interest: list[float], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        of(candles, interest)


def test_other_senseless_input_is_refused() -> None:
    history = history_of([FLAT, FLAT], [1, 2])
    with pytest.raises(InputError, match="not all 300 s apart"):
        estimate(replace(history, at=history.at * np.array([1, 2])), [simple(TEN)], [TEN])
    with pytest.raises(InputError, match="makes no sense"):
        estimate(replace(history, taker_buy_share=np.array([0.5, 1.5])), [simple(TEN)], [TEN])
    with pytest.raises(InputError, match=r"cannot be liquidated at 1\.2"):
        estimate(history, [Factors((10,), np.array([1.2]), np.array([1.1]))], [TEN])
    with pytest.raises(InputError, match="no leverage of the prior 'ten' is allowed"):
        estimate(history, [Factors((10,), np.array([nan]), np.array([1.1]))], [TEN])
    with pytest.raises(InputError, match="not of the leverages"):
        estimate(history, [Factors((20,), np.array([0.9]), np.array([1.1]))], [TEN])
    for wrong in ({"step_pct": 0.0}, {"points": 0}, {"churn": 1.5}, {"tilt": nan}, {"half_life_s": 0.0}):
        with pytest.raises(InputError):
            EstimateSettings(**wrong)


def test_no_open_interest_explains_nothing() -> None:
    found = of([FLAT, FLAT, FLAT], [0, 0, 0])
    assert found.coverage_long.tolist() == found.coverage_short.tolist() == [0.0]
    assert not found.long_usd.any()
    assert found.edges_usd[0] <= 100 <= found.edges_usd[-1]
    gone = of([FLAT, FLAT, FLAT, FLAT], [0, 10, 0, 5])
    assert held(gone, "long") == {90.4: pytest.approx(5 * 90.4, rel=1e-3)}
    assert gone.coverage_long == pytest.approx([1.0])
