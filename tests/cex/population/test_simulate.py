"""Simulated markets: what is published adds up, and what is true of positions agrees with it."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.cex.history import Floats, Instrument
from defiliq.cex.population import (
    SIMULATED,
    SOURCE,
    TRUTH_COLUMNS,
    Population,
    World,
    price_path,
    simulate,
)
from defiliq.cex.priors import MID, Prior
from defiliq.errors import InputError
from defiliq.types import Side

WORLD = World(candles=240, warm_up=120, traders=600)


@lru_cache(maxsize=4)
def market(**changes: float) -> Population:
    return simulate(5, dataclasses.replace(WORLD, **changes), prior=MID, moments=(0, 100))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_market() -> None:
    again = simulate(5, WORLD, prior=MID, moments=(0, 100))
    for name in ("open_usd", "volume_usd", "open_interest", "long_short_ratio", "funding_rate"):
        assert np.array_equal(getattr(market().history, name), getattr(again.history, name))
    assert market().truth.table().equals(again.truth.table())
    other = simulate(6, WORLD, prior=MID)
    assert not np.array_equal(other.history.close_usd, again.history.close_usd)


@settings(max_examples=12)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.5, 4.0]),
    st.sampled_from([-1.0, 0.0, 1.0]),
    st.sampled_from([0.0, 0.7]),
)
def test_longs_are_shorts_are_the_open_interest(
    seed: int, churn: float, drift: float, stopped: float
) -> None:
    world = World(candles=60, warm_up=20, traders=80, churn_daily=churn, drift=drift, stopped=stopped)
    found = simulate(seed, world, prior=MID, moments=range(60))
    assert len(found.truths) == 60
    for truth, interest in zip(found.truths, found.history.open_interest, strict=True):
        long = truth.coins[truth.is_long].sum()
        assert long == pytest.approx(truth.coins[~truth.is_long].sum(), rel=1e-9)
        assert long == pytest.approx(interest, rel=1e-9)
        assert (truth.coins >= 0).all()


def test_candles_are_possible() -> None:
    history = market().history
    assert (history.high_usd >= np.maximum(history.open_usd, history.close_usd)).all()
    assert (history.low_usd <= np.minimum(history.open_usd, history.close_usd)).all()
    assert np.array_equal(history.open_usd[1:], history.close_usd[:-1])
    assert (np.diff(history.at) == history.step_s).all()
    assert history.at[0] == WORLD.start_at
    assert history.open_usd[0] == pytest.approx(WORLD.start_usd)
    assert ((history.taker_buy_share > 0) & (history.taker_buy_share < 1)).all()


def test_no_price_has_reached_a_living_level() -> None:
    truth, history = market(rescued=0.0).truth, market(rescued=0.0).history
    for k in range(len(truth)):
        since = history.at > truth.opened_at[k]
        if truth.is_long[k]:
            assert not (history.low_usd[since] <= truth.price_usd[k]).any()
        else:
            assert not (history.high_usd[since] >= truth.price_usd[k]).any()


def test_levels_are_those_of_entry_and_leverage() -> None:
    truth = market(rescued=0.0).truth
    sign = np.where(truth.is_long, 1.0, -1.0)
    expected = truth.entry_usd * (1 - sign / truth.leverage) / (1 - sign * 0.004)
    assert truth.price_usd == pytest.approx(expected)
    assert truth.size_usd == pytest.approx(expected * truth.coins)


def test_liquidations_happen_where_the_price_was() -> None:
    history = market().history
    executed = history.executed
    assert executed is not None
    assert len(executed) > 50
    assert executed["at"].is_monotonic_increasing
    row = (executed["at"].to_numpy() - history.at[0]) // history.step_s
    price = executed["price_usd"].to_numpy()
    assert ((price >= history.low_usd[row]) & (price <= history.high_usd[row])).all()
    assert set(executed["side"]) == {"long", "short"}
    longs = executed[executed["side"] == "long"]
    falls = (history.close_usd < history.open_usd)[row[executed["side"] == "long"]]
    assert falls.sum() > len(longs) / 2


def test_what_is_opened_follows_the_prior() -> None:
    def nowhere(side: Side, entry_usd: Floats, leverage: Floats, coins: Floats) -> Floats:
        return np.full(len(entry_usd), np.nan)

    prior = Prior("three", (2, 10, 50), (0.5, 0.3, 0.2))
    world = dataclasses.replace(WORLD, traders=20_000, size_spread=0.5)
    truth = simulate(1, world, prior=prior, rule=nowhere).truth
    shares = [truth.coins[truth.leverage == one].sum() / truth.coins.sum() for one in prior.leverages]
    assert shares == pytest.approx(prior.weights, abs=0.02)
    assert not len(truth.levels.price_usd)
    assert np.isnan(truth.size_usd).all()


def test_leverage_leans_with_the_mood() -> None:
    def long_leverage(lean: float) -> Floats:
        found = simulate(2, dataclasses.replace(WORLD, lean=lean), prior=MID, moments=range(0, 240, 20))
        return np.array([one.leverage[one.is_long].mean() for one in found.truths])

    assert long_leverage(3.0).std() > 2 * long_leverage(0.0).std()


def test_churn_is_in_the_volume_and_in_no_change_of_open_interest() -> None:
    calm, busy = market(churn_daily=0.0), market(churn_daily=3.0)
    assert busy.lasting_share > 4 * calm.lasting_share
    assert busy.history.volume_usd.sum() > 1.5 * calm.history.volume_usd.sum()

    def moved(one: Population) -> float:
        return float(np.abs(np.diff(one.history.open_interest)).sum() / one.history.open_interest.mean())

    assert moved(busy) < 1.5 * moved(calm)
    assert busy.history.volume_usd.sum() > 10 * moved(busy) * busy.history.open_interest_usd.mean()
    age = [one.truth.at - one.truth.opened_at.mean() for one in (calm, busy)]
    assert age[1] < age[0] / 4


def test_stop_orders_leave_fewer_to_liquidate() -> None:
    none, many = market(stopped=0.0).history.executed, market(stopped=1.0).history.executed
    assert none is not None
    assert many is not None
    assert many["size_usd"].sum() < 0.6 * none["size_usd"].sum()


def test_more_accounts_are_long_where_the_crowd_is() -> None:
    assert np.nanmedian(market(crowd=3.0).history.long_short_ratio) == pytest.approx(3.0, rel=0.25)


def test_funding_is_paid_every_eight_hours_and_never_before_an_expiry() -> None:
    history = market().history
    paid = history.at[history.funding_rate != 0]
    assert (paid % 28_800 == 0).all()
    assert len(paid) == len(history) // 8
    quarterly = dataclasses.replace(SIMULATED, symbol="BTC/USDT:USDT-261225", expires_at=1_798_185_600)
    assert not simulate(5, WORLD, prior=MID, instrument=quarterly).history.funding_rate.any()


def test_venues_share_a_price_and_nothing_else() -> None:
    path = price_path(np.random.default_rng(9), WORLD)
    one, other = (simulate(seed, WORLD, prior=MID, path=path) for seed in (1, 2))
    assert np.array_equal(one.history.close_usd, other.history.close_usd)
    assert not np.array_equal(one.history.open_interest, other.history.open_interest)


def test_the_drift_falls_on_the_published_stretch() -> None:
    flat, rising = (price_path(np.random.default_rng(9), dataclasses.replace(WORLD, drift=d)) for d in (0, 1))
    assert rising.close_usd[-1] / flat.close_usd[-1] == pytest.approx(np.e)
    assert rising.open_usd[WORLD.warm_up] == flat.open_usd[WORLD.warm_up] == WORLD.start_usd


def test_truths_are_at_the_ends_of_the_candles_asked_for() -> None:
    found = market()
    assert [one.at for one in found.truths] == [WORLD.start_at + 3600 * end for end in (1, 101, 240)]
    assert found.truth.at == found.history.until_at
    assert found.truth.spot_usd == found.history.close_usd[-1]
    assert found.truths[1].spot_usd == found.history.close_usd[100]


def test_a_book_in_the_open_is_a_table() -> None:
    table = market().truth.table()
    assert tuple(table.columns) == TRUTH_COLUMNS
    assert table["account"].is_unique
    prices, dollars = market().truth.side("short")
    shorts = table[table["side"] == "short"]
    assert dollars.sum() == pytest.approx(shorts["size_usd"].sum())
    assert (prices > market().truth.spot_usd).all()


def test_it_says_that_it_is_simulated() -> None:
    assert market().history.source == SOURCE
    assert "simulated" in SOURCE


def test_inverse_contracts_and_empty_markets_are_refused() -> None:
    inverse = Instrument("simulated", "BTC/USD:BTC", "BTC", "BTC", is_inverse=True)
    with pytest.raises(InputError, match="linear"):
        simulate(1, WORLD, prior=MID, instrument=inverse)
    with pytest.raises(InputError, match="traders"):
        World(traders=0)
    with pytest.raises(InputError, match="volatility"):
        World(volatility=0.0)


def test_churn_may_follow_the_volume() -> None:
    def together(one: Population) -> float:
        wide = np.log(one.history.high_usd / one.history.low_usd)
        return float(np.corrcoef(one.history.volume_usd, wide)[0, 1])

    alone, following = (market(churn_daily=3.0, round_trips_daily=0.0, hurry=hurry) for hurry in (0.0, 1.0))
    assert together(following) > together(alone) + 0.2
