"""Many shocks of one driver, and where the liquidations that they induce exceed those they cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import pandas as pd

from defiliq.depth.venue import Depth
from defiliq.ladder import IDENTITY, as_table, headed
from defiliq.model.cascade.cascade import Cascade
from defiliq.model.cascade.columns import SWEEP_COLUMNS
from defiliq.model.cascade.simulate import MOST_ROUNDS, ROUND_S, simulate
from defiliq.model.cascade.stage import OracleRule, Stage

_OWN = SWEEP_COLUMNS[len(IDENTITY) : -1]


def sweep(
    fresh: Callable[[], Sequence[Stage]],
    driver: str,
    shocks_pct: Sequence[Fraction],
    depths: Mapping[str, Depth],
    *,
    round_s: int = ROUND_S,
    rule: OracleRule | None = None,
    most_rounds: int = MOST_ROUNDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """One cascade per shock of a driver, each from the same start: SWEEP_COLUMNS, in the order given.

    `fresh` makes the markets anew, as they stand at spot.
    """
    markets = as_table([dict(stage.identity) for stage in fresh()], (*IDENTITY, "base_symbol"))
    rows = []
    for done, shock_pct in enumerate(shocks_pct):
        found = simulate(
            fresh(),
            {driver: 1 + shock_pct / 100},
            depths,
            round_s=round_s,
            rule=rule,
            most_rounds=most_rounds,
        )
        rows.append(sweep_row(found, driver))
        if on_progress is not None:
            on_progress(done + 1, len(shocks_pct))
    return headed(pd.DataFrame(rows, columns=list(_OWN)), markets)


def sweep_row(found: Cascade, driver: str) -> dict[str, object]:
    """One cascade in one row, without what names the markets."""
    values = (
        driver,
        float(100 * (found.shock[driver] - 1)),
        found.last_round,
        found.accounts,
        found.initial_usd,
        found.induced_usd,
        found.total_usd,
        found.branching_ratio,
        found.amplification(driver),
        found.spot_usd[driver] * float(found.final[driver]),
        found.change_pct(driver),
        found.bad_debt_usd,
        found.unfilled_usd,
        found.ended,
    )
    return dict(zip(_OWN, values, strict=True))


def frontier(table: pd.DataFrame) -> tuple[float | None, float | None]:
    """The smallest fall and the smallest rise, in percent, from which induced dollars exceed initial ones.

    None where no shock of that direction does.
    """
    beyond = table["shock_pct"][table["induced_usd"] > table["initial_usd"]]
    falls, rises = beyond[beyond < 0], beyond[beyond > 0]
    return (float(falls.max()) if len(falls) else None, float(rises.min()) if len(rises) else None)
