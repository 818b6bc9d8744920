"""The margin tiers that exchanges published with their data, in the metadata of a file of venues.

They decide where an estimate's levels lie, so the same rows come of a file only where it holds them, too.
Each venue's are in the form that a user's own file has (see `defiliq.cex.tiers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from defiliq.cex.tiers import COLUMNS, TierTable, decode_tables
from defiliq.errors import BadFile

Tables = Mapping[tuple[str, str], TierTable]
"""(venue, symbol) to its tiers."""


def tiers_as_json(tables: Iterable[TierTable]) -> list[dict[str, Any]]:
    """One object per venue."""
    found: dict[str, dict[str, Any]] = {}
    for table in tables:
        held = found.setdefault(
            table.venue, {"venue": table.venue, "columns": list(COLUMNS[:-1]), "tables": {}}
        )
        held["tables"][table.symbol] = {
            "unit": table.unit,
            "as_of": table.as_of,
            "source": table.source,
            "deducts": any(tier.cum for tier in table.tiers),
            "is_inverse": table.is_inverse,
            "contract_size": None if table.contract_size is None else str(table.contract_size),
            "tiers": [
                [
                    str(tier.floor),
                    None if tier.cap is None else str(tier.cap),
                    str(tier.maintenance_rate),
                    str(tier.max_leverage),
                ]
                for tier in table.tiers
            ],
        }
    return list(found.values())


def tiers_from_json(told: Any, where: str) -> Tables:
    """The tables again, checked like anybody's file; BadFile names what is wrong."""
    if not isinstance(told, list):
        raise BadFile(where, "its margin tiers are no list")
    tables = [table for held in told for table in decode_tables(orjson.dumps(held), where).values()]
    return {(table.venue, table.symbol): table for table in tables}
