"""docs/sensitivity.md: the tables in words and numbers, beside what is published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from textwrap import fill

from defiliq.ladder import to_usd
from defiliq.view.cascade import PUBLISHED_BRANCHING
from defiliq.view.charts import compact
from tests.sensitivity.study import (
    DAILY_MILLIONS,
    DEEPEST,
    PUBLISHED_FALL,
    SHOCKS,
    TOGETHER,
    Study,
    depth,
)

TITLE = "# What a fall of ETH makes liquidatable"
HEAD = """
Written by `scripts/sensitivity`; do not edit. Parameters are real (Aave's of December 2025, Compound's as
deployed in 2022 and 2023, dYdX's of 2023 and later), accounts are seeded: **the dollars below are of a
made-up population and say nothing about any chain's present state.** What they pin down is the method: the
same books must always give the same figures. `fixtures/real_parameters/README.md` says what is real.
"""
PUBLISHED = (
    """
- Qin, Zhou, Gamito, Jovanovic, Gervais, "An Empirical Study of DeFi Liquidations: Incentives, Risks, and
Instabilities", ACM IMC 2021 (doi 10.1145/3487552.3487811, arXiv 2106.06389): an immediate fall of ETH by 43%
would make up to 1.07 billion dollars of *collateral* liquidatable on MakerDAO, by the state of 30 April 2021
(p. 344, their Algorithm 1; quoted from a public transcription, the paper itself was not at hand). No figures
of the same fall on Aave, Compound or dYdX were found, so none is given. MakerDAO is not among this project's
protocols.
""",
    """
- Perez, Werner, Xu, Livshits, "Liquidations: DeFi on a Knife-edge" (arXiv 2009.13235): variations of only 3%
in an asset's price could make over 10 million dollars liquidatable on Compound, in data up to September 2020
(abstract).
""",
    """
- Garcia Seuma, "Measuring the engine of a liquidation cascade: subcritical branching inside a first-order
transition" (arXiv 2608.03616, a preprint that is not peer-reviewed): a branching ratio of about 0.1 to 0.2 in
October 2025 on one venue of perpetuals (abstract); by phase 0.195, 0.140 and 0.032, as a public reading note
quotes it. It is the only source found that spans 0.03 to 0.2; whether that range was taken from it is not
known. It counts the forced liquidations that one begets, within one venue; the ratio below is of dollars over
a whole cascade. The two can be laid side by side, not equated.
""",
    """
- A paper on liquidations that cluster across DeFi protocols (SSRN 6508318) is quoted in a public reading list
with a spectral radius of about 0.73, far outside that range: it was not at hand, and is named so that the
range is not taken for settled.
""",
)
CHANGES = (
    """
The figures are recorded in `fixtures/real_parameters/figures.json`, and a test compares them: those of the
curves as integers, those of the cascades to a billionth. They change only when the parameters, the seeded
population or a protocol's law (its rounding included) change; the cascades also with the impact law, the rule
by which oracles answer, or how far liquidators go in a round. Any other change is a mistake.
`scripts/sensitivity` writes them anew.
""",
    """
A branching ratio hangs on how large the book is against the market: what moves a price is the share of the
volume that is sold. The second depth, a tenth of the volume, stands for a book ten times as large. The ratio
of one shock hangs on the few accounts that stand just beyond it, so it jumps from shock to shock.
""",
)
ETHER = """
Compound III cWETHv3 is in no row: its prices are in ETH, and no fall of ETH/USD moves any of them. In dYdX's
row debt is what is owed in USDC and the size of shorts, collateral what is held in USDC and the size of
longs. Nobody acts on the way down, which is why there is bad debt.
"""
DEPTHS = """
Of cascades on the same books at two depths: {names}. The first volume is the median of Binance's ETHUSDT
perpetual in 703 days of 2022 and 2023, and the volatility is ether's in the same days, both from
Coinalyze's data (github hmb2662/538project, commit 68b4b864); the second is a tenth of it. Only ETH/USD has
a depth: what is seized of assets that do not hang on it is not sold. A ratio is dollars seized because of
earlier sales, per dollar seized by the shock itself; empty where the shock breaks nothing.
"""
WIDTH = 110
PUBLISHED_RANGE = (0.03, 0.2)
"""PUBLISHED_BRANCHING as numbers."""


def page(found: Study) -> str:
    """The whole page."""
    names = "; ".join(depth(millions).name for millions in DAILY_MILLIONS)
    parts = [
        TITLE,
        filled(HEAD),
        f"## ETH/USD -{PUBLISHED_FALL}%, all else as it was",
        at_published_fall(found),
        filled(ETHER),
        "![Debt and collateral by fall](pictures/sensitivity.svg)",
        f"## From 0 to -{DEEPEST}%",
        "Debt of liquidatable accounts as a share of all debt of the book at spot.",
        by_fall(found),
        "## What is published",
        "\n".join(map(filled, PUBLISHED)),
        "## Branching ratios",
        filled(DEPTHS.format(names=names)),
        branching(found),
        filled(branching_words(found)),
        "## What may change these figures",
        *map(filled, CHANGES),
    ]
    return "\n\n".join(parts) + "\n"


def filled(text: str) -> str:
    """A paragraph or an item of a list in lines that fit."""
    indent = "  " if text.strip().startswith("- ") else ""
    return fill(" ".join(text.split()), WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def at_published_fall(found: Study) -> str:
    """One row per book: what is liquidatable once ETH has fallen by 43%."""
    rows = []
    for name, curve in found.curves.items():
        point, market = found.at(name, PUBLISHED_FALL), curve.market
        debt, collateral, bad = (
            compact(to_usd(value, market))
            for value in (point.sums.debt_base, point.sums.collateral_base, point.sums.bad_debt_base)
        )
        owed = found.owed_base[name]
        accounts = f"{point.liquidatable:,} of {len(found.books[name]):,}"
        share = _percent(point.sums.debt_base, owed)
        rows.append((name, accounts, compact(to_usd(owed, market)), debt, share, collateral, bad))
    head = (
        "book",
        "accounts",
        "debt at spot",
        "debt liquidatable",
        "share",
        "collateral at stake",
        "bad debt",
    )
    return table(head, rows)


def by_fall(found: Study) -> str:
    """Shares of debt at every fifth percent and at the published fall."""
    falls = sorted({*range(5, DEEPEST + 1, 5), PUBLISHED_FALL})
    rows = [
        (
            f"-{fall}%",
            *(_percent(found.at(name, fall).sums.debt_base, found.owed_base[name]) for name in found.curves),
        )
        for fall in falls
    ]
    return table(("ETH/USD", *found.curves), rows)


def branching(found: Study) -> str:
    """One row per depth and shock, the books side by side, and the literature's range."""
    names = [*found.curves, TOGETHER]
    rows = []
    for millions in DAILY_MILLIONS:
        for place, fall in enumerate(SHOCKS):
            ratios = [found.sweeps[millions][name]["branching_ratio"].iloc[place] for name in names]
            told = ["" if math.isnan(ratio) else f"{ratio:.4f}" for ratio in ratios]
            rows.append((f"{millions:,}M", f"-{fall}%", *told, PUBLISHED_BRANCHING))
    return table(("volume a day", "shock", *names, "published"), rows)


def branching_words(found: Study) -> str:
    """How the ratios lie to the published ones, counted."""
    low, high = PUBLISHED_RANGE
    said = []
    for millions, tables in found.sweeps.items():
        every = [
            ratio for one in tables.values() for ratio in one["branching_ratio"] if not math.isnan(ratio)
        ]
        below, above = sum(ratio < low for ratio in every), sum(ratio > high for ratio in every)
        within = len(every) - below - above
        said.append(
            f"Of {len(every)} ratios at {millions:,}M a day {below} are below the published ones, {within} "
            f"among them, {above} above; the largest is {max(every):.4f}."
        )
    return " ".join(said)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown, numbers to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%"
