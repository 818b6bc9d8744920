"""The tables of one account as people read them."""

from __future__ import annotations

import math

import pandas as pd

from defiliq.view.terminal import filled, print_lines, print_rows

_LEGS = (
    *("reserve", "price_usd", "collateral", "collateral_usd"),
    *("debt", "debt_usd", "counted", "threshold_bps"),
)
_POSITIONS = ("reserve", "price_usd", "long", "long_usd", "short", "short_usd", "margin_bps")
_LEVELS = (
    *("driver", "side", "outcome", "price_usd", "spot_usd", "distance_pct"),
    *("seize_asset", "repay_asset", "seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd", "callable"),
)
_SIZED = _LEVELS.index("seize_asset")
"""Where the size of positions stands, if there are any."""
_OF_A_CALL = ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd")
_TOKEN_DIGITS = 6


def print_legs(legs: pd.DataFrame) -> None:
    """What the account holds and owes; an account with nothing gets a sentence."""
    if legs.empty:
        print_lines(["it holds and owes nothing that counts in this market"])
        return
    if legs["is_position"].any():
        print_rows(positions_shown(legs), "positions; USDC is owned (long) or owed (short)", _POSITIONS)
        return
    shown = legs_shown(legs)
    print_rows(shown, "legs", [*_LEGS, *filled(shown, "base_units_held")])


def print_levels(levels: pd.DataFrame) -> None:
    """Where the account breaks, if any driver touches it."""
    if levels.empty:
        return
    notional = ["notional_usd"] if levels["notional_usd"].notna().any() else []
    print_rows(levels_shown(levels), "levels", [*_LEVELS[:_SIZED], *notional, *_LEVELS[_SIZED:]])


def legs_shown(legs: pd.DataFrame) -> pd.DataFrame:
    """Legs with amounts cut for reading; what concerns collateral is blank where there is none.

    `base_units_held` is what a supply is held as, in base units of the protocol's own token.
    """
    is_held = legs["collateral_raw"] != "0"
    return legs.assign(
        collateral=legs["collateral"].map(tokens),
        debt=legs["debt"].map(tokens),
        counted=legs["counted"].astype(object).where(is_held, ""),
        threshold_bps=legs["threshold_bps"].astype("Int64").where(is_held),
        base_units_held=(legs["receipt_raw"] + " " + legs["receipt"]).where(is_held, "").str.strip(),
    )


def positions_shown(legs: pd.DataFrame) -> pd.DataFrame:
    """Longs, shorts and USDC with amounts cut for reading; `margin_bps` is what a notional needs."""
    return legs.assign(
        long=legs["collateral"].map(tokens),
        long_usd=legs["collateral_usd"].where(legs["collateral_raw"] != "0", math.nan),
        short=legs["debt"].map(tokens),
        short_usd=legs["debt_usd"].where(legs["debt_raw"] != "0", math.nan),
        margin_bps=(10_000 - legs["threshold_bps"]).astype("Int64").where(legs["is_position"]),
    ).replace({"long": {"0": ""}, "short": {"0": ""}})


def levels_shown(levels: pd.DataFrame) -> pd.DataFrame:
    """Levels with nothing said of a call where there is none to make."""
    is_level = levels["outcome"] != "never"
    called = {name: levels[name].where(is_level, math.nan) for name in _OF_A_CALL}
    return levels.assign(**called, callable=levels["callable"].astype(object).where(is_level, ""))


def tokens(amount: str) -> str:
    """A decimal string cut to six digits behind the point; every digit where that would leave nothing."""
    whole, _, part = amount.partition(".")
    kept = part[:_TOKEN_DIGITS].rstrip("0")
    if kept or not part:
        return f"{whole}.{kept}" if kept else whole
    return whole if int(whole) else amount
