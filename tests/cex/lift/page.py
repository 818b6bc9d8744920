"""docs/lift.md as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from defiliq.cex.backtest import Backtest, Measure, Score
from defiliq.cex.daily import DAY_S, WICKS, daily_assets
from tests.cex.lift.measure import ESTIMATOR, HORIZONS_S, LEVELS, REAL, SEEDS

HEAD = """# How much better than chance estimated levels are

Written by `scripts/lift`; do not edit. Brackets hold the middle 95% of {resamples:,} resampled histories,
in which whole blocks of neighbouring windows are drawn (twice the cube root of their number), on all assets
and sides at once. *p* is how often the same levels at other times do as well or better, of {draws} turns,
or of as many as differ where windows are few; it is never below one in so many and one. Seeds are fixed.
In trials with levels drawn at random such brackets held 1 in about nine of ten cases: do not lean
on one that only just leaves 1 or 0 out.

`elsewhen` is the baseline that counts: the predictor's own levels of other moments about as wild, laid at
the same distances from this moment's spot. Whoever always names the same distances, or only names what is
near, is no better than that. `defiliq/cex/backtest/at_levels.py` and `on_moves.py` say why.
"""

REAL_HEAD = """
## Real days: Binance, January 2022 to December 2023

Of each day the close, the open interest and the sums of long and short liquidations are known; prices of
liquidations, highs and lows are not. So this asks: do the dollars that were estimated, at the end of a day,
to lie in the way that the price then went explain how much was liquidated the next day? Each number is a
rank correlation over days, per asset and side, then over both sides. The move itself is not predicted by
anybody: all baselines are given it. `open interest x move` knows no levels at all. *Together* is by how much
the estimate and `open interest x move`, their ranks added, explain more than the latter alone.

Between closes the price is taken to have gone to the median low and high of a random walk between them
(wicks `median`), or nowhere else (`none`). What the venue tells of liquidations is at most one order per
second, so the wildest days are told too small; ranks mind little. Positions that were opened and liquidated
within one day are in the sums, and in no estimate from daily candles.
"""

SIMULATED_HEAD = """
## Simulated markets whose positions are known

{seeds} markets of 60 days in hourly candles, seeded (`defiliq.cex.population`, its default world and the
middle prior); levels are named once a day from the tenth day on and liquidations of the next 24 hours
counted, at their prices. *Density* is the share of a window's liquidations that lies within tolerance of a
level that the price reached, per level; *hit* says at how many of those more was liquidated than if it were
spread evenly over the way; *recall* is the share of all liquidated dollars near any named level. `all
positions known` is who sees every position and names the largest clusters. A lift compares each with its own
levels at other times: it says who knows something, not by how little one is ahead of the other. Recall
against `random` (levels spread evenly over the distances named) is shown to warn: it rewards who names what
is near, whatever he knows.
"""


BASELINES = ("elsewhen", "open interest x move", "move")


def page(real: Backtest, compared: Backtest, simulated: Backtest) -> str:
    """The whole text."""
    head = HEAD.format(resamples=REAL.resamples, draws=REAL.draws)
    parts = (
        head,
        REAL_HEAD,
        f"### One day ahead, per asset (wicks `median`, {ESTIMATOR})\n",
        per_asset(real),
        tally_of_assets(real),
        "### All assets, by horizon, side and wicks\n",
        by_horizon(real),
        "### All assets, one day ahead after every third day, by predictor\n",
        by_predictor(compared),
        SIMULATED_HEAD.format(seeds=len(SEEDS)),
        f"### {LEVELS.ks[-1]} levels per side, within {LEVELS.tolerances_pct[0]}%\n",
        by_knowledge(simulated),
        "### Other numbers of levels and tolerances: density against `elsewhen`\n",
        by_setting(simulated),
    )
    return "\n".join(parts)


def per_asset(real: Backtest) -> str:
    """A row per asset over one day."""
    rows = [asset_row(real, asset) for asset in (*daily_assets(), "all")]
    return table(ASSET_HEAD, rows)


ASSET_HEAD = (
    *("asset", "estimate", "elsewhen", "gain", "p", "open interest x move", "gain", "move", "gain"),
    *("together", "lift on heavy days", "n"),
)


def asset_row(real: Backtest, asset: str) -> list[str]:
    """One asset over one day, both sides."""
    own, interest, move = (
        pick(
            real,
            asset=asset,
            test="moves",
            baseline=baseline,
            horizon_s=DAY_S,
            dataset="median",
            side="both",
        )
        for baseline in BASELINES
    )
    both = pick(real, asset=asset, test="together", horizon_s=DAY_S, dataset="median", side="both")
    return [
        asset,
        told(own.correlation.value),
        told(own.baseline_correlation),
        interval(own.gain),
        f"{own.p_value:.3f}",
        told(interest.baseline_correlation),
        interval(interest.gain),
        told(move.baseline_correlation),
        interval(move.gain),
        interval(both.gain),
        interval(own.lift),
        f"{own.correlation.n:,}",
    ]


def tally_of_assets(real: Backtest) -> str:
    """In how many assets the gain leaves 0 out, per baseline."""
    lines = []
    for test, baseline in (*(("moves", one) for one in BASELINES), ("together", BASELINES[1])):
        gains = [
            pick(
                real,
                asset=asset,
                test=test,
                baseline=baseline,
                horizon_s=DAY_S,
                dataset="median",
                side="both",
            ).gain
            for asset in daily_assets()
        ]
        name = f"`{baseline}`" + (", together with it" if test == "together" else "")
        better, worse = sum(gain.low > 0 for gain in gains), sum(gain.high < 0 for gain in gains)
        lines.append(
            f"- against {name}: better in {better} of {len(gains)} assets, worse in {worse}, "
            f"undecided in {len(gains) - better - worse}"
        )
    said = "\n".join(lines)
    return (
        f"Where the bracket of the gain leaves 0 out:\n\n{said}\n\n"
        "*Lift on heavy days*: of the days that the estimate names the heaviest tenth, how many more are so\n"
        "than of those that `elsewhen` names.\n"
    )


def by_horizon(real: Backtest) -> str:
    """A row per wick model, horizon and side, of all assets."""
    rows = []
    for wicks in WICKS:
        for horizon_s in HORIZONS_S:
            for side in ("both", "long", "short"):
                chosen = {"asset": "all", "horizon_s": horizon_s, "dataset": wicks, "side": side}
                own, interest = (pick(real, test="moves", baseline=each, **chosen) for each in BASELINES[:2])
                both = pick(real, test="together", **chosen)
                rows.append(
                    [
                        wicks,
                        f"{horizon_s // DAY_S} d",
                        side,
                        told(own.correlation.value),
                        told(own.baseline_correlation),
                        interval(own.gain),
                        f"{own.p_value:.3f}",
                        told(interest.baseline_correlation),
                        interval(interest.gain),
                        interval(both.gain),
                        interval(own.lift),
                    ]
                )
    head = ("wicks", "horizon", "side", "estimate", "elsewhen", "gain", "p", "open interest x move", "gain")
    return table((*head, "together", "lift on heavy days"), rows)


def by_predictor(compared: Backtest) -> str:
    """A row per predictor, of all assets and both sides."""
    rows = []
    for name in named(compared):
        own, interest = (
            pick(compared, asset="all", test="moves", baseline=each, side="both", predictor=name)
            for each in BASELINES[:2]
        )
        both = pick(compared, asset="all", test="together", side="both", predictor=name)
        rows.append(
            [
                name,
                interval(own.correlation),
                told(own.baseline_correlation),
                interval(own.gain),
                f"{own.p_value:.3f}",
                interval(interest.gain),
                interval(both.gain),
                interval(own.lift),
            ]
        )
    head = ("predictor", "estimate", "elsewhen", "gain", "p", "gain on open interest x move")
    return table((*head, "together", "lift on heavy days"), rows)


def by_knowledge(simulated: Backtest) -> str:
    """A row per predictor of simulated markets."""
    rows = []
    chosen = {"asset": "all", "side": "both", "k": LEVELS.ks[-1], "tolerance_pct": LEVELS.tolerances_pct[0]}
    for name in named(simulated):
        density, hits, random = (
            pick(simulated, predictor=name, test=test, baseline=baseline, condition="reached", **chosen)
            for test, baseline in (("density", "elsewhen"), ("levels", "elsewhen"), ("density", "random"))
        )
        rows.append(
            [
                name,
                f"{density.precision.value:.1%}",
                f"{density.baseline_precision:.1%}",
                f"**{interval(density.lift)}**",
                f"{density.p_value:.3f}",
                f"{hits.precision.value:.0%}",
                interval(hits.lift),
                f"{density.recall.value:.0%}",
                interval(density.recall_lift),
                interval(random.recall_lift),
                f"{density.precision.n:,}",
            ]
        )
    head = ("predictor", "density", "elsewhen", "lift of density", "p", "hit", "lift of hits", "recall")
    return table((*head, "lift of recall", "of recall against random", "reached"), rows)


def by_setting(simulated: Backtest) -> str:
    """Lift of density per predictor, by levels and tolerance."""
    settings = [(k, tolerance) for k in LEVELS.ks for tolerance in LEVELS.tolerances_pct]
    rows = [
        [
            name,
            *(
                interval(
                    pick(
                        simulated,
                        predictor=name,
                        test="density",
                        baseline="elsewhen",
                        asset="all",
                        side="both",
                        k=k,
                        tolerance_pct=tolerance,
                    ).lift
                )
                for k, tolerance in settings
            ),
        ]
        for name in named(simulated)
    ]
    return table(("predictor", *(f"{k} levels, {tolerance}%" for k, tolerance in settings)), rows)


def named(found: Backtest) -> list[str]:
    """The predictors, in the order in which they were run."""
    return list(dict.fromkeys(score.predictor for score in found.scores))


def pick(found: Backtest, **wanted: object) -> Score:
    """The one score that is of all that is wanted."""
    (one,) = [s for s in found.scores if all(getattr(s, name) == value for name, value in wanted.items())]
    return one


def told(value: float) -> str:
    """Two decimals."""
    return "-" if math.isnan(value) else f"{value:.2f}"


def interval(measure: Measure) -> str:
    """A figure with its bracket."""
    if math.isnan(measure.value):
        return "-"
    return f"{measure.value:.2f} [{measure.low:.2f}, {measure.high:.2f}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"
