"""Analysis: everything that a report says of one driver, in one piece."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import pandas as pd

from defiliq.errors import InputError
from defiliq.model.axis import MarketKey
from defiliq.model.cascade import Cascade
from defiliq.model.clusters import VALLEY, Cluster, Impact, find_clusters
from defiliq.model.heat import DEFAULT_STEP_PCT, Heat, build_heat
from defiliq.model.implications import Implications, imply
from defiliq.model.magnet import DEFAULT_REACH, Magnet, Vacuum, find_magnet, find_vacuums
from defiliq.model.metrics import DAY_S, Metrics, liquidation_metrics
from defiliq.model.over_time import HeatOverTime
from defiliq.model.risk import Asymmetry, CascadeRisk, asymmetry, cascade_risk, strongest
from defiliq.model.support import LARGE_USD, Grouping, support_resistance
from defiliq.model.washout import Outstanding, outstanding

Priority: TypeAlias = Literal["High", "Medium", "Low"]
_GRADES: tuple[Priority, ...] = ("Low", "Medium", "High")
PRIORITY_SHARES_PCT = (3.0, 10.0)
"""From which shares of all that breaks within the window a level is of medium, and of high priority."""
PRIORITY_IMPACTS_PCT = (0.25, 1.0)
"""From which moves of the price on."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides what counts; a report shows them."""

    step_pct: float = DEFAULT_STEP_PCT
    within_pct: float = 50.0
    min_share_pct: float = 1.0
    valley: float = VALLEY
    min_impact_pct: float = 0.1
    h: float = DEFAULT_REACH
    most_inside: float = 0.25
    min_vacuum_pct: float = 1.0
    window_s: int = DAY_S
    """How far back the events of the overview go."""
    large_usd: float = LARGE_USD
    sr_by: Grouping = "single"


@dataclass(frozen=True, slots=True)
class KeyLevel:
    """A cluster with its weight among the others."""

    cluster: Cluster
    share_pct: float
    """Of all that breaks within the window, on both sides."""
    priority: Priority


@dataclass(frozen=True, slots=True)
class Happened:
    """Liquidations that happened, as far as somebody looked."""

    metrics: Metrics
    support_resistance: pd.DataFrame
    """SR_COLUMNS, the newest first."""
    other_events: int
    """Rows of other drivers, which are in neither."""
    unpriced_events: int
    """Rows of which nobody knows the driver, as little as the money: they are in neither as well."""
    coverage: str
    """Which blocks were searched, in words; empty where it was not said."""
    searched: tuple[int, int] | None = None
    """After which second and up to which one somebody looked; None where it was not said."""

    @property
    def searched_of_window(self) -> tuple[int, int]:
        """What of the metrics' stretch was searched: all of it where nobody said otherwise."""
        since, until = self.metrics.since_at, self.metrics.until_at
        if self.searched is None:
            return since, until
        return max(since, self.searched[0]), min(until, self.searched[1])

    @property
    def is_whole(self) -> bool:
        """Whether all of it was."""
        return self.searched_of_window == (self.metrics.since_at, self.metrics.until_at)

    def latest(self, kind: Literal["support", "resistance"]) -> pd.Series | None:
        """The level of a kind that was formed last; of several at once, the strongest."""
        levels = self.support_resistance[self.support_resistance["type"] == kind]
        return None if levels.empty else levels.iloc[0]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that a report says of one driver at one block."""

    settings: Settings
    heat: Heat
    clusters: tuple[Cluster, ...]
    key_levels: tuple[KeyLevel, ...]
    """The clusters, the largest first."""
    magnet: Magnet
    strongest_above: Cluster | None
    strongest_below: Cluster | None
    asymmetry: Asymmetry | None
    vacuums: tuple[Vacuum, ...]
    risk_down: CascadeRisk
    risk_up: CascadeRisk
    implications: Implications
    depth: str
    """The name of the market depth that impacts are of; empty without one."""
    happened: Happened | None
    """None where no events were given."""
    cascade: Cascade | None
    sweep: pd.DataFrame | None
    """SWEEP_COLUMNS"""
    unresolved: int = 0
    """Levels that rounding alone decides: they are in none of the ladders."""
    outstanding: Outstanding | None = None
    """None where no snapshots over time were given."""

    @property
    def at(self) -> int | None:
        """The time of the newest block; None where no ladder had a row."""
        stamps = self.heat.sources["block_timestamp"]
        return None if stamps.empty else int(stamps.max())

    @property
    def failed_accounts(self) -> int | None:
        """Accounts that could not be read; None where some market's ladder does not tell."""
        failed = self.heat.sources["failed"]
        return None if failed.isna().any() else int(failed.sum())


def analyse(
    ladders: Sequence[pd.DataFrame],
    driver: str,
    settings: Settings = Settings(),
    *,
    mixed_blocks: bool = False,
    failed: Mapping[MarketKey, int] = MappingProxyType({}),
    impact: Impact | None = None,
    depth: str = "",
    events: pd.DataFrame | None = None,
    until_at: int | None = None,
    events_coverage: str = "",
    events_searched: tuple[int, int] | None = None,
    cascade: Cascade | None = None,
    sweep: pd.DataFrame | None = None,
    over_time: HeatOverTime | None = None,
) -> Analysis:
    """The whole model over some ladders along one driver: see `build_heat` for what they must be.

    The rest is as in `analyse_heat`.
    """
    return analyse_heat(
        build_heat(ladders, driver, step_pct=settings.step_pct, mixed_blocks=mixed_blocks, failed=failed),
        settings,
        impact=impact,
        depth=depth,
        events=events,
        until_at=until_at,
        events_coverage=events_coverage,
        events_searched=events_searched,
        cascade=cascade,
        sweep=sweep,
        over_time=over_time,
    )


def analyse_heat(
    heat: Heat,
    settings: Settings = Settings(),
    *,
    impact: Impact | None = None,
    depth: str = "",
    events: pd.DataFrame | None = None,
    until_at: int | None = None,
    events_coverage: str = "",
    events_searched: tuple[int, int] | None = None,
    cascade: Cascade | None = None,
    sweep: pd.DataFrame | None = None,
    unresolved: int = 0,
    over_time: HeatOverTime | None = None,
) -> Analysis:
    """The whole model over a heat, whose bucket width is the one that counts.

    `impact` is what trades do to the price, in a market depth called `depth`. `events` are liquidations that
    happened: those of the driver count, up to `until_at`, which is the newest block unless told otherwise.
    `events_searched` says after which second and up to which one somebody looked for them: a day of which a
    part was not searched has no market state. `over_time`, of the same driver, says how debt has changed.
    """
    settings, spot = replace(settings, step_pct=heat.step_pct), heat.spot_usd
    clusters = find_clusters(
        heat,
        within_pct=settings.within_pct,
        min_share_pct=settings.min_share_pct,
        valley=settings.valley,
        min_impact_pct=settings.min_impact_pct,
        impact=impact,
    )
    levels = key_levels(heat, clusters, settings.within_pct)
    above, below = strongest(spot, clusters)
    magnet, lean = find_magnet(heat, clusters, settings.h), asymmetry(spot, clusters)
    down, up = cascade_risk(spot, clusters, "down"), cascade_risk(spot, clusters, "up")
    vacuums = find_vacuums(
        heat, clusters, most_inside=settings.most_inside, min_width_pct=settings.min_vacuum_pct
    )
    high = [level.cluster for level in levels if level.priority == "High"]
    implied = imply(heat, clusters, high, magnet, lean, down, up)
    happened = _happened(heat, events, settings, until_at, events_coverage, events_searched)
    return Analysis(
        *(settings, heat, clusters, levels, magnet, above, below, lean, vacuums, down, up, implied),
        *(depth, happened, cascade, sweep, unresolved, _outstanding(heat, over_time)),
    )


def _outstanding(heat: Heat, found: HeatOverTime | None) -> Outstanding | None:
    if found is None:
        return None
    if found.driver.casefold() != heat.driver.casefold():
        raise InputError(f"the snapshots are of {found.driver}, and the ladders of {heat.driver}.")
    return outstanding(found)


def key_levels(heat: Heat, clusters: Sequence[Cluster], within_pct: float) -> tuple[KeyLevel, ...]:
    """Clusters with their priority: the lower of two grades, by share and by impact.

    By their share of all that breaks within the window on both sides: 10% high, 3% medium. By how far trading
    them moves the price: 1% high, 0.25% medium; where that is not known, the share alone decides.
    """
    near = heat.buckets[heat.buckets["distance_pct"].abs() <= within_pct]
    total = math.fsum(near["size_usd"].dropna())
    levels = []
    for cluster in clusters:
        share = 100 * (cluster.magnitude_usd / total)
        grade = _grade(share, PRIORITY_SHARES_PCT)
        if not math.isnan(cluster.impact_pct):
            grade = min(grade, _grade(cluster.impact_pct, PRIORITY_IMPACTS_PCT))
        levels.append(KeyLevel(cluster, share, _GRADES[grade]))
    return tuple(levels)


def _grade(value: float, floors: Sequence[float]) -> int:
    return sum(value >= floor for floor in floors)


def _happened(
    heat: Heat,
    events: pd.DataFrame | None,
    settings: Settings,
    until_at: int | None,
    coverage: str,
    searched: tuple[int, int] | None,
) -> Happened | None:
    """What events say of the driver; without any block to end at, they end with the last of them.

    None where none were given.
    """
    if events is None:
        return None
    others = sorted(set(events["base_symbol"]) - {"", heat.base_symbol}) if heat.base_symbol else []
    if others:
        raise InputError(
            f"the events count {others[0]}, and the ladders {heat.base_symbol}. Give those of one."
        )
    is_ours = events["driver"].str.casefold() == heat.driver.casefold()
    is_unpriced = events["driver"] == ""
    if until_at is None:
        stamps = heat.sources["block_timestamp"]
        stamps = events["block_timestamp"] if stamps.empty else stamps
        until_at = 0 if stamps.empty else int(stamps.max())
    past = events[is_ours & (events["block_timestamp"] <= until_at)]
    found = Happened(
        metrics=liquidation_metrics(past, until_at - settings.window_s, until_at),
        support_resistance=support_resistance(past, settings.large_usd, by=settings.sr_by),
        other_events=int((~is_ours & ~is_unpriced).sum()),
        unpriced_events=int(is_unpriced.sum()),
        coverage=coverage,
        searched=searched,
    )
    return found if found.is_whole else replace(found, metrics=replace(found.metrics, state=None))
