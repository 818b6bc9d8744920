"""What a stress found, as exact integers, and the tables that people and programs read it from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.ladder import IDENTITY, as_table, identity, price_usd, taken_columns, to_usd
from defiliq.oracle.caps import Cap, is_capped
from defiliq.pipeline.position import amount_text
from defiliq.pipeline.shocks import Moved, Shock
from defiliq.pipeline.sums import Heap, Sums
from defiliq.types import Liquidation, Market, Refusal, Taking, Untold

RESERVE_COLUMNS = (
    *IDENTITY,
    *("reserve", "asset", "spot_raw", "spot_price_usd", "price_raw", "price_usd", "change_pct"),
    *("capped_at_spot", "capped"),
    *("collateral_accounts", "collateral", "collateral_usd", "seized", "seized_usd"),
    *("debt_accounts", "debt", "debt_usd", "repaid", "repaid_usd"),
    "evaluated_at",
    "base_symbol",
)
TOTAL_COLUMNS = (
    *IDENTITY,
    *("accounts", "failed_accounts", "liquidatable_accounts", "already_accounts", "newly_accounts"),
    *("cured_accounts", "collateral_usd", "debt_usd", "callable_accounts", "refused_accounts", "reasons"),
    *("repaid_usd", "seized_usd", "bonus_usd", "bad_debt_accounts", "bad_debt_usd"),
    *("spot_collateral_usd", "spot_debt_usd", "spot_bad_debt_accounts", "spot_bad_debt_usd"),
    "evaluated_at",
    "base_symbol",
)
MOVE_COLUMNS = (
    *IDENTITY,
    *("driver", "before_raw", "before_value", "after_raw", "after_value", "change_pct"),
    *("limited_raw", "limited_value", "limited_pct", "evaluated_at"),
)
ACCOUNT_COLUMNS = (
    *IDENTITY,
    *("account", "already", "collateral_usd", "debt_usd", "shortfall_usd"),
    *("seize_asset", "repay_asset", "seized_usd", "repaid_usd", "bonus_usd", "callable", "reason"),
    *("seize_asset_address", "repay_asset_address", "evaluated_at", "base_symbol"),
)
CURVE_COLUMNS = (
    *IDENTITY,
    *("step", "share_pct", "change_pct", "moves", "liquidatable_accounts", "collateral_usd", "debt_usd"),
    *("bad_debt_accounts", "bad_debt_usd", "evaluated_at", "base_symbol"),
)
CURVE_RESERVE_COLUMNS = (
    *IDENTITY,
    *("step", "share_pct", "reserve", "asset", "collateral_usd", "debt_usd", "evaluated_at", "base_symbol"),
)
NAMED_REASONS = 5
"""So many reasons of refusal are named; the accounts with others are counted."""
_GAPPY_TRUTHS = ("capped_at_spot", "capped")
"""Neither true nor false where there is no cap."""


class Broken(NamedTuple):
    """One account that is liquidatable at the moved prices."""

    account: int
    """Position in the book."""
    already: bool
    """Whether it is at spot, too."""
    collateral_base: int
    debt_base: int
    taken: Taking
    """Its first call, or why the protocol refuses every one."""


@dataclass(frozen=True)
class StressResult:
    """One book at moved prices. Fields are exact; the tables are in units of the base currency."""

    book: Book[Any]
    """As it was, at spot."""
    market: Market
    """The market at the moved prices."""
    moves: tuple[Moved, ...]
    missing: tuple[Shock, ...]
    """Optional moves of drivers that the market does not have."""
    before: NDArray[np.bool_]
    """(N,) the verdicts at spot."""
    after: NDArray[np.bool_]
    """(N,) the verdicts at the moved prices."""
    broken: tuple[Broken, ...]
    """The liquidatable accounts, in the book's order."""
    sums: Sums
    """What they hold and owe."""
    at_spot: Sums
    """What the accounts that are liquidatable at spot hold and owe there."""

    @cached_property
    def reserves(self) -> pd.DataFrame:
        """One row per reserve: its price before and after, and what liquidatable accounts hold and owe of it.

        An account with several reserves counts in each. `seized` and `repaid` are the first call of each; no
        number where one of them is not told.
        """
        rows, told = [], not self._is_untold
        for k, reserve in enumerate(self.market.reserves):
            held, owed = self.sums.collateral[k], self.sums.debt[k]
            spot, price = self.book.market.price_of(k), self.market.price_of(k)
            rows.append(
                self._head()
                | {"reserve": reserve.symbol, "asset": reserve.asset}
                | {"spot_raw": str(spot), "spot_price_usd": price_usd(spot, self.market, reserve.feed)}
                | {"price_raw": str(price), "price_usd": price_usd(price, self.market, reserve.feed)}
                | {"change_pct": _change_pct(spot, price)}
                | {
                    "capped_at_spot": is_capped(self.book.market, reserve.feed),
                    "capped": is_capped(self.market, reserve.feed),
                }
                | _heap_columns(held, self.market, reserve.decimals, "collateral", "seized", told=told)
                | _heap_columns(owed, self.market, reserve.decimals, "debt", "repaid", told=told)
            )
        return _table(rows, RESERVE_COLUMNS)

    @cached_property
    def totals(self) -> pd.DataFrame:
        """One row: how many accounts break, what they hold and owe, first calls, bad debt."""
        calls = [each.taken for each in self.broken if isinstance(each.taken, Liquidation)]
        refusals = Counter(each.taken.reason for each in self.broken if isinstance(each.taken, Refusal))
        market = self.market
        row = self._head() | {
            "accounts": len(self.book),
            "failed_accounts": len(self.book.failed),
            "liquidatable_accounts": int(self.after.sum()),
            "already_accounts": int((self.after & self.before).sum()),
            "newly_accounts": int((self.after & ~self.before).sum()),
            "cured_accounts": int((self.before & ~self.after).sum()),
            "callable_accounts": len(self.broken) - refusals.total(),
            "refused_accounts": refusals.total(),
            "reasons": _counted(refusals),
        }
        for name in ("repaid", "seized", "bonus"):
            total = sum(getattr(call, f"{name}_base") for call in calls)
            row[f"{name}_usd"] = math.nan if self._is_untold else to_usd(total, market)
        at_spot = {f"spot_{name}": value for name, value in _sum_columns(self.at_spot, market).items()}
        return _table([row | _sum_columns(self.sums, market) | at_spot], TOTAL_COLUMNS)

    @cached_property
    def moved(self) -> pd.DataFrame:
        """One row per driver or cap that moves: from where, and where to."""
        return _moved_table(self.market, self.moves)

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """One row per liquidatable account, the largest debt first, with its first call."""
        rows = [
            self._head()
            | {
                "account": self.book.owner(each.account),
                "already": each.already,
                "collateral_usd": to_usd(each.collateral_base, self.market),
                "debt_usd": to_usd(each.debt_base, self.market),
                "shortfall_usd": to_usd(max(0, each.debt_base - each.collateral_base), self.market),
            }
            | taken_columns(self.market, each.taken)
            for each in sorted(self.broken, key=lambda each: -each.debt_base)
        ]
        return _table(rows, ACCOUNT_COLUMNS)

    @property
    def _is_untold(self) -> bool:
        """Whether some first call goes through that takes nobody knows what."""
        return any(isinstance(each.taken, Untold) for each in self.broken)

    def _head(self) -> dict[str, object]:
        return identity(self.market) | {"evaluated_at": self.market.timestamp}


class Point(NamedTuple):
    """A book at one step of a curve."""

    step: int
    moves: tuple[Moved, ...]
    liquidatable: int
    sums: Sums


@dataclass(frozen=True)
class Curve:
    """A book at equal steps from spot to the whole move. Points are exact; nothing is known in between."""

    market: Market
    moves: tuple[Moved, ...]
    missing: tuple[Shock, ...]
    steps: int
    points: tuple[Point, ...] = field(default_factory=tuple)

    @cached_property
    def moved(self) -> pd.DataFrame:
        """One row per driver or cap that moves: from where, and where to at the last step."""
        return _moved_table(self.market, self.moves)

    @cached_property
    def totals(self) -> pd.DataFrame:
        """One row per step: where the drivers stand, what liquidatable accounts hold and owe, bad debt.

        `change_pct` is from the first step, where one driver or cap moves alone.
        """
        rows = [
            self._head(point)
            | {
                "change_pct": self._change_pct(point),
                "moves": "; ".join(
                    f"{move.name}={_plain(move.after, move.decimals)}" for move in point.moves
                ),
                "liquidatable_accounts": point.liquidatable,
            }
            | _sum_columns(point.sums, self.market)
            for point in self.points
        ]
        return _table(rows, CURVE_COLUMNS)

    @cached_property
    def reserves(self) -> pd.DataFrame:
        """One row per step and reserve that liquidatable accounts hold or owe at any step."""
        shown = [
            k
            for k in range(len(self.market.reserves))
            if any(point.sums.collateral[k].base or point.sums.debt[k].base for point in self.points)
        ]
        rows = [
            self._head(point)
            | {
                "reserve": self.market.reserves[k].symbol,
                "asset": self.market.reserves[k].asset,
                "collateral_usd": to_usd(point.sums.collateral[k].base, self.market),
                "debt_usd": to_usd(point.sums.debt[k].base, self.market),
            }
            for point in self.points
            for k in shown
        ]
        return _table(rows, CURVE_RESERVE_COLUMNS)

    def _change_pct(self, point: Point) -> float:
        return _change_pct(self.moves[0].start, point.moves[0].after) if len(self.moves) == 1 else math.nan

    def _head(self, point: Point) -> dict[str, object]:
        share = {"step": point.step, "share_pct": 100 * point.step / self.steps}
        return identity(self.market) | {"evaluated_at": self.market.timestamp} | share


def _moved_table(market: Market, moves: Sequence[Moved]) -> pd.DataFrame:
    head = identity(market) | {"evaluated_at": market.timestamp}
    rows = [
        head
        | {
            "driver": move.name,
            "before_raw": str(move.before),
            "before_value": _scaled(move.before, move.decimals),
            "after_raw": str(move.after),
            "after_value": _scaled(move.after, move.decimals),
            "change_pct": _change_pct(move.before, move.after),
        }
        | _limited_columns(move)
        for move in moves
    ]
    return _table(rows, MOVE_COLUMNS)


def _limited_columns(move: Moved) -> dict[str, object]:
    """What a cap limits, and how far from that it goes; nothing for drivers."""
    if not isinstance(move.what, Cap):
        return {"limited_raw": "", "limited_value": math.nan, "limited_pct": math.nan}
    limited = move.what.limited_value
    return {
        "limited_raw": str(limited),
        "limited_value": _scaled(limited, move.decimals),
        "limited_pct": _change_pct(limited, move.after),
    }


def _heap_columns(
    heap: Heap, market: Market, decimals: int, name: str, moved: str, *, told: bool
) -> dict[str, object]:
    return {
        f"{name}_accounts": heap.accounts,
        name: amount_text(heap.amount, decimals),
        f"{name}_usd": to_usd(heap.base, market),
        moved: amount_text(heap.moved, decimals) if told else "",
        f"{moved}_usd": to_usd(heap.moved_base, market) if told else math.nan,
    }


def _sum_columns(sums: Sums, market: Market) -> dict[str, object]:
    return {
        "collateral_usd": to_usd(sums.collateral_base, market),
        "debt_usd": to_usd(sums.debt_base, market),
        "bad_debt_accounts": sums.bad_debt_accounts,
        "bad_debt_usd": to_usd(sums.bad_debt_base, market),
    }


def _counted(refusals: Counter[str]) -> str:
    """The most frequent reasons, and how many accounts have other ones."""
    named = refusals.most_common(NAMED_REASONS)
    rest = refusals.total() - sum(count for _, count in named)
    texts = [f"{count} x {reason}" for reason, count in named]
    return "; ".join([*texts, f"{rest} x other reasons"] if rest else texts)


def _change_pct(before: int, after: int) -> float:
    return 100 * (after - before) / before if before else math.nan


def _scaled(value: int, decimals: int | None) -> float:
    return math.nan if decimals is None else value / 10**decimals


def _plain(value: int, decimals: int | None) -> str:
    """An integer as a number, every digit kept; as it is where its decimals are not known."""
    return str(value) if decimals is None else amount_text(value, decimals)


def _table(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table with one dtype per column, whether or not there are rows."""
    kinds = {name: "int64" for name in columns if name.endswith("_accounts") or name == "step"}
    kinds |= {name: "float64" for name in columns if name.endswith("_value")}
    kinds |= {name: "boolean" for name in _GAPPY_TRUTHS if name in columns}
    kinds |= {"already": "bool"} if "already" in columns else {}
    plain = [name for name in columns if name not in kinds]
    table = as_table(rows, plain)
    for name, kind in kinds.items():
        table[name] = pd.Series([row[name] for row in rows], dtype=kind, index=table.index)
    return table[list(columns)]
