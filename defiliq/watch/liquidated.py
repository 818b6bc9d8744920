"""Liquidations that happened, held against what was announced: who, how much, and was it predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from defiliq.book import Book
from defiliq.ladder import to_usd
from defiliq.types import Happening, Market, Receipt, Worth
from defiliq.watch.changes import Ranked
from defiliq.watch.crossing import crossings
from defiliq.watch.fields import MissReason
from defiliq.watch.memory import Crossing, Told
from defiliq.watch.rejudge import is_within, mover
from defiliq.watch.scene import Scene, alone
from defiliq.watch.schema import make_event

MISSED = "missed"
_REASONS: Mapping[str, MissReason] = {
    "price": "moved too far in one block",
    "interest": "interest",
    "parameters": "parameter changed",
}


def liquidated_events(scene: Scene) -> list[Ranked]:
    """One event per liquidation, in the order of the chain."""
    known = scene.memory.told
    fresh = {it for it in scene.liquidated if it not in known or known[it].crossing is None}
    how = crossings(scene, sorted(fresh))
    why = {account: _missed(scene, account) for account in sorted(scene.liquidated - set(known))}
    found = []
    for event, worth in zip(scene.glance.happened, scene.glance.worths, strict=True):
        told = known.get(event.account)
        facts = _told(event) | _worth(event, worth, scene.book.market)
        facts |= _gas(scene, scene.glance.receipts.get(event.transaction), facts["bonus_usd"])
        facts |= _predicted(told, why.get(event.account))
        crossing = how.get(event.account)
        if crossing is None and told is not None:
            crossing = told.crossing
        facts |= _crossing(crossing)
        key = f"{event.account}|{event.block}|{event.log_index}"
        made = make_event("liquidated", key, scene.named, facts)
        found.append(((event.block, event.log_index, event.account), made))
    return found


def _told(event: Happening) -> dict[str, object]:
    return {
        "happened_block": event.block,
        "transaction": event.transaction,
        "log_index": event.log_index,
        "kind": event.kind,
        "account": event.account,
        "liquidator": event.liquidator,
        "seized_raw": str(event.seized),
        "repaid_raw": str(event.repaid),
    }


def _worth(event: Happening, worth: Worth, market: Market) -> dict[str, object]:
    values = {
        "seized_usd": worth.seized_base,
        "repaid_usd": worth.repaid_base,
        "bonus_usd": worth.bonus_base,
        "bad_debt_usd": worth.bad_debt_base,
    }
    return {
        **{name: None if base is None else to_usd(base, market) for name, base in values.items()},
        **_asset("seize", market, worth.seize_reserve, event.seize_asset),
        **_asset("repay", market, worth.repay_reserve, event.repay_asset),
        "base_symbol": market.base_symbol,
    }


def _asset(role: str, market: Market, reserve: int | None, named: str) -> dict[str, object]:
    found = None if reserve is None else market.reserves[reserve]
    return {
        f"{role}_asset": "" if found is None else found.symbol,
        f"{role}_asset_address": named if found is None else found.asset,
    }


def _gas(scene: Scene, receipt: Receipt | None, bonus_usd: object) -> dict[str, object]:
    if receipt is None:
        return {}
    wei = receipt.gas_used * receipt.gas_price_wei
    gas_usd = scene.judge.gas_usd(wei, scene.book.market)
    is_known = gas_usd is not None and isinstance(bonus_usd, float)
    return {
        "gas_used": receipt.gas_used,
        "gas_price_wei": str(receipt.gas_price_wei),
        "gas_usd": gas_usd,
        "profit_usd": bonus_usd - gas_usd if is_known else None,  # type: ignore[operator]
    }


def _predicted(told: Told | None, why: MissReason | None) -> dict[str, object]:
    if told is None:
        return {"predicted": MISSED, "miss_reason": why}
    return {
        "predicted": told.status,
        "announced_id": told.event_id,
        "announced_block": told.block,
        "announced_at": told.at,
    }


def _crossing(crossing: Crossing | None) -> dict[str, object]:
    if crossing is None:
        return {}
    exact = crossing.exact
    return {
        "driver": crossing.driver,
        "side": crossing.side,
        "announced_price_raw": str(crossing.announced),
        "exact_price_raw": None if exact is None else str(exact),
        "error_units": None if exact is None else str(crossing.announced - exact),
        "spot_before_raw": str(crossing.before),
        "spot_after_raw": str(crossing.after),
    }


def _missed(scene: Scene, account: str) -> MissReason:
    """Why nothing was announced of an account; see `liquidated` in `fields`."""
    before = scene.before
    if before is None:
        return "after a gap"
    if account in before.book.failed:
        return "could not be read"
    row = scene.row_before(account)
    if row is None:
        return "new account"
    old = alone(before.book, row)
    if _was_urgent(scene, old):
        return "filtered"

    def holds(book: Book[Any]) -> bool:
        return bool(scene.judge.liquidatable(book)[0])

    found = mover(old, scene.book.market, holds, has_new_parameters=scene.has_new_parameters)
    return "changed in the same block" if found is None else _REASONS[found]


def _was_urgent(scene: Scene, old: Book[Any]) -> bool:
    """Whether it would have been told, but for the filters."""
    if scene.judge.liquidatable(old)[0]:
        return True
    within = scene.policy.within
    near = scene.judge.near(old, math.nextafter(float(within), math.inf), None)
    return any(is_within(level, within) for level in near)
