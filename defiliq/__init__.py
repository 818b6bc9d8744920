"""Exact on-chain liquidation ladders.

    node = defiliq.connect("http://127.0.0.1:8545")
    market = defiliq.market("aave-v3", "ethereum")
    book = defiliq.read(node, market, at="finalized")
    rungs = defiliq.ladder(book, driver="WETH/USD")

Names are imported when they are first used, so that `import defiliq` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from defiliq.book import Book as Book
    from defiliq.cex.calibrate import calibrate as calibrate
    from defiliq.cex.compare import compare as compare
    from defiliq.cex.levels import Estimate as Estimate
    from defiliq.chain.replay import record as record
    from defiliq.chain.replay import replay as replay
    from defiliq.errors import DefiliqError as DefiliqError
    from defiliq.index import Index as Index
    from defiliq.ladder import bin_ladder as bin_ladder
    from defiliq.model import analyse as analyse
    from defiliq.model import build_contagion as build_contagion
    from defiliq.model import build_heat as build_heat
    from defiliq.model import cascade_risk as cascade_risk
    from defiliq.model import find_clusters as find_clusters
    from defiliq.model import find_magnet as find_magnet
    from defiliq.model import find_vacuums as find_vacuums
    from defiliq.model import liquidation_metrics as liquidation_metrics
    from defiliq.model import support_resistance as support_resistance
    from defiliq.oracle.drivers import drivers as drivers
    from defiliq.oracle.drivers import find_driver as find_driver
    from defiliq.oracle.drivers import group_driver as group_driver
    from defiliq.pipeline.backtesting import backtest_at_prices as backtest_at_prices
    from defiliq.pipeline.backtesting import backtest_on_days as backtest_on_days
    from defiliq.pipeline.by_time import time_triggers as time_triggers
    from defiliq.pipeline.cascade import cascade as cascade
    from defiliq.pipeline.cascade import sweep as sweep
    from defiliq.pipeline.cex_files import load_sample as load_sample
    from defiliq.pipeline.cex_files import load_venues as load_venues
    from defiliq.pipeline.cex_files import save_venues as save_venues
    from defiliq.pipeline.connecting import connect as connect
    from defiliq.pipeline.cost_terms import read_terms as read_terms
    from defiliq.pipeline.eta import eta as eta
    from defiliq.pipeline.events import events as events
    from defiliq.pipeline.exchanges import estimates as estimates
    from defiliq.pipeline.exchanges import read_exchanges as read_exchanges
    from defiliq.pipeline.feeds import feeds as feeds
    from defiliq.pipeline.feeds import feeds_by_driver as feeds_by_driver
    from defiliq.pipeline.judge import at_time as at_time
    from defiliq.pipeline.judge import health as health
    from defiliq.pipeline.judge import ladder as ladder
    from defiliq.pipeline.judge import levels as levels
    from defiliq.pipeline.judge import liquidatable as liquidatable
    from defiliq.pipeline.listings import market as market
    from defiliq.pipeline.listings import market_from_file as market_from_file
    from defiliq.pipeline.listings import markets as markets
    from defiliq.pipeline.opportunities import opportunities as opportunities
    from defiliq.pipeline.position import Position as Position
    from defiliq.pipeline.position import position as position
    from defiliq.pipeline.positions import leverage_distribution as leverage_distribution
    from defiliq.pipeline.positions import open_interest as open_interest
    from defiliq.pipeline.positions import positions as positions
    from defiliq.pipeline.presets import preset as preset
    from defiliq.pipeline.presets import presets as presets
    from defiliq.pipeline.reading import over_debt as over_debt
    from defiliq.pipeline.reading import read as read
    from defiliq.pipeline.reading import read_market as read_market
    from defiliq.pipeline.scoring import score as score
    from defiliq.pipeline.snapshot import load_snapshot as load_snapshot
    from defiliq.pipeline.snapshot import save_snapshot as save_snapshot
    from defiliq.pipeline.solving import solve_book as solve_book
    from defiliq.pipeline.stress import stress as stress
    from defiliq.pipeline.stress import stress_curve as stress_curve
    from defiliq.pipeline.table_files import load_events as load_events
    from defiliq.pipeline.table_files import load_ladder as load_ladder
    from defiliq.pipeline.triggers import triggers as triggers
    from defiliq.pipeline.verify import Verification as Verification
    from defiliq.pipeline.verify import verify as verify
    from defiliq.pipeline.watching import replay_blocks as replay_blocks
    from defiliq.types import Listing as Listing
    from defiliq.view.files import write_table as write_table
    from defiliq.watch.policy import Policy as Policy

__version__ = "0.1.0"

_HOME = {
    "Book": "book",
    "DefiliqError": "errors",
    "Estimate": "cex.levels",
    "Index": "index",
    "Listing": "types",
    "Policy": "watch.policy",
    "Position": "pipeline.position",
    "Verification": "pipeline.verify",
    "analyse": "model",
    "at_time": "pipeline.judge",
    "backtest_at_prices": "pipeline.backtesting",
    "backtest_on_days": "pipeline.backtesting",
    "bin_ladder": "ladder",
    "build_contagion": "model",
    "build_heat": "model",
    "calibrate": "cex.calibrate",
    "cascade": "pipeline.cascade",
    "cascade_risk": "model",
    "compare": "cex.compare",
    "connect": "pipeline.connecting",
    "drivers": "oracle.drivers",
    "estimates": "pipeline.exchanges",
    "eta": "pipeline.eta",
    "events": "pipeline.events",
    "feeds": "pipeline.feeds",
    "feeds_by_driver": "pipeline.feeds",
    "find_clusters": "model",
    "find_driver": "oracle.drivers",
    "find_magnet": "model",
    "find_vacuums": "model",
    "group_driver": "oracle.drivers",
    "health": "pipeline.judge",
    "ladder": "pipeline.judge",
    "levels": "pipeline.judge",
    "leverage_distribution": "pipeline.positions",
    "liquidatable": "pipeline.judge",
    "liquidation_metrics": "model",
    "load_events": "pipeline.table_files",
    "load_ladder": "pipeline.table_files",
    "load_sample": "pipeline.cex_files",
    "load_snapshot": "pipeline.snapshot",
    "load_venues": "pipeline.cex_files",
    "market": "pipeline.listings",
    "market_from_file": "pipeline.listings",
    "markets": "pipeline.listings",
    "open_interest": "pipeline.positions",
    "opportunities": "pipeline.opportunities",
    "over_debt": "pipeline.reading",
    "position": "pipeline.position",
    "positions": "pipeline.positions",
    "preset": "pipeline.presets",
    "presets": "pipeline.presets",
    "read": "pipeline.reading",
    "read_exchanges": "pipeline.exchanges",
    "read_market": "pipeline.reading",
    "read_terms": "pipeline.cost_terms",
    "record": "chain.replay",
    "replay": "chain.replay",
    "replay_blocks": "pipeline.watching",
    "save_snapshot": "pipeline.snapshot",
    "save_venues": "pipeline.cex_files",
    "score": "pipeline.scoring",
    "solve_book": "pipeline.solving",
    "stress": "pipeline.stress",
    "stress_curve": "pipeline.stress",
    "support_resistance": "model",
    "sweep": "pipeline.cascade",
    "time_triggers": "pipeline.by_time",
    "triggers": "pipeline.triggers",
    "verify": "pipeline.verify",
    "write_table": "view.files",
}
"""Public name to the module that it is written in."""

__all__ = [
    "Book",
    "DefiliqError",
    "Estimate",
    "Index",
    "Listing",
    "Policy",
    "Position",
    "Verification",
    "analyse",
    "at_time",
    "backtest_at_prices",
    "backtest_on_days",
    "bin_ladder",
    "build_contagion",
    "build_heat",
    "calibrate",
    "cascade",
    "cascade_risk",
    "compare",
    "connect",
    "drivers",
    "estimates",
    "eta",
    "events",
    "feeds",
    "feeds_by_driver",
    "find_clusters",
    "find_driver",
    "find_magnet",
    "find_vacuums",
    "group_driver",
    "health",
    "ladder",
    "levels",
    "leverage_distribution",
    "liquidatable",
    "liquidation_metrics",
    "load_events",
    "load_ladder",
    "load_sample",
    "load_snapshot",
    "load_venues",
    "market",
    "market_from_file",
    "markets",
    "open_interest",
    "opportunities",
    "over_debt",
    "position",
    "positions",
    "preset",
    "presets",
    "read",
    "read_exchanges",
    "read_market",
    "read_terms",
    "record",
    "replay",
    "replay_blocks",
    "save_snapshot",
    "save_venues",
    "score",
    "solve_book",
    "stress",
    "stress_curve",
    "support_resistance",
    "sweep",
    "time_triggers",
    "triggers",
    "verify",
    "write_table",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'defiliq' has no attribute {name!r}")
    return getattr(import_module(f"defiliq.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Imported submodules are hung on their package by name; `defiliq.ladder` must stay the function."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
