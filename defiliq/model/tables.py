"""The model's findings as tidy rows, one table per kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import pandas as pd

from defiliq.ladder import IDENTITY, identity_of
from defiliq.model.clusters import Cluster
from defiliq.model.contagion import Place
from defiliq.model.heat import HEAT_COLUMNS, Heat
from defiliq.model.magnet import Magnet, Vacuum
from defiliq.model.over_time import CELL_COLUMNS, HeatOverTime
from defiliq.model.risk import CascadeRisk

_WHERE = (*IDENTITY, "driver", "spot_usd")
CLUSTER_COLUMNS = (
    *_WHERE,
    *("price_usd", "low_usd", "high_usd", "type", "long_liq_usd", "short_liq_usd", "magnitude_usd"),
    *("accounts", "distance_pct", "share_pct", "impact_pct", "base_symbol"),
)
VACUUM_COLUMNS = (
    *_WHERE,
    *(
        "low_usd",
        "high_usd",
        "width_pct",
        "inside_usd",
        "below_usd",
        "above_usd",
        "holds_spot",
        "base_symbol",
    ),
)
CONTAGION_COLUMNS = (
    *IDENTITY,
    *("from_driver", "from_side", "from_price_usd", "from_size_usd"),
    *("to_driver", "to_side", "to_price_usd", "to_size_usd"),
    *("volume_usd", "share_pct", "runs_dry", "base_symbol"),
)
OVER_TIME_COLUMNS = (
    *_WHERE,
    *(name for name in CELL_COLUMNS if name not in _WHERE),
    "base_symbol",
)
MAGNET_COLUMNS = (
    *_WHERE,
    *("magnet", "above_usd", "above_magnitude_usd", "below_usd", "below_magnitude_usd"),
    *("pull_up_usd", "pull_down_usd", "imbalance", "reach_pct"),
    *("downside_risk", "downside_clusters", "downside_gap_pct"),
    *("upside_risk", "upside_clusters", "upside_gap_pct", "base_symbol"),
)


def where(heat: Heat) -> dict[str, object]:
    """What every row starts with: the markets behind a heat. Of several, the values are joined by '+'."""
    named = identity_of(heat.sources)
    return named | {"driver": heat.driver, "spot_usd": heat.spot_usd, "base_symbol": heat.base_symbol}


def cluster_table(heat: Heat, clusters: Sequence[Cluster]) -> pd.DataFrame:
    """One row per cluster, in the order given."""
    head = where(heat)
    rows = [
        head
        | {name: getattr(cluster, name) for name in CLUSTER_COLUMNS if hasattr(cluster, name)}
        | {"type": cluster.type, "magnitude_usd": cluster.magnitude_usd}
        for cluster in clusters
    ]
    return pd.DataFrame(rows, columns=list(CLUSTER_COLUMNS))


def heat_table(heat: Heat) -> pd.DataFrame:
    """One row per price bucket, from the lowest price to the highest."""
    head: dict[str, Any] = where(heat)
    return heat.buckets.assign(**head)[[*_WHERE, *HEAT_COLUMNS, "base_symbol"]]


def contagion_table(heat: Heat, graph: nx.DiGraph[Place]) -> pd.DataFrame:
    """One row per edge: which cluster's trades reach which other, and how much of it."""
    head = where(heat)
    rows = [
        head
        | {f"from_{name}": value for name, value in source._asdict().items()}
        | {f"to_{name}": value for name, value in target._asdict().items()}
        | {
            "from_size_usd": graph.nodes[source]["size_usd"],
            "to_size_usd": graph.nodes[target]["size_usd"],
            "volume_usd": edge["volume_usd"],
            "share_pct": 100 * edge["share"],
            "runs_dry": edge["runs_dry"],
        }
        for source, target, edge in sorted(graph.edges(data=True), key=lambda edge: edge[:2])
    ]
    return pd.DataFrame(rows, columns=list(CONTAGION_COLUMNS))


def vacuum_table(heat: Heat, vacuums: Sequence[Vacuum]) -> pd.DataFrame:
    """One row per vacuum, in the order given."""
    head = where(heat)
    rows = [
        head
        | {
            "low_usd": vacuum.low_usd,
            "high_usd": vacuum.high_usd,
            "width_pct": vacuum.width_pct,
            "inside_usd": vacuum.inside_usd,
            "below_usd": vacuum.below.price_usd,
            "above_usd": vacuum.above.price_usd,
            "holds_spot": vacuum.holds_spot,
        }
        for vacuum in vacuums
    ]
    return pd.DataFrame(rows, columns=list(VACUUM_COLUMNS))


def magnet_table(heat: Heat, magnet: Magnet, down: CascadeRisk, up: CascadeRisk) -> pd.DataFrame:
    """One row: what pulls, and how the clusters are stacked on each side. Empty where there is none."""
    above, below = magnet.nearest_above, magnet.nearest_below
    row = where(heat) | {
        "magnet": "" if magnet.label is None else magnet.label,
        "above_usd": None if above is None else above.price_usd,
        "above_magnitude_usd": None if above is None else above.magnitude_usd,
        "below_usd": None if below is None else below.price_usd,
        "below_magnitude_usd": None if below is None else below.magnitude_usd,
        "pull_up_usd": magnet.pull_up,
        "pull_down_usd": magnet.pull_down,
        "imbalance": magnet.imbalance,
        "reach_pct": 100 * magnet.h,
        "downside_risk": down.label,
        "downside_clusters": down.clusters,
        "downside_gap_pct": down.smallest_gap_pct,
        "upside_risk": up.label,
        "upside_clusters": up.clusters,
        "upside_gap_pct": up.smallest_gap_pct,
    }
    floats = {name: "float64" for name in MAGNET_COLUMNS if name.endswith(("_usd", "_pct", "imbalance"))}
    return pd.DataFrame([row], columns=list(MAGNET_COLUMNS)).astype(floats)


def over_time_table(found: HeatOverTime) -> pd.DataFrame:
    """One row per time and price bucket that holds something: OVER_TIME_COLUMNS."""
    head = identity_of(pd.DataFrame(found.markets, columns=["chain_id", "protocol", "market", "base_symbol"]))
    moments = found.times[["block_timestamp", "block_number", "block_hash", "version", "spot_usd"]]
    named = found.cells.merge(moments, on="block_timestamp", validate="many_to_one")
    return named.assign(**head, driver=found.driver)[list(OVER_TIME_COLUMNS)]  # type: ignore[arg-type]
