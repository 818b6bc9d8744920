"""A cascade and a sweep on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from defiliq.view.terminal import clean, in_words, print_lines, print_rows

if TYPE_CHECKING:
    from defiliq.model.cascade import Cascade

PUBLISHED_BRANCHING = "0.03 to 0.2"
"""Branching ratios measured on real liquidations, by phase of one cascade on one venue of perpetuals (Garcia
Seuma, arXiv 2608.03616, a preprint). They count the liquidations that one begets; ours counts dollars."""
_ROUNDS = (
    *("round", "cause", "driver", "market_usd", "accounts", "seized_usd", "traded_usd", "after_usd"),
    *("unfilled_usd", "bad_debt_usd", "deleveraged_usd", "oracle_usd", "calls", "repaid_usd", "at_s"),
)
_SWEEP = (
    *("shock_pct", "accounts", "initial_usd", "induced_usd", "branching_ratio", "final_change_pct"),
    *("amplification", "rounds", "bad_debt_usd", "unfilled_usd", "ended"),
)
"""What says most stands left: a narrow terminal leaves out columns from the right."""


def print_cascade(cascade: Cascade) -> None:
    """The rounds of a cascade, by market where there are several, and what it comes to."""
    names = cascade.rounds["driver"].unique()
    along = f" along {clean(names[0])}" if len(names) == 1 else ""
    print_rows(_shown(cascade.rounds), f"rounds{along}", _said(cascade))
    parts = cascade.markets.groupby(["protocol", "chain_id", "market"], sort=True)
    if len(parts) > 1:
        print_rows(_by_market(cascade), "by market, after the shock")
    print_lines(["", *_reading(cascade.rounds), *summary_lines(cascade)])


def summary_lines(cascade: Cascade) -> list[str]:
    """What a cascade comes to, in sentences."""
    base = _base(cascade.markets)
    lines = [f"ended: {_ending(cascade, base)}"]
    for name, final in cascade.final.items():
        spot = cascade.spot_usd[name]
        shock = float(100 * (cascade.shock[name] - 1))
        moved = (
            f"{clean(name)} {_price(spot)} -> {_price(spot * float(final))} ({cascade.change_pct(name):+.2f}%"
        )
        times = cascade.amplification(name)
        amplified = "" if not math.isfinite(times) else f", {times:.2f} times the shock of {shock:+.2f}%"
        lines.append(f"{moved}{amplified}), depth: {clean(cascade.depth[name])}")
    initial, induced = in_words(cascade.initial_usd, base), in_words(cascade.induced_usd, base)
    lines.append(
        f"seized by the shock {initial}, induced {induced}, bad debt {in_words(cascade.bad_debt_usd, base)}"
    )
    ratio = cascade.branching_ratio
    told = "none, the shock liquidated nothing" if math.isnan(ratio) else f"{ratio:.4f}"
    lines.append(f"branching ratio {told} (induced per initial; published ones are {PUBLISHED_BRANCHING})")
    if not math.isnan(cascade.fund_left_usd):
        spent, left = in_words(cascade.fund_spent_usd, base), in_words(cascade.fund_left_usd, base)
        over = in_words(cascade.deleveraged_usd, base)
        lines.append(f"insurance funds paid {spent}, {left} left; {over} taken over by opposite positions")
    if cascade.losing_round is not None:
        lines.append(
            f"from round {cascade.losing_round} on the trades cost more than the bonus: liquidators who "
            "sell at once would stop there"
        )
    if cascade.followed_at_once:
        names = ", ".join(clean(name) for name in cascade.followed_at_once)
        lines.append(f"no deviation is known of the oracles of {names}: they follow every move")
    for what, sign in (("seized, but not sold", 1), ("repaid, but not bought", -1)):
        untraded = {clean(name): sign * usd for name, usd in cascade.untraded_usd.items() if sign * usd > 0}
        if untraded:
            most = sorted(untraded.items(), key=lambda pair: (-pair[1], pair[0]))
            named = ", ".join(f"{name} {in_words(usd, base)}" for name, usd in most[:5])
            more = f" and {len(most) - 5} more" if len(most) > 5 else ""
            lines.append(f"{what} for want of a depth: {named}{more}")
    for reason, count in sorted(cascade.refused.items()):
        lines.append(f"left liquidatable: {count} x {clean(reason)}")
    return lines


def print_sweep(table: pd.DataFrame, falls: float | None, rises: float | None, driver: str) -> None:
    """Shocks and what each led to, and from where on more is induced than caused."""
    print_rows(_shown(table), f"shocks of {clean(driver)}", _SWEEP)
    dry = int((table["ended"] == "depth ran dry").sum())
    if dry:
        print_lines([f"{dry} of {len(table)} shocks end where the depth runs dry"])
    print_lines([*frontier_lines(falls, rises), f"published branching ratios are {PUBLISHED_BRANCHING}"])


def frontier_lines(falls: float | None, rises: float | None) -> list[str]:
    """From where on the shocks of a sweep induce more than they cause, in sentences."""
    return [
        f"no {name} of those tried induces more than it causes"
        if found is None
        else f"the smallest {name} that induces more than it causes is {abs(found):g}%"
        for name, found in (("fall", falls), ("rise", rises))
    ]


def _ending(cascade: Cascade, base: str) -> str:
    if cascade.ended == "depth ran dry":
        return f"the depth ran dry, {in_words(cascade.unfilled_usd, base)} could not be traded"
    if cascade.ended == "round limit":
        return "at the limit of rounds; more may follow"
    rounds = cascade.last_round
    return f"quiet after {rounds} round{'' if rounds == 1 else 's'}"


def _said(cascade: Cascade) -> list[str]:
    """Columns without what never happened, and without the driver's name where there is one."""
    rounds = cascade.rounds
    idle = {name for name in ("unfilled_usd", "bad_debt_usd", "deleveraged_usd") if not rounds[name].any()}
    if rounds["driver"].nunique() == 1:
        idle.add("driver")
    return [name for name in _ROUNDS if name not in idle]


def _reading(rounds: pd.DataFrame) -> list[str]:
    """How to read the table of rounds."""
    lines = ["round 0 is what breaks at spot: it is not traded"]
    if (rounds["traded_usd"] < 0).any():
        lines.append("what is bought is negative")
    if rounds["driver"].nunique() > 1:
        lines.append("accounts, seized and repaid are a round's, the same in the row of each of its drivers")
    return lines


def _by_market(cascade: Cascade) -> pd.DataFrame:
    """What each market had in it: seized by the shock and induced, and the sums of the rest."""
    after = cascade.markets[cascade.markets["round"] > 0]
    is_shock = after["cause"] == "shock"
    seized = after["seized_usd"]
    after = after.assign(initial_usd=seized.where(is_shock, 0.0), induced_usd=seized.where(~is_shock, 0.0))
    keys = ["protocol", "chain_id", "market"]
    sums = ["accounts", "initial_usd", "induced_usd", "bad_debt_usd", "calls", "repaid_usd", "bonus_usd"]
    found = after.groupby(keys, sort=True)[[*sums, "deleveraged_usd"]].sum().reset_index()
    ratios = found["induced_usd"] / found["initial_usd"].where(found["initial_usd"] > 0)
    found.insert(found.columns.get_loc("bad_debt_usd"), "branching_ratio", ratios)  # type: ignore[arg-type]
    return _shown(found if found["deleveraged_usd"].any() else found.drop(columns="deleveraged_usd"))


def _base(markets: pd.DataFrame) -> str:
    named = list(markets["base_symbol"].unique())
    return str(named[0]) if len(named) == 1 else "USD"


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Prices and ratios as texts, as people read them."""
    texts: dict[str, list[str]] = {}
    for name in ("oracle_usd", "market_usd", "market_after_usd"):
        if name in table:
            texts[name] = [_price(price) for price in table[name]]
    if "market_after_usd" in texts:
        texts["after_usd"] = texts.pop("market_after_usd")
    for name in ("branching_ratio", "amplification"):
        if name in table:
            texts[name] = ["" if math.isnan(value) else f"{value:.4f}" for value in table[name]]
    return table.assign(**texts)


def _price(price: float) -> str:
    """Cents where those are little of it; six digits of ratios, pegs, and what is cheap."""
    return f"{price:,.6g}" if price < 10 else f"{price:,.2f}"
