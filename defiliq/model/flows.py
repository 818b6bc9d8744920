"""What a cluster's liquidations trade, asset by asset, on which drivers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.model.axis import rungs_on
from defiliq.model.clusters import Cluster
from defiliq.model.contagion import Flow, Place
from defiliq.model.heat import SIDES, Heat, bucket_places
from defiliq.types import Side


def cluster_flows(
    ladders: Sequence[pd.DataFrame],
    heat: Heat,
    clusters: Sequence[Cluster],
    drivers_of: Mapping[str, Sequence[str]],
    *,
    mixed_blocks: bool = False,
) -> dict[Place, tuple[Flow, ...]]:
    """What each cluster of a heat sells and buys, where `drivers_of` says what an asset's symbol hangs on.

    A perpetual is closed on the heat's own driver. Elsewhere the seized asset is sold and the repaid one is
    bought along each of its drivers, and what a cluster sells and buys of one driver is netted. Assets
    without a driver, stablecoins most often, and seized assets that are several of different drivers are a
    flow of driver ''.
    """
    rungs = rungs_on(ladders, heat.driver, mixed_blocks=mixed_blocks)
    if rungs.empty:
        return {}
    rungs = rungs[(rungs["outcome"] == "price") & rungs["size_usd"].notna()]
    middles = _bucket_middles(rungs, heat)
    found = {}
    for cluster in clusters:
        is_inside = (middles > cluster.low_usd) & (middles < cluster.high_usd)
        part = rungs[is_inside & (rungs["side"] == cluster.type).to_numpy()]
        place = Place(heat.driver, cluster.type, cluster.price_usd)
        found[place] = _netted(part, heat.driver, drivers_of)
    return found


def _bucket_middles(rungs: pd.DataFrame, heat: Heat) -> NDArray[np.float64]:
    """The middle of the bucket that each rung lies in: clear of every edge."""
    prices, is_long = rungs["price_usd"].to_numpy(dtype=np.float64), (rungs["side"] == "long").to_numpy()
    places = bucket_places(prices, is_long, heat.spot_usd, heat.ratio)
    middles: NDArray[np.float64] = heat.spot_usd * np.exp((places + 0.5) * math.log(heat.ratio))
    return middles


def _netted(rungs: pd.DataFrame, own: str, drivers_of: Mapping[str, Sequence[str]]) -> tuple[Flow, ...]:
    """The rungs' trades by driver: sold less bought; what hangs on no driver is summed as it is."""
    sold: dict[str, list[float]] = defaultdict(list)
    elsewhere: dict[str, list[float]] = defaultdict(list)
    for driver, side, amounts in _trades(rungs, own, drivers_of):
        if driver:
            sold[driver] += amounts if side == "long" else [-amount for amount in amounts]
        else:
            elsewhere[side] += amounts
    net = {driver: math.fsum(parts) for driver, parts in sorted(sold.items())}
    flows = [Flow(driver, "long" if usd > 0 else "short", abs(usd)) for driver, usd in net.items() if usd]
    sums: list[tuple[Side, float]] = [(side, math.fsum(elsewhere[side])) for side in SIDES]
    return (*flows, *(Flow("", side, usd) for side, usd in sums if usd))


def _trades(
    rungs: pd.DataFrame, own: str, drivers_of: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Side, list[float]]]:
    """(driver, side, dollars of each) of what the rungs sell and buy."""
    is_perpetual = rungs["notional_usd"].notna()
    for side in SIDES:
        closed = rungs["notional_usd"][is_perpetual & (rungs["side"] == side)]
        yield own, side, closed.tolist()
    for assets, part in rungs[~is_perpetual].groupby("seize_asset", sort=True):
        hangs_on = {tuple(drivers_of.get(symbol, ())) for symbol in str(assets).split("+")}
        for driver in (hangs_on.pop() if len(hangs_on) == 1 else ()) or ("",):
            yield driver, "long", part["seized_usd"].dropna().tolist()
    for asset, part in rungs[~is_perpetual].groupby("repay_asset", sort=True):
        for driver in drivers_of.get(str(asset), ()) or ("",):
            yield driver, "short", part["repaid_usd"].dropna().tolist()
