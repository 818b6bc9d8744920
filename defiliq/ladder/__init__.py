"""Ladder: exact levels become rows of a table. Floats begin in this room and nowhere left of it.

Columns that end in `_usd` count the market's base currency, which `base_symbol` names: most often dollars.
"""

from defiliq.ladder.bins import bin_ladder, bucket_edges, steps_from_spot
from defiliq.ladder.columns import (
    BIN_COLUMNS,
    ETA_COLUMNS,
    EVENT_COLUMNS,
    HEALTH_COLUMNS,
    IDENTITY,
    LADDER_COLUMNS,
    LEVEL_COLUMNS,
    YEAR_S,
    as_table,
    factor_text,
    has_named_chain,
    headed,
    identity,
    identity_of,
    joined,
    price_usd,
    to_usd,
    typed,
    yearly_pct,
)
from defiliq.ladder.events import event_row, unvalued_row
from defiliq.ladder.rungs import Explain, Judge, Take, Valued, build_ladder, taken_columns

__all__ = [
    "BIN_COLUMNS",
    "ETA_COLUMNS",
    "EVENT_COLUMNS",
    "HEALTH_COLUMNS",
    "IDENTITY",
    "LADDER_COLUMNS",
    "LEVEL_COLUMNS",
    "YEAR_S",
    "Explain",
    "Judge",
    "Take",
    "Valued",
    "as_table",
    "bin_ladder",
    "bucket_edges",
    "build_ladder",
    "event_row",
    "factor_text",
    "has_named_chain",
    "headed",
    "identity",
    "identity_of",
    "joined",
    "price_usd",
    "steps_from_spot",
    "taken_columns",
    "to_usd",
    "typed",
    "unvalued_row",
    "yearly_pct",
]
