"""Simulated markets whose positions are known: what an estimate from public sums can be held against."""

from defiliq.cex.population.path import PricePath, price_path
from defiliq.cex.population.recovery import Recovery, SideRecovery, recovery
from defiliq.cex.population.rules import LiquidationRule, factors_of, flat_rule, venue_rule
from defiliq.cex.population.simulate import SOURCE, simulate
from defiliq.cex.population.truth import SIMULATED, TRUTH_COLUMNS, Population, TrueLevels, Truth
from defiliq.cex.population.world import CHURN, TRENDS, World

__all__ = [
    "CHURN",
    "SIMULATED",
    "SOURCE",
    "TRENDS",
    "TRUTH_COLUMNS",
    "LiquidationRule",
    "Population",
    "PricePath",
    "Recovery",
    "SideRecovery",
    "TrueLevels",
    "Truth",
    "World",
    "factors_of",
    "flat_rule",
    "price_path",
    "recovery",
    "simulate",
    "venue_rule",
]
