"""What tests ask of liquidations."""

from __future__ import annotations

from typing import Any

from defiliq.types import Account, Liquidation, Seizure


def sole(taken: Liquidation) -> Seizure:
    """Its one seizure."""
    (seizure,) = taken.seizures
    return seizure


def cover(taken: Liquidation) -> int:
    """The amount that its call names."""
    assert taken.debt_to_cover is not None
    return taken.debt_to_cover


def in_a_row(protocol: Any, account: Account, market: Any, most: int) -> list[tuple[Account, Liquidation]]:
    """Liquidations of one account one by one, while one changes anything: before each, and what it took."""
    done: list[tuple[Account, Liquidation]] = []
    while len(done) < most:
        taken = protocol.take(account, market)
        left = protocol.after(account, market, taken) if isinstance(taken, Liquidation) else account
        if left == account:
            break
        done.append((account, taken))
        account = left
    return done
