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
    """Liquidations of one account one after another, while one changes anything: before each, what it took.

    It fails where so many do not bring it to an end.
    """
    done: list[tuple[Account, Liquidation]] = []
    for _ in range(most):
        taken = protocol.take(account, market)
        left = protocol.after(account, market, taken) if isinstance(taken, Liquidation) else account
        if left == account:
            return done
        done.append((account, taken))
        account = left
    raise AssertionError(f"still not at its end after {most} liquidations: {account}")
