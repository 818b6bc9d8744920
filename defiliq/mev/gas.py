"""Gas: what it takes, as measured, and what a unit of it will cost in the next block.

`gas.json` is written by scripts/make_gas from real transactions on the local chains of the tests.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from defiliq.types import ChainId, Head

ESTIMATE: Final = "an estimate"
"""How `how` ends where it was not the protocol's own code that ran."""
ANY: Final = "any"
"""The protocol of rows that hold for all: a swap, a flash loan."""


@dataclass(frozen=True, slots=True)
class GasRow:
    """One call as it was measured; units of gas after refunds.

    Calls that stand first in a transaction include its intrinsic cost; swaps, loans and redemptions do not.
    """

    protocol: str
    version: str
    step: str
    legs: int
    """Reserves of the account that it went over; 0 where that does not matter."""
    count: int
    median: int
    max: int
    how: str


@dataclass(frozen=True, slots=True)
class ChainGas:
    """What is known of a chain's fees."""

    native: str
    wrapped: str
    """The symbol of its wrapped coin."""
    address: str = ""
    """The wrapped coin's contract; '' where it is not known here."""
    elasticity: int | None = None
    """EIP-1559's ELASTICITY_MULTIPLIER; None where the chain does it in another way, or changes it."""
    denominator: int | None = None
    """BASE_FEE_MAX_CHANGE_DENOMINATOR."""
    is_rollup: bool = False
    """Whether transactions also pay for their data on another chain."""


@lru_cache(maxsize=1)
def gas_rows() -> tuple[GasRow, ...]:
    """Everything that was measured."""
    return tuple(GasRow(**row) for row in _data("gas.json")["rows"])


@lru_cache(maxsize=64)
def chain_gas(chain_id: ChainId) -> ChainGas | None:
    """A chain's row; None where nothing is known of it."""
    row = _data("chains.json")["chains"].get(str(chain_id))
    return None if row is None else ChainGas(**row)


@lru_cache(maxsize=1024)
def measured_units(protocol: str, version: str, step: str, legs: int) -> int | None:
    """The median gas of a call; None where it was never measured.

    Of another version than were measured, that of the nearest older one, else of the oldest. Of another
    number of legs, that of the next larger one, else of the largest.
    """
    rows = [row for row in gas_rows() if row.step == step and row.protocol in (protocol, ANY)]
    if not rows:
        return None
    wanted = _numbers(version)
    older = [row for row in rows if _numbers(row.version) <= wanted]
    chosen = max(older, key=_version) if older else min(rows, key=_version)
    same = sorted((row for row in rows if row.version == chosen.version), key=lambda row: row.legs)
    return next((row.median for row in same if row.legs >= legs), same[-1].median)


def is_estimate(protocol: str) -> bool:
    """Whether a protocol's gas was measured on other contracts than its own."""
    return any(row.protocol == protocol and row.how.endswith(ESTIMATE) for row in gas_rows())


def next_base_fee_wei(head: Head) -> int | None:
    """The base fee of the block after `head`, exactly as EIP-1559 has it; None where there is no base fee.

    Only on chains whose elasticity and denominator are known and fixed (see chains.json: Ethereum's are 2
    and 8). OP Stack chains have others and can change them, Arbitrum and BNB do not do it this way: there the
    head's own base fee is the answer.
    """
    base_fee, chain = head.base_fee_wei, chain_gas(head.block.chain_id)
    if base_fee is None or chain is None or chain.elasticity is None or chain.denominator is None:
        return base_fee
    target = head.gas_limit // chain.elasticity
    if target == 0 or head.gas_used == target:
        return base_fee
    off = abs(head.gas_used - target)
    delta = base_fee * off // target // chain.denominator
    return base_fee + max(delta, 1) if head.gas_used > target else base_fee - delta


def predicts_base_fee(chain_id: ChainId) -> bool:
    """Whether `next_base_fee_wei` is that of the next block, and not the head's own."""
    chain = chain_gas(chain_id)
    return chain is not None and chain.elasticity is not None and chain.denominator is not None


def _version(row: GasRow) -> tuple[int, ...]:
    return _numbers(row.version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version))


def _data(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("defiliq.mev").joinpath(name).read_text(encoding="utf-8"))
    return found
