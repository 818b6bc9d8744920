"""Verdicts at the edges of their thresholds, and unknown where data are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from defiliq.cex.compare import compare
from defiliq.cex.confirm import (
    CHECKS,
    CONFIRMATION_COLUMNS,
    EVIDENCE_COLUMNS,
    Confirmation,
    Signal,
    Thresholds,
    cluster_signal,
    confirm,
    confirm_all,
    confirmation_table,
    evidence_table,
    magnet_signal,
)
from defiliq.cex.history import VenueData
from defiliq.errors import InputError
from defiliq.model import find_magnet
from defiliq.types import Side
from tests.cex.compare.estimates import estimate
from tests.cex.compare.test_compare import heat
from tests.cex.phase.histories import Column, book, data, ending, history
from tests.cex.phase.test_evidence import ASKS, BIDS, by_days
from tests.model.ladders import cluster

NAN = math.nan


def signal(
    side: Side = "long", size: float = 1_000.0, price: float | None = None, name: str = "chain"
) -> Signal:
    return Signal(name, side, (95.0 if side == "long" else 105.0) if price is None else price, size)


def alone(
    side: Side = "long", size: float = 1_000.0, *, orders: bool = True, **options: Column
) -> Confirmation:
    """Beside one venue, without a comparison."""
    one = history(**options)  # type: ignore[arg-type]
    return confirm(signal(side, size), [data(one, book(BIDS, ASKS) if orders else None)], None)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (1_020, "supports"),
        (1_019.9, "neither"),
        (1_000, "neither"),
        (980.1, "neither"),
        (980, "against"),
        (NAN, "unknown"),
    ],
)
def test_open_interest_that_rises_supports(now: float, verdict: str) -> None:
    assert alone(open_interest=ending(now, before=1_000)).open_interest == verdict
    assert alone("short", open_interest=ending(now, before=1_000)).open_interest == verdict


@pytest.mark.parametrize(
    ("day_rate", "of_longs", "of_shorts"),
    [
        (0.00031, "supports", "against"),
        (0.0003, "neither", "neither"),
        (0.0, "neither", "neither"),
        (-0.000001, "against", "supports"),
        (NAN, "unknown", "unknown"),
    ],
)
def test_the_side_that_pays_is_crowded(day_rate: float, of_longs: str, of_shorts: str) -> None:
    column = by_days(*[day_rate] * 8)
    assert alone("long", funding=column).funding == of_longs
    assert alone("short", funding=column).funding == of_shorts


def test_hourly_and_eight_hourly_interest_are_the_same() -> None:
    """0.01% per 8 hours, settled in 3 or in 24 parts a day, is no crowd, whatever floats make of the sum."""
    hourly = history(funding=0.0001 / 8)
    assert confirm(signal(), [data(hourly)], None).funding == "neither"
    assert alone(funding=by_days(*[0.0003] * 8)).skew.last_day_rate == 0.0003


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        (0.0, "against"),
        (100.0, "neither"),
        (300.0, "neither"),
        (300.1, "supports"),
        (1_500.0, "supports"),
        (1e9, "supports"),
    ],
)
def test_a_level_that_moves_the_book_supports(size: float, verdict: str) -> None:
    """The first bid is 0.1% below the middle, the third 1%; what is published ends at 2%."""
    found = alone(size=size)
    assert found.order_book == verdict
    assert found.depth.runs_dry == (size > 1_500)


def test_a_light_level_is_nothing_for_a_deep_market() -> None:
    near = book([(99.99, 1e9)], [(100.01, 1e9)])
    assert confirm(signal(size=1e6), [data(history(), near)], None).order_book == "against"


def test_where_books_end_too_soon_nothing_is_known() -> None:
    """Published to 0.5% alone: dry there is between half a percent and anything."""
    short = book([(99.9, 1.0), (99.5, 1.0)], ASKS)
    found = confirm(signal(size=10.0), [data(history(), short)], None)
    assert (found.order_book, found.depth.runs_dry) == ("unknown", True)
    assert alone(orders=False).order_book == "unknown"


def test_who_else_sees_the_level() -> None:
    everybody = compare(heat((95, 9)), [estimate([(95, 1)]), estimate([(95, 1)], "okx")])
    some = compare(heat((95, 9)), [estimate([(95, 1)]), estimate([(85, 1)], "okx")])
    nobody = compare(heat((95, 9)), [estimate([(85, 1)])])
    verdicts = [confirm(signal(), [], one).consensus for one in (everybody, some, nobody, None)]
    assert verdicts == ["supports", "neither", "against", "unknown"]
    assert confirm(signal(), [], compare(heat((95, 9)), [])).consensus == "unknown"
    assert confirm(signal("short"), [], everybody).consensus == "against"


def test_without_data_all_is_unknown() -> None:
    found = confirm(signal(), [], None)
    assert found.count("unknown") == 4
    assert (found.trends, found.skews, found.agreement) == ((), (), None)
    empty = confirm(signal(), [data(history(0))], None)
    assert empty.count("unknown") == 4
    unpublished = history(open_interest=NAN, funding=NAN)
    assert confirm(signal(), [data(unpublished)], None).count("unknown") == 4


def test_checks_are_counted() -> None:
    found = confirm(
        signal(size=5_000.0),
        [
            data(
                history(open_interest=ending(900, before=1_000), funding=by_days(*[0.0009] * 8)),
                book(BIDS, ASKS),
            )
        ],
        None,
    )
    assert [getattr(found, check) for check in CHECKS] == ["against", "supports", "supports", "unknown"]
    assert [found.count(verdict) for verdict in ("supports", "against", "neither", "unknown")] == [2, 1, 0, 1]


def two_venues() -> Sequence[VenueData]:
    return [
        data(
            history(open_interest=ending(1_100, before=1_000), funding=by_days(*[0.0006] * 8)),
            book(BIDS, ASKS),
        ),
        data(history(open_interest=ending(480, before=500), funding=by_days(*[-0.0002] * 8), venue="okx")),
    ]


def test_venues_are_told_one_by_one_and_together() -> None:
    """1,500 to 1,580 coins; (0.0006 * 1,100 - 0.0002 * 480) / 1,580."""
    found = confirm(signal(), two_venues(), None)
    assert [one.day_pct for one in found.trends] == pytest.approx([10, -4])
    assert found.trend.day_pct == pytest.approx(100 * 80 / 1_500)
    assert found.skew.last_day_rate == pytest.approx((0.0006 * 1_100 - 0.0002 * 480) / 1_580)
    assert [one.sign for one in found.skews] == ["longs_pay", "shorts_pay"]
    table = evidence_table(found)
    assert list(table) == list(EVIDENCE_COLUMNS)
    assert table["name"].tolist() == ["binance ETH/USDT:USDT", "okx ETH/USDT:USDT", "together"]
    assert table["funding_sign"].tolist() == ["longs_pay", "shorts_pay", "longs_pay"]
    assert table["open_interest_usd"].tolist() == [110_000, 48_000, 158_000]


def test_the_table_has_a_row_per_signal() -> None:
    comparison = compare(heat((95, 9)), [estimate([(95, 1)])])
    both = signal(), signal("short", 1e9)
    found = [confirm(one, two_venues(), comparison) for one in both]
    assert repr(confirm_all(both, two_venues(), comparison)) == repr(tuple(found))
    table = confirmation_table(found)
    assert list(table) == list(CONFIRMATION_COLUMNS)
    assert table["consensus"].tolist() == ["supports", "against"]
    assert table["agreeing"].tolist() == ["binance", ""]
    assert table["runs_dry"].tolist() == [False, True]
    assert table["within_one_usd"].dtype == np.float64
    assert table["supports"].tolist() == [one.count("supports") for one in found]
    nothing = confirmation_table([confirm(signal(), [], None)])
    assert nothing["unknown"].tolist() == [4]
    assert confirmation_table([]).empty
    assert list(confirmation_table([])) == list(CONFIRMATION_COLUMNS)


def test_signals_of_clusters_and_magnets() -> None:
    ladders = heat((95, 9), (104, 30))
    up = magnet_signal("chain", find_magnet(ladders, [cluster(95, 9), cluster(104, 30)]))
    assert up == Signal("chain", "short", 104, 30)
    down = magnet_signal("chain", find_magnet(ladders, [cluster(95, 61), cluster(104, 30)]))
    assert down == cluster_signal("chain", cluster(95, 61))
    assert magnet_signal("chain", find_magnet(ladders, [cluster(95, 60), cluster(104, 30)])) is None
    assert magnet_signal("chain", find_magnet(ladders, [])) is None


def test_what_is_no_level_is_refused() -> None:
    for wrong in (
        signal(size=-1.0),
        signal(size=math.inf),
        signal(size=NAN),
        signal(price=0.0),
        signal(price=NAN),
    ):
        with pytest.raises(InputError, match="no level"):
            confirm(wrong, [], None)
    for options in ({"trend_pct": 0.0}, {"heavy_pct": 0.05}, {"light_pct": NAN}, {"crowded_day_rate": -1.0}):
        with pytest.raises(InputError, match="above 0"):
            Thresholds(**options)


def test_other_thresholds_decide_otherwise() -> None:
    one = [data(history(open_interest=ending(1_010, before=1_000)), book(BIDS, ASKS))]
    assert confirm(signal(), one, None).open_interest == "neither"
    assert confirm(signal(), one, None, Thresholds(trend_pct=1.0)).open_interest == "supports"
    assert confirm(signal(size=700.0), one, None, Thresholds(heavy_pct=1.5)).order_book == "neither"
