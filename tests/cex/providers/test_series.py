"""Series onto a grid: nothing is invented, nothing is moved, and what is missing is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.providers.client import Client
from defiliq.cex.providers.provider import Query
from defiliq.cex.providers.series import (
    PRICES,
    Series,
    add_ratio,
    grid,
    heatmap,
    history,
    levels,
    liquidations,
    summed,
)
from defiliq.errors import BadVenueAnswer
from tests.cex.providers.standin import FIRST_AT, STEP_S

CLIENT = Client("someone", "http://127.0.0.1:1")


def _query(candles: int = 4, since_at: int = FIRST_AT) -> Query:
    return Query("BTC", "binance", since_at, since_at + candles * STEP_S, STEP_S, FIRST_AT)


def _candles(moments: list[int], close: float = 2.0) -> list[Series]:
    return [Series(name, dict.fromkeys(moments, close)) for name in PRICES]


@given(st.integers(0, STEP_S - 1), st.integers(1, 50))
def test_the_grid_is_of_whole_steps_within_the_stretch(offset: int, candles: int) -> None:
    query = _query(candles, FIRST_AT + offset)
    at = grid(query)
    assert (at % STEP_S == 0).all()
    assert (np.diff(at) == STEP_S).all()
    assert all(query.covers(int(moment)) for moment in at)
    assert len(at) == candles


@given(st.sets(st.integers(-3, 9)), st.randoms())
def test_values_stay_at_their_moments(places: set[int], rng: object) -> None:
    moments = [FIRST_AT + place * STEP_S for place in places]
    series = _candles([*moments, FIRST_AT])
    interest = Series("open_interest", {at: float(at) for at in moments})
    found = history(CLIENT, _query(), [*series, interest], "a test")
    for at, value in zip(found.at.tolist(), found.open_interest.tolist(), strict=True):
        assert value == at if at in moments else np.isnan(value)
    missing = sum(FIRST_AT + place * STEP_S not in moments for place in range(4))
    assert (f"{missing} of 4 open interest are missing" in found.faults) == (missing > 0)


def test_a_value_between_candles() -> None:
    series = _candles([FIRST_AT, FIRST_AT + 1])
    with pytest.raises(BadVenueAnswer, match=f"a value at {FIRST_AT + 1}"):
        history(CLIENT, _query(), series, "a test")


def test_no_candle_within_the_stretch() -> None:
    with pytest.raises(BadVenueAnswer, match="no candle between"):
        history(CLIENT, _query(), _candles([FIRST_AT - STEP_S]), "a test")


def test_a_stretch_shorter_than_a_candle() -> None:
    query = Query("BTC", "binance", FIRST_AT + 1, FIRST_AT + 2, STEP_S, FIRST_AT)
    with pytest.raises(BadVenueAnswer, match="no candle"):
        history(CLIENT, query, _candles([]), "a test")


@pytest.mark.parametrize(
    ("name", "value"), [("high_usd", 1.9), ("low_usd", 2.1), ("open_usd", 2.1), ("close_usd", 1.9)]
)
def test_prices_that_contradict_each_other(name: str, value: float) -> None:
    series = _candles([FIRST_AT, FIRST_AT + STEP_S])
    next(each for each in series if each.column == name).put(FIRST_AT + STEP_S, value)
    with pytest.raises(BadVenueAnswer, match=f"candle at {FIRST_AT + STEP_S} contradict"):
        history(CLIENT, _query(), series, "a test")


def test_the_same_moment_twice() -> None:
    series = _candles([FIRST_AT + place * STEP_S for place in range(4)])
    interest = Series("open_interest")
    for place in range(4):
        interest.put(FIRST_AT + place * STEP_S, 5.0)
        interest.put(FIRST_AT + place * STEP_S, 5.0)
    assert history(CLIENT, _query(), [*series, interest], "a test").faults == ()
    interest.put(FIRST_AT, 6.0)
    found = history(CLIENT, _query(), [*series, interest], "a test")
    assert found.open_interest[0] == 6
    assert found.faults == ("1 open interest were given twice, with different values; the later are kept",)


def test_shares() -> None:
    part, rest = Series("a", {1: 1.0, 2: 0.0, 3: 5.0, 4: 0.0}), Series("b", {1: 3.0, 2: 0.0, 4: 2.0})
    assert add_ratio("share", part, rest).values == {1: 0.25, 4: 0.0}


def test_liquidations_in_any_order_once() -> None:
    rows = [
        (FIRST_AT + STEP_S, 1.0, 2.0),
        (FIRST_AT, 3.0, 4.0),
        (FIRST_AT, 3.0, 4.0),
        (FIRST_AT - 1, 9.0, 9.0),
    ]
    table = liquidations(CLIENT, _query(), rows)
    assert table.to_numpy().tolist() == [[FIRST_AT, 3, 4], [FIRST_AT + STEP_S, 1, 2]]
    with pytest.raises(BadVenueAnswer, match="two different amounts"):
        liquidations(CLIENT, _query(), [*rows, (FIRST_AT, 3.0, 5.0)])


KEYS = st.tuples(st.floats(1, 1e6), st.sampled_from(["long", "short", "unknown"]))


@given(st.lists(st.tuples(KEYS, st.floats(0, 1e9)), max_size=30))
def test_levels_keep_their_dollars_and_rank_alike(sizes: list[tuple[tuple[float, str], float]]) -> None:
    table = levels("someone", summed(sizes), in_usd=True)
    assert table["size_usd"].sum() == pytest.approx(sum(size for _, size in sizes))
    assert table["price_usd"].is_monotonic_increasing
    if len(table):
        assert table["score"].max() == 1
        assert (table["score"] * table["size_usd"].max()).tolist() == pytest.approx(
            table["size_usd"].tolist()
        )
    unsaid = levels("someone", summed(sizes), in_usd=False)
    assert unsaid["size_usd"].isna().all()
    assert unsaid["score"].tolist() == table["score"].tolist()


def test_an_empty_heatmap_has_its_columns() -> None:
    assert heatmap("someone", {}).dtypes.astype(str).tolist() == ["int64", "float64", "float64", "object"]
