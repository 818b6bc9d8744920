"""The opportunity ladder: what liquidations near spot leave to whoever does them, the best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from defiliq.book import Book
from defiliq.chain.evm import EvmNode
from defiliq.chain.node import AnyNode
from defiliq.errors import BlockChanged, InputError
from defiliq.ladder import IDENTITY, as_table, identity, joined
from defiliq.mev.fields import ECONOMICS, economics
from defiliq.mev.prices import find_break_even, find_peak
from defiliq.pipeline.cost_terms import CostTerms
from defiliq.pipeline.exits import Found
from defiliq.pipeline.judge import choose_drivers
from defiliq.pipeline.solving import Counter, Sides, solve_book
from defiliq.pipeline.valuing import BlockCosts
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Head, Level, Liquidation, Market, Side, Taking

WITHIN_PCT: Final = 10.0
SEARCHED: Final = 10
"""Of so many rows the break-even and the peak are searched, unless more are asked for."""
DEEPEST_PCT, HIGHEST_PCT = -60, 150
"""How far from spot they are searched, down for longs and up for shorts."""

OPPORTUNITY_COLUMNS: Final = (
    *IDENTITY,
    *("account", "driver", "side", "outcome", "price_raw", "price_usd", "spot_raw", "spot_usd"),
    *("distance_pct", "distance_units"),
    *(field.name for field in ECONOMICS),
    *("break_even_raw", "break_even_pct", "peak_raw", "peak_pct", "peak_net_usd"),
    *("evaluated_at", "base_symbol"),
)


def opportunities(
    book: Book[Any],
    node: AnyNode | None = None,
    costs: CostTerms | None = None,
    *,
    within_pct: float = WITHIN_PCT,
    driver: str | Sequence[str] | None = None,
    side: Sides = "both",
    groups: Sequence[str] = (),
    min_profit_usd: float | None = None,
    searched: int | None = SEARCHED,
    on_progress: Counter | None = None,
) -> pd.DataFrame:
    """One row per account and driver level within so many percent of spot, ranked by net profit.

    An account that is liquidatable already has one row. Each row values the liquidation at its level; costs
    come from `node` at the book's block, and from `costs`. The break-even and the peak are searched for the
    best `searched` rows, or for all where that is None. Rows without a net come last, by their bonus, and
    `lacks` says why; `min_profit_usd` leaves them out.

    `attrs`: `unresolved` and `failed` as in `ladder`, `unread_pools` (address to reason), `remarks` on all
    rows, `beyond` counts the levels further from spot, `below` those that `min_profit_usd` leaves out.
    """
    _check(side, min_profit_usd)
    names = () if driver is None else (driver,) if isinstance(driver, str) else tuple(driver)
    solved = solve_book(book, choose_drivers(book.market, names, groups), side, on_progress=on_progress)
    found = Found()
    desk = _Desk(book, _block_costs(book.market, node, CostTerms() if costs is None else costs, found))
    near = [level for level in solved.levels if _is_near(level, within_pct)]
    every = [desk.rung(level) for level in desk.once(near)]
    rungs = [rung for rung in every if min_profit_usd is None or rung.net_usd >= min_profit_usd]
    rungs.sort(key=_rank)
    for place, rung in enumerate(rungs):
        if searched is None or place < searched:
            rung.row |= desk.prices(rung.level)
    table = as_table([rung.row for rung in rungs], OPPORTUNITY_COLUMNS)
    table.attrs |= {
        "unresolved": [list(pair) for pair in solved.unresolved],
        "unread_pools": dict(found.unread),
        "remarks": list(desk.costs.costs(book.market).remarks),
        "beyond": len(solved.levels) - len(near),
        "below": len(every) - len(rungs),
    }
    return table


def _check(side: str, min_profit_usd: float | None) -> None:
    """InputError for what cannot be asked for."""
    if side not in ("both", "long", "short"):
        raise InputError(f"no side {side!r}. Use both, long or short.")
    if min_profit_usd is not None and math.isnan(min_profit_usd):
        raise InputError("a least profit of nan is no number.")


def ranked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several markets as one, in the order of each. Money of different base currencies is compared
    as it stands."""
    table = joined(tables)
    return table.sort_values(
        ["net_usd", "bonus_usd"], ascending=False, kind="stable", na_position="last", ignore_index=True
    )


@dataclass(slots=True)
class _Rung:
    """One row on its way into the table."""

    level: Level
    row: dict[str, object]
    net_usd: float
    bonus_usd: float


class _Desk:
    """A book and its costs: what is asked of one account after another."""

    def __init__(self, book: Book[Any], costs: BlockCosts) -> None:
        self.book, self.costs = book, costs
        self._take: Callable[[Account, Any], Taking] = PROTOCOLS[book.market.protocol].take

    def once(self, levels: Iterable[Level]) -> list[Level]:
        """The levels, with those who are liquidatable already once each: on a driver of what is taken."""
        kept: list[Level] = []
        already: dict[int, list[Level]] = {}
        for level in levels:
            if level.outcome == "already":
                already.setdefault(level.account, []).append(level)
            else:
                kept.append(level)
        return [*(self._fitting(same) for same in already.values()), *kept]

    def rung(self, level: Level) -> _Rung:
        """A level's row, without break-even and peak."""
        account, there = self.book.account(level.account), self._market_at(level.driver, _price(level))
        taken = self._take(account, there)
        row = _level_row(self.book.market, level, account)
        if not isinstance(taken, Liquidation):
            return _Rung(level, row | _unsaid(taken.reason), -math.inf, -math.inf)
        fields = economics(self.costs.value(account, there, taken), there)
        net, bonus = fields["net_usd"], fields["bonus_usd"]
        return _Rung(level, row | _cells(fields), _number(net), _number(bonus))

    def prices(self, level: Level) -> dict[str, object]:
        """Where liquidating begins to pay, and where it pays most, from the level away from spot."""
        account, driver, market = self.book.account(level.account), level.driver, self.book.market
        seen: dict[int, int | None] = {}

        def net_at(price: int) -> int | None:
            if price not in seen:
                there = self._market_at(driver, price)
                taken = self._take(account, there)
                if isinstance(taken, Liquidation):
                    seen[price] = self.costs.value(account, there, taken).net_base
                else:
                    seen[price] = None
            return seen[price]

        near = _price(level)
        far = furthest(driver, level.side, near)
        even, peak = find_break_even(net_at, near, far), find_peak(net_at, near, far)
        best = None if peak is None else net_at(peak)
        return {
            "break_even_raw": "" if even is None else str(even),
            "break_even_pct": _distance_pct(driver, even),
            "peak_raw": "" if peak is None else str(peak),
            "peak_pct": _distance_pct(driver, peak),
            "peak_net_usd": math.nan if best is None else best / market.base_unit,
        }

    def _fitting(self, levels: Sequence[Level]) -> Level:
        """Of the drivers of one who is liquidatable already, one that moves what is seized, or repaid."""
        first, market = levels[0], self.book.market
        taken = self._take(self.book.account(first.account), market)
        if isinstance(taken, Liquidation):
            wanted = [*(seizure.reserve for seizure in taken.seizures), taken.repay_reserve]
            for reserve in wanted:
                for level in levels:
                    if market.reserves[reserve].feed in level.driver.feeds:
                        return level
        return first

    def _market_at(self, driver: Driver, price: int) -> Market:
        market: Market = self.book.market
        return market if price == driver.spot else market.at_prices(driver.prices(price))


def furthest(driver: Driver, side: Side, near: int) -> int:
    """How far a break-even and a peak are searched: down for longs, up for shorts, never back to spot."""
    if side == "long":
        return min(near, max(driver.lowest, driver.spot * (100 + DEEPEST_PCT) // 100))
    return max(near, min(driver.highest, driver.spot * (100 + HIGHEST_PCT) // 100))


def _block_costs(market: Market, node: AnyNode | None, terms: CostTerms, found: Found) -> BlockCosts:
    head: Head | None = None
    if isinstance(node, EvmNode):
        head = node.head(market.block.number)
        if head.block.hash != market.block.hash:
            raise BlockChanged(market.block.number, market.block.hash, head.block.hash)
    return BlockCosts(node, head, market.block, terms, found, market)


def _is_near(level: Level, within_pct: float) -> bool:
    if level.outcome == "already":
        return True
    return level.price is not None and abs(_distance_pct(level.driver, level.price)) <= within_pct


def _price(level: Level) -> int:
    return level.driver.spot if level.price is None else level.price


def _distance_pct(driver: Driver, price: int | None) -> float:
    return math.nan if price is None else 100 * (price - driver.spot) / driver.spot


def _level_row(market: Market, level: Level, account: Account) -> dict[str, object]:
    driver, price = level.driver, _price(level)
    return identity(market) | {
        "account": account.owner,
        "driver": driver.name,
        "side": level.side,
        "outcome": level.outcome,
        "price_raw": str(price),
        "price_usd": price / driver.unit,
        "spot_raw": str(driver.spot),
        "spot_usd": driver.spot / driver.unit,
        "distance_pct": _distance_pct(driver, price),
        "distance_units": str(price - driver.spot),
        "break_even_raw": "",
        "break_even_pct": math.nan,
        "peak_raw": "",
        "peak_pct": math.nan,
        "peak_net_usd": math.nan,
        "evaluated_at": market.timestamp,
    }


def _unsaid(reason: str) -> dict[str, object]:
    """The economics of what is refused, or cannot be told."""
    blank = {field.name: _blank(field.form) for field in ECONOMICS}
    return blank | {"lacks": reason}


def _cells(fields: Any) -> dict[str, object]:
    """Fields as cells: where there is nothing, text is empty and no number is a number."""
    forms = {field.name: field.form for field in ECONOMICS}
    return {name: _blank(forms[name]) if value is None else value for name, value in fields.items()}


def _blank(form: str) -> object:
    return math.nan if form.startswith("number") else pd.NA if form == "integer?" else ""


def _number(value: object) -> float:
    return value if isinstance(value, float) else -math.inf


def _rank(rung: _Rung) -> tuple[object, ...]:
    return -rung.net_usd, -rung.bonus_usd, str(rung.row["account"]), rung.level.driver.name, rung.level.side
