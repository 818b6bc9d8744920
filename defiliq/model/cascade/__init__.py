"""Cascades: liquidations are sold into the market, the price falls, oracles follow, more accounts break."""

from defiliq.model.cascade.backed import BackedBook
from defiliq.model.cascade.booked import BookStage
from defiliq.model.cascade.cascade import Cascade
from defiliq.model.cascade.columns import MARKET_COLUMNS, ROUND_COLUMNS, SWEEP_COLUMNS
from defiliq.model.cascade.lawful import LawBook
from defiliq.model.cascade.quoted import quote_symbol
from defiliq.model.cascade.rungs import RungStage
from defiliq.model.cascade.simulate import simulate
from defiliq.model.cascade.stage import Followed, OracleRule, Settled, Stage
from defiliq.model.cascade.sweep import frontier, sweep

__all__ = [
    "MARKET_COLUMNS",
    "ROUND_COLUMNS",
    "SWEEP_COLUMNS",
    "BackedBook",
    "BookStage",
    "Cascade",
    "Followed",
    "LawBook",
    "OracleRule",
    "RungStage",
    "Settled",
    "Stage",
    "frontier",
    "quote_symbol",
    "simulate",
    "sweep",
]
