"""What a picture of a heat shows: rows of equal width in the logarithm of price, and words for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from defiliq.cex.levels import VERSION as ESTIMATED
from defiliq.view.charts import MAGNITUDES, minute
from defiliq.view.rungs import full_scale
from defiliq.view.terminal import clean, money_named

if TYPE_CHECKING:
    from defiliq.model.clusters import Cluster
    from defiliq.model.heat import Heat

WITHIN_PCT = 50.0
"""So far from spot a picture reaches, unless told otherwise; what lies beyond is summed."""
HEAVY, MODERATE = 0.5, 0.2
"""Shares of the largest row shown from which on a row is called so."""
BALANCED = 2.0
"""Neither side has more than so many times the other's dollars."""
NEAR_PCT = 5.0
"""So far from spot reaches what is called the current price area."""
_LEAST_WRITTEN_OUT = 1e-6
"""Smaller prices have an exponent."""
_EDGE = 1e-9
"""Edges of rows and of buckets are the same but for rounding."""
WIDENINGS = (
    *range(1, 6),
    *(digit * 10**k for k in range(7) for digit in (6, 8, 10, 12, 16, 20, 30, 40, 50)),
)
"""So many buckets can be one row."""


@dataclass(frozen=True, slots=True)
class HeatRow:
    """What is liquidated between two prices, in units of the heat's money."""

    step: int
    """How many rows it lies above spot; -1 is the first one below."""
    low_usd: float
    high_usd: float
    long_usd: float = 0.0
    short_usd: float = 0.0
    long_accounts: int = 0
    short_accounts: int = 0
    price_usd: float = math.nan
    """Mean of the levels in it, weighted by size; its middle where it holds none."""
    untold: int = 0
    """Levels whose size nobody knows; `long_accounts` and `short_accounts` count them too."""

    @property
    def size_usd(self) -> float:
        """Both sides together."""
        return self.long_usd + self.short_usd

    @property
    def accounts(self) -> int:
        """Both sides together."""
        return self.long_accounts + self.short_accounts

    @property
    def density_usd(self) -> float:
        """Its size per 1% of price, in logarithm, which is what colours show."""
        return self.size_usd / (100 * math.log(self.high_usd / self.low_usd))

    @property
    def side(self) -> str:
        """The side that has more dollars."""
        return "long" if self.long_usd > self.short_usd else "short"

    def words(self, full_usd: float) -> str:
        """How a reader of heatmaps calls it, measured by the largest row, `full_usd`."""
        if not self.size_usd > 0:
            return ""
        less, more = sorted((self.long_usd, self.short_usd))
        if less > 0 and more <= BALANCED * less:
            return "Balanced"
        if self.size_usd >= HEAVY * full_usd:
            return f"Heavy {self.side} liquidation zone"
        weight = "Moderate" if self.size_usd >= MODERATE * full_usd else "Light"
        return f"{weight} {self.side} liquidation"


@dataclass(frozen=True, slots=True)
class HeatRows:
    """The rows of a picture that hold something, from the lowest price to the highest."""

    rows: tuple[HeatRow, ...]
    spot_usd: float
    step_pct: float
    """A row's upper price is so much above its lower one."""
    low_usd: float
    high_usd: float
    """What the picture shows: from the lowest row to the highest, and spot."""
    below_usd: float
    below_accounts: int
    above_usd: float
    above_accounts: int
    """What lies further out than the picture."""

    @property
    def full_density_usd(self) -> float:
        """The density that has the last colour; those few that are far beyond it have the same."""
        return full_scale([row.density_usd for row in self.rows])

    @property
    def has_giants(self) -> bool:
        """Whether some bars are cut."""
        return any(max(row.long_usd, row.short_usd) > self.full_usd for row in self.rows)

    def strip(self, low: float, high: float) -> tuple[list[float], list[float]]:
        """(edges, density) of all rows between two prices and a little beyond, with the empty ones."""
        width = math.log1p(self.step_pct / 100)
        first, end = (math.log(price / self.spot_usd) / width for price in (low, high))
        steps = range(math.floor(first), math.ceil(end) + 1)
        held = {row.step: row.density_usd for row in self.rows}
        edges = [self.spot_usd * math.exp(step * width) for step in steps]
        return edges, [held.get(step, 0.0) for step in steps[:-1]]

    @property
    def full_usd(self) -> float:
        """The size of a full bar."""
        return full_scale([size for row in self.rows for size in (row.long_usd, row.short_usd)])


def heat_rows(
    heat: Heat, *, within_pct: float = WITHIN_PCT, fits: Callable[[Sequence[int]], bool] = lambda _: True
) -> HeatRows:
    """A heat's buckets as rows, joined in equal numbers until the rows' steps, which rise, fit.

    A row at least each side of spot stays, whether that fits or not.
    """
    table = heat.buckets.assign(
        middle=[
            math.sqrt(low * high)
            for low, high in heat.buckets[["price_low_usd", "price_high_usd"]].to_numpy()
        ]
    )
    spot = heat.spot_usd
    above = table[table["middle"] > spot * (1 + within_pct / 100)]
    below = table[table["middle"] < spot * (1 - within_pct / 100)]
    width = math.log1p(heat.step_pct / 100)
    inside = table.drop([*above.index, *below.index])
    steps = [math.floor(math.log(price / spot) / width) for price in inside["middle"]]
    joined = next((n for n in WIDENINGS if fits(joined_steps(steps, n))), WIDENINGS[-1])
    groups = inside.assign(step=[step // joined for step in steps]).groupby("step", sort=True)
    rows = tuple(_row(part, spot, width * joined, int(str(step))) for step, part in groups)
    return HeatRows(
        rows,
        spot,
        100 * math.expm1(width * joined),
        min([spot, *(row.low_usd for row in rows)]),
        max([spot, *(row.high_usd for row in rows)]),
        *(_told(below), int(below["accounts"].sum())),
        *(_told(above), int(above["accounts"].sum())),
    )


def few_slots(most: int) -> Callable[[Sequence[int]], bool]:
    """Whether rows, with the empty ones between them, are at most so many."""
    return lambda steps: not steps or steps[-1] - steps[0] < most


def joined_steps(steps: Sequence[int], count: int) -> list[int]:
    """The rows that some buckets lie in once so many are one row."""
    return sorted({step // count for step in steps})


def _told(buckets: pd.DataFrame) -> float:
    """The sum of the sizes that are known."""
    return math.fsum(buckets["size_usd"].dropna())


def _row(part: pd.DataFrame, spot: float, width: float, step: int) -> HeatRow:
    longs, shorts = (part[part["side"] == side] for side in ("long", "short"))
    low, high = spot * math.exp(step * width), spot * math.exp((step + 1) * width)
    total = _told(part)
    mean = (
        _told(part.assign(size_usd=part["price_usd"] * part["size_usd"])) / total if total > 0 else math.nan
    )
    return HeatRow(
        step,
        low,
        high,
        _told(longs),
        _told(shorts),
        int(longs["accounts"].sum()),
        int(shorts["accounts"].sum()),
        math.sqrt(low * high) if math.isnan(mean) else mean,
        int(part["untold"].sum()),
    )


def near_words(heat: Heat) -> str:
    """What the current price area is called, from both sides within NEAR_PCT of spot."""
    near = heat.buckets[heat.buckets["distance_pct"].abs() <= NEAR_PCT]
    return near_words_of(*(_told(near[near["side"] == side]) for side in ("long", "short")))


def near_words_of(longs: float, shorts: float) -> str:
    """The same from the two sides' dollars."""
    if not longs and not shorts:
        word = "Empty"
    elif longs > BALANCED * shorts:
        word = "Longs"
    elif shorts > BALANCED * longs:
        word = "Shorts"
    else:
        word = "Balanced"
    return f"{word} (current price area)"


def amount_shown(value: float) -> str:
    """An amount in two decimals and a letter, 34.04M; unknown where it is no number."""
    if math.isnan(value):
        return "unknown"
    for size, letter in MAGNITUDES:
        if abs(value) >= size * 0.999995:
            return f"{value / size:,.2f}{letter}"
    return f"{value:,.2f}"


def price_shown(price: float, driver: str) -> str:
    """A price as its driver quotes it: dollars have their sign, ratios and other currencies have none."""
    if math.isnan(price):
        return "unknown"
    if _LEAST_WRITTEN_OUT <= price < 1e-4:  # six digits, as above it, and no exponent
        digits = f"{price:.{5 - math.floor(math.log10(price))}f}".rstrip("0")
    else:
        digits = f"{price:,.0f}" if price >= 10_000 else f"{price:,.2f}" if price >= 100 else f"{price:.6g}"
    return f"{'$' if driver.endswith('USD') else ''}{digits.removesuffix('.00')}"


def money_shown(value: float, base_symbol: str) -> str:
    """An amount with its currency: $34.04M, or 12.50 ETH."""
    if math.isnan(value):
        return "unknown"
    sign = "-" if value < 0 else ""
    return (
        f"{sign}${amount_shown(abs(value))}"
        if base_symbol == "USD"
        else f"{amount_shown(value)}{money_named(base_symbol)}"
    )


def distance_shown(pct: float) -> str:
    """A signed distance from spot."""
    return "unknown" if math.isnan(pct) else f"{pct:+.1f}%" if abs(pct) >= 0.1 else f"{pct:+.2f}%"


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_estimated(heat: Heat) -> bool:
    """Whether some of it is an estimate, of which nobody knows how many accounts it stands for."""
    return bool((heat.sources["version"] == ESTIMATED).any())


def heading_of(heat: Heat) -> str:
    """What a picture of a heat is a picture of."""
    return "Liquidation ESTIMATE" if is_estimated(heat) else "Liquidation"


def accounts_words(accounts: int) -> str:
    """How many accounts, behind a comma; nothing where nobody knows of any."""
    return f", {counted(accounts, 'account')}" if accounts else ""


def level_words(price: float, side: str, size_usd: float, accounts: int, heat: Heat) -> str:
    """A level in one line, as it stands beside a pointer: $56,490 long 34.04M, 12 accounts, -0.9%."""
    distance = distance_shown(100 * (price / heat.spot_usd - 1))
    unit = money_named(heat.base_symbol)
    size = f"{amount_shown(size_usd)}{unit}"
    return f"{price_shown(price, heat.driver)} {side} {size}{accounts_words(accounts)}, {distance}"


def cluster_rows(clusters: Iterable[Cluster], row: HeatRow) -> list[Cluster]:
    """The clusters that reach into a row; one that ends where the row begins does not."""
    low, high = row.low_usd * (1 + _EDGE), row.high_usd * (1 - _EDGE)
    return [cluster for cluster in clusters if cluster.low_usd < high and low < cluster.high_usd]


def market_lines(sources: pd.DataFrame, most: int = 4) -> list[str]:
    """One line per market that was read: which, where and when."""
    heads = sources.to_dict("records")
    lines = [_market_line(head) for head in heads[:most]]
    return [*lines, f"and {counted(len(heads) - most, 'market')} more"] if len(heads) > most else lines


def _market_line(head: Mapping[Any, Any]) -> str:
    where = f"{clean(head['protocol'])} {clean(head['market'])}"
    if head["version"] == ESTIMATED:
        return f"{where}, estimated, {minute(int(head['block_timestamp']))}"
    where += f", chain {clean(head['chain_id'])}"
    return f"{where}, block {int(head['block_number']):,}, {minute(int(head['block_timestamp']))}"


def outside_words(heat: Heat, shown: HeatRows) -> list[str]:
    """What a picture of levels does not show, in sentences."""
    unit = heat.base_symbol
    said = []
    for where, accounts, size in (
        ("below", shown.below_accounts, shown.below_usd),
        ("above", shown.above_accounts, shown.above_usd),
    ):
        if accounts or size > 0:
            who = f"{counted(accounts, 'account')}, " if accounts else ""
            said.append(f"Further {where}: {who}{money_shown(size, unit)}.")
    if heat.already_accounts:
        sums = (("long", heat.already_long_usd), ("short", heat.already_short_usd))
        sides = ", ".join(f"{side} {amount_shown(usd)}" for side, usd in sums)
        who = counted(heat.already_accounts, "account")
        said.append(f"Liquidatable already: {who}, {sides}{money_named(unit)}.")
    if heat.untold:
        said.append(f"Of unknown size: {counted(heat.untold, 'level')}.")
    return said


def biggest_first(clusters: Sequence[Cluster], most: int) -> list[Cluster]:
    """The clusters that are named in a picture, in a complete order."""
    ranked = sorted(
        clusters, key=lambda cluster: (-(cluster.long_liq_usd + cluster.short_liq_usd), cluster.price_usd)
    )
    return ranked[:most]
