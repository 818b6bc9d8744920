"""Blocks of a small market by hand: glances at them, what happens in them, and a watch that goes along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from defiliq.book import Book
from defiliq.pipeline.judging import judge_of
from defiliq.types import Account, Block, Happening, Head, Receipt, Worth
from defiliq.watch.fold import begin, step
from defiliq.watch.glance import Glance
from defiliq.watch.memory import Memory
from defiliq.watch.policy import Policy
from defiliq.watch.scene import State
from defiliq.watch.schema import Event, check
from tests.builders import NOW, address, market

FIRST = 120
BLOCK_S = 12
POLICY = Policy(within_pct=2.0, leave_pct=2.5, cooldown_s=60)
WORTH = Worth(
    seize_reserve=0,
    repay_reserve=3,
    seized=10**18,
    seized_base=2400_00000000,
    repaid_base=2000_00000000,
    bonus_base=400_00000000,
    bad_debt_base=0,
    fee_base=None,
)
PROFIT_USD = 25.0


def value(account: object, market: object, taken: object) -> Mapping[str, object]:
    """What every liquidation is worth here."""
    return {"net_usd": PROFIT_USD}


JUDGE = judge_of(lambda head, market: value, lambda wei, market: wei / 10**9)


def head_at(number: int) -> Head:
    """A block some seconds after the one before it."""
    block = Block(31337, number, f"0x{number:064x}", NOW + BLOCK_S * (number - FIRST))
    return Head(block, f"0x{number - 1:064x}")


def glance_at(number: int, at: Any, accounts: Sequence[Account], **changes: Any) -> Glance:
    """A glance at a market as of a block; with all accounts where `is_whole`."""
    head = head_at(number)
    there = replace(at, block=head.block).at_time(head.block.timestamp)
    failed = changes.pop("failed", None)
    plain = Glance(head, number, Book.build(there, accounts, failed), is_whole=False)
    return replace(plain, **changes)


def happening(account: int, number: int, **changes: Any) -> Happening:
    """A liquidation in a block."""
    plain = Happening(
        block=number,
        block_hash=head_at(number).block.hash,
        transaction="0x" + "cd" * 32,
        log_index=3,
        kind="liquidation",
        account=address(account),
        liquidator=address(999),
        seize_asset=address(0xA000),
        seized=10**18,
        repay_asset=address(0xA003),
        repaid=2000 * 10**6,
    )
    return replace(plain, **changes)


def receipt(gas_used: int = 400_000, gas_price_wei: int = 20_000) -> dict[str, Receipt]:
    """The receipt of the transaction of `happening`."""
    return {"0x" + "cd" * 32: Receipt("0x" + "cd" * 32, True, gas_used, gas_price_wei)}


@dataclass
class Watch:
    """A watch that is shown one block after the other."""

    policy: Policy = POLICY
    state: State | None = None
    number: int = FIRST
    events: list[Event] = field(default_factory=list)
    """All that was told."""
    judge: Any = JUDGE

    def start(self, accounts: Sequence[Account], memory: Memory | None = None, **prices: Any) -> list[Event]:
        """Begin with some accounts."""
        at = prices.pop("at", None)
        glance = glance_at(self.number, market(**prices) if at is None else at, accounts, is_whole=True)
        self.state, told = begin(glance, self.policy, self.judge, Memory() if memory is None else memory)
        return self._checked(told)

    def see(self, *accounts: Account, after: int = 1, **changes: Any) -> list[Event]:
        """The next block, with the accounts that it changed; prices by symbol, or `at` for a market."""
        self.number += after
        named = ("happened", "worths", "receipts", "missing", "failed", "is_whole")
        seen = {name: changes.pop(name) for name in named if name in changes}
        if "happened" in seen and "worths" not in seen:
            seen["worths"] = [WORTH] * len(seen["happened"])
        at = changes.pop("at", None)
        glance = glance_at(self.number, market(**changes) if at is None else at, accounts, **seen)
        return self.look(glance)

    def look(self, glance: Glance) -> list[Event]:
        """The next glance."""
        assert self.state is not None
        self.state, told = step(self.state, glance, self.policy, self.judge)
        return self._checked(told)

    def _checked(self, told: list[Event]) -> list[Event]:
        for event in told:
            check(event)
        assert len({event.id for event in told}) == len(told)
        self.events += told
        return told


def of_kind(events: Sequence[Event], kind: str) -> list[Event]:
    """The events of one kind."""
    return [event for event in events if event.kind == kind]


def about(events: Sequence[Event]) -> list[tuple[str, str]]:
    """(kind, account) of what is told of accounts, but for bad debt, in order."""
    kinds = ("recovered", "approaching", "liquidatable")
    return [(event.kind, str(event.facts["account"])) for event in events if event.kind in kinds]
