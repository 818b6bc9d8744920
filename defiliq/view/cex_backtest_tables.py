"""A backtest on a terminal: real days by correlation, prices of liquidations by precision and recall."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from defiliq.view.cex_compare import grid_lines, wrapped
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean, console, print_lines

UNDEFINED = "-"
DAYS_WORDS = (
    "Did the dollars that were estimated to lie in the way that the price then went explain how much was "
    "liquidated? Rank correlations, and what they are above those of baselines: the same estimator's levels "
    "of other days (elsewhen), and open interest times the size of the move, which knows no levels. A gain "
    "of 0 and a lift of 1 are no better."
)
PRICES_WORDS = (
    "Of the liquidated dollars on the way, how many lay at the levels that were named and reached, and how "
    "many at the same estimator's levels of other times (elsewhen)? Recall is of all dollars, reached or "
    "not, where naming what is near spot is enough to look good. A lift of 1 is no better."
)
BRACKETS = "Brackets: 95% of resampled histories. docs/lift.md has all of it, and what was tried beside it."


def print_backtest(table: pd.DataFrame) -> None:
    """What was found, on stdout."""
    width = console().width if sys.stdout.isatty() else None
    print_lines(backtest_lines(table, width=width))


def backtest_lines(table: pd.DataFrame, *, width: int | None = None) -> list[str]:
    """Both kinds of test, as far as the table has them; both sides of a market in one row."""
    whole = table[table["side"] == "both"]
    lines: list[str] = []
    for words, grid in (
        (DAYS_WORDS, days_grid(whole[whole["test"].isin(["moves", "together"])])),
        (PRICES_WORDS, prices_grid(whole[(whole["test"] == "density") & (whole["condition"] == "reached")])),
    ):
        if grid.rows:
            lines += [*wrapped([words]), "", *grid_lines(grid, width), ""]
    return [*lines, *wrapped([BRACKETS])]


def primary(table: pd.DataFrame) -> pd.DataFrame:
    """The scores that a picture shows, named in short: lifts over `elsewhen`, of both sides."""
    whole = table[(table["side"] == "both") & (table["baseline"] == "elsewhen")]
    is_at_prices = (whole["test"] == "density") & (whole["condition"] == "reached")
    shown = whole[is_at_prices | (whole["test"] == "moves")]
    return shown.assign(label=[_label(row) for row in shown.to_dict("records")])


def _label(row: Mapping[Any, Any]) -> str:
    """Simulated, okx BTC: at levels that were reached, in 1 d."""
    where = "simulated" if "simulated" in row["dataset"] else clean(row["dataset"])
    of = "heavy days" if row["test"] == "moves" else "at levels reached"
    market = "all markets" if row["venue"] == row["asset"] else f"{row['venue']} {row['asset']}"
    name = "" if row["predictor"] == "estimate" else f"{clean(row['predictor'])}; "
    return f"{name}{where}, {clean(market)}: {of}, in {_span(int(row['horizon_s']))}"


def days_grid(table: pd.DataFrame) -> Grid:
    """A row per predictor, asset and horizon."""
    columns = (
        *("Predictor", "Asset", "In", "Estimate", "Elsewhen", "Gain", "Open interest x move", "Gain on it"),
        *("Lift on heavy days", "Windows"),
    )
    return Grid(columns, tuple(_days_rows(table)))


def prices_grid(table: pd.DataFrame) -> Grid:
    """A row per predictor, market and horizon."""
    columns = (
        *("Predictor", "Venue", "Asset", "In", "At levels", "Elsewhen", "Lift", "Recall", "Recall lift"),
        *("Levels reached", "Windows"),
    )
    return Grid(columns, tuple(_price_rows(table[table["baseline"] == "elsewhen"])))


def _days_rows(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    moves = table[table["test"] == "moves"]
    for _, part in moves.groupby(["predictor", "asset", "horizon_s"], sort=False):
        by = {row["baseline"]: row for row in part.to_dict("records")}
        own, other = by["elsewhen"], by["open interest x move"]
        yield (
            clean(own["predictor"]),
            clean(own["asset"]),
            _span(int(own["horizon_s"])),
            _number(own["correlation"]),
            _number(own["baseline_correlation"]),
            _measure(own, "gain", signed=True),
            _number(other["baseline_correlation"]),
            _measure(other, "gain", signed=True),
            _measure(own, "lift"),
            f"{own['windows']:,}",
        )


def _price_rows(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in table.to_dict("records"):
        yield (
            clean(row["predictor"]),
            clean(row["venue"]),
            clean(row["asset"]),
            _span(int(row["horizon_s"])),
            _percent(row["precision"]),
            _percent(row["baseline_precision"]),
            _measure(row, "lift"),
            _percent(row["recall"]),
            _measure(row, "recall_lift"),
            f"{row['n']:,}",
            f"{row['windows']:,}",
        )


def _measure(row: Mapping[Any, Any], name: str, *, signed: bool = False) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return UNDEFINED
    form = "+.2f" if signed else ".2f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _number(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{100 * value:.1f}%"


def _span(seconds: int) -> str:
    return f"{seconds / 86_400:g} d" if seconds >= 86_400 else f"{seconds / 3_600:g} h"
