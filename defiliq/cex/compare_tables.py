"""A comparison as tidy rows: the axis, the levels, the pairs. Rows begin with the ladder they are beside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from defiliq.cex.compare import Comparison
from defiliq.cex.consensus import Level
from defiliq.cex.pairs import Pair
from defiliq.cex.parties import Party, places_of
from defiliq.ladder import IDENTITY
from defiliq.model.heat import SIDES
from defiliq.model.tables import where
from defiliq.types import Side

_WHERE = (*IDENTITY, "driver", "spot_usd", "by")
_BAND = ("low", "mid", "high")
AXIS_COLUMNS = (
    *_WHERE,
    *("name", "kind", "at", "side", "price_low_usd", "price_high_usd", "price_usd", "distance_pct"),
    *(f"{which}_usd" for which in _BAND),
    *(f"cumulative_{which}_usd" for which in _BAND),
    "accounts",
)
LEVEL_COLUMNS = (
    *_WHERE,
    *(
        "name",
        "rank",
        "side",
        "price_usd",
        "low_usd",
        "high_usd",
        "distance_pct",
        "magnitude_usd",
        "share_pct",
    ),
    *("consensus", "agreeing", "asked"),
    *(f"estimated_{which}_usd" for which in _BAND),
    *("chain_at_usd", "chain_at_accounts", "chain_before_usd", "chain_before_accounts"),
    *("chain_next_usd", "chain_next_magnitude_usd"),
    *("chain_per_estimated_low", "chain_per_estimated", "chain_per_estimated_high"),
)
PAIR_COLUMNS = (
    *_WHERE,
    *("a", "b", "side"),
    *(f"{party}_{which}_usd" for party in "ab" for which in _BAND),
    *("a_per_b_low", "a_per_b", "a_per_b_high", "difference_usd"),
    *("moved_pct", "moved_per_spread", "widest_gap_usd", "widest_gap_at_usd"),
    *("top_a", "top_b", "matched", "jaccard", "matched_a_usd", "matched_b_usd"),
)


def axis_table(comparison: Comparison) -> pd.DataFrame:
    """AXIS_COLUMNS: a row per party, side and bucket that holds something, from the lowest price up.

    `price_usd` is the bucket's middle in logarithm, `distance_pct` that of the middle from the axis' spot. By
    distance, a venue's prices are those of the axis, not its own. Only the chain has accounts.
    """
    parts = [_axis_rows(comparison, party, side) for party in comparison.parties for side in SIDES]
    return _headed(comparison, pd.concat(parts, ignore_index=True), AXIS_COLUMNS)


def level_table(comparison: Comparison) -> pd.DataFrame:
    """LEVEL_COLUMNS: a row per party and cluster of its `k` largest."""
    rows = [_level_row(level) for level in comparison.levels]
    table = pd.DataFrame(rows, columns=list(LEVEL_COLUMNS[len(_WHERE) :]))
    return _headed(comparison, table, LEVEL_COLUMNS)


def pair_table(comparison: Comparison) -> pd.DataFrame:
    """PAIR_COLUMNS: a row per two parties and longs, shorts or both."""
    rows = [_pair_row(pair) for pair in comparison.pairs]
    table = pd.DataFrame(rows, columns=list(PAIR_COLUMNS[len(_WHERE) :]))
    return _headed(comparison, table, PAIR_COLUMNS)


def _headed(comparison: Comparison, table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table with the ladder's identity in front, empty where there is no ladder, and one dtype a column."""
    ladder, axis = comparison.on_chain, comparison.axis
    head: dict[str, Any] = dict.fromkeys(IDENTITY, "") if ladder is None else where(ladder)
    head |= {"driver": axis.driver, "spot_usd": axis.spot_usd, "by": comparison.by}
    whole = table.assign(**head)[list(columns)]
    counts = [name for name in columns if name.endswith("accounts") or name in _COUNTS]
    floats = [
        name for name in columns if name.endswith(("_usd", "_pct")) or "_per_" in name or name == "jaccard"
    ]
    return whole.astype(dict.fromkeys(counts, "Int64") | dict.fromkeys(floats, "float64"))


_COUNTS = ("at", "rank", "asked", "top_a", "top_b", "matched")


def _axis_rows(comparison: Comparison, party: Party, side: Side) -> pd.DataFrame:
    edges = comparison.edges_usd
    band, piled = comparison.band(party, side), comparison.cumulative(party, side)
    middles = np.sqrt(edges[:-1] * edges[1:])
    spot = comparison.axis.spot_usd
    columns = {
        "name": party.name,
        "kind": party.kind,
        "at": pd.NA if party.at is None else party.at,
        "side": side,
        "price_low_usd": edges[:-1],
        "price_high_usd": edges[1:],
        "price_usd": middles,
        "distance_pct": 100 * (middles - spot) / spot,
        "accounts": pd.array([pd.NA] * len(middles), dtype="Int64"),
    }
    columns |= {f"{which}_usd": row for which, row in zip(_BAND, band, strict=True)}
    columns |= {f"cumulative_{which}_usd": row for which, row in zip(_BAND, piled, strict=True)}
    if party.kind == "chain":
        points = party.points.of(side)
        places = places_of(points, comparison.axis) - comparison.places[0]
        counted = np.zeros(len(middles), dtype=np.int64)
        np.add.at(counted, places, points.accounts)
        columns["accounts"] = pd.array(counted, dtype="Int64")
    rows: pd.DataFrame = pd.DataFrame(columns)[band[2] > 0]
    return rows


def _level_row(level: Level) -> dict[str, object]:
    cluster, agreement, there = level.cluster, level.agreement, level.on_chain
    beyond = None if there is None else there.next
    row: dict[str, object] = {
        "name": level.name,
        "rank": level.rank,
        "side": cluster.type,
        "price_usd": cluster.price_usd,
        "low_usd": cluster.low_usd,
        "high_usd": cluster.high_usd,
        "distance_pct": cluster.distance_pct,
        "magnitude_usd": cluster.magnitude_usd,
        "share_pct": cluster.share_pct,
        "consensus": "" if agreement.label is None else agreement.label,
        "agreeing": "+".join(agreement.agreeing),
        "asked": len(agreement.asked),
        "chain_at_usd": math.nan if there is None else there.at_usd,
        "chain_at_accounts": pd.NA if there is None else there.at_accounts,
        "chain_before_usd": math.nan if there is None else there.before_usd,
        "chain_before_accounts": pd.NA if there is None else there.before_accounts,
        "chain_next_usd": math.nan if beyond is None else beyond.price_usd,
        "chain_next_magnitude_usd": math.nan if beyond is None else beyond.magnitude_usd,
    }
    row |= {f"estimated_{which}_usd": usd for which, usd in zip(_BAND, level.estimated_usd, strict=True)}
    return row | dict(zip(LEVEL_COLUMNS[-3:], level.per_estimated, strict=True))


def _pair_row(pair: Pair) -> dict[str, object]:
    row: dict[str, object] = {
        "a": pair.a,
        "b": pair.b,
        "side": pair.side,
        "difference_usd": pair.difference_usd,
        "moved_pct": pair.moved_pct,
        "moved_per_spread": pair.moved_per_spread,
        "widest_gap_usd": pair.widest_gap_usd,
        "widest_gap_at_usd": pair.widest_gap_at_usd,
        "top_a": len(pair.top_a),
        "top_b": len(pair.top_b),
        "matched": len(pair.matches),
        "jaccard": pair.jaccard,
        "matched_a_usd": pair.matched_a_usd,
        "matched_b_usd": pair.matched_b_usd,
    }
    for party, band in (("a", pair.a_usd), ("b", pair.b_usd)):
        row |= {f"{party}_{which}_usd": usd for which, usd in zip(_BAND, band, strict=True)}
    return row | dict(zip(("a_per_b_low", "a_per_b", "a_per_b_high"), pair.a_per_b, strict=True))
