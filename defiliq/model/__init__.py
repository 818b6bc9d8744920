"""The model over the ladder: heat, clusters, magnets, cascades. Floats, and nothing that asks a node."""

from defiliq.model.analysis import (
    Analysis,
    Happened,
    KeyLevel,
    Priority,
    Settings,
    analyse,
    analyse_heat,
    key_levels,
)
from defiliq.model.axis import SOURCE_COLUMNS, MarketKey, market_named
from defiliq.model.clusters import Cluster, Impact, find_clusters
from defiliq.model.contagion import (
    ContagionPath,
    Critical,
    Flow,
    Place,
    build_contagion,
    critical_clusters,
    strongest_paths,
)
from defiliq.model.flows import cluster_flows
from defiliq.model.heat import DEFAULT_STEP_PCT, HEAT_COLUMNS, Heat, build_heat, sum_buckets
from defiliq.model.impact import PriceAfter, impact, price_after
from defiliq.model.implications import Bias, Implications
from defiliq.model.magnet import Magnet, Vacuum, find_magnet, find_vacuums
from defiliq.model.metrics import (
    DAY_S,
    MarketState,
    Metrics,
    OpenInterestChange,
    liquidation_metrics,
    market_state,
    open_interest_change,
)
from defiliq.model.risk import CascadeRisk, asymmetry, cascade_risk, strongest
from defiliq.model.support import LARGE_USD, SR_COLUMNS, Grouping, support_resistance

__all__ = [
    "DAY_S",
    "DEFAULT_STEP_PCT",
    "HEAT_COLUMNS",
    "LARGE_USD",
    "SOURCE_COLUMNS",
    "SR_COLUMNS",
    "Analysis",
    "Bias",
    "CascadeRisk",
    "Cluster",
    "ContagionPath",
    "Critical",
    "Flow",
    "Grouping",
    "Happened",
    "Heat",
    "Impact",
    "Implications",
    "KeyLevel",
    "Magnet",
    "MarketKey",
    "MarketState",
    "Metrics",
    "OpenInterestChange",
    "Place",
    "PriceAfter",
    "Priority",
    "Settings",
    "Vacuum",
    "analyse",
    "analyse_heat",
    "asymmetry",
    "build_contagion",
    "build_heat",
    "cascade_risk",
    "cluster_flows",
    "critical_clusters",
    "find_clusters",
    "find_magnet",
    "find_vacuums",
    "impact",
    "key_levels",
    "liquidation_metrics",
    "market_named",
    "market_state",
    "open_interest_change",
    "price_after",
    "strongest",
    "strongest_paths",
    "sum_buckets",
    "support_resistance",
]
