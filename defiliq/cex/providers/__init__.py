"""Other providers of market data, with keys of the user's own. Read-only, and off unless one is named.

    providers()                                    what there is, and which keys it needs
    fetch("coinalyze", "history", "BTC", …)        a History, or a table

Keys are read from the environment and go into headers of HTTPS requests, nowhere else.
"""

from defiliq.cex.providers.catalog import fetch, providers
from defiliq.cex.providers.provider import (
    FUNDING_COLUMNS,
    HEATMAP_COLUMNS,
    LEVELS_COLUMNS,
    LIQUIDATIONS_COLUMNS,
    Kind,
    Provider,
)

__all__ = [
    "FUNDING_COLUMNS",
    "HEATMAP_COLUMNS",
    "LEVELS_COLUMNS",
    "LIQUIDATIONS_COLUMNS",
    "Kind",
    "Provider",
    "fetch",
    "providers",
]
