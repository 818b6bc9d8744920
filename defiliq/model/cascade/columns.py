"""Columns of the tables that cascades are told in."""

from __future__ import annotations

from defiliq.ladder import IDENTITY

ROUND_COLUMNS = (
    *IDENTITY,
    *(
        "round",
        "cause",
        "at_s",
        "driver",
        "oracle_usd",
        "market_usd",
        "market_after_usd",
        "accounts",
        "calls",
    ),
    *("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd", "deleveraged_usd"),
    *("traded_usd", "slippage_pct", "unfilled_usd"),
    "base_symbol",
)
"""One row per round and driver, over all markets: of several, what names them is joined by '+'.

What accounts lost is the round's, the same in the row of each driver; the oracle's price is the lowest of the
markets' where the driver falls, the highest where it rises. `slippage_pct` is by how much a trade's mean
price was worse than the market's before, fees included; `traded_usd` and `unfilled_usd`, the part of it that
the depth could not take, are told at the price before the trade."""

MARKET_COLUMNS = (
    *IDENTITY,
    *("round", "cause", "accounts", "calls", "seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd"),
    "refused",
    *("deleveraged_usd", "fund_spent_usd", "fund_left_usd"),
    "base_symbol",
)
"""One row per round and market. `fund_left_usd` is NaN where no fund's balance is known."""

SWEEP_COLUMNS = (
    *IDENTITY,
    "driver",
    *("shock_pct", "rounds", "accounts", "initial_usd", "induced_usd", "total_usd", "branching_ratio"),
    *("amplification", "final_usd", "final_change_pct", "bad_debt_usd", "unfilled_usd", "ended"),
    "base_symbol",
)
"""One row per shock of the driver, over all markets, which are named as those of rounds are."""
