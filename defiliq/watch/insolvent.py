"""Debt that nothing backs: of accounts that owe more than they have, and what liquidations wrote off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from defiliq.ladder import to_usd
from defiliq.protocols import PROTOCOLS
from defiliq.types import Health
from defiliq.watch.changes import Ranked
from defiliq.watch.scene import Scene
from defiliq.watch.schema import event_id, make_event

UNCOVERED, WRITTEN_OFF = "uncovered", "written off"


@dataclass(frozen=True, slots=True)
class Insolvent:
    """The insolvent accounts after a block."""

    bad: Mapping[str, str]
    """Account to the id of the event that told it, for the memory."""
    events: tuple[Ranked, ...]


def insolvent(scene: Scene) -> Insolvent:
    """Who owes more than what backs it, and who newly does. Such an account is always liquidatable."""
    market, known = scene.book.market, scene.memory.bad
    judge = PROTOCOLS[market.protocol].health
    found: dict[str, Health] = {}
    for row in np.flatnonzero(scene.liquidatable).tolist():
        judged = judge(scene.book.nameless(row), market)
        if judged.debt_base > judged.collateral_base:
            found[scene.book.owner(row)] = judged
    unread = {account: told for account, told in known.items() if account in scene.book.failed}
    bad = {account: known.get(account) or event_id(scene.named, "bad_debt", account) for account in found}
    events = [_uncovered(scene, account, judged) for account, judged in found.items() if account not in known]
    return Insolvent({**bad, **unread}, (*events, *_written_off(scene)))


def _uncovered(scene: Scene, account: str, judged: Health) -> Ranked:
    market = scene.book.market
    facts = {
        "account": account,
        "how": UNCOVERED,
        "amount_usd": to_usd(judged.debt_base - judged.collateral_base, market),
        "collateral_usd": to_usd(judged.collateral_base, market),
        "debt_usd": to_usd(judged.debt_base, market),
        "base_symbol": market.base_symbol,
    }
    return (account,), make_event("bad_debt", account, scene.named, facts)


def _written_off(scene: Scene) -> Iterator[Ranked]:
    """What liquidations left that nobody repaid."""
    market = scene.book.market
    for event, worth in zip(scene.glance.happened, scene.glance.worths, strict=True):
        if not event.written_off or not any(amount for _, amount in event.written_off):
            continue
        row = scene.book.find(event.account)
        judged = None if row is None else PROTOCOLS[market.protocol].health(scene.book.nameless(row), market)
        base = worth.bad_debt_base
        facts = {
            "account": event.account,
            "how": WRITTEN_OFF,
            "amount_usd": None if base is None else to_usd(base, market),
            "collateral_usd": None if judged is None else to_usd(judged.collateral_base, market),
            "debt_usd": None if judged is None else to_usd(judged.debt_base, market),
            "base_symbol": market.base_symbol,
        }
        key = f"{event.account}|{event.block}|{event.log_index}"
        yield (event.account, key), make_event("bad_debt", key, scene.named, facts)
