"""Estimates of where a venue's positions would be liquidated, from what it publishes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from defiliq.cex.history import Floats, History, Int64s
from defiliq.cex.levels import Estimate, EstimateOverTime
from defiliq.cex.openings import Factors, shots_of
from defiliq.cex.priors import PRIORS, Prior, mid_of
from defiliq.cex.walk import EstimateSettings, State, walk
from defiliq.errors import InputError
from defiliq.model.over_time import buckets_of, price_at

DEFAULT = EstimateSettings()


def estimate(
    history: History,
    factors: Sequence[Factors],
    priors: Sequence[Prior] = PRIORS,
    settings: EstimateSettings = DEFAULT,
) -> Estimate:
    """What would be liquidated at which price at the end of a history, under each of some priors.

    `factors` are the distances of each prior, in their order. InputError where a candle makes no sense, or
    where no price or no open interest is known.
    """
    (found,) = estimates_at(history, factors, [len(history) - 1], priors, settings)
    return found


def estimates_at(
    history: History,
    factors: Sequence[Factors],
    rows: Sequence[int],
    priors: Sequence[Prior] = PRIORS,
    settings: EstimateSettings = DEFAULT,
) -> Iterator[Estimate]:
    """The same at the ends of some rows, which must rise, from what was known there: one walk for all."""
    _refuse_senseless(history)
    ordered = sorted(zip(priors, factors, strict=True), key=lambda pair: pair[0].mean_leverage)
    named = [prior for prior, _ in ordered]
    shots = shots_of(named, [given for _, given in ordered], settings.log_step)
    missing = _missing(history)
    for state in walk(history, shots, settings, rows):
        yield _estimate_of(history, state, named, settings, _faults(missing, state.row))


def estimate_over_time(
    history: History,
    factors: Factors,
    prior: Prior,
    settings: EstimateSettings = DEFAULT,
    *,
    moments: int = 300,
) -> EstimateOverTime:
    """The same under one prior at up to so many moments, evenly spaced, the last being the end."""
    _refuse_senseless(history)
    shots = shots_of([prior], [factors], settings.log_step)
    stops = moments_of(history, moments)
    states = list(walk(history, shots, settings, stops))
    dollars = np.array([state.alive * _worth(history, state, settings) for state in states])
    kept = _filled(dollars, 0)
    return EstimateOverTime(
        instrument=history.instrument,
        step_pct=settings.step_pct,
        at=history.at[stops] + history.step_s,
        spot_usd=np.array([spot_at(history, row) for row in stops]),
        bucket=states[0].first + np.arange(kept.start, kept.stop),
        long_usd=dollars[:, 0, kept],
        short_usd=dollars[:, 1, kept],
    )


def moments_of(history: History, moments: int) -> list[int]:
    """Up to so many rows at which the price and open interest are known, evenly spaced back from the last."""
    if moments < 1:
        raise InputError(f"an estimate over time needs at least one moment, not {moments}.")
    known = ~np.isnan(history.close_usd) & ~np.isnan(history.open_interest)
    first, last = int(np.argmax(known)), len(history) - 1
    return sorted(set(np.linspace(last, first, min(moments, last - first + 1)).round().astype(int).tolist()))


def spot_at(history: History, row: int) -> float:
    """The last close known at the end of a row."""
    closes = history.close_usd[: row + 1]
    known = np.flatnonzero(~np.isnan(closes))
    if not len(known):
        raise InputError(f"no price of {_name(history)} is known up to {int(history.at[row])}.")
    return float(closes[known[-1]])


def _estimate_of(
    history: History,
    state: State,
    priors: Sequence[Prior],
    settings: EstimateSettings,
    faults: tuple[str, ...],
) -> Estimate:
    half, spot = len(priors), spot_at(history, state.row)
    worth = _worth(history, state, settings)
    dollars = state.alive * worth
    nowhere = int(buckets_of(np.array([spot]), settings.step_pct)[0]) - state.first
    kept = _filled(dollars, nowhere)
    # Of what is kept alone, so that it is the same digits however wide the history made the grid.
    placed = state.alive[:, kept].sum(axis=1)
    coverage = placed / state.open_interest if state.open_interest > 0 else np.zeros(2 * half)
    is_inverse = history.instrument.is_inverse
    return Estimate(
        instrument=history.instrument,
        at=int(history.at[state.row]) + history.step_s,
        spot_usd=spot,
        step_pct=settings.step_pct,
        priors=tuple(prior.name for prior in priors),
        mid=mid_of(priors),
        bucket=state.first + np.arange(kept.start, kept.stop),
        long_usd=dollars[:half, kept],
        short_usd=dollars[half:, kept],
        long_score=(state.score * worth)[:half, kept],
        short_score=(state.score * worth)[half:, kept],
        open_interest_usd=state.open_interest * (1.0 if is_inverse else spot),
        coverage_long=coverage[:half],
        coverage_short=coverage[half:],
        source=history.source,
        faults=(*history.faults, *faults),
    )


def _worth(history: History, state: State, settings: EstimateSettings) -> Floats:
    """(buckets,) dollars of what is counted, at the bucket's middle: what a liquidation trades there."""
    count = state.alive.shape[1]
    if history.instrument.is_inverse:
        return np.ones(count)
    edges = price_at(state.first + np.arange(count + 1), settings.step_pct)
    middles: Floats = np.sqrt(edges[:-1] * edges[1:])
    return middles


def _filled(dollars: Floats, nowhere: int) -> slice:
    """From the first bucket that holds something to the last; where none does, one that is named."""
    where = np.flatnonzero(dollars.reshape(-1, dollars.shape[-1]).any(axis=0))
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(nowhere, nowhere + 1)


def _missing(history: History) -> tuple[Int64s, Int64s]:
    """Up to each candle, how many had no price, and how many no open interest."""
    prices = np.stack([history.open_usd, history.high_usd, history.low_usd, history.close_usd])
    return np.cumsum(np.isnan(prices).any(axis=0)), np.cumsum(np.isnan(history.open_interest))


def _faults(missing: tuple[Int64s, Int64s], row: int) -> tuple[str, ...]:
    """What an estimate has to guess across, up to a candle."""
    unseen, unknown = (int(column[row]) for column in missing)
    of = f"of {row + 1} candles have no"
    faults = []
    if unseen:
        faults.append(f"{unseen} {of} price: what they traded through still stands.")
    if unknown:
        faults.append(f"{unknown} {of} open interest: what it changed there counts in the next that has it.")
    return tuple(faults)


def _name(history: History) -> str:
    return f"{history.instrument.venue} {history.instrument.symbol}"


def _refuse_senseless(history: History) -> None:
    """InputError where a candle cannot be, or where nothing is known at all."""
    prices = np.stack([history.open_usd, history.high_usd, history.low_usd, history.close_usd])
    name = _name(history)
    if (np.diff(history.at) != history.step_s).any():
        raise InputError(f"the candles of {name} are not all {history.step_s} s apart. Fill gaps with NaN.")
    if not (~np.isnan(prices)).all(axis=0).any() or np.isnan(history.open_interest).all():
        raise InputError(f"the history of {name} holds no price, or no open interest.")
    _, high, low, _ = prices
    wrong = ((prices <= 0) | np.isinf(prices)).any(axis=0) | (prices > high).any(axis=0)
    wrong |= (prices < low).any(axis=0)
    for column in (history.open_interest, history.volume_usd):
        wrong |= (column < 0) | np.isinf(column)
    wrong |= (history.taker_buy_share < 0) | (history.taker_buy_share > 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"the candle of {name} at {int(history.at[row])} makes no sense: open {prices[0, row]:g}, high "
            f"{high[row]:g}, low {low[row]:g}, close {prices[3, row]:g}, volume {history.volume_usd[row]:g}, "
            f"open interest {history.open_interest[row]:g}, bought {history.taker_buy_share[row]:g}."
        )
