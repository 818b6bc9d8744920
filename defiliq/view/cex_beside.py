"""All that is shown beside the chain, in one piece: for a terminal, for Markdown and for a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from defiliq.cex.compare import Comparison
    from defiliq.cex.confirm import Confirmation
    from defiliq.cex.differences import VenueDifference
    from defiliq.cex.levels import Estimate, EstimateOverTime
    from defiliq.cex.phase import Phase
    from defiliq.model.clusters import Cluster


@dataclass(frozen=True, slots=True)
class Beside:
    """A comparison with what it is made of, for a report."""

    comparison: Comparison
    estimates: tuple[Estimate, ...] = ()
    """Those that were compared."""
    over_time: tuple[EstimateOverTime, ...] = ()
    clusters: dict[str, tuple[Cluster, ...]] = field(default_factory=dict)
    """By venue and contract, what an estimate's figure names."""
    confirmations: tuple[Confirmation, ...] = ()
    """What else speaks for levels, or against them."""
    phases: tuple[Phase, ...] = ()
    """In which phase of a cascade each contract is, and all together."""
    differences: tuple[VenueDifference, ...] = ()
    """How venues differ."""
    backtest: pd.DataFrame | None = None
    """As `draw_backtest` takes it."""
