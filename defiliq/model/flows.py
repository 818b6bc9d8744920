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
from defiliq.model.heat import Heat, bucket_places


def cluster_flows(
    ladders: Sequence[pd.DataFrame],
    heat: Heat,
    clusters: Sequence[Cluster],
    driver_of: Mapping[str, str],
    *,
    mixed_blocks: bool = False,
) -> dict[Place, tuple[Flow, ...]]:
    """What each cluster of a heat sells and buys, where `driver_of` says what an asset's symbol hangs on.

    A perpetual is closed on the heat's own driver. Elsewhere the seized asset is sold and the repaid one is
    bought, and what a cluster sells and buys of one driver is netted. Assets without a driver, stablecoins
    most often, and seized assets that are several of different drivers are a flow of driver ''.
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
        found[place] = _netted(part, heat.driver, driver_of)
    return found


def _bucket_middles(rungs: pd.DataFrame, heat: Heat) -> NDArray[np.float64]:
    """The middle of the bucket that each rung lies in: clear of every edge."""
    prices, is_long = rungs["price_usd"].to_numpy(dtype=np.float64), (rungs["side"] == "long").to_numpy()
    places = bucket_places(prices, is_long, heat.spot_usd, heat.ratio)
    middles: NDArray[np.float64] = heat.spot_usd * np.exp((places + 0.5) * math.log(heat.ratio))
    return middles


def _netted(rungs: pd.DataFrame, own: str, driver_of: Mapping[str, str]) -> tuple[Flow, ...]:
    """The rungs' trades by driver: sold less bought; what hangs on no driver is summed as it is."""
    sold: dict[str, list[float]] = defaultdict(list)
    elsewhere: dict[str, list[float]] = defaultdict(list)
    for row in rungs.to_dict("records"):
        for flow in _trades({str(key): value for key, value in row.items()}, own, driver_of):
            if flow.driver:
                sold[flow.driver].append(flow.usd if flow.side == "long" else -flow.usd)
            else:
                elsewhere[flow.side].append(flow.usd)
    net = {driver: math.fsum(parts) for driver, parts in sorted(sold.items())}
    flows = [Flow(driver, "long" if usd > 0 else "short", abs(usd)) for driver, usd in net.items() if usd]
    flows += [Flow("", side, math.fsum(elsewhere[side])) for side in ("long", "short") if elsewhere[side]]
    return tuple(flows)


def _trades(row: Mapping[str, object], own: str, driver_of: Mapping[str, str]) -> Iterator[Flow]:
    """What one rung sells and buys."""
    notional = float(str(row["notional_usd"]))
    if not math.isnan(notional):
        yield Flow(own, "long" if row["side"] == "long" else "short", notional)
        return
    hangs_on = {driver_of.get(symbol, "") for symbol in str(row["seize_asset"]).split("+")}
    seized, repaid = (float(str(row[column])) for column in ("seized_usd", "repaid_usd"))
    if seized > 0:
        yield Flow(hangs_on.pop() if len(hangs_on) == 1 else "", "long", seized)
    if repaid > 0:
        yield Flow(driver_of.get(str(row["repay_asset"]), ""), "short", repaid)
