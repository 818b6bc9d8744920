"""One owner explained: legs, health, levels, and what a liquidator could take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from defiliq.book import Book
from defiliq.errors import InputError
from defiliq.ladder import IDENTITY, as_table, build_ladder, identity, price_usd, to_usd
from defiliq.pipeline.eta import DEFAULT_HORIZON_S, eta_columns, find_etas
from defiliq.pipeline.judge import choose_drivers, health_row
from defiliq.pipeline.solving import Sides, solve_book
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Eta, Liquidation, Market, Refusal, Reserve, Untold
from defiliq.view.files import render_json

LEG_COLUMNS = (
    *IDENTITY,
    "account",
    "reserve",
    "asset",
    "price_usd",
    "collateral",
    "collateral_usd",
    "debt",
    "debt_usd",
    "counted",
    "threshold_bps",
    "price_raw",
    "collateral_raw",
    "debt_raw",
    "receipt",
    "receipt_raw",
    "is_position",
    "base_symbol",
)

AS_STORED = (
    "balances are as last written; what a liquidation takes is told with interest, which it accrues first"
)
"""What a person should know of a position that is judged by stored indices."""


@dataclass(frozen=True, slots=True)
class Position:
    """One account of one market, in tables."""

    owner: str
    market: Market
    health: dict[str, Any]
    """The account's row of the health table."""
    legs: pd.DataFrame
    levels: pd.DataFrame
    """The account's rungs on every driver that touches it, the nearest first and `never` at the end."""
    unresolved: tuple[tuple[str, str], ...]
    """(account, driver) where rounding alone decides, and no level is given."""
    eta: Eta | None
    """When interest alone breaks it, within `horizon_s`; None where rounding alone decides, or not known."""
    is_eta_unknown: bool
    """Whether that is because a reserve of it accrues in a way of its own."""
    horizon_s: int
    taken: Liquidation | Untold | None
    """What a liquidation takes right now, at best; None where there is none."""
    remarks: tuple[str, ...]
    """What its numbers do not say, one sentence each."""

    @property
    def has_positions(self) -> bool:
        """Whether it holds perpetuals: longs and shorts, rather than supplies and debts."""
        return bool(self.legs["is_position"].any())

    @property
    def nearest(self) -> dict[str, Any] | None:
        """The level that the least move of one driver reaches; None where no driver breaks the account."""
        broken = self.levels[self.levels["outcome"] != "never"]
        return None if broken.empty else {str(name): value for name, value in broken.iloc[0].items()}


def position(
    book: Book[Any],
    owner: str,
    drivers: Sequence[str] = (),
    groups: Sequence[str] = (),
    side: Sides = "both",
    horizon_s: int = DEFAULT_HORIZON_S,
) -> Position:
    """Explain one owner of a book, on some drivers or on all that touch the account."""
    row = book.find(owner)
    if row is None:
        raise InputError(_not_found(book, owner))
    market, account = book.market, book.account(row)
    protocol = PROTOCOLS[market.protocol]
    chosen = choose_drivers(market, drivers, groups)
    if not drivers:
        touched = {market.reserves[leg.reserve].feed for leg in account.legs}
        chosen = tuple(driver for driver in chosen if driver.feeds & touched)
    solved = solve_book(book, chosen, side, include_never=True, rows=[row])
    taken, etas = protocol.take(account, market), find_etas(book, horizon_s, rows=[row])
    return Position(
        owner=account.owner,
        market=market,
        health=identity(market) | health_row(account, market) | {"evaluated_at": market.timestamp},
        legs=_legs(account, market),
        levels=_nearest_first(
            build_ladder(
                book, solved.levels, protocol.take, protocol.health, protocol.explain, include_never=True
            )
        ),
        unresolved=solved.unresolved,
        eta=etas.found.get(row),
        is_eta_unknown=bool(etas.unknown),
        horizon_s=horizon_s,
        taken=None if isinstance(taken, Refusal) else taken,
        remarks=(*((AS_STORED,) if market.stored else ()), *protocol.remarks(account, market)),
    )


def _not_found(book: Book[Any], owner: str) -> str:
    """What to do about an account that a book does not have: its owner may have others there."""
    address, slash, _ = book.market.account_name(book.market.account_key(owner)).partition("/")
    names = [book.owner(i) for i in range(len(book))] if slash else []
    others = [name for name in names if name.startswith(f"{address}/")]
    hint = f"Its owner has {', '.join(others[:8])} there." if others else "Check the address."
    return f"{owner} is not among the {len(book)} accounts of this book. {hint}"


def _nearest_first(levels: pd.DataFrame) -> pd.DataFrame:
    order = levels["distance_pct"].abs().sort_values(kind="stable", na_position="last").index
    return levels.loc[order].reset_index(drop=True)


def position_json(found: Position) -> str:
    """All of a position as one JSON object; exact integers stay decimal strings."""
    taken, nearest = found.taken, found.nearest
    about = {
        "account": found.owner,
        "health": found.health,
        "remarks": list(found.remarks),
        "legs": json.loads(render_json(found.legs)),
        "nearest": None
        if nearest is None
        else {name: nearest[name] for name in ("driver", "side", "outcome", "distance_pct")},
        "levels": json.loads(render_json(found.levels)),
        "eta": None
        if found.eta is None
        else {"outcome": found.eta.outcome, "horizon_s": found.horizon_s}
        | eta_columns(found.eta, found.market),
        "unresolved": [driver for _, driver in found.unresolved],
        "liquidation": None if taken is None else _taken_json(taken, found.market),
    }
    return json.dumps(about, indent=2) + "\n"


def _taken_json(taken: Liquidation | Untold, market: Market) -> dict[str, Any]:
    """A liquidation with exact integers as decimal strings."""
    if isinstance(taken, Untold):
        return {"unknown": taken.reason}
    return {
        "seizures": [
            {
                "asset": market.reserves[seizure.reserve].asset,
                "amount": str(seizure.amount),
                "base": str(seizure.base),
                "protocol_fee": str(seizure.protocol_fee),
                "received": _receipt_json(market.reserves[seizure.reserve], seizure.received),
            }
            for seizure in taken.seizures
        ],
        "repay_asset": market.reserves[taken.repay_reserve].asset,
        "repaid": str(taken.repaid),
        "seized_base": str(taken.seized_base),
        "repaid_base": str(taken.repaid_base),
        "bonus_base": str(taken.bonus_base),
        "bad_debt_base": str(taken.bad_debt_base),
        "debt_to_cover": None if taken.debt_to_cover is None else str(taken.debt_to_cover),
        "remark": taken.remark,
    }


def _receipt_json(reserve: Reserve, amount: int | None) -> dict[str, str] | None:
    """So much of the token that stands for a reserve's asset; None where it is the asset itself."""
    if amount is None or reserve.receipt is None:
        return None
    token, symbol = reserve.receipt
    return {"token": token, "symbol": symbol, "amount": str(amount)}


def _legs(account: Account, market: Market) -> pd.DataFrame:
    """One row per reserve that the account holds or owes."""
    rows = []
    for value in PROTOCOLS[market.protocol].explain(account, market):
        reserve = market.reserves[value.reserve]
        rows.append(
            identity(market)
            | {
                "account": account.owner,
                "reserve": reserve.symbol,
                "asset": reserve.asset,
                "price_usd": price_usd(market.prices[value.feed], market, value.feed),
                "collateral": amount_text(value.supplied, reserve.decimals),
                "collateral_usd": to_usd(value.supplied_base, market),
                "debt": amount_text(value.owed, reserve.decimals),
                "debt_usd": to_usd(value.owed_base, market),
                "counted": value.counted,
                "threshold_bps": value.threshold_bps,
                "price_raw": str(market.prices[value.feed]),
                "collateral_raw": str(value.supplied),
                "debt_raw": str(value.owed),
                "receipt": "" if reserve.receipt is None else reserve.receipt[1],
                "receipt_raw": "" if value.receipts is None else str(value.receipts),
                "is_position": value.is_position,
            }
        )
    return as_table(rows, LEG_COLUMNS)


def amount_text(raw: int, decimals: int) -> str:
    """Base units as whole tokens, every digit kept and no more; negative decimals are units of several."""
    if decimals <= 0:
        return str(raw * 10**-decimals)
    whole, part = divmod(raw, 10**decimals)
    return f"{whole}.{part:0{decimals}d}".rstrip("0").rstrip(".") if part else str(whole)
