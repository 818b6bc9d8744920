"""Liquidations that happened, held against what was announced: who, how much, and was it predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from defiliq.ladder import to_usd
from defiliq.types import Happening, Market, Receipt, Worth
from defiliq.watch.changes import Ranked
from defiliq.watch.crossing import crossings
from defiliq.watch.fields import MissReason
from defiliq.watch.memory import Crossing, Told
from defiliq.watch.rejudge import in_market, movers, urgencies
from defiliq.watch.scene import Scene
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
    standing = {account for account in scene.liquidated & set(known) if known[account].now is not None}
    why = misses(scene, scene.liquidated - standing)
    found: list[Ranked] = []
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
    if told is None or told.now is None:
        return {"predicted": MISSED, "miss_reason": why}
    return {
        # Not `status`: what the cooldown still holds back was no announcement of this.
        "predicted": told.now,
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


def misses(scene: Scene, accounts: Iterable[str]) -> dict[str, MissReason]:
    """Why nothing was announced of some accounts; see `liquidated` in `fields`."""
    found: dict[str, MissReason] = {}
    missed = sorted(accounts)
    rows = scene.owing_before(missed)
    for account in missed:
        if scene.before is None:
            found[account] = "after a gap"
        elif account in scene.before.book.failed:
            found[account] = "could not be read"
        elif account not in rows:
            found[account] = "new account"
    return found | _rejudged(scene, rows)


def _rejudged(scene: Scene, rows: Mapping[str, int]) -> dict[str, MissReason]:
    """The same of accounts at some rows of the book before."""
    if scene.before is None or not rows:
        return {}
    names = list(rows)
    old = scene.before.book.pick(np.array([rows[name] for name in names]))
    if len(names) > 1 and in_market(old, scene.book.market) is None:  # a reserve of one of them is gone
        return {k: v for name in names for k, v in _rejudged(scene, {name: rows[name]}).items()}
    # Whatever the filters would have left of it.
    was_urgent = urgencies(old, replace(scene.policy, drivers=None), scene.judge) > 0
    moved = movers(
        old,
        scene.book.market,
        lambda book, of: scene.judge.liquidatable(book),
        has_new_parameters=scene.has_new_parameters,
    )
    found: dict[str, MissReason] = {}
    for name, urgent, mover in zip(names, was_urgent.tolist(), moved, strict=True):
        found[name] = "changed in the same block" if mover is None else _REASONS[mover]
        if urgent:
            found[name] = "filtered"
    return found
