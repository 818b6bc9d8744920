"""Backtests as a command runs them: what was estimated before, held against what was liquidated after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias

from defiliq.cex.backtest import Backtest, BacktestSettings, Estimator, joined, run_backtest
from defiliq.cex.backtest.predictors import RENAMED
from defiliq.cex.backtest.windows import Predict
from defiliq.cex.daily import HIGHS_UNKNOWN, daily_assets, load_days
from defiliq.cex.history import History, Instrument
from defiliq.cex.levels import Estimate
from defiliq.cex.openings import Factors
from defiliq.cex.peers import at_spot, one_sided
from defiliq.cex.priors import Prior, mid_of
from defiliq.errors import InputError
from defiliq.pipeline.exchanges import Assumptions, factors_of, tiers_of

Peer: TypeAlias = Literal["one-sided", "at-spot"]
PEERS: tuple[Peer, ...] = ("one-sided", "at-spot")
DAYS = "real days"


def backtest_on_days(
    assets: Sequence[str],
    assumptions: Assumptions,
    settings: BacktestSettings,
    peers: Sequence[Peer] = (),
) -> Backtest:
    """On the bundled real days of some assets; of all where none is named. InputError for others.

    What these days lack by their nature (`HIGHS_UNKNOWN`) is no fault of a backtest.
    """
    known = daily_assets()
    wanted = [asset.upper() for asset in assets] or list(known)
    for asset in wanted:
        if asset not in known:
            raise InputError(f"no real days of {asset} are bundled. There are: {', '.join(known)}.")
    days = [load_days(asset) for asset in wanted]
    found = joined(
        [
            run_backtest(days, predict, settings, dataset=DAYS, predictor=name)
            for name, predict in _predictors(assumptions, peers)
        ]
    )
    return Backtest(found.scores, tuple(fault for fault in found.faults if not fault.endswith(HIGHS_UNKNOWN)))


def backtest_at_prices(
    histories: Sequence[History],
    assumptions: Assumptions,
    settings: BacktestSettings,
    peers: Sequence[Peer] = (),
    *,
    dataset: str,
) -> Backtest:
    """On histories whose executed liquidations have prices. InputError where none has any."""
    told = [one for one in histories if one.executed is not None and len(one.executed)]
    if not told:
        names = ", ".join(f"{one.instrument.venue} {one.instrument.symbol}" for one in histories)
        raise InputError(f"no executed liquidations are known of {names}, so there is nothing to hold it to.")
    return joined(
        [
            run_backtest(told, predict, settings, dataset=dataset, predictor=name)
            for name, predict in _predictors(assumptions, peers)
        ]
    )


def _predictors(assumptions: Assumptions, peers: Sequence[Peer]) -> list[tuple[str, Predict]]:
    """The estimator, and what stands beside it under the same middle prior."""

    def away(history: History, prior: Prior) -> Factors:
        tiers, _ = tiers_of(_as_named_now(history.instrument), assumptions)
        return factors_of(history, prior, tiers, assumptions)

    ordered = sorted(assumptions.priors, key=lambda prior: prior.mean_leverage)
    middle = ordered[mid_of(ordered)]
    found: list[tuple[str, Predict]] = [
        ("estimate", Estimator(assumptions.priors, assumptions.settings, away))
    ]
    methods: dict[Peer, Callable[[History, Prior], Estimate]] = {"one-sided": one_sided, "at-spot": at_spot}
    found += [(f"peers, {peer}", partial(_by, methods[peer], middle)) for peer in peers]
    return found


def _by(method: Callable[[History, Prior], Estimate], prior: Prior, history: History) -> Estimate:
    return method(history, prior)


def _as_named_now(instrument: Instrument) -> Instrument:
    """What has another name since has its tiers under that."""
    asset = RENAMED.get(instrument.asset, instrument.asset)
    return replace(instrument, asset=asset, symbol=asset + instrument.symbol.removeprefix(instrument.asset))
