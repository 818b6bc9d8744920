"""Many accounts on the local v3.6 market, written into its storage: transactions would take an hour.

It is what the contracts themselves would have written: scaled balances with the index of the last action,
total supplies, and the bits of what is lent and borrowed. So every view answers as for real borrowers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.build import word
from tests.lab.cache import LabError
from tests.lab.chain import Tx
from tests.lab.lab import Lab
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.reserves import BY_SYMBOL

RAY: Final = 10**27
USER_STATE: Final = {"a_tokens": 52, "debt_tokens": 56}
"""IncentivizedERC20._userState of AToken and VariableDebtToken: uint120 balance | uint128 index << 128."""
TOTAL_SUPPLY: Final = {"a_tokens": 54, "debt_tokens": 58}
USERS_CONFIG: Final = 53
"""PoolStorage._usersConfig: bit 2 * id is borrowing, bit 2 * id + 1 is using as collateral."""
WRITES: Final = 2_000
"""Storage words per request."""
VOLATILE: Final = ("WETH", "wstETH", "WBTC", "LINK")
STABLE: Final = ("USDC", "USDT", "GHO")
LENT: Final = ("USDC", "USDT")
FACTORS_BPS: Final = (
    ((9_950, 10_000), 1),
    ((10_000, 10_100), 4),
    ((10_100, 10_300), 10),
    ((10_300, 12_000), 85),
    ((12_000, 40_000), 900),
)
"""Where health factors lie, with weights: about as on the public markets, but for more near 1."""


class Borrower(NamedTuple):
    """One account: base units by symbol, each side's largest first."""

    owner: str
    collateral: Mapping[str, int]
    debt: Mapping[str, int]
    factor_bps: int
    """The health factor it was given, before rounding."""


@dataclass(frozen=True)
class Crowd:
    """All that were written, and who are near their level."""

    borrowers: Sequence[Borrower]

    @property
    def owners(self) -> list[str]:
        """In order."""
        return [borrower.owner for borrower in self.borrowers]

    def nearest(self, count: int) -> list[Borrower]:
        """Those with the lowest health factors."""
        return sorted(self.borrowers, key=lambda borrower: borrower.factor_bps)[:count]


def settle(lab: Lab, accounts: int, seed: int) -> Crowd:
    """Write so many accounts into a lab, with enough lent for what they owe, and mine a block after it."""
    rnd = random.Random(seed)
    prices = {symbol: lab.price(symbol) for symbol in BY_SYMBOL}
    borrowers = [_draw(rnd, prices, f"{seed} {k}") for k in range(accounts)]
    _lend(lab, borrowers)
    reserves = [str(to_checksum_address(each)) for each in lab.chain.call(lab.market.pool, "getReservesList")]
    ids = {symbol: reserves.index(address) for symbol, address in lab.tokens.items()}
    writes = [*_balances(lab, borrowers), *_bits(lab, borrowers, ids)]
    _check_layout(lab)
    for start in range(0, len(writes), WRITES):
        lab.rpc.batch([("anvil_setStorageAt", each) for each in writes[start : start + WRITES]])
    lab.chain.mine()
    return Crowd(borrowers)


def _draw(rnd: random.Random, prices: Mapping[str, int], name: str) -> Borrower:
    """Somebody who owes between a hundred dollars and some millions; base currency has 8 decimals."""
    owner = str(to_checksum_address(keccak(text=f"defiliq crowd {name}")[-20:]))
    debt_base = int(10 ** rnd.uniform(10.0, 14.5))
    low, high = rnd.choices([span for span, _ in FACTORS_BPS], [weight for _, weight in FACTORS_BPS])[0]
    factor_bps = rnd.randrange(low, high)
    held, owed = (VOLATILE, STABLE) if rnd.random() < 0.8 else (LENT, VOLATILE)
    debts = rnd.sample(owed, rnd.choices((1, 2), (85, 15))[0])
    collaterals = rnd.sample(held, rnd.choices((1, 2), (75, 25))[0])
    needed = debt_base * factor_bps  # threshold-weighted, in base times basis points
    return Borrower(
        owner,
        {
            symbol: needed
            // len(collaterals)
            // BY_SYMBOL[symbol].threshold
            * BY_SYMBOL[symbol].unit
            // prices[symbol]
            for symbol in collaterals
        },
        {symbol: debt_base // len(debts) * BY_SYMBOL[symbol].unit // prices[symbol] for symbol in debts},
        factor_bps,
    )


def _lend(lab: Lab, borrowers: Sequence[Borrower]) -> None:
    """The liquidator lends as much as is owed: about half of every reserve is used then."""
    lent: Counter[str] = Counter()
    for borrower in borrowers:
        lent.update(borrower.debt)
    supplies = [(lab.tokens[symbol], amount, LIQUIDATOR, 0) for symbol, amount in lent.items()]
    lab.chain.send_all([Tx(LIQUIDATOR, lab.market.pool, "supply", supply) for supply in supplies])


def _balances(lab: Lab, borrowers: Sequence[Borrower]) -> Iterator[tuple[str, str, str]]:
    """(contract, slot, word) of everybody's scaled balances and of the totals."""
    kinds = (
        ("a_tokens", "collateral", "getReserveNormalizedIncome"),
        ("debt_tokens", "debt", "getReserveNormalizedVariableDebt"),
    )
    for kind, side, asked in kinds:
        for symbol in BY_SYMBOL:
            token = getattr(lab.market, kind)[symbol]
            index = int(lab.chain.call(lab.market.pool, asked, lab.tokens[symbol]))
            total = int(lab.chain.call(token, "scaledTotalSupply"))
            for borrower in borrowers:
                amount = getattr(borrower, side).get(symbol, 0)
                if scaled := amount * RAY // index:
                    total += scaled
                    place = _mapped(borrower.owner, USER_STATE[kind])
                    yield token.address, place, word(index << 128 | scaled)
            yield token.address, word(TOTAL_SUPPLY[kind]), word(total)


def _bits(lab: Lab, borrowers: Sequence[Borrower], ids: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    for borrower in borrowers:
        bits = sum(1 << 2 * ids[symbol] for symbol in borrower.debt)
        bits += sum(2 << 2 * ids[symbol] for symbol in borrower.collateral)
        yield lab.pool, _mapped(borrower.owner, USERS_CONFIG), word(bits)


def _check_layout(lab: Lab) -> None:
    """Refuse to write where somebody known has something else than the contracts say of it."""
    pool, owner = lab.market.pool, lab.borrowers[0]
    seen: list[tuple[Any, int]] = [
        (lab.chain.call(pool, "getUserConfiguration", owner)[0], _stored(lab, lab.pool, owner, USERS_CONFIG))
    ]
    for kind, slot in USER_STATE.items():
        for token in getattr(lab.market, kind).values():
            said = lab.chain.call(token, "scaledBalanceOf", owner)
            seen.append((said, _stored(lab, token.address, owner, slot) % 2**120))
    if any(said != stored for said, stored in seen) or not any(said for said, _ in seen[1:]):
        raise LabError("balances do not lie where they should: the layout of the contracts has changed")


def _stored(lab: Lab, contract: str, owner: str, slot: int) -> int:
    return int(lab.rpc("eth_getStorageAt", contract, _mapped(owner, slot), "latest"), 16)


def _mapped(owner: str, slot: int) -> str:
    """Where a mapping from addresses keeps somebody's word."""
    return "0x" + keccak(bytes.fromhex(owner[2:]).rjust(32, b"\0") + slot.to_bytes(32, "big")).hex()
